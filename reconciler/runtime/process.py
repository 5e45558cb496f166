"""Look up processes of this host."""

from __future__ import annotations

import os


def is_running(pid: int) -> bool:
    """Check whether this host has a process with this id now. Ids are reused, so it may be another process."""
    if pid <= 0:  # to the system such ids mean groups of processes
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # a process of another user
        return True
    return True


def is_other_live_process(pid: int) -> bool:
    """Check whether this host has another process with this id. In containers the first process always has the same id,
    so a lock that names the id of this process was left by a dead process."""
    return pid != os.getpid() and is_running(pid)
