"""When calls may leave: budgets that are kept to on this side, and one pause for all after a 429."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from reconciler.model.clock import Clock
from reconciler.model.event import Listener, Paused, ignore

MINUTE = 60.0
HOUR = 3600.0

WORTH_TELLING = 5.0
"""Seconds from which on a wait is an event."""

REQUESTS = "requests"
SETUP_TESTS = "setup tests"


@dataclass(frozen=True, slots=True)
class Budget:
    """What the account may use within any hour or minute. The defaults are Fivetran's for a paid account."""

    requests_per_hour: int = 20_000
    setup_tests_per_minute: int = 250
    setup_tests_per_hour: int = 2_500

    def __post_init__(self) -> None:
        if min(self.requests_per_hour, self.setup_tests_per_minute, self.setup_tests_per_hour) < 1:
            raise ValueError("a budget of nothing lets nothing through, ever")


PAID = Budget()


class Admission(Enum):
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
        budget: Budget = PAID,
        told: Listener = ignore,
    ) -> None:
        self._clock = clock
        self._cancelled = cancelled
        self._told = told
        self._lock = threading.Lock()
        self._requests = _Window(REQUESTS, budget.requests_per_hour, HOUR)
        self._tests_of_the_minute = _Window(SETUP_TESTS, budget.setup_tests_per_minute, MINUTE)
        self._tests_of_the_hour = _Window(SETUP_TESTS, budget.setup_tests_per_hour, HOUR)
        self._paused_until = -math.inf
        self._told_until: dict[str, float] = {}
        self._heard: tuple[float, int] | None = None

    def admit(self, *, is_test: bool, patience: float = math.inf) -> Admission:
        """Wait until a call may leave, and count it. Nothing is counted unless it is granted.

        `patience` is in seconds and for pauses only: the wait for a budget ends by itself.
        """
        while not self._cancelled.is_set():
            wait = self._take_or_wait(is_test=is_test)
            if wait is None:
                return Admission.GRANTED
            if wait.is_pause:
                if wait.seconds > patience:
                    return Admission.PAUSED_TOO_LONG
                patience -= wait.seconds
            if wait.is_news:
                self._told(Paused(wait.what, wait.seconds))
            self._clock.wait(self._cancelled, wait.seconds)
        return Admission.CANCELLED

    def pause(self, seconds: float) -> None:
        """Let nothing through for so long. A pause that ends later stays as it is."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    @property
    def pause_left(self) -> float:
        """Seconds until the pause is over; 0 where there is none."""
        with self._lock:
            return max(0.0, self._paused_until - self._clock.monotonic())

    def hear(self, remaining: int | None) -> None:
        """Remember what an answer says of the calls that are left, if it does."""
        if remaining is not None:
            with self._lock:
                self._heard = (self._clock.monotonic(), remaining)

    def remaining_requests(self) -> int:
        """How many calls fit now: by our own count, or by Fivetran's newest word where that is less.

        Others use the same account, so its word counts; after an hour it says nothing any more.
        """
        with self._lock:
            now = self._clock.monotonic()
            left = self._requests.left(now)
            if self._heard is None or now - self._heard[0] >= HOUR:
                return left
            return min(left, self._heard[1])

    def remaining_tests(self) -> int:
        """How many runs of setup tests fit into this hour. The budget of the minute only delays them."""
        with self._lock:
            return self._tests_of_the_hour.left(self._clock.monotonic())

    def _take_or_wait(self, *, is_test: bool) -> _Wait | None:
        """Count a call, or say what it has to wait for. In one step, so that no thread overtakes a budget."""
        windows = [self._requests]
        if is_test:
            windows += [self._tests_of_the_minute, self._tests_of_the_hour]
        with self._lock:
            now = self._clock.monotonic()
            if now < self._paused_until:
                return self._wait(REQUESTS, now, self._paused_until, is_pause=True)
            fullest = max(windows, key=lambda window: window.opens_at(now))
            if fullest.opens_at(now) > now:
                return self._wait(fullest.what, now, fullest.opens_at(now), is_pause=False)
            for window in windows:
                window.take(now)
        return None

    def _wait(self, what: str, now: float, until: float, *, is_pause: bool) -> _Wait:
        seconds = until - now
        is_news = seconds >= WORTH_TELLING and until > self._told_until.get(what, -math.inf)
        if is_news:
            self._told_until[what] = until
        return _Wait(what, seconds, is_pause, is_news)


@dataclass(frozen=True, slots=True)
class _Wait:
    """What a call has to wait for. `is_news`: nobody was told yet."""

    what: str
    seconds: float
    is_pause: bool
    is_news: bool


class _Window:
    """At most `limit` within any `seconds`. The caller sees to it that threads take turns."""

    def __init__(self, what: str, limit: int, seconds: float) -> None:
        self.what = what
        self._limit = limit
        self._seconds = seconds
        self._ends: deque[float] = deque()

    def left(self, now: float) -> int:
        """How many more fit now."""
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()
        return self._limit - len(self._ends)

    def opens_at(self, now: float) -> float:
        """The moment from which on one more fits."""
        return now if self.left(now) > 0 else self._ends[0]

    def take(self, now: float) -> None:
        """Count one."""
        self._ends.append(now + self._seconds)
