"""`state unlock`: free a project from a lock whose holder is gone, where that can be known or somebody knows it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.holder import Holder
from reconciler.operations.settings import Settings
from reconciler.operations.state import state_file
from reconciler.state.lock import Grip, Hold


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock of a state. Nothing happens to a held one before `carry_out` is called; that raises ReconcilerError."""

    place: str
    hold: Hold
    carry_out: Callable[[], None]

    @property
    def is_free(self) -> bool:
        """Whether nobody holds it."""
        return self.hold.grip is Grip.FREE

    @property
    def doubt(self) -> str:
        """Why it cannot be known here whether the holder of a held one is still at work."""
        told = self._unknown
        if self.hold.until:
            told += f"; it is free by itself at {self.hold.until}, unless it is renewed"
        return told

    @property
    def _unknown(self) -> str:
        match self.hold:
            case Hold(Grip.LOST, Holder(pid=pid)) if pid == os.getpid():
                return (
                    f"process {pid} is this one, so its holder was in another container, or before a restart"
                )
            case Hold(Grip.LOST, Holder(pid=pid)):
                return f"no process {pid} is on this host: it is in a container, or somebody else has the lock now"
            case Hold(Grip.ELSEWHERE, Holder(pid=pid, host=name)):
                return f"that is another host: look there whether process {pid} of {name} still runs"
        return "somebody on this host, or on one that shares this state, is at work"


def look_at_lock(settings: Settings) -> Lock:
    """Who holds the lock of a project. What a dead holder left of a free one is removed.

    Raises `ReconcilerError` where a process of this host holds it, since that is to be stopped instead. It may be
    on another host, in another container, or nameless: then a person has to know whether it is still at work.
    """
    file, host = state_file(settings), settings.holder.host
    hold = file.tidied(host)
    if hold.grip is Grip.RUNNING and hold.holder is not None:
        raise ReconcilerError([_at_work(hold.holder, hold.until, file.shown_as)])
    return Lock(file.shown_as, hold, lambda: file.break_lock(hold, host))


def _at_work(holder: Holder, until: str, place: str) -> Diagnostic:
    free = f"at {until}" if until else "as soon as it is gone"
    return Diagnostic(
        "locked",
        f"the lock of the state `{place}` belongs to a process that runs on this host",
        notes=(
            f"it is held by {holder}",
            f"numbers of processes are used again: look what {holder.pid} is before you stop it",
        ),
        help=f"wait for it to end, or stop process {holder.pid}; the lock is free {free}",
    )
