"""Run slow work in worker threads, and return the results to the main thread.

The workers are daemon threads, since the interpreter waits for the threads of an executor at its exit: a stopped run
must not wait for a hanging call.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from reconciler.runtime.deadline import SIGNAL_POLL_INTERVAL, ShutdownDeadline
from reconciler.runtime.events import EventQueue

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class WorkResult(Generic[_Key]):
    """Result of the work that was started with `key`, or the exception that ended it."""

    key: _Key
    result: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class _PermissionRequest(Generic[_Key]):
    """Question of a worker, which waits in `reply`: whether its work may go on."""

    key: _Key
    reply: queue.SimpleQueue[bool] = field(default_factory=queue.SimpleQueue)


class WorkerPool(Generic[_Key]):
    """Pool of at most `size` threads. One thread owns the pool: it starts work, takes results and closes the pool.
    While it takes results, it also answers the permission requests of workers, with `may_continue`."""

    def __init__(self, size: int, may_continue: Callable[[_Key], bool] = lambda key: True) -> None:
        self._size = size
        self._may_continue = may_continue
        self._is_closed = threading.Event()
        self._threads = 0
        self._busy = 0
        self._work: queue.SimpleQueue[tuple[_Key, Callable[[], Any]] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[WorkResult[_Key] | _PermissionRequest[_Key]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Start no more work. Work under way is not waited for, and gets no permission to go on."""
        # Closed first: a worker that asks after the queue was emptied below must see that no reply will come.
        self._is_closed.set()
        for _ in range(self._threads):
            self._work.put(None)
        while not self._results.empty():
            item = self._results.get()
            if isinstance(item, _PermissionRequest):
                item.reply.put(False)

    @property
    def has_capacity(self) -> bool:
        """Whether a thread would start more work at once."""
        return self._busy < self._size

    def start(self, key: _Key, work: Callable[[], Any]) -> None:
        """Let a thread do the work. The work waits if all threads are busy."""
        self._busy += 1
        self._work.put((key, work))
        if self._threads < min(self._busy, self._size):
            self._threads += 1
            threading.Thread(target=self._run_worker, daemon=True).start()

    def next_result(self, timeout: float | None = None) -> WorkResult[_Key] | None:
        """Take the result of the next finished work; None if no work finishes within `timeout` seconds, or if a
        permission request came first."""
        try:
            item = self._results.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(item, _PermissionRequest):
            self._answer_request(item)
            return None
        self._busy -= 1
        return item

    def request_permission(self, key: _Key) -> bool:
        """Ask whether the work for a key may go on. Called by the thread of the work; False after the pool is
        closed."""
        request = _PermissionRequest(key)
        self._results.put(request)
        # The owner closes the pool before it answers the queued requests, so this request is answered or sees the
        # close.
        return not self._is_closed.is_set() and request.reply.get()

    def _answer_request(self, request: _PermissionRequest[_Key]) -> None:
        allowed = False
        try:
            allowed = self._may_continue(request.key)
        finally:
            request.reply.put(allowed)

    def _run_worker(self) -> None:
        while (item := self._work.get()) is not None and not self._is_closed.is_set():
            key, work = item
            try:
                self._results.put(WorkResult(key, result=work()))
            except BaseException as error:  # the owner of the pool raises or explains it
                self._results.put(WorkResult(key, error=error))


def map_parallel(
    work: Callable[[_Item], _Result], items: Iterable[_Item], workers: int
) -> Iterator[tuple[_Item, _Result]]:
    """Do the work for every item. Yields each item with its result, in the order in which the results arrive.

    The first exception that `work` raises is raised here, and no work is started after it.
    """
    with WorkerPool[_Item](workers) as pool:
        remaining = 0
        for item in items:
            pool.start(item, partial(work, item))
            remaining += 1
        while remaining:
            work_result = pool.next_result()
            if work_result is None:
                continue
            if work_result.error is not None:
                raise work_result.error
            yield work_result.key, work_result.result
            remaining -= 1


def run_interruptible(
    work: Callable[[], _Result], deadline: ShutdownDeadline, events: EventQueue
) -> _Result | None:
    """Do work in a thread of its own, so that a hanging read does not delay a stopped run. Returns the result; None if
    the work was abandoned. Raises the exception of the work."""
    with WorkerPool[None](1) as pool:
        pool.start(None, work)
        while not deadline.is_over:
            work_result = pool.next_result(SIGNAL_POLL_INTERVAL)
            events.flush()
            if work_result is None:
                continue
            if work_result.error is not None:
                raise work_result.error
            result: _Result = work_result.result
            return result
    return None
