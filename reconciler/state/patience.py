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

GLANCE = 0.1
"""Seconds between looks at whether somebody wants to leave."""
LEAVING = 6.5
"""Seconds from the wish to leave to the end of the last call."""
LONGEST, SHORTEST = 5.0, 1.5
"""Seconds that one call has then: the more, the more are left."""


class Patience:
    """Shared by all that one run waits for at remote places. Once `leaving` is set, or `leave` was called, it is
    short."""

    def __init__(self, clock: Clock, leaving: threading.Event) -> None:
        self._clock = clock
        self._leaving = leaving
        self._since: float | None = None
        self._gives_way = False
        self._at_most = math.inf

    def leave(self) -> None:
        """Be short from now on: for whoever was told to stop by an exception."""
        if self._since is None:
            self._since = self._clock.monotonic()

    @property
    def is_leaving(self) -> bool:
        """Whether somebody wants to leave."""
        if self._leaving.is_set():
            self.leave()
        return self._since is not None

    @contextmanager
    def giving_way(self, at_most: float = math.inf) -> Iterator[None]:
        """What is waited for meanwhile can be done later as well: no call gets more than `at_most` seconds, and whoever
        wants to leave does not wait for it at all."""
        before = self._gives_way, self._at_most
        self._gives_way, self._at_most = True, at_most
        try:
            yield
        finally:
            self._gives_way, self._at_most = before

    def slices(self, usual: float) -> Iterator[float]:
        """Seconds to wait before each next look. They come to `usual` together, unless somebody wants to leave."""
        left, is_short = min(usual, self._at_most), False
        while left > 0.001:
            if self.is_leaving and not is_short:
                is_short, left = True, min(left, self._rest())
                continue
            some = min(GLANCE, left)
            yield some
            left -= some

    def pause(self, seconds: float) -> bool:
        """Let seconds pass, or less where somebody wants to leave; whether that is so."""
        return self.is_leaving or self._clock.wait(self._leaving, seconds)

    def _rest(self) -> float:
        if self._gives_way or self._since is None:
            return 0.0
        return min(LONGEST, max(SHORTEST, self._since + LEAVING - self._clock.monotonic()))
