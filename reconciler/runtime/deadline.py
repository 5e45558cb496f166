"""How long a remote place is waited for: long while a run works, and a few seconds once somebody wants to leave.

CI runners kill ten seconds after they asked a run to stop, and calls to Fivetran that are in flight get five of these
(S-09). So what is left to be said to a remote place has an end in time, whether that place answers or not.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.model.clock import Clock

SIGNAL_POLL_INTERVAL = 0.1
"""Seconds between looks at whether somebody wants to leave."""
SHUTDOWN_TIMEOUT = 6.5
"""Seconds from the wish to leave to the end of the last call."""
MAX_CALL_TIMEOUT, MIN_CALL_TIMEOUT = 5.0, 1.5
"""Seconds that one call has then: the more, the more are left."""


class ShutdownDeadline:
    """Shared by all that one run waits for at remote places. Once `leaving` is set, or `leave` was called, it is
    short."""

    def __init__(self, clock: Clock, shutdown: threading.Event) -> None:
        self._clock = clock
        self._shutdown = shutdown
        self._shutdown_began: float | None = None
        self._is_best_effort = False
        self._max_seconds = math.inf

    def begin_shutdown(self) -> None:
        """Be short from now on: for whoever was told to stop by an exception."""
        if self._shutdown_began is None:
            self._shutdown_began = self._clock.monotonic()

    @property
    def shutting_down(self) -> bool:
        """Whether somebody wants to leave."""
        if self._shutdown.is_set():
            self.begin_shutdown()
        return self._shutdown_began is not None

    @contextmanager
    def best_effort(self, max_seconds: float = math.inf) -> Iterator[None]:
        """What is waited for meanwhile can be done later as well: no call gets more than `at_most` seconds, and whoever
        wants to leave does not wait for it at all."""
        previous = self._is_best_effort, self._max_seconds
        self._is_best_effort, self._max_seconds = True, max_seconds
        try:
            yield
        finally:
            self._is_best_effort, self._max_seconds = previous

    def intervals(self, timeout: float) -> Iterator[float]:
        """Seconds to wait before each next look. They come to `usual` together, unless somebody wants to leave."""
        remaining, is_shortened = min(timeout, self._max_seconds), False
        while remaining > 0.001:
            if self.shutting_down and not is_shortened:
                is_shortened, remaining = True, min(remaining, self._remaining_seconds())
                continue
            interval = min(SIGNAL_POLL_INTERVAL, remaining)
            yield interval
            remaining -= interval

    def pause(self, seconds: float) -> bool:
        """Let seconds pass, or less where somebody wants to leave; whether that is so."""
        return self.shutting_down or self._clock.wait(self._shutdown, seconds)

    def _remaining_seconds(self) -> float:
        if self._is_best_effort or self._shutdown_began is None:
            return 0.0
        return min(
            MAX_CALL_TIMEOUT,
            max(MIN_CALL_TIMEOUT, self._shutdown_began + SHUTDOWN_TIMEOUT - self._clock.monotonic()),
        )
