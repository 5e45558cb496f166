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

from reconciler.engine.relay import Relay
from reconciler.model.address import Address
from reconciler.model.clock import Clock

GRACE = 5.0
"""Seconds that calls in flight have to end once a run is cancelled. CI runners kill after ten."""

GLANCE = 0.2
"""Seconds between looks at whether somebody wants to stop: a signal wakes no queue."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of the work for an address: a result, or the exception that ended it."""

    address: Address
    result: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    """Whether the work for an address may go on. It waits in `answer`."""

    address: Address
    answer: queue.SimpleQueue[bool] = field(default_factory=queue.SimpleQueue)


_Work = tuple[Address, Callable[[], Any]]


class Crew:
    """At most `size` threads. Started, asked and left by one thread only, which also answers with `may_go_on` what
    the others ask in the middle of their work."""

    def __init__(self, size: int, may_go_on: Callable[[Address], bool] = lambda address: True) -> None:
        self._size = size
        self._may_go_on = may_go_on
        self._is_over = threading.Event()
        self._threads = 0
        self._busy = 0
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[Finished | _Question] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send everybody home. Who is still at work is not waited for, and may not go on where it would have asked."""
        for _ in range(self._threads):
            self._work.put(None)
        self._is_over.set()
        while not self._finished.empty():
            left = self._finished.get()
            if isinstance(left, _Question):
                left.answer.put(False)

    @property
    def has_room(self) -> bool:
        """Whether somebody could start at once."""
        return self._busy < self._size

    def start(self, address: Address, work: Callable[[], Any]) -> None:
        """Have a thread do the work for an address."""
        self._busy += 1
        self._work.put((address, work))
        if self._threads < min(self._busy, self._size):
            self._threads += 1
            threading.Thread(target=self._run, daemon=True).start()

    def next(self, patience: float) -> Finished | None:
        """The next piece of work that is done; None where none is within so many seconds, or where a question came
        first."""
        try:
            finished = self._finished.get(timeout=patience)
        except queue.Empty:
            return None
        if isinstance(finished, _Question):
            self._answer(finished)
            return None
        self._busy -= 1
        return finished

    def ask(self, address: Address) -> bool:
        """Whether the work for an address may go on. From the thread that does it; not once the crew was left."""
        question = _Question(address)
        self._finished.put(question)
        # Whoever leaves the crew first says so and then answers what is in the queue.
        return not self._is_over.is_set() and question.answer.get()

    def _answer(self, question: _Question) -> None:
        allowed = False
        try:
            allowed = self._may_go_on(question.address)
        finally:
            question.answer.put(allowed)

    def _run(self) -> None:
        while (piece := self._work.get()) is not None:
            address, work = piece
            try:
                self._finished.put(Finished(address, result=work()))
            except BaseException as error:  # raised again, or explained, by the main thread
                self._finished.put(Finished(address, error=error))


@dataclass(slots=True)
class Grace:
    """The time that is left to what is in flight once a run is cancelled."""

    clock: Clock
    cancelled: threading.Event
    _since: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is waited for any more (S-09)."""
        if not self.cancelled.is_set():
            return False
        now = self.clock.monotonic()
        if self._since is None:
            self._since = now
        return now - self._since >= GRACE


def attended(work: Callable[[], _Result], grace: Grace, relay: Relay) -> _Result | None:
    """The result of work that is done in a thread of its own, so that a hanging read does not keep a run that is
    cancelled; None where it was left alone. What the work raises is raised here."""
    whole = Address("", "")
    with Crew(1) as crew:
        crew.start(whole, work)
        while not grace.is_over:
            finished = crew.next(GLANCE)
            relay.deliver()
            if finished is None:
                continue
            if finished.error is not None:
                raise finished.error
            result: _Result = finished.result
            return result
    return None
