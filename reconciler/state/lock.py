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
from reconciler.model.holder import Holder
from reconciler.state.process import runs_beside


class Grip(Enum):
    """What can be known about a lock from here. All but FREE are held by somebody."""

    FREE = auto()
    RUNNING = auto()  # its process runs on this host
    LOST = auto()  # no other process of that number is on this host
    ELSEWHERE = auto()  # its process is, or was, on another host
    UNNAMED = auto()  # nobody says who holds it


@dataclass(frozen=True, slots=True)
class Hold:
    """A lock as it is now. Of a FREE one `holder` is who left without tidying up, if anybody did. `until` is when a
    lock ends that ends by itself (ISO 8601, UTC)."""

    grip: Grip
    holder: Holder | None = None
    until: str = ""


@contextmanager
def locked(path: Path, holder: Holder, shown_as: str) -> Iterator[Callable[[], bool]]:
    """Hold the lock at `path` for a while; whoever holds it can ask whether nobody broke it meanwhile.

    Raises ReconcilerError at once where somebody else holds it.
    """
    lock = _taken(path, shown_as)
    if lock is None:
        raise ReconcilerError([_held(_hold(path, holder.host), shown_as)])
    told, mark = _sidecar(path), _mark(path)
    try:
        # Only for people: the lock itself is held.
        with suppress(OSError), open(told, "w", encoding="utf-8", opener=_for_its_owner) as file:
            json.dump(asdict(holder), file)
        # Where nothing is, nobody has come after this run yet.
        yield lambda: _mark(path) in (mark, None)
    finally:
        if _named(path) == holder:  # or somebody broke this lock, and the next one has a name there
            with suppress(OSError):
                told.unlink(missing_ok=True)
        lock.release()


def tidied(path: Path, host: str, shown_as: str) -> Hold:
    """How the lock at `path` is held, seen from `host`. What a dead holder left of a free one is removed.

    Raises ReconcilerError where it cannot be looked at.
    """
    told = _sidecar(path)
    if not path.exists() and not told.exists():
        return Hold(Grip.FREE)
    lock = _taken(path, shown_as)
    if lock is None:
        return _hold(path, host)
    try:
        left = _named(path)
        told.unlink(missing_ok=True)
    except OSError as error:
        raise ReconcilerError([_unusable(shown_as, error)]) from error
    finally:
        lock.release()
    return Hold(Grip.FREE, left)


def break_lock(path: Path, seen: Hold, host: str, shown_as: str) -> None:
    """Take the lock away from whoever holds it, so that the next run gets one. Stops nobody who is still at work.

    Raises ReconcilerError where it is not held any more as it was `seen`, and where it cannot be removed.
    """
    now = tidied(path, host, shown_as)
    if now.grip is Grip.FREE:
        return
    if now != seen:
        raise ReconcilerError([_held(now, shown_as)])
    try:
        # In this order: behind a removed lock the next run may stand, with a name of its own.
        _sidecar(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ReconcilerError([_unusable(shown_as, error)]) from error


def named(path: Path, host: str) -> Hold:
    """How the lock at `path` is held as the file beside it says, seen from `host`. Touches nothing, so that a run that
    begins at this moment gets the lock; a dead process may have left its name, and that is told by `grip`."""
    return _hold(path, host)


def _mark(path: Path) -> tuple[int, int] | None:
    """What tells the file at a path from another one that is put in its place; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".holder")


def _taken(path: Path, shown_as: str) -> FileLock | None:
    """The lock, held; None where somebody else holds it. Raises ReconcilerError."""
    lock = FileLock(path, mode=0o600, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except (OSError, NotImplementedError) as error:
        raise ReconcilerError([_unusable(shown_as, error)]) from error
    return lock


def _hold(path: Path, host: str) -> Hold:
    """Who holds a lock that is held."""
    holder = _named(path)
    if holder is None:
        return Hold(Grip.UNNAMED)
    if holder.host != host:
        return Hold(Grip.ELSEWHERE, holder)
    return Hold(Grip.RUNNING if runs_beside(holder.pid) else Grip.LOST, holder)


def _named(path: Path) -> Holder | None:
    """Whom the file beside a lock names."""
    try:
        holder = Holder(**json.loads(_sidecar(path).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    texts = (holder.host, holder.user, holder.since, holder.doing)
    return holder if isinstance(holder.pid, int) and all(isinstance(text, str) for text in texts) else None


def _held(hold: Hold, shown_as: str) -> Diagnostic:
    by = "the other run has not said yet who it is"
    # A name that a dead process left says nothing about who holds the lock now.
    if hold.holder is not None and hold.grip is not Grip.LOST:
        by = f"it is held by {hold.holder}"
    certain = "the lock of a process that died is free at once"
    if hold.grip is not Grip.RUNNING:
        certain = "if it is certain that none is left, `reconciler state unlock` breaks the lock"
    return Diagnostic(
        "locked",
        f"another run is writing to the state `{shown_as}`",
        notes=(by,),
        help=f"wait for it to end and run again; {certain}",
    )


def _unusable(shown_as: str, error: Exception) -> Diagnostic:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Diagnostic(
        "state-unusable",
        f"the state `{shown_as}` cannot be locked: {reason}",
        help="make its folder writable; nothing was sent to Fivetran",
    )
