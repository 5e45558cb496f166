"""The hourly budget of requests, as the headers of every answer tell it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

HOURLY_REQUESTS = 20_000

_HOUR = timedelta(hours=1)


class Quota:
    """Counts requests by the hour."""

    def __init__(self, clock: Callable[[], datetime], hourly: int = HOURLY_REQUESTS) -> None:
        self._clock = clock
        self._hourly = hourly
        self._began: datetime | None = None
        self._spent = 0

    def spend(self) -> dict[str, str]:
        """Count one request; the headers that say what is left."""
        now = self._clock()
        if self._began is None or now - self._began >= _HOUR:
            self._began, self._spent = now, 0
        self._spent += 1
        left = max(self._hourly - self._spent, 0)
        return {"X-Rate-Limit": str(self._hourly), "X-Rate-Limit-Remaining": str(left)}
