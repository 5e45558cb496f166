"""Call the library of a store within the time of one look-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reconciler.runtime.workers import WorkerPool

_Result = TypeVar("_Result")


def call_within(timeout: float, work: Callable[[], _Result]) -> _Result:
    """Do the work in a thread of its own. Returns its result, and raises its exception. After `timeout` seconds the
    thread is abandoned, and TimeoutError raised.

    A library bounds each read of a socket at best, so that a server that sends a byte now and then would hold the run,
    and finding credentials may take several requests and programs.
    """
    with WorkerPool[None](1) as pool:
        pool.start(None, work)
        done = pool.next_result(timeout)
    if done is None:
        raise TimeoutError
    if done.error is not None:
        raise done.error
    result: _Result = done.result
    return result
