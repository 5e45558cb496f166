"""Keep a state in a local file: a snapshot that is written atomically, and a journal beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.record import State
from reconciler.runtime.own_folder import make_folder
from reconciler.state.atomic_file import sync_directory, write_atomically
from reconciler.state.backups import BackupFolders
from reconciler.state.codec import DamagedStateError, decode_state, encode_state
from reconciler.state.journal import JournalEntry, JournalWriter, replay
from reconciler.state.lock import LocalLock
from reconciler.state.neighbours import FolderFiles, NeighbourReader
from reconciler.state.read_times import SUFFIX, LocalTimesFile
from reconciler.state.store import StateWriter, Store


class LockLostError(OSError):
    """The lock of these files was broken, so another run may be writing to them."""


class StateFile(Store):
    """State in the snapshot `path`. The journal, the lock, the key of the fingerprints and the times of reads stand
    beside it, with `.journal`, `.lock`, `.key` and `.reads` behind its name."""

    _restore_advice = "restore it from a backup, or delete it and its `.journal` and plan again"
    lock: LocalLock

    def __init__(self, path: Path, display_name: str, fallback_dir: Path | None = None) -> None:
        self._path = path
        self._journal = _place_beside(path, ".journal")
        folders = tuple(folder for folder in (path.parent, fallback_dir) if folder is not None)
        super().__init__(
            display_name,
            LocalLock(_place_beside(path, ".lock"), display_name),
            BackupFolders(path.name, folders),
            NeighbourReader(FolderFiles(path, display_name)),
            _LocalKeyFile(_place_beside(path, ".key"), self),
        )

    def open(self, state: State) -> FileStateWriter:
        """Write the snapshot `state`, and begin its journal. Raises ReconcilerError."""
        try:
            return FileStateWriter(self._path, self._journal, state, self.lock)
        except OSError as error:
            raise ReconcilerError([self.explain_unavailable("written", error)]) from error

    def replace(self, state: State) -> None:
        """Replace the snapshot. The journal beside it belongs to the former state, and is removed."""
        if self.lock.is_broken:
            raise ReconcilerError([self._explain_lost_lock("nothing was written")])
        try:
            make_folder(self._path.parent)
            write_atomically(self._path, encode_state(state))
            self._journal.unlink(missing_ok=True)
        except OSError as error:
            raise ReconcilerError([self.explain_unavailable("written", error)]) from error

    def build_times_file(self) -> LocalTimesFile:
        """Build the file beside the state that keeps the times of reads."""
        return LocalTimesFile(_place_beside(self._path, SUFFIX), f"{self.display_name}{SUFFIX}")

    def renew_and_flush(self) -> bool:
        """Check whether the run may go on: not if its lock was broken. Nothing is due, since every entry is durable."""
        if self.stop_reason is None and self.lock.is_broken:
            self.stop_reason = self._explain_lost_lock(
                "another run may have taken it, so nothing new was started"
            )
        return self.stop_reason is None

    def explain_unavailable(self, action: str, error: OSError) -> Diagnostic:
        """Explain a file that cannot be `read` or `written` (the `action`)."""
        return Diagnostic(
            "state-unusable",
            f"the state `{self.display_name}` cannot be {action}: {error.strerror or error}",
            help="correct the permissions or the disk, then run again",
        )

    @property
    def _is_shutting_down(self) -> bool:
        return False  # no hurry: all entries are in the journal on this machine, even if the run is killed

    def _load(self) -> State | None:
        try:
            state = decode_state(self._path.read_bytes())
        except FileNotFoundError:
            return None
        return replay(state, self._journal.read_bytes()) if self._journal.exists() else state

    def _explain_failed_write(self, error: OSError, backup: Path | None) -> Diagnostic:
        note = (
            f"the state of this run is written to `{backup}`"
            if backup
            else "it could not be written anywhere else"
        )
        if isinstance(error, LockLostError):
            return self._explain_lost_lock(note)
        advice = (
            f"correct the disk, then move that file to `{self.display_name}`"
            if backup
            else "correct the disk"
        )
        return Diagnostic(
            "state-not-kept",
            f"the state `{self.display_name}` could not be written: {error.strerror or error}",
            notes=(note,),
            help=f"{advice}, and apply again: existing objects are found and not made twice",
        )

    def _explain_lost_lock(self, note: str) -> Diagnostic:
        return Diagnostic(
            "lease-lost",
            f"the lock of the state `{self.display_name}` was broken while this run was at work",
            notes=(note,),
            help="see which run is at work, then apply again: existing objects are found and not made twice",
        )


@dataclass(frozen=True, slots=True)
class _LocalKeyFile:
    """File with the key of the fingerprints in hexadecimal digits, beside the state of `store`."""

    path: Path
    store: StateFile

    def read(self) -> bytes | None:
        """Read the key; None if there is none yet. Raises ReconcilerError."""
        try:
            return bytes.fromhex(self.path.read_text("ascii")) or None
        except FileNotFoundError:
            return None
        except ValueError as error:
            damage = DamagedStateError("its key file holds no key")
            raise ReconcilerError([self.store.explain_damaged(damage)]) from error
        except OSError as error:
            raise ReconcilerError([self.store.explain_unavailable("read", error)]) from error

    def write(self, key: bytes) -> None:
        """Write the key. Raises ReconcilerError."""
        try:
            make_folder(self.path.parent)
            write_atomically(self.path, key.hex().encode())
        except OSError as error:
            raise ReconcilerError([self.store.explain_unavailable("written", error)]) from error


class FileStateWriter(StateWriter):
    """Writer of a state file. Staged entries are durable when `stage` returns."""

    def __init__(self, path: Path, journal: Path, state: State, lock: LocalLock) -> None:
        """Write the snapshot with the next serial, and start its journal. Raises OSError.

        The snapshot comes first: a crash between the two leaves a journal of an older snapshot, which is ignored.
        """
        super().__init__(state)
        self._path = path
        self._lock = lock
        self._write_error: OSError | None = None
        make_folder(path.parent)
        _remove_temporary_files(path)
        self._write()
        self._journal = JournalWriter(journal, self._base)
        sync_directory(path.parent)

    def stage(self, entries: Iterable[JournalEntry]) -> None:
        """Set records, or drop them (None, or their removal). Raises OSError if they are not durable.

        After a failed write nothing is appended any more, since the journal may end within a line. Later entries are
        in memory, and in the file only if `close` can write it.
        """
        entries = list(entries)
        super().stage(entries)
        if self._write_error is not None:
            raise self._write_error
        try:
            self._require_lock()
            self._journal.append(entries)
        except OSError as error:
            self._write_error = error
            raise

    def sync(self) -> None:
        """Do nothing: staged entries are durable."""

    def close(self) -> None:
        """Write all entries of the journal into a new snapshot, after which the journal is ignored. Raises OSError."""
        self.release()
        self._advance_serial()
        self._write()

    def release(self) -> None:
        """Close the journal without a new snapshot: the journal holds all staged entries."""
        self._journal.close()

    def _write(self) -> None:
        self._require_lock()
        write_atomically(self._path, encode_state(self.state))

    def _require_lock(self) -> None:
        if self._lock.is_broken:
            raise LockLostError("its lock was broken, and another run may be writing")


def _place_beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _remove_temporary_files(path: Path) -> None:
    """Remove the files of a run that was killed within an atomic write. No other run writes to this file now."""
    temporary = re.compile(rf"\.{re.escape(path.name)}\.\d+\.new")
    for file in path.parent.iterdir():
        if temporary.fullmatch(file.name):
            file.unlink(missing_ok=True)
