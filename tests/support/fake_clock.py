"""Provide clocks whose waits take no time. All clocks are thread-safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from reconciler.runtime.clock import SystemClock

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeClock:
    """Clock that moves only if a caller waits or a test advances it. Simultaneous waits pass together.

    The product uses it as a clock, the emulator as a function that returns the time. `waits` are the seconds of
    every wait that was not cut short. `on_wait` is called before each wait, with its seconds. While the machine was
    `asleep` for some seconds, only the time of day went on. More than `max_waits` waits are an endless loop.
    """

    def __init__(
        self,
        seconds: float = 0.0,
        *,
        start: datetime = START,
        on_wait: Callable[[float], None] = lambda seconds: None,
        max_waits: float = 10_000,
    ) -> None:
        self.seconds = seconds
        self.asleep = 0.0
        self.waits: list[float] = []
        self.on_wait = on_wait
        self._start = start
        self._waits_left = max_waits
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        return self.now()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.seconds + self.asleep)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self._pass_until(self.seconds + seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self._waits_left -= 1
        assert self._waits_left > 0, "this never ends"
        self.on_wait(seconds)
        if not event.is_set():
            self.waits.append(seconds)
            self._pass_until(self.seconds + seconds)
        return event.is_set()

    def advance(self, seconds: float = 0.0, *, minutes: float = 0.0) -> None:
        """Move the clock, also backwards."""
        with self._lock:
            self.seconds += seconds + 60 * minutes

    def _pass_until(self, seconds: float) -> None:
        with self._lock:
            self.seconds = max(self.seconds, seconds)


class HastyClock(SystemClock):
    """Clock with the real time, which sockets need for their deadlines; waits return at once and are recorded.

    The clock is `ahead` of the real time. `waits` are as in `FakeClock`.
    """

    ahead = timedelta(0)

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._skipped = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._skipped += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if not event.is_set():
            self.waits.append(seconds)
            self.sleep(seconds)
        return event.is_set()


class TickingClock:
    """Clock of the emulator that moves by a millisecond at each read."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, 30, 15, 250_001, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time
