"""Clocks on which no wait takes any time, safe to share between threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class SwiftClock:
    """Time passes only where somebody waits; threads that wait at the same time wait together.

    `waits` are the seconds of every wait that was not cut short. `on_wait` is called before each, with the
    seconds.
    """

    def __init__(self, begin: float = 0.0, on_wait: Callable[[float], None] = lambda seconds: None) -> None:
        self.seconds = begin
        self.waits: list[float] = []
        self.on_wait = on_wait
        self._calls = 0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a sleep cannot be interrupted")

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self._calls += 1
        assert self._calls < 10_000, "this never ends"
        self.on_wait(seconds)
        if not event.is_set():
            until = self.seconds + seconds
            with self._lock:
                self.waits.append(seconds)
                self._let_pass(seconds, until)
        return event.is_set()

    def _let_pass(self, seconds: float, until: float) -> None:
        self.seconds = max(self.seconds, until)


class HastyClock(SwiftClock):
    """Real time, which real sockets need for their deadlines, but for the waits: those are jumps."""

    def monotonic(self) -> float:
        return self.seconds + time.monotonic()

    def _let_pass(self, seconds: float, until: float) -> None:
        self.seconds += seconds
