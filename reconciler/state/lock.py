"""One writer at a time. The lock dies with its process; a file beside it says who holds it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from enum import Enum, auto
from pathlib import Path

from filelock import FileLock, Timeout

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.lock_info import LockInfo
from reconciler.runtime.process import is_other_live_process


class LockHolderState(Enum):
    """What can be known about a lock from here. All but FREE are held by somebody."""

    FREE = auto()
    LOCAL_ALIVE = auto()  # its process runs on this host
    LOCAL_DEAD = auto()  # no other process of that number is on this host
    REMOTE = auto()  # its process is, or was, on another host
    UNKNOWN = auto()  # nobody says who holds it


@dataclass(frozen=True, slots=True)
class LockStatus:
    """A lock as it is now. Of a FREE one `holder` is who left without tidying up, if anybody did. `until` is when a
    lock ends that ends by itself (ISO 8601, UTC)."""

    state: LockHolderState
    holder: LockInfo | None = None
    expires_at: str = ""


@contextmanager
def hold_lock(path: Path, holder: LockInfo, display_name: str) -> Iterator[Callable[[], bool]]:
    """Hold the lock at `path` for a while; whoever holds it can ask whether nobody broke it meanwhile.

    Raises ReconcilerError at once where somebody else holds it.
    """
    lock = _try_acquire(path, display_name)
    if lock is None:
        raise ReconcilerError([_locked_error(_read_status(path, holder.host), display_name)])
    info_file, file_id = _info_path(path), _read_file_id(path)
    try:
        # Only for people: the lock itself is held.
        with suppress(OSError), open(info_file, "w", encoding="utf-8", opener=_open_private) as file:
            json.dump(asdict(holder), file)
        # Where nothing is, nobody has come after this run yet.
        yield lambda: _read_file_id(path) in (file_id, None)
    finally:
        if _read_info(path) == holder:  # or somebody broke this lock, and the next one has a name there
            with suppress(OSError):
                info_file.unlink(missing_ok=True)
        lock.release()


def clear_stale_lock(path: Path, host: str, display_name: str) -> LockStatus:
    """How the lock at `path` is held, seen from `host`. What a dead holder left of a free one is removed.

    Raises ReconcilerError where it cannot be looked at.
    """
    info_file = _info_path(path)
    if not path.exists() and not info_file.exists():
        return LockStatus(LockHolderState.FREE)
    lock = _try_acquire(path, display_name)
    if lock is None:
        return _read_status(path, host)
    try:
        stale_owner = _read_info(path)
        info_file.unlink(missing_ok=True)
    except OSError as error:
        raise ReconcilerError([_unusable_error(display_name, error)]) from error
    finally:
        lock.release()
    return LockStatus(LockHolderState.FREE, stale_owner)


def break_lock(path: Path, expected: LockStatus, host: str, display_name: str) -> None:
    """Take the lock away from whoever holds it, so that the next run gets one. Stops nobody who is still at work.

    Raises ReconcilerError where it is not held any more as it was `seen`, and where it cannot be removed.
    """
    current = clear_stale_lock(path, host, display_name)
    if current.state is LockHolderState.FREE:
        return
    if current != expected:
        raise ReconcilerError([_locked_error(current, display_name)])
    try:
        # In this order: behind a removed lock the next run may stand, with a name of its own.
        _info_path(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ReconcilerError([_unusable_error(display_name, error)]) from error


def lock_owner(path: Path, host: str) -> LockStatus:
    """How the lock at `path` is held as the file beside it says, seen from `host`. Touches nothing, so that a run that
    begins at this moment gets the lock; a dead process may have left its name, and that is told by `grip`."""
    return _read_status(path, host)


def _read_file_id(path: Path) -> tuple[int, int] | None:
    """What tells the file at a path from another one that is put in its place; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _info_path(path: Path) -> Path:
    return path.with_name(path.name + ".holder")


def _try_acquire(path: Path, display_name: str) -> FileLock | None:
    """The lock, held; None where somebody else holds it. Raises ReconcilerError."""
    lock = FileLock(path, mode=0o600, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except (OSError, NotImplementedError) as error:
        raise ReconcilerError([_unusable_error(display_name, error)]) from error
    return lock


def _read_status(path: Path, host: str) -> LockStatus:
    """Who holds a lock that is held."""
    holder = _read_info(path)
    if holder is None:
        return LockStatus(LockHolderState.UNKNOWN)
    if holder.host != host:
        return LockStatus(LockHolderState.REMOTE, holder)
    return LockStatus(
        LockHolderState.LOCAL_ALIVE if is_other_live_process(holder.pid) else LockHolderState.LOCAL_DEAD,
        holder,
    )


def _read_info(path: Path) -> LockInfo | None:
    """Whom the file beside a lock names."""
    try:
        holder = LockInfo(**json.loads(_info_path(path).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    texts = (holder.host, holder.user, holder.since, holder.doing)
    return holder if isinstance(holder.pid, int) and all(isinstance(text, str) for text in texts) else None


def _locked_error(status: LockStatus, display_name: str) -> Diagnostic:
    owner_note = "the other run has not said yet who it is"
    # A name that a dead process left says nothing about who holds the lock now.
    if status.holder is not None and status.state is not LockHolderState.LOCAL_DEAD:
        owner_note = f"it is held by {status.holder}"
    advice = "the lock of a process that died is free at once"
    if status.state is not LockHolderState.LOCAL_ALIVE:
        advice = "if it is certain that none is left, `reconciler state unlock` breaks the lock"
    return Diagnostic(
        "locked",
        f"another run is writing to the state `{display_name}`",
        notes=(owner_note,),
        help=f"wait for it to end and run again; {advice}",
    )


def _unusable_error(display_name: str, error: Exception) -> Diagnostic:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Diagnostic(
        "state-unusable",
        f"the state `{display_name}` cannot be locked: {reason}",
        help="make its folder writable; nothing was sent to Fivetran",
    )
