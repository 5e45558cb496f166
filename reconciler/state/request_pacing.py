"""Pace the writes of an object, and the attempts of a request that may succeed later.

A service may take one write per second of the same object only. A run keeps that pace among its own writes, and other
runs may write in between, so a refused request is made again after a while. The library shows no headers of an answer,
so a `Retry-After` cannot be read; the pauses double instead.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.model.clock import Clock
from reconciler.runtime.deadline import ShutdownDeadline

RATE_LIMIT_BUDGET = 60.0
"""Seconds of pauses for one request that a rate limit refuses: far less than a lease lasts."""
_FIRST_RATE_LIMIT_PAUSE, _MAX_RATE_LIMIT_PAUSE = 1.1, 16.0
_MAX_RETRIES = 3
_FIRST_PAUSE = 0.2
_RETRY_TIMEOUT = 20.0


class WritePacer:
    """Waits until an object may be written again. `interval` is the time between two writes in seconds."""

    def __init__(self, interval: float, clock: Clock, deadline: ShutdownDeadline) -> None:
        self._interval = interval
        self._clock = clock
        self._deadline = deadline
        self._written_at: dict[str, float] = {}

    def wait_for_turn(self, name: str) -> None:
        """Wait until the object may be written. A run that is to stop and has no time for that does not wait."""
        written_at = self._written_at.get(name)
        if written_at is not None:
            self._deadline.wait(written_at + self._interval - self._clock.monotonic())

    def mark_written(self, name: str) -> None:
        """Start the interval of an object: a write has ended, whatever its answer."""
        self._written_at[name] = self._clock.monotonic()


class Backoff:
    """The pauses between the attempts of one request."""

    def __init__(self, clock: Clock, deadline: ShutdownDeadline, entropy: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._deadline = deadline
        self._entropy = entropy
        self._started = clock.monotonic()
        self._retries = 0
        self._paused = 0.0
        self._rate_limit_pause = _FIRST_RATE_LIMIT_PAUSE

    def wait(self, *, is_rate_limit: bool) -> bool:
        """Pause before the next attempt. Returns whether there is one."""
        return self._wait_for_rate_limit() if is_rate_limit else self._wait_for_retry()

    def _wait_for_rate_limit(self) -> bool:
        # Work that can be done later as well is tried again after the interval of such work.
        if self._deadline.is_best_effort:
            return False
        # Runs that were refused at the same moment must not come back at the same moment.
        pause = self._rate_limit_pause * (1 + self._entropy(1)[0] / 512)
        if self._paused + pause > RATE_LIMIT_BUDGET:
            return False
        self._paused += pause
        self._rate_limit_pause = min(2 * self._rate_limit_pause, _MAX_RATE_LIMIT_PAUSE)
        return self._deadline.wait(pause)

    def _wait_for_retry(self) -> bool:
        self._retries += 1
        if self._retries > _MAX_RETRIES or self._clock.monotonic() - self._started > _RETRY_TIMEOUT:
            return False
        return self._deadline.wait(_FIRST_PAUSE * 2 ** (self._retries - 1))
