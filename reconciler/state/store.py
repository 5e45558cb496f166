"""Where a state is kept, whatever that is: what all such places can do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.holder import Holder
from reconciler.model.place import GitPlace, ObjectPlace
from reconciler.model.record import Record, State
from reconciler.state.git import GitShelf
from reconciler.state.journal import Entry
from reconciler.state.lock import Hold
from reconciler.state.remote import RemoteState
from reconciler.state.shelf import Surroundings


class Session(Protocol):
    """A state that is being written."""

    @property
    def records(self) -> Mapping[Address, Record]:
        """What is remembered now."""

    @property
    def state(self) -> State:
        """The whole state as of now."""

    def remember(self, entries: Iterable[Entry]) -> None:
        """Keep records, or forget an address (None, or its removal). A local file has them when this returns; a remote
        place has them after the next `sync`. Raises OSError."""

    def sync(self) -> None:
        """Make everything durable that was remembered. Raises OSError."""

    def settle(self, digests: Collection[str]) -> None:
        """Let the next state say that the reviewed plans of these digests are in effect."""

    def close(self) -> None:
        """Write everything for the last time. Raises OSError."""


class Store(Protocol):
    """A place with a state and its lock. It is written only while the lock is held."""

    @property
    def keeps_key(self) -> bool:
        """Whether a key of fingerprints may stand beside the state."""

    @property
    def shown_as(self) -> str:
        """The place as people know it, without credentials."""

    def read(self) -> State | None:
        """The state as it is now; None where there is none. Takes no lock, writes nothing. Raises ReconcilerError."""

    def key(self) -> bytes | None:
        """The key of the fingerprints; None where there is none. Raises ReconcilerError."""

    def keep_key(self, key: bytes) -> None:
        """Write the key, where one may be kept. Raises ReconcilerError."""

    def open(self, state: State) -> Session:
        """Begin to write, with `state` as the next one. Raises ReconcilerError."""

    def tend(self) -> bool:
        """Write what is due at a remote place. To be called often, by the thread that writes. Whether it may go on."""

    @property
    def stopped_by(self) -> Diagnostic | None:
        """Why it may not go on."""

    @property
    def rescues_first(self) -> bool:
        """Whether a state is to be rescued before its last write, which may take longer than there is time."""

    def rescue(self, state: State, refuge: Path | None) -> Path | None:
        """Write a state where it can be written. Where it is then; None where that is nowhere."""

    def rescued_states(self, refuge: Path | None) -> Iterable[tuple[Path, State]]:
        """States that earlier runs rescued to where `rescue` writes them, as far as they can be read."""

    def not_kept(self, error: OSError, rescued: Path | None) -> Diagnostic:
        """What to say where a run could not write down at its end what it did."""

    def unusable(self, done: str, error: OSError) -> Diagnostic:
        """What to say where the state could not be `read` or `written`."""

    def locked(self, holder: Holder) -> AbstractContextManager[None]:
        """Hold the lock for a while. Raises ReconcilerError at once where somebody else holds it."""

    @property
    def left_behind(self) -> Diagnostic | None:
        """A warning where the lock could not be let go of. Known once it was held."""

    def writer(self, me: Holder) -> Hold | None:
        """Who else held the lock when the state was read, if that is known without taking it. Writes nothing."""

    def tidied(self, host: str) -> Hold:
        """How the lock is held, seen from `host`. What a dead holder left of a free one is removed.
        Raises ReconcilerError."""

    def break_lock(self, seen: Hold, host: str) -> None:
        """Take the lock away from whoever holds it. Raises ReconcilerError where it is not held as it was `seen`."""


def remote_store(place: GitPlace | ObjectPlace, name: str, surroundings: Surroundings) -> Store:
    """The state of a project at a remote place. In a branch, which several projects may share, its file has this
    `name`. Nothing is reached yet. Raises ReconcilerError where a library is missing."""
    if isinstance(place, GitPlace):
        return RemoteState(GitShelf(place, surroundings), name, str(place), surroundings)
    from reconciler.state.object import ObjectShelf

    return RemoteState(ObjectShelf(place, surroundings), place.key, str(place), surroundings)
