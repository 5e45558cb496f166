"""Estimate the time that a run still takes, from the pace of its last minutes."""

from __future__ import annotations

import math
from bisect import bisect_right

_MIN_SHARE, _MIN_DONE, _FEWEST_DONE = 0.05, 10, 2
"""An estimate needs this share of the items or this number of items, whichever comes first, and never fewer than the
last number."""
_MIN_SECONDS = 2.0
_WINDOW = 180.0
"""Seconds whose pace counts. The budget of setup tests is per minute, so each minute begins with a burst; three minutes
even that out."""
_MAX_STEP = 2.0
"""Largest factor between two estimates in a row."""
_SMOOTHING = 10.0
"""Seconds in which an estimate takes over about two thirds of a change of pace."""


class TimeEstimate:
    """Estimate for `total` items, which begin at `now`. All times are seconds of a monotonic clock."""

    def __init__(self, total: int, now: float) -> None:
        self._total = total
        self._started = now
        self._ends: list[float] = []
        self._paused_until = -math.inf
        self._longest_pause = 0.0
        self._seconds = 0.0
        self._estimated_at: float | None = None

    def add_ends(self, number: int, now: float) -> None:
        """Record the end of this number of items."""
        self._ends += [now] * number

    def remove_items(self, number: int) -> None:
        """Remove items that will not be worked on."""
        self._total -= number

    def add_pause(self, seconds: float, now: float) -> None:
        """Record that no item ends for this time, since the budget for now is spent."""
        self._paused_until = max(self._paused_until, now + seconds)
        self._longest_pause = max(self._longest_pause, seconds)

    def estimate(self, now: float) -> float | None:
        """Estimate the remaining seconds, at least 1. None as long as too few items have ended, and at the end.

        In a row of calls, an estimate moves towards a new pace step by step.
        """
        remaining = self._total - len(self._ends)
        if remaining <= 0 or not self._is_meaningful(now):
            return None
        pause = max(0.0, self._paused_until - now)
        # The pace contains the whole pause, also its part that has passed.
        waited = now - self._ends[-1] if pause else 0.0
        goal = max(1.0, pause, remaining * self._compute_pace(now + pause) - waited)
        self._seconds = goal if self._estimated_at is None else self._approach(goal, now - self._estimated_at)
        self._estimated_at = now
        return self._seconds

    def _is_meaningful(self, now: float) -> bool:
        needed = max(_FEWEST_DONE, min(_MIN_DONE, math.ceil(self._total * _MIN_SHARE)))
        return len(self._ends) >= needed and now - self._started >= _MIN_SECONDS

    def _compute_pace(self, until: float) -> float:
        """Compute the seconds per item in the last minutes before `until`, the end of the pause.

        After a long pause the minutes reach back beyond it, and they contain at least ten items if so many have ended.
        """
        begin = until - max(_WINDOW, 2 * self._longest_pause)
        position = min(bisect_right(self._ends, begin), max(0, len(self._ends) - _MIN_DONE))
        begin = self._ends[position - 1] if position else self._started
        return max(until - begin, 0.001) / (len(self._ends) - position)

    def _approach(self, goal: float, passed: float) -> float:
        """Move the last estimate, from which the `passed` seconds have gone, towards the goal."""
        expected = max(1.0, self._seconds - passed)
        share = -math.expm1(-passed / _SMOOTHING)
        factor = math.exp(share * math.log(goal / expected))
        moved = expected * min(max(factor, 1 / _MAX_STEP), _MAX_STEP)
        return max(1.0, moved, self._seconds / _MAX_STEP)
