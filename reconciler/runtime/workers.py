"""A few threads that wait for Fivetran, and the one that takes what comes of it.

Daemon threads, since an executor's threads outlive Ctrl-C: whoever stops a run does not wait for a hanging call.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

from reconciler.model.address import Address
from reconciler.model.clock import Clock
from reconciler.runtime.events import EventQueue

GRACE_PERIOD = 5.0
"""Seconds that calls in flight have to end once a run is cancelled. CI runners kill after ten."""

POLL = 0.2
"""Seconds between looks at whether somebody wants to stop: a signal wakes no queue."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class WorkResult:
    """What came of the work for an address: a result, or the exception that ended it."""

    address: Address
    result: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class _PermissionRequest:
    """Whether the work for an address may go on. It waits in `answer`."""

    address: Address
    reply: queue.SimpleQueue[bool] = field(default_factory=queue.SimpleQueue)


_WorkItem = tuple[Address, Callable[[], Any]]


class WorkerPool:
    """At most `size` threads. Started, asked and left by one thread only, which also answers with `may_go_on` what
    the others ask in the middle of their work."""

    def __init__(self, size: int, may_continue: Callable[[Address], bool] = lambda address: True) -> None:
        self._size = size
        self._may_continue = may_continue
        self._is_closed = threading.Event()
        self._threads = 0
        self._busy = 0
        self._work: queue.SimpleQueue[_WorkItem | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[WorkResult | _PermissionRequest] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send everybody home. Who is still at work is not waited for, and may not go on where it would have asked."""
        for _ in range(self._threads):
            self._work.put(None)
        self._is_closed.set()
        while not self._results.empty():
            item = self._results.get()
            if isinstance(item, _PermissionRequest):
                item.reply.put(False)

    @property
    def has_capacity(self) -> bool:
        """Whether somebody could start at once."""
        return self._busy < self._size

    def start(self, address: Address, work: Callable[[], Any]) -> None:
        """Have a thread do the work for an address."""
        self._busy += 1
        self._work.put((address, work))
        if self._threads < min(self._busy, self._size):
            self._threads += 1
            threading.Thread(target=self._run_worker, daemon=True).start()

    def next_result(self, timeout: float) -> WorkResult | None:
        """The next piece of work that is done; None where none is within so many seconds, or where a question came
        first."""
        try:
            item = self._results.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(item, _PermissionRequest):
            self._answer_request(item)
            return None
        self._busy -= 1
        return item

    def request_permission(self, address: Address) -> bool:
        """Whether the work for an address may go on. From the thread that does it; not once the crew was left."""
        request = _PermissionRequest(address)
        self._results.put(request)
        # Whoever leaves the crew first says so and then answers what is in the queue.
        return not self._is_closed.is_set() and request.reply.get()

    def _answer_request(self, request: _PermissionRequest) -> None:
        allowed = False
        try:
            allowed = self._may_continue(request.address)
        finally:
            request.reply.put(allowed)

    def _run_worker(self) -> None:
        while (item := self._work.get()) is not None:
            address, work = item
            try:
                self._results.put(WorkResult(address, result=work()))
            except BaseException as error:  # raised again, or explained, by the main thread
                self._results.put(WorkResult(address, error=error))


@dataclass(slots=True)
class ShutdownGrace:
    """The time that is left to what is in flight once a run is cancelled."""

    clock: Clock
    cancelled: threading.Event
    _started_at: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is waited for any more (S-09)."""
        if not self.cancelled.is_set():
            return False
        now = self.clock.monotonic()
        if self._started_at is None:
            self._started_at = now
        return now - self._started_at >= GRACE_PERIOD


def run_interruptible(
    work: Callable[[], _Result], grace: ShutdownGrace, events: EventQueue
) -> _Result | None:
    """The result of work that is done in a thread of its own, so that a hanging read does not keep a run that is
    cancelled; None where it was left alone. What the work raises is raised here."""
    placeholder = Address("", "")
    with WorkerPool(1) as pool:
        pool.start(placeholder, work)
        while not grace.is_over:
            work_result = pool.next_result(POLL)
            events.flush()
            if work_result is None:
                continue
            if work_result.error is not None:
                raise work_result.error
            result: _Result = work_result.result
            return result
    return None
