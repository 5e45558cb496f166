"""When calls may leave: budgets that are kept to on this side, and one pause for all after a 429."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from reconciler.model.budget import Budget
from reconciler.model.clock import Clock
from reconciler.model.event import Listener, Throttled, ignore_event

MINUTE = 60.0
HOUR = 3600.0

NOTIFY_AFTER = 5.0
"""Seconds from which on a wait is an event."""

REQUESTS = "requests"
SETUP_TESTS = "setup tests"


PAID_ACCOUNT = Budget()


class AcquireResult(Enum):
    """How waiting for one's turn ended."""

    GRANTED = auto()
    CANCELLED = auto()
    PAUSED_TOO_LONG = auto()


class Limiter:
    """Lets calls through one by one. One for all threads of a run, and safe to share between them.

    `told` is called from the thread that waits, for waits of `WORTH_TELLING` seconds or more, once for each
    moment that is waited for.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        cancelled: threading.Event,
        budget: Budget = PAID_ACCOUNT,
        listener: Listener = ignore_event,
    ) -> None:
        self._clock = clock
        self._cancelled = cancelled
        self._listener = listener
        self._lock = threading.Lock()
        self._requests = SlidingWindow(REQUESTS, budget.requests_per_hour, HOUR)
        self._tests_per_minute = SlidingWindow(SETUP_TESTS, budget.setup_tests_per_minute, MINUTE)
        self._tests_per_hour = SlidingWindow(SETUP_TESTS, budget.setup_tests_per_hour, HOUR)
        self._paused_until = -math.inf
        self._notified_until: dict[str, float] = {}
        self._observed_remaining: tuple[float, int] | None = None

    def acquire(self, *, is_test: bool, max_pause: float = math.inf) -> AcquireResult:
        """Wait until a call may leave, and count it. Nothing is counted unless it is granted.

        `patience` is in seconds and for pauses only: the wait for a budget ends by itself.
        """
        while not self._cancelled.is_set():
            wait = self._try_acquire(is_test=is_test)
            if wait is None:
                return AcquireResult.GRANTED
            if wait.is_pause:
                if wait.seconds > max_pause:
                    return AcquireResult.PAUSED_TOO_LONG
                max_pause -= wait.seconds
            if wait.is_unreported:
                self._listener(Throttled(wait.quota, wait.seconds))
            self._clock.wait(self._cancelled, wait.seconds)
        return AcquireResult.CANCELLED

    def pause(self, seconds: float) -> None:
        """Let nothing through for so long. A pause that ends later stays as it is."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    @property
    def pause_remaining(self) -> float:
        """Seconds until the pause is over; 0 where there is none."""
        with self._lock:
            return max(0.0, self._paused_until - self._clock.monotonic())

    def observe_remaining(self, remaining: int | None) -> None:
        """Remember what an answer says of the calls that are left, if it does."""
        if remaining is not None:
            with self._lock:
                self._observed_remaining = (self._clock.monotonic(), remaining)

    def count_remaining_requests(self) -> int:
        """How many calls fit now: by our own count, or by Fivetran's newest word where that is less.

        Others use the same account, so its word counts; after an hour it says nothing any more.
        """
        with self._lock:
            now = self._clock.monotonic()
            remaining = self._requests.count_remaining(now)
            if self._observed_remaining is None or now - self._observed_remaining[0] >= HOUR:
                return remaining
            return min(remaining, self._observed_remaining[1])

    def count_remaining_tests(self) -> int:
        """How many runs of setup tests fit into this hour. The budget of the minute only delays them."""
        with self._lock:
            return self._tests_per_hour.count_remaining(self._clock.monotonic())

    def _try_acquire(self, *, is_test: bool) -> _Wait | None:
        """Count a call, or say what it has to wait for. In one step, so that no thread overtakes a budget."""
        windows = [self._requests]
        if is_test:
            windows += [self._tests_per_minute, self._tests_per_hour]
        with self._lock:
            now = self._clock.monotonic()
            if now < self._paused_until:
                return self._build_wait(REQUESTS, now, self._paused_until, is_pause=True)
            fullest = max(windows, key=lambda window: window.find_opening(now))
            if fullest.find_opening(now) > now:
                return self._build_wait(fullest.quota, now, fullest.find_opening(now), is_pause=False)
            for window in windows:
                window.add(now)
        return None

    def _build_wait(self, quota: str, now: float, until: float, *, is_pause: bool) -> _Wait:
        seconds = until - now
        is_unreported = seconds >= NOTIFY_AFTER and until > self._notified_until.get(quota, -math.inf)
        if is_unreported:
            self._notified_until[quota] = until
        return _Wait(quota, seconds, is_pause, is_unreported)


@dataclass(frozen=True, slots=True)
class _Wait:
    """What a call has to wait for. `is_news`: nobody was told yet."""

    quota: str
    seconds: float
    is_pause: bool
    is_unreported: bool


class SlidingWindow:
    """At most `limit` within any `seconds`. The caller sees to it that threads take turns."""

    def __init__(self, quota: str, limit: int, seconds: float) -> None:
        self.quota = quota
        self._limit = limit
        self._seconds = seconds
        self._expiries: deque[float] = deque()

    def count_remaining(self, now: float) -> int:
        """How many more fit now."""
        while self._expiries and self._expiries[0] <= now:
            self._expiries.popleft()
        return self._limit - len(self._expiries)

    def find_opening(self, now: float) -> float:
        """The moment from which on one more fits."""
        return now if self.count_remaining(now) > 0 else self._expiries[0]

    def add(self, now: float) -> None:
        """Count one."""
        self._expiries.append(now + self._seconds)
