"""Whether a process is still there."""

from __future__ import annotations

import os


def is_running(pid: int) -> bool:
    """Whether this host has a process of this number now. Numbers are used again, so it may be another one."""
    if pid <= 0:  # to the system these mean groups of processes
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def is_other_live_process(pid: int) -> bool:
    """Whether this host has another process of this number. In containers the first one has the same number each
    time, so a lock that names ours was left by one that is gone."""
    return pid != os.getpid() and is_running(pid)
