"""Bound the time that calls in flight still get once a run is to stop.

CI runners kill a process ten seconds after they asked it to stop. So every wait then ends in time, even if the other
side does not answer: five seconds for calls to Fivetran, and the rest for writing the state to a remote place.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.model.clock import Clock

SIGNAL_POLL_INTERVAL = 0.1
"""Seconds between checks for a shutdown: a signal ends no wait for a queue or a child process."""
GRACE_PERIOD = 5.0
"""Seconds from the start of a shutdown until calls to Fivetran are abandoned."""
SHUTDOWN_TIMEOUT = 6.5
"""Seconds from the start of a shutdown to the end of the last call to a remote state."""
MAX_CALL_TIMEOUT, MIN_CALL_TIMEOUT = 5.0, 1.5
"""Seconds that one call to a remote state gets during a shutdown: the rest of `SHUTDOWN_TIMEOUT` within these
bounds."""


class ShutdownDeadline:
    """Deadline of all waits of one run. It applies once `shutdown` is set or `begin_shutdown` was called, and runs from
    the moment at which a wait first notices the shutdown."""

    def __init__(self, clock: Clock, shutdown: threading.Event) -> None:
        self._clock = clock
        self._shutdown = shutdown
        self._shutdown_began: float | None = None
        self._is_best_effort = False
        self._max_seconds = math.inf

    def begin_shutdown(self) -> None:
        """Shorten all waits from now on: for a caller that an exception stops."""
        if self._shutdown_began is None:
            self._shutdown_began = self._clock.monotonic()

    @property
    def shutting_down(self) -> bool:
        """Whether the run is to stop. The time of the deadline runs from the first True."""
        if self._shutdown.is_set():
            self.begin_shutdown()
        return self._shutdown_began is not None

    @property
    def is_over(self) -> bool:
        """Whether calls to Fivetran in flight are to be abandoned."""
        return self.shutting_down and self._elapsed_seconds() >= GRACE_PERIOD

    @contextmanager
    def best_effort(self, max_seconds: float = math.inf) -> Iterator[None]:
        """Mark the waits inside as work that can also be done later: no call gets more than `max_seconds`, and no call
        is waited for during a shutdown."""
        previous = self._is_best_effort, self._max_seconds
        self._is_best_effort, self._max_seconds = True, max_seconds
        try:
            yield
        finally:
            self._is_best_effort, self._max_seconds = previous

    def intervals(self, timeout: float) -> Iterator[float]:
        """Iterate over the seconds to wait before each check of a call. They add up to `timeout`, or to less if a
        shutdown begins meanwhile."""
        remaining, is_shortened = min(timeout, self._max_seconds), False
        while remaining > 0.001:
            if self.shutting_down and not is_shortened:
                is_shortened, remaining = True, min(remaining, self._remaining_seconds())
                continue
            interval = min(SIGNAL_POLL_INTERVAL, remaining)
            yield interval
            remaining -= interval

    @property
    def is_best_effort(self) -> bool:
        """Whether the work of this moment can be done later as well."""
        return self._is_best_effort

    def wait(self, seconds: float) -> bool:
        """Let seconds pass before another call. Returns whether they have passed: a run that is to stop waits only as
        long as that call still fits in."""
        if seconds <= 0:
            return True
        started = self._clock.monotonic()
        if not self.shutting_down and not self._clock.wait(self._shutdown, seconds):
            return True
        remaining = seconds - (self._clock.monotonic() - started)
        if not self._has_time_for_call(remaining):
            return False
        self._clock.wait(threading.Event(), remaining)
        return True

    def pause(self, seconds: float) -> bool:
        """Wait for `seconds`, or until a shutdown begins. Returns whether the run is to stop."""
        return self.shutting_down or self._clock.wait(self._shutdown, seconds)

    def _has_time_for_call(self, pause: float) -> bool:
        """Whether a call fits in after a pause, once the run is to stop."""
        return (
            self.shutting_down
            and not self._is_best_effort
            and self._elapsed_seconds() + pause + MIN_CALL_TIMEOUT <= SHUTDOWN_TIMEOUT
        )

    def _elapsed_seconds(self) -> float:
        return self._clock.monotonic() - self._shutdown_began if self._shutdown_began is not None else 0.0

    def _remaining_seconds(self) -> float:
        if self._is_best_effort or self._shutdown_began is None:
            return 0.0
        return min(MAX_CALL_TIMEOUT, max(MIN_CALL_TIMEOUT, SHUTDOWN_TIMEOUT - self._elapsed_seconds()))
