"""Release a lock whose holder has ended, for `state unlock`: by evidence, or if the operator confirms it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.lock_info import LockInfo
from reconciler.operations.state import find_store
from reconciler.state.lock import LockHolderState, LockStatus
from reconciler.workspace.settings import Settings


@dataclass(frozen=True, slots=True)
class ProjectLock:
    """The lock of a state. A held lock stays until `force_unlock` is called, which raises ReconcilerError."""

    place: str
    status: LockStatus
    force_unlock: Callable[[], None]

    @property
    def is_free(self) -> bool:
        """Whether no run holds the lock."""
        return self.status.state is LockHolderState.FREE

    @property
    def uncertainty(self) -> str:
        """The reason why this host cannot decide whether the holder still runs."""
        reason = self._uncertain_holder
        if self.status.expires_at:
            reason += f"; it is free by itself at {self.status.expires_at}, unless it is renewed"
        return reason

    @property
    def _uncertain_holder(self) -> str:
        match self.status:
            case LockStatus(LockHolderState.LOCAL_DEAD, LockInfo(pid=pid)) if pid == os.getpid():
                return f"process {pid} is this process, so the holder ran in another container, or before a restart"
            case LockStatus(LockHolderState.LOCAL_DEAD, LockInfo(pid=pid)):
                return f"this host has no process {pid}: the holder is in a container, or another run has the lock now"
            case LockStatus(LockHolderState.REMOTE, LockInfo(pid=pid, host=name)):
                return f"the holder is on another host: check whether process {pid} of {name} still runs"
        return "a run on this host, or on a host that shares this state, holds the lock"


def inspect_lock(settings: Settings) -> ProjectLock:
    """Inspect the lock of a project, and remove the remains of a dead holder on this host.

    Raises ReconcilerError if a running process of this host holds the lock: the operator must stop that
    process instead. If the holder is on another host, in another container, or unknown, the operator has to decide.
    """
    store, host = find_store(settings), settings.holder.host
    status = store.lock.clear_stale(host)
    if status.state is LockHolderState.LOCAL_ALIVE and status.holder is not None:
        raise ReconcilerError([_explain_locked(status.holder, status.expires_at, store.display_name)])
    return ProjectLock(store.display_name, status, lambda: store.lock.force_unlock(status, host))


def _explain_locked(holder: LockInfo, until: str, place: str) -> Diagnostic:
    free = f"at {until}" if until else "as soon as that process has ended"
    return Diagnostic(
        "locked",
        f"the lock of the state `{place}` belongs to a process that runs on this host",
        notes=(
            f"it is held by {holder}",
            f"process ids are reused: check which program {holder.pid} is before you stop it",
        ),
        help=f"wait for it to end, or stop process {holder.pid}; the lock is free {free}",
    )
