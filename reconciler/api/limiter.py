"""Limit the rate of requests: by the client's own budgets, and by a common pause of all threads after a 429."""

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
"""Waits of this many seconds or more are reported."""

REQUESTS = "requests"
SETUP_TESTS = "setup tests"


PAID_ACCOUNT = Budget()


class AcquireResult(Enum):
    """Result of waiting for a turn."""

    GRANTED = auto()
    CANCELLED = auto()
    PAUSED_TOO_LONG = auto()
    SPENT = auto()


class Limiter:
    """Limiter that admits requests one by one. One limiter serves all threads of a run, and is safe to share.

    `listener` is called from the waiting thread, for waits of `NOTIFY_AFTER` seconds or more, once for each
    end of a wait. `max_requests` is the number of requests of the whole run, None for any number.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        cancelled: threading.Event,
        budget: Budget = PAID_ACCOUNT,
        listener: Listener = ignore_event,
        max_requests: int | None = None,
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
        self._max_requests = math.inf if max_requests is None else max_requests
        self._granted = 0

    def acquire(self, *, is_test: bool, max_pause: float = math.inf) -> AcquireResult:
        """Wait for a turn, and count the request. Nothing is counted unless the turn is granted.

        `max_pause` bounds pauses, in seconds. Waits for a budget are not bounded, since such waits always
        end.
        """
        while not self._cancelled.is_set():
            wait = self._try_acquire(is_test=is_test)
            if isinstance(wait, AcquireResult):
                return wait
            if wait.is_pause:
                if wait.seconds > max_pause:
                    return AcquireResult.PAUSED_TOO_LONG
                # Pauses add up: several short pauses must not exceed the bound either.
                max_pause -= wait.seconds
            if wait.is_unreported:
                self._listener(Throttled(wait.quota, wait.seconds))
            self._clock.wait(self._cancelled, wait.seconds)
        return AcquireResult.CANCELLED

    def pause(self, seconds: float) -> None:
        """Pause all requests for this many seconds. A pause that ends later stays."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    @property
    def is_spent(self) -> bool:
        """Whether the run may send no more requests."""
        with self._lock:
            return self._granted >= self._max_requests

    def count_run_requests(self) -> int:
        """Count the requests of this run that got a turn."""
        with self._lock:
            return self._granted

    @property
    def pause_remaining(self) -> float:
        """Seconds until the pause ends, 0 without a pause."""
        with self._lock:
            return max(0.0, self._paused_until - self._clock.monotonic())

    def observe_remaining(self, remaining: int | None) -> None:
        """Record the remaining requests that a response reports, None if it reports none."""
        if remaining is not None:
            with self._lock:
                self._observed_remaining = (self._clock.monotonic(), remaining)

    def count_remaining_requests(self) -> int:
        """Count the requests that are left: by the own count, or by Fivetran's latest report if that is less.

        Other clients share the account, so the report counts. It expires after an hour.
        """
        with self._lock:
            now = self._clock.monotonic()
            remaining = self._requests.count_remaining(now)
            if self._observed_remaining is None or now - self._observed_remaining[0] >= HOUR:
                return remaining
            return min(remaining, self._observed_remaining[1])

    def count_remaining_tests(self) -> int:
        """Count the runs of setup tests that are left in this hour.

        The budget per minute only delays runs.
        """
        with self._lock:
            return self._tests_per_hour.count_remaining(self._clock.monotonic())

    def find_test_opening(self, ahead: int = 0) -> float:
        """Find the moment, in seconds of the monotonic clock, at which a run of setup tests can start after `ahead`
        other runs."""
        with self._lock:
            now = self._clock.monotonic()
            windows = (self._requests, self._tests_per_minute, self._tests_per_hour)
            return max(self._paused_until, *(window.find_opening(now, ahead) for window in windows))

    def _try_acquire(self, *, is_test: bool) -> _Wait | AcquireResult:
        """Count a request, or return the wait for its turn. A run without requests left waits for nothing.

        Both under one lock, so that concurrent threads cannot exceed a budget.
        """
        windows = [self._requests]
        if is_test:
            windows += [self._tests_per_minute, self._tests_per_hour]
        with self._lock:
            if self._granted >= self._max_requests:
                return AcquireResult.SPENT
            now = self._clock.monotonic()
            if now < self._paused_until:
                return self._build_wait(REQUESTS, now, self._paused_until, is_pause=True)
            # The window that opens last decides, since the request must fit into all windows.
            fullest = max(windows, key=lambda window: window.find_opening(now))
            if fullest.find_opening(now) > now:
                return self._build_wait(fullest.quota, now, fullest.find_opening(now), is_pause=False)
            for window in windows:
                window.add(now)
            self._granted += 1
        return AcquireResult.GRANTED

    def _build_wait(self, quota: str, now: float, until: float, *, is_pause: bool) -> _Wait:
        seconds = until - now
        is_unreported = seconds >= NOTIFY_AFTER and until > self._notified_until.get(quota, -math.inf)
        if is_unreported:
            self._notified_until[quota] = until
        return _Wait(quota, seconds, is_pause, is_unreported)


@dataclass(frozen=True, slots=True)
class _Wait:
    """Wait of a request. `is_unreported` is true if no thread has reported its end yet."""

    quota: str
    seconds: float
    is_pause: bool
    is_unreported: bool


class SlidingWindow:
    """A limit of `limit` requests within any `seconds`. Not safe for threads: callers hold a lock."""

    def __init__(self, quota: str, limit: int, seconds: float) -> None:
        self.quota = quota
        self._limit = limit
        self._seconds = seconds
        self._expiries: deque[float] = deque()

    def count_remaining(self, now: float) -> int:
        """Count the requests that are left at `now`."""
        while self._expiries and self._expiries[0] <= now:
            self._expiries.popleft()
        return self._limit - len(self._expiries)

    def find_opening(self, now: float, ahead: int = 0) -> float:
        """Find the moment at which a request fits after `ahead` other requests."""
        missing = ahead - self.count_remaining(now)
        # More requests than the limit admits at once have to wait for requests that are not sent yet.
        return (
            now
            if missing < 0
            else self._expiries[missing]
            if missing < len(self._expiries)
            else now + self._seconds
        )

    def add(self, now: float) -> None:
        """Count a request."""
        self._expiries.append(now + self._seconds)
