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
from reconciler.model.lock_info import LockInfo
from reconciler.model.record import Record, State
from reconciler.state.codec import DamagedStateError, NewerStateError, decode_state, encode_state
from reconciler.state.journal import JournalEntry, JournalWriter, apply_entries, replay
from reconciler.state.lock import (
    LockHolderState,
    LockStatus,
    break_lock,
    clear_stale_lock,
    hold_lock,
    lock_owner,
)
from reconciler.state.sent_times import bound_sent_times

_BACKUP_INFIX = ".rescued-"


class StateFile:
    """Where a state is kept. `path` is the snapshot; `.journal` and `.key` stand behind its name for the journal
    and for the key of the fingerprints."""

    can_store_key = True

    def __init__(self, path: Path, display_name: str) -> None:
        self._path = path
        self._journal = path.with_name(path.name + ".journal")
        self._key = path.with_name(path.name + ".key")
        self._display_name = display_name
        self._is_held: Callable[[], bool] | None = None
        self._stop_reason: Diagnostic | None = None

    @property
    def display_name(self) -> str:
        """The place as people know it."""
        return self._display_name

    @property
    def lock_path(self) -> Path:
        """What whoever writes must hold."""
        return self._path.with_name(self._path.name + ".lock")

    @contextmanager
    def hold_lock(self, holder: LockInfo) -> Iterator[None]:
        """Hold the lock for a while. Raises ReconcilerError at once where somebody else holds it."""
        with hold_lock(self.lock_path, holder, self._display_name) as is_held:
            self._is_held = is_held
            try:
                yield
            finally:
                self._is_held = None

    @property
    def release_failure(self) -> Diagnostic | None:
        """None: this lock is let go of by the system."""
        return None

    def current_owner(self, own: LockInfo) -> LockStatus | None:
        """Who else on this host holds the lock. Of others nobody knows whether they are still at work."""
        status = lock_owner(self.lock_path, own.host)
        return status if status.state is LockHolderState.LOCAL_ALIVE else None

    def clear_stale_lock(self, host: str) -> LockStatus:
        """How the lock is held, seen from `host`. What a dead holder left of a free one is removed. Raises
        ReconcilerError."""
        return clear_stale_lock(self.lock_path, host, self._display_name)

    def break_lock(self, expected: LockStatus, host: str) -> None:
        """Take the lock away from whoever holds it. Raises ReconcilerError where it is not held as it was `seen`."""
        break_lock(self.lock_path, expected, host, self._display_name)

    def renew_and_flush(self) -> bool:
        """Whether the run may go on: not where somebody broke its lock. All is written at once, so nothing is due."""
        if self._stop_reason is None and self._is_held is not None and not self._is_held():
            self._stop_reason = self._lock_lost_error(
                "another run may have taken it, so nothing new was started"
            )
        return self._stop_reason is None

    @property
    def stop_reason(self) -> Diagnostic | None:
        """Why the run may not go on."""
        return self._stop_reason

    def read(self) -> State | None:
        """Snapshot and journal together; None where there is no state yet. Writes nothing.

        Raises ReconcilerError for one that is damaged, newer, or cannot be read.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ReconcilerError([self.unavailable("read", error)]) from error
        try:
            state = decode_state(content)
            if self._journal.exists():
                state = replay(state, self._journal.read_bytes())
            return bound_sent_times(state)
        except NewerStateError as error:
            raise ReconcilerError([self._newer_error(error)]) from error
        except DamagedStateError as error:
            raise ReconcilerError([self._damaged_error(error)]) from error
        except OSError as error:
            raise ReconcilerError([self.unavailable("read", error)]) from error

    def read_key(self) -> bytes | None:
        """The key of the fingerprints; None where there is none yet. Raises ReconcilerError."""
        try:
            return bytes.fromhex(self._key.read_text("ascii")) or None
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ReconcilerError(
                [self._damaged_error(DamagedStateError("its key file is not one"))]
            ) from error
        except OSError as error:
            raise ReconcilerError([self.unavailable("read", error)]) from error

    def write_key(self, key: bytes) -> None:
        """Write the key. Raises ReconcilerError."""
        try:
            self._key.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._key, key.hex().encode())
        except OSError as error:
            raise ReconcilerError([self.unavailable("written", error)]) from error

    def open(self, state: State) -> FileStateWriter:
        """Begin to write, with `state` as the next snapshot. Raises ReconcilerError."""
        try:
            return FileStateWriter(self._path, self._journal, state, self._is_held)
        except OSError as error:
            raise ReconcilerError([self.unavailable("written", error)]) from error

    @property
    def backup_first(self) -> bool:
        """No: what was remembered is on this machine already."""
        return False

    def write_backup(self, state: State, fallback_dir: Path | None) -> Path | None:
        """Write a state where it can be written: beside its place, or else into `refuge`. Where it is then; None
        where it cannot be written anywhere."""
        return write_backup(state, self._path.name, (self._path.parent, fallback_dir))

    def read_backups(self, fallback_dir: Path | None) -> Iterator[tuple[Path, State]]:
        """States that earlier runs rescued to one of these places."""
        return read_backups(self._path.name, (self._path.parent, fallback_dir))

    def write_failed(self, error: OSError, backup: Path | None) -> Diagnostic:
        """What to say where a run could not write down at its end what it did."""
        note = (
            f"what this run did is written to `{backup}`"
            if backup
            else "it could not be written anywhere else"
        )
        if isinstance(error, LockLostError):
            return self._lock_lost_error(note)
        advice = (
            f"correct the disk, then move that file to `{self._display_name}`"
            if backup
            else "correct the disk"
        )
        return Diagnostic(
            "state-not-kept",
            f"the state `{self._display_name}` could not be written: {error.strerror or error}",
            notes=(note,),
            help=f"{advice}, and apply again: what exists is found and not made twice",
        )

    def unavailable(self, action: str, error: OSError) -> Diagnostic:
        """What to say where the file could not be `read` or `written`."""
        return Diagnostic(
            "state-unusable",
            f"the state `{self._display_name}` cannot be {action}: {error.strerror or error}",
            help="correct the permissions or the disk, then run again",
        )

    def _lock_lost_error(self, note: str) -> Diagnostic:
        return Diagnostic(
            "lease-lost",
            f"somebody broke the lock of the state `{self._display_name}` while this run was at work",
            notes=(note,),
            help="see who is at work, then apply again: what exists is found and not made twice",
        )

    def _damaged_error(self, error: DamagedStateError) -> Diagnostic:
        return Diagnostic(
            "state-damaged",
            f"the state `{self._display_name}` is damaged: {error}",
            notes=("a state is memory only: without it, entries are found again by their ids or names",),
            help="restore it from a backup, or delete it and its `.journal` and plan again",
        )

    def _newer_error(self, error: NewerStateError) -> Diagnostic:
        return Diagnostic(
            "state-newer",
            f"the state `{self._display_name}` was written by a newer version of this program: {error}",
            help="use that version, here and wherever else this state is used",
        )


class LockLostError(OSError):
    """The files are another run's by now."""


class FileStateWriter:
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
        self._write_error: OSError | None = None
        self._base = replace(state, serial=state.serial + 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_temporary_files(path)
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

    def stage(self, entries: Iterable[JournalEntry]) -> None:
        """Keep records, or forget an address (None, or its removal). Raises OSError where they are not durable.

        After that nothing more is appended, since nobody knows where the journal ends; what is remembered from
        then on is in memory, and in the file only if `close` can write it.
        """
        entries = list(entries)
        apply_entries(entries, self._records, self._removals)
        if self._write_error is not None:
            raise self._write_error
        try:
            self._require_lock()
            self._journal.append(entries)
        except OSError as error:
            self._write_error = error
            raise

    def sync(self) -> None:
        """Nothing is left to be done: `remember` is durable."""

    def mark_applied(self, digests: Collection[str]) -> None:
        """Let the next snapshot say that the reviewed plans of these digests are in effect."""
        pending = {digest: plan for digest, plan in self._base.reviewed.items() if digest not in digests}
        self._base = replace(self._base, reviewed=pending)

    def close(self) -> None:
        """Take what the journal holds into a new snapshot, which makes the journal an old one. Raises OSError."""
        self.release()
        self._base = replace(self._base, serial=self._base.serial + 1)
        self._write(self._path)

    def release(self) -> None:
        """Let go of the files as they are: the journal already holds all that was remembered."""
        self._journal.close()

    def _write(self, path: Path) -> None:
        self._require_lock()
        write_state(path, self.state)

    def _require_lock(self) -> None:
        if not self._is_held():
            raise LockLostError("somebody broke its lock, and another run may be writing")


def _remove_temporary_files(path: Path) -> None:
    """Remove what a run left that was killed within an atomic write. Nobody else writes to this file now."""
    temporary = re.compile(rf"\.{re.escape(path.name)}\.\d+\.new")
    for file in path.parent.iterdir():
        if temporary.fullmatch(file.name):
            file.unlink(missing_ok=True)


def write_backup(state: State, name: str, folders: Iterable[Path | None]) -> Path | None:
    """Write a state into the first of some folders that takes it, under a name that says what it is. Where it is then;
    None where it cannot be written anywhere."""
    for folder in folders:
        if folder is None:
            continue
        path = folder / f"{name}{_BACKUP_INFIX}{state.serial}"
        try:
            write_state(path, state)
        except OSError:
            continue
        return path
    return None


def read_backups(name: str, folders: Iterable[Path | None]) -> Iterator[tuple[Path, State]]:
    """The states that `rescued` wrote into some folders. One that cannot be read is none of ours."""
    for folder in folders:
        for path in sorted(folder.glob(f"{glob.escape(name)}{_BACKUP_INFIX}*")) if folder is not None else ():
            try:
                backup_state = decode_state(path.read_bytes())
            except (OSError, DamagedStateError, NewerStateError):
                continue
            yield path, backup_state


def write_state(path: Path, state: State) -> None:
    """Write a snapshot. Raises OSError."""
    write_atomically(path, encode_state(state))


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
