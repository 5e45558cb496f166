"""A state in a local file: a snapshot written atomically, and a journal beside it."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.holder import Holder
from reconciler.model.record import Record, State
from reconciler.state.document import DamagedError, NewerError, decoded_state, encoded_state
from reconciler.state.journal import Entry, JournalWriter, replayed, take_in
from reconciler.state.lock import Grip, Hold, break_lock, locked, named, tidied
from reconciler.state.sending import with_latest_sending

_RESCUED = ".rescued-"


class StateFile:
    """Where a state is kept. `path` is the snapshot; `.journal` and `.key` stand behind its name for the journal
    and for the key of the fingerprints."""

    keeps_key = True

    def __init__(self, path: Path, shown_as: str) -> None:
        self._path = path
        self._journal = path.with_name(path.name + ".journal")
        self._key = path.with_name(path.name + ".key")
        self._shown = shown_as
        self._is_held: Callable[[], bool] | None = None
        self._stopped_by: Diagnostic | None = None

    @property
    def shown_as(self) -> str:
        """The place as people know it."""
        return self._shown

    @property
    def lock(self) -> Path:
        """What whoever writes must hold."""
        return self._path.with_name(self._path.name + ".lock")

    @contextmanager
    def locked(self, holder: Holder) -> Iterator[None]:
        """Hold the lock for a while. Raises ReconcilerError at once where somebody else holds it."""
        with locked(self.lock, holder, self._shown) as is_held:
            self._is_held = is_held
            try:
                yield
            finally:
                self._is_held = None

    @property
    def left_behind(self) -> Diagnostic | None:
        """None: this lock is let go of by the system."""
        return None

    def writer(self, me: Holder) -> Hold | None:
        """Who else on this host holds the lock. Of others nobody knows whether they are still at work."""
        hold = named(self.lock, me.host)
        return hold if hold.grip is Grip.RUNNING else None

    def tidied(self, host: str) -> Hold:
        """How the lock is held, seen from `host`. What a dead holder left of a free one is removed. Raises
        ReconcilerError."""
        return tidied(self.lock, host, self._shown)

    def break_lock(self, seen: Hold, host: str) -> None:
        """Take the lock away from whoever holds it. Raises ReconcilerError where it is not held as it was `seen`."""
        break_lock(self.lock, seen, host, self._shown)

    def tend(self) -> bool:
        """Whether the run may go on: not where somebody broke its lock. All is written at once, so nothing is due."""
        if self._stopped_by is None and self._is_held is not None and not self._is_held():
            self._stopped_by = self._broken("another run may have taken it, so nothing new was started")
        return self._stopped_by is None

    @property
    def stopped_by(self) -> Diagnostic | None:
        """Why the run may not go on."""
        return self._stopped_by

    def read(self) -> State | None:
        """Snapshot and journal together; None where there is no state yet. Writes nothing.

        Raises ReconcilerError for one that is damaged, newer, or cannot be read.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ReconcilerError([self.unusable("read", error)]) from error
        try:
            state = decoded_state(content)
            if self._journal.exists():
                state = replayed(state, self._journal.read_bytes())
            return with_latest_sending(state)
        except NewerError as error:
            raise ReconcilerError([self._newer(error)]) from error
        except DamagedError as error:
            raise ReconcilerError([self._damaged(error)]) from error
        except OSError as error:
            raise ReconcilerError([self.unusable("read", error)]) from error

    def key(self) -> bytes | None:
        """The key of the fingerprints; None where there is none yet. Raises ReconcilerError."""
        try:
            return bytes.fromhex(self._key.read_text("ascii")) or None
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ReconcilerError([self._damaged(DamagedError("its key file is not one"))]) from error
        except OSError as error:
            raise ReconcilerError([self.unusable("read", error)]) from error

    def keep_key(self, key: bytes) -> None:
        """Write the key. Raises ReconcilerError."""
        try:
            self._key.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._key, key.hex().encode())
        except OSError as error:
            raise ReconcilerError([self.unusable("written", error)]) from error

    def open(self, state: State) -> StateSession:
        """Begin to write, with `state` as the next snapshot. Raises ReconcilerError."""
        try:
            return StateSession(self._path, self._journal, state, self._is_held)
        except OSError as error:
            raise ReconcilerError([self.unusable("written", error)]) from error

    @property
    def rescues_first(self) -> bool:
        """No: what was remembered is on this machine already."""
        return False

    def rescue(self, state: State, refuge: Path | None) -> Path | None:
        """Write a state where it can be written: beside its place, or else into `refuge`. Where it is then; None
        where it cannot be written anywhere."""
        return rescued(state, self._path.name, (self._path.parent, refuge))

    def rescued_states(self, refuge: Path | None) -> Iterator[tuple[Path, State]]:
        """States that earlier runs rescued to one of these places."""
        return rescued_states(self._path.name, (self._path.parent, refuge))

    def not_kept(self, error: OSError, rescued: Path | None) -> Diagnostic:
        """What to say where a run could not write down at its end what it did."""
        note = (
            f"what this run did is written to `{rescued}`"
            if rescued
            else "it could not be written anywhere else"
        )
        if isinstance(error, LockBrokenError):
            return self._broken(note)
        advice = (
            f"correct the disk, then move that file to `{self._shown}`" if rescued else "correct the disk"
        )
        return Diagnostic(
            "state-not-kept",
            f"the state `{self._shown}` could not be written: {error.strerror or error}",
            notes=(note,),
            help=f"{advice}, and apply again: what exists is found and not made twice",
        )

    def unusable(self, done: str, error: OSError) -> Diagnostic:
        """What to say where the file could not be `read` or `written`."""
        return Diagnostic(
            "state-unusable",
            f"the state `{self._shown}` cannot be {done}: {error.strerror or error}",
            help="correct the permissions or the disk, then run again",
        )

    def _broken(self, note: str) -> Diagnostic:
        return Diagnostic(
            "lease-lost",
            f"somebody broke the lock of the state `{self._shown}` while this run was at work",
            notes=(note,),
            help="see who is at work, then apply again: what exists is found and not made twice",
        )

    def _damaged(self, error: DamagedError) -> Diagnostic:
        return Diagnostic(
            "state-damaged",
            f"the state `{self._shown}` is damaged: {error}",
            notes=("a state is memory only: without it, entries are found again by their ids or names",),
            help="restore it from a backup, or delete it and its `.journal` and plan again",
        )

    def _newer(self, error: NewerError) -> Diagnostic:
        return Diagnostic(
            "state-newer",
            f"the state `{self._shown}` was written by a newer version of this program: {error}",
            help="use that version, here and wherever else this state is used",
        )


class LockBrokenError(OSError):
    """The files are another run's by now."""


class StateSession:
    """A state that is being written. What `remember` is given is durable before it returns."""

    def __init__(
        self, path: Path, journal: Path, state: State, is_held: Callable[[], bool] | None = None
    ) -> None:
        """Write the snapshot with the next serial, and start its journal. Raises OSError.

        `is_held` says whether the lock is still held, for whoever has one: nothing is written without it.
        """
        self._path = path
        self._is_held = is_held or (lambda: True)
        self._records, self._removals = dict(state.records), dict(state.removals)
        self._broken_by: OSError | None = None
        self._base = replace(state, serial=state.serial + 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        _tidy(path)
        self._write(path)
        self._journal = JournalWriter(journal, self._base)
        sync_directory(path.parent)

    @property
    def records(self) -> Mapping[Address, Record]:
        """What is remembered now."""
        return MappingProxyType(self._records)

    @property
    def state(self) -> State:
        """The whole state as of now."""
        return replace(self._base, records=dict(self._records), removals=dict(self._removals))

    def remember(self, entries: Iterable[Entry]) -> None:
        """Keep records, or forget an address (None, or its removal). Raises OSError where they are not durable.

        After that nothing more is appended, since nobody knows where the journal ends; what is remembered from
        then on is in memory, and in the file only if `close` can write it.
        """
        entries = list(entries)
        take_in(entries, self._records, self._removals)
        if self._broken_by is not None:
            raise self._broken_by
        try:
            self._refuse_without_the_lock()
            self._journal.append(entries)
        except OSError as error:
            self._broken_by = error
            raise

    def sync(self) -> None:
        """Nothing is left to be done: `remember` is durable."""

    def settle(self, digests: Collection[str]) -> None:
        """Let the next snapshot say that the reviewed plans of these digests are in effect."""
        left = {digest: plan for digest, plan in self._base.reviewed.items() if digest not in digests}
        self._base = replace(self._base, reviewed=left)

    def close(self) -> None:
        """Take what the journal holds into a new snapshot, which makes the journal an old one. Raises OSError."""
        self.release()
        self._base = replace(self._base, serial=self._base.serial + 1)
        self._write(self._path)

    def release(self) -> None:
        """Let go of the files as they are: the journal already holds all that was remembered."""
        self._journal.close()

    def _write(self, path: Path) -> None:
        self._refuse_without_the_lock()
        write_state(path, self.state)

    def _refuse_without_the_lock(self) -> None:
        if not self._is_held():
            raise LockBrokenError("somebody broke its lock, and another run may be writing")


def _tidy(path: Path) -> None:
    """Remove what a run left that was killed within an atomic write. Nobody else writes to this file now."""
    left = re.compile(rf"\.{re.escape(path.name)}\.\d+\.new")
    for file in path.parent.iterdir():
        if left.fullmatch(file.name):
            file.unlink(missing_ok=True)


def rescued(state: State, name: str, folders: Iterable[Path | None]) -> Path | None:
    """Write a state into the first of some folders that takes it, under a name that says what it is. Where it is then;
    None where it cannot be written anywhere."""
    for folder in folders:
        if folder is None:
            continue
        path = folder / f"{name}{_RESCUED}{state.serial}"
        try:
            write_state(path, state)
        except OSError:
            continue
        return path
    return None


def rescued_states(name: str, folders: Iterable[Path | None]) -> Iterator[tuple[Path, State]]:
    """The states that `rescued` wrote into some folders. One that cannot be read is none of ours."""
    for folder in folders:
        for path in sorted(folder.glob(f"{glob.escape(name)}{_RESCUED}*")) if folder is not None else ():
            try:
                state = decoded_state(path.read_bytes())
            except (OSError, DamagedError, NewerError):
                continue
            yield path, state


def write_state(path: Path, state: State) -> None:
    """Write a snapshot. Raises OSError."""
    write_atomically(path, encoded_state(state))


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file so that a crash leaves the old or the new content, readable by its owner only. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make renames and new files in a directory durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
