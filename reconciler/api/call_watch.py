"""Watch the calls in flight, so that a run can report the call that it waits for."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from reconciler.model.clock import Clock
from reconciler.model.event import AnswerArrived, AwaitingAnswer

QUIET_PERIOD = 30.0
"""Seconds from one report of a slow call to the next."""


@dataclass(slots=True)
class _Call:
    method: str
    path: str
    since: datetime
    started_at: float
    notify_after: float
    is_reported: bool = False


class CallWatch:
    """Calls in flight of all threads. Safe to share between threads.

    The threads of the calls wait for their sockets, so another thread has to take the reports from time to time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: list[_Call] = []
        self._ended: list[_Call] = []
        self._quiet_until = -math.inf

    @contextmanager
    def follow(self, method: str, path: str, notify_after: float) -> Iterator[None]:
        """Follow a call inside the block. It is reported if it takes `notify_after` seconds."""
        call = _Call(method, path, self._clock.now(), self._clock.monotonic(), notify_after)
        with self._lock:
            self._calls.append(call)
        try:
            yield
        finally:
            with self._lock:
                self._calls = [other for other in self._calls if other is not call]
                if call.is_reported:
                    self._ended.append(call)

    def take_reports(self) -> list[AwaitingAnswer | AnswerArrived]:
        """Take the new reports: of the ends of reported calls, and of the call that has waited longest. The latter at
        most once per call, and once in `QUIET_PERIOD`: if Fivetran is slow as a whole, one line says so."""
        with self._lock:
            reports: list[AwaitingAnswer | AnswerArrived] = [
                AnswerArrived(call.method, call.path) for call in self._ended
            ]
            self._ended.clear()
            now = self._clock.monotonic()
            if now < self._quiet_until:
                return reports
            for call in self._calls:  # in the order of their start
                seconds = now - call.started_at
                if seconds >= call.notify_after and not call.is_reported:
                    call.is_reported, self._quiet_until = True, now + QUIET_PERIOD
                    return [*reports, AwaitingAnswer(call.method, call.path, call.since, seconds)]
            return reports
