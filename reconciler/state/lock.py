"""Lock a state file against other runs, also on other hosts that share the file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from enum import Enum, auto
from pathlib import Path

from filelock import FileLock, Timeout

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.lock_info import LockInfo
from reconciler.runtime.own_folder import make_folder
from reconciler.runtime.process import is_other_live_process


class LockHolderState(Enum):
    """The holder of a lock, as far as it can be known from this host. All but FREE are held."""

    FREE = auto()
    LOCAL_ALIVE = auto()  # its process runs on this host
    LOCAL_DEAD = auto()  # this host has no other process with this id
    REMOTE = auto()  # its process is, or was, on another host
    UNKNOWN = auto()  # no readable entry names its holder


@dataclass(frozen=True, slots=True)
class LockStatus:
    """Status of a lock now.

    The `holder` of a FREE lock is a dead process that did not release it. `expires_at` is the end of a lock that
    expires by itself (ISO 8601, UTC).
    """

    state: LockHolderState
    holder: LockInfo | None = None
    expires_at: str = ""


class LocalLock:
    """Lock of a state file, at `path`. The file beside it names the holder for messages only: the lock itself is a lock
    of the operating system, which ends with its process."""

    release_failure: Diagnostic | None = None
    """Always None: the system releases this lock."""

    def __init__(self, path: Path, display_name: str) -> None:
        self.path = path
        self._info_file = path.with_name(path.name + ".holder")
        self._display_name = display_name
        self._held_file_id: tuple[int, int] | None = None

    @property
    def is_broken(self) -> bool:
        """Whether the lock is held, and another run has a lock of its own in its place."""
        # A missing file is no lock of another run: it was removed, and no run has started since.
        return self._held_file_id is not None and _read_file_id(self.path) not in (self._held_file_id, None)

    @contextmanager
    def hold(self, holder: LockInfo) -> Iterator[None]:
        """Hold the lock. Raises ReconcilerError at once if another run holds it."""
        lock = self._try_acquire()
        if lock is None:
            raise ReconcilerError([self._explain_locked(self._read_status(holder.host))])
        self._held_file_id = _read_file_id(self.path)
        try:
            with (
                suppress(OSError),
                open(self._info_file, "w", encoding="utf-8", opener=_open_private) as file,
            ):
                json.dump(asdict(holder), file)
            yield
        finally:
            self._held_file_id = None
            if self._read_info() == holder:  # else the next holder has written its own entry
                with suppress(OSError):
                    self._info_file.unlink(missing_ok=True)
            lock.release()

    def current_owner(self, own: LockInfo) -> LockStatus | None:
        """Find the other process of this host that holds the lock. Does not touch the lock, so that a run that starts
        at this moment gets it. A holder on another host is left out, since its process cannot be looked up here."""
        status = self._read_status(own.host)
        return status if status.state is LockHolderState.LOCAL_ALIVE else None

    def inspect(self, host: str) -> LockStatus:
        """Read the status of the lock from the entry of its holder. Without an entry the lock is free, except for the
        moment in which a run has taken it and has not written its entry yet."""
        if not os.path.lexists(self._info_file):
            return LockStatus(LockHolderState.FREE)
        return self._read_status(host)

    def clear_stale(self, host: str) -> LockStatus:
        """Read the status of the lock, seen from `host`. The entry of a dead holder of a free lock is removed.

        Raises ReconcilerError if the lock cannot be read.
        """
        if not self.path.exists() and not self._info_file.exists():
            return LockStatus(LockHolderState.FREE)
        lock = self._try_acquire()
        if lock is None:
            return self._read_status(host)
        try:
            stale_owner = self._read_info()
            self._info_file.unlink(missing_ok=True)
        except OSError as error:
            raise ReconcilerError([self._explain_unusable(error)]) from error
        finally:
            lock.release()
        return LockStatus(LockHolderState.FREE, stale_owner)

    def force_unlock(self, expected: LockStatus, host: str) -> None:
        """Take the lock away from its holder, so that the next run gets a lock. A holder that is alive is not stopped.

        Raises ReconcilerError if the status of the lock differs from `expected`, or the lock cannot be removed.
        """
        current = self.clear_stale(host)
        if current.state is LockHolderState.FREE:
            return
        if current != expected:
            raise ReconcilerError([self._explain_locked(current)])
        try:
            # In this order: once the lock is removed, the next run may hold a new lock, with an entry of its own.
            self._info_file.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise ReconcilerError([self._explain_unusable(error)]) from error

    def _try_acquire(self) -> FileLock | None:
        """Try to acquire the lock. Returns it held; None if another run holds it. Raises ReconcilerError."""
        lock = FileLock(self.path, mode=0o600, thread_local=False)
        try:
            make_folder(self.path.parent)
            lock.acquire(timeout=0)
        except Timeout:
            return None
        except (OSError, NotImplementedError) as error:
            raise ReconcilerError([self._explain_unusable(error)]) from error
        return lock

    def _read_status(self, host: str) -> LockStatus:
        """Read the status of a held lock from the file beside it."""
        holder = self._read_info()
        if holder is None:
            return LockStatus(LockHolderState.UNKNOWN)
        if holder.host != host:
            return LockStatus(LockHolderState.REMOTE, holder)
        is_alive = is_other_live_process(holder.pid)
        return LockStatus(LockHolderState.LOCAL_ALIVE if is_alive else LockHolderState.LOCAL_DEAD, holder)

    def _read_info(self) -> LockInfo | None:
        try:
            holder = LockInfo(**json.loads(self._info_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        texts = (holder.host, holder.user, holder.since, holder.doing)
        is_valid = isinstance(holder.pid, int) and all(isinstance(text, str) for text in texts)
        return holder if is_valid else None

    def _explain_locked(self, status: LockStatus) -> Diagnostic:
        owner_note = "the holder of the lock is not known yet"
        # The entry of a dead process does not name the holder now.
        if status.holder is not None and status.state is not LockHolderState.LOCAL_DEAD:
            owner_note = f"it is held by {status.holder}"
        advice = "the lock of a process that died is free at once"
        if status.state is not LockHolderState.LOCAL_ALIVE:
            advice = "if it is certain that no run is left, `reconciler state unlock` breaks the lock"
        return Diagnostic(
            "locked",
            f"another run is writing to the state `{self._display_name}`",
            notes=(owner_note,),
            help=f"wait for that run to end, then run again; {advice}",
        )

    def _explain_unusable(self, error: Exception) -> Diagnostic:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Diagnostic(
            "state-unusable",
            f"the state `{self._display_name}` cannot be locked: {reason}",
            help="make its folder writable; nothing was sent to Fivetran",
        )


def _read_file_id(path: Path) -> tuple[int, int] | None:
    """Read device and inode of a file, by which a new file in its place differs; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
