"""Read and write a state with its lock: the common part of local and remote states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Protocol

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.lock_info import LockInfo
from reconciler.model.record import Record, State
from reconciler.state.backups import BackupFolders
from reconciler.state.codec import DamagedStateError, NewerStateError
from reconciler.state.journal import JournalEntry, apply_entries
from reconciler.state.lock import LockStatus
from reconciler.state.neighbours import NeighbourReader
from reconciler.state.read_times import TimesFile
from reconciler.state.relocation import explain_relocation
from reconciler.state.sent_times import bound_sent_times


class Lock(Protocol):
    """Lock of a state: one run at a time writes."""

    @property
    def release_failure(self) -> Diagnostic | None:
        """A warning if the lock could not be released. Known once `hold` has ended."""

    def hold(self, holder: LockInfo) -> AbstractContextManager[None]:
        """Hold the lock. Raises ReconcilerError at once if another run holds it."""

    def current_owner(self, own: LockInfo) -> LockStatus | None:
        """Find the other run that holds the lock, if it can be known without taking the lock. Writes nothing."""

    def inspect(self, host: str) -> LockStatus:
        """Read the status of the lock, as seen from `host`, without touching the lock. Writes nothing. Raises
        ReconcilerError if the lock cannot be read."""

    def clear_stale(self, host: str) -> LockStatus:
        """Read the status of the lock, as seen from `host`. The entry of a dead holder of a free lock is removed.
        Raises ReconcilerError."""

    def force_unlock(self, expected: LockStatus, host: str) -> None:
        """Take the lock away from its holder, which is not stopped. Raises ReconcilerError if the status of the lock
        differs from `expected`."""


class KeyFile(Protocol):
    """File with the key of the fingerprints, beside a state."""

    @property
    def path(self) -> Path:
        """Path of the file."""

    def read(self) -> bytes | None:
        """Read the key; None if there is no key yet. Raises ReconcilerError."""

    def write(self, key: bytes) -> None:
        """Write the key. Raises ReconcilerError."""


class StateWriter(ABC):
    """Writer of a state, used by the holder of its lock."""

    def __init__(self, state: State) -> None:
        self._records, self._removals = dict(state.records), dict(state.removals)
        self._base = replace(state, serial=state.serial + 1)

    @property
    def records(self) -> Mapping[Address, Record]:
        """All present records, staged records included."""
        return MappingProxyType(self._records)

    @property
    def state(self) -> State:
        """The whole present state, staged entries included."""
        return replace(self._base, records=dict(self._records), removals=dict(self._removals))

    def stage(self, entries: Iterable[JournalEntry]) -> None:
        """Set records, or drop them (None, or their removal). They are durable in a local file when this returns, and
        at a remote place after the next `sync`. Raises OSError."""
        apply_entries(entries, self._records, self._removals)

    def mark_applied(self, digests: Collection[str]) -> None:
        """Drop the reviewed plans with these digests from the next snapshot, since they are in effect."""
        pending = {digest: plan for digest, plan in self._base.reviewed.items() if digest not in digests}
        self._base = replace(self._base, reviewed=pending)

    @abstractmethod
    def sync(self) -> None:
        """Make all staged entries durable. Raises OSError."""

    @abstractmethod
    def close(self) -> None:
        """Write the last snapshot. Raises OSError."""

    def _advance_serial(self) -> None:
        self._base = replace(self._base, serial=self._base.serial + 1)


class Store(ABC):
    """Store of a state with its lock. The state is written only while the lock is held.

    `display_name` is the location in messages, without credentials. `key_file` is None if no key may stand beside the
    state. `neighbours` reads the states of other projects at the same place. `stop_reason` is the reason why the run
    may not go on, once `renew_and_flush` has returned False.
    """

    _restore_advice: ClassVar[str]

    def __init__(
        self,
        display_name: str,
        lock: Lock,
        backups: BackupFolders,
        neighbours: NeighbourReader,
        key_file: KeyFile | None = None,
    ) -> None:
        self.display_name = display_name
        self.lock = lock
        self.backups = backups
        self.neighbours = neighbours
        self.key_file = key_file
        self.stop_reason: Diagnostic | None = None

    def read(self) -> State | None:
        """Read the state that is in force; None if there is no state yet. Takes no lock and writes nothing.

        Raises ReconcilerError for a state that is damaged, newer, out of reach, or in force at another place.
        """
        state = self.read_relocated()
        if state is not None and state.relocation is not None:
            raise ReconcilerError([explain_relocation(self.display_name, state.relocation)])
        return state

    def read_relocated(self) -> State | None:
        """Read the state as `read` does, even if it is not in force."""
        try:
            state = self._load()
        except NewerStateError as error:
            raise ReconcilerError([self._explain_newer(error)]) from error
        except DamagedStateError as error:
            raise ReconcilerError([self.explain_damaged(error)]) from error
        except OSError as error:
            raise ReconcilerError([self.explain_unavailable("read", error)]) from error
        return None if state is None else bound_sent_times(state)

    @abstractmethod
    def open(self, state: State) -> StateWriter:
        """Begin to write, with `state` as the next snapshot. The lock must be held. Raises ReconcilerError."""

    @abstractmethod
    def replace(self, state: State) -> None:
        """Replace the whole state by `state`, with its serial. The lock must be held, and the state must have been read
        under it. Raises ReconcilerError; the stored state is then the former state or `state`."""

    @abstractmethod
    def build_times_file(self) -> TimesFile:
        """Build the file beside the state that keeps the times of reads. Needs no lock, and reads nothing."""

    @abstractmethod
    def renew_and_flush(self) -> bool:
        """Renew the lock and write due entries. Returns whether the run may go on. Called often, by the writing
        thread."""

    def finish(self, writer: StateWriter) -> None:
        """Write the final state. On failure write a backup and raise ReconcilerError; raise it too if the run had to
        stop. A run that is shutting down may be killed within the last write, so it writes the backup first and
        deletes it after success."""
        backup = self.backups.write(writer.state) if self._is_shutting_down else None
        try:
            writer.close()
        except OSError as error:
            backup = backup or self.backups.write(writer.state)
            raise ReconcilerError([self._explain_failed_write(error, backup)]) from error
        if backup is not None:
            with suppress(OSError):
                backup.unlink()
        if self.stop_reason is not None:
            raise ReconcilerError([self.stop_reason])

    @abstractmethod
    def explain_unavailable(self, action: str, error: OSError) -> Diagnostic:
        """Explain a state that cannot be `read`, `written` or `locked` (the `action`)."""

    def explain_damaged(self, error: DamagedStateError) -> Diagnostic:
        """Explain a damaged state, or a damaged file beside it."""
        return Diagnostic(
            "state-damaged",
            f"the state `{self.display_name}` is damaged: {error}",
            notes=("a state is memory only: without it, entries are found again by their ids or names",),
            help=self._restore_advice,
        )

    def _explain_newer(self, error: NewerStateError) -> Diagnostic:
        return Diagnostic(
            "state-newer",
            f"the state `{self.display_name}` was written by a newer version of this program: {error}",
            help="use that version on every machine that uses this state",
        )

    @property
    @abstractmethod
    def _is_shutting_down(self) -> bool: ...

    @abstractmethod
    def _load(self) -> State | None:
        """Read the state. Raises OSError, DamagedStateError, NewerStateError."""

    @abstractmethod
    def _explain_failed_write(self, error: OSError, backup: Path | None) -> Diagnostic: ...
