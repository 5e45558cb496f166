"""Where a state is kept, whatever that is: what all such places can do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.lock_info import LockInfo
from reconciler.model.record import Record, State
from reconciler.model.state_location import GitBranch, ObjectKey
from reconciler.state.backend import BackendContext
from reconciler.state.git import GitBackend
from reconciler.state.journal import JournalEntry
from reconciler.state.lock import LockStatus
from reconciler.state.remote import RemoteState


class StateWriter(Protocol):
    """A state that is being written."""

    @property
    def records(self) -> Mapping[Address, Record]:
        """What is remembered now."""

    @property
    def state(self) -> State:
        """The whole state as of now."""

    def stage(self, entries: Iterable[JournalEntry]) -> None:
        """Keep records, or forget an address (None, or its removal). A local file has them when this returns; a remote
        place has them after the next `sync`. Raises OSError."""

    def sync(self) -> None:
        """Make everything durable that was remembered. Raises OSError."""

    def mark_applied(self, digests: Collection[str]) -> None:
        """Let the next state say that the reviewed plans of these digests are in effect."""

    def close(self) -> None:
        """Write everything for the last time. Raises OSError."""


class Store(Protocol):
    """A place with a state and its lock. It is written only while the lock is held."""

    @property
    def can_store_key(self) -> bool:
        """Whether a key of fingerprints may stand beside the state."""

    @property
    def display_name(self) -> str:
        """The place as people know it, without credentials."""

    def read(self) -> State | None:
        """The state as it is now; None where there is none. Takes no lock, writes nothing. Raises ReconcilerError."""

    def read_key(self) -> bytes | None:
        """The key of the fingerprints; None where there is none. Raises ReconcilerError."""

    def write_key(self, key: bytes) -> None:
        """Write the key, where one may be kept. Raises ReconcilerError."""

    def open(self, state: State) -> StateWriter:
        """Begin to write, with `state` as the next one. Raises ReconcilerError."""

    def renew_and_flush(self) -> bool:
        """Write what is due at a remote place. To be called often, by the thread that writes. Whether it may go on."""

    @property
    def stop_reason(self) -> Diagnostic | None:
        """Why it may not go on."""

    @property
    def backup_first(self) -> bool:
        """Whether a state is to be rescued before its last write, which may take longer than there is time."""

    def write_backup(self, state: State, fallback_dir: Path | None) -> Path | None:
        """Write a state where it can be written. Where it is then; None where that is nowhere."""

    def read_backups(self, fallback_dir: Path | None) -> Iterable[tuple[Path, State]]:
        """States that earlier runs rescued to where `rescue` writes them, as far as they can be read."""

    def write_failed(self, error: OSError, backup: Path | None) -> Diagnostic:
        """What to say where a run could not write down at its end what it did."""

    def unavailable(self, action: str, error: OSError) -> Diagnostic:
        """What to say where the state could not be `read` or `written`."""

    def hold_lock(self, holder: LockInfo) -> AbstractContextManager[None]:
        """Hold the lock for a while. Raises ReconcilerError at once where somebody else holds it."""

    @property
    def release_failure(self) -> Diagnostic | None:
        """A warning where the lock could not be let go of. Known once it was held."""

    def current_owner(self, own: LockInfo) -> LockStatus | None:
        """Who else held the lock when the state was read, if that is known without taking it. Writes nothing."""

    def clear_stale_lock(self, host: str) -> LockStatus:
        """How the lock is held, seen from `host`. What a dead holder left of a free one is removed.
        Raises ReconcilerError."""

    def break_lock(self, expected: LockStatus, host: str) -> None:
        """Take the lock away from whoever holds it. Raises ReconcilerError where it is not held as it was `seen`."""


def build_remote_store(location: GitBranch | ObjectKey, name: str, context: BackendContext) -> Store:
    """The state of a project at a remote place. In a branch, which several projects may share, its file has this
    `name`. Nothing is reached yet. Raises ReconcilerError where a library is missing."""
    if isinstance(location, GitBranch):
        return RemoteState(GitBackend(location, context), name, str(location), context)
    from reconciler.state.object import ObjectBackend

    return RemoteState(ObjectBackend(location, context), location.key, str(location), context)
