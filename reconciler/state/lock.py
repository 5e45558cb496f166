"""One writer at a time. The lock dies with its process; a file beside it says who holds it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.holder import Holder


@contextmanager
def locked(path: Path, holder: Holder, shown_as: str) -> Iterator[None]:
    """Hold the lock at `path` for a while. Raises ReconcilerError at once where somebody else holds it."""
    told = path.with_name(path.name + ".holder")
    lock = FileLock(path, mode=0o600, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ReconcilerError([_held(told, shown_as)]) from error
    except (OSError, NotImplementedError) as error:
        raise ReconcilerError([_unusable(shown_as, error)]) from error
    try:
        with suppress(OSError):  # only for people: the lock itself is held
            told.write_text(json.dumps(asdict(holder)))
        yield
    finally:
        with suppress(OSError):
            told.unlink(missing_ok=True)
        lock.release()


def _held(told: Path, shown_as: str) -> Diagnostic:
    try:
        by = f"it is held by {Holder(**json.loads(told.read_text()))}"
    except (OSError, ValueError, TypeError):
        by = "the other run has not said yet who it is"
    return Diagnostic(
        "locked",
        f"another run is writing to the state `{shown_as}`",
        notes=(by,),
        help="wait for it to end and run again; the lock of a process that died is free at once",
    )


def _unusable(shown_as: str, error: Exception) -> Diagnostic:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Diagnostic(
        "state-unusable",
        f"the state `{shown_as}` cannot be locked: {reason}",
        help="make its folder writable; nothing was sent to Fivetran",
    )
