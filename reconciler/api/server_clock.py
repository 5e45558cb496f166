"""Estimate the time of the server from the `Date` headers of its responses."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from reconciler.model.clock import Clock

_PLAUSIBLE_YEARS = range(1970, 9000)
"""Dates of other years are invalid."""


class ServerClock:
    """The latest server time, and its age. Safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._observed: tuple[datetime, float] | None = None

    def observe(self, date: str | None) -> None:
        """Record the `Date` header of a response. A missing or invalid date changes nothing."""
        server_time = _parse_date(date)
        if server_time is not None:
            with self._lock:
                self._observed = (server_time, self._clock.monotonic())

    def now(self) -> datetime | None:
        """Return the present time of the server, None before the first valid date."""
        with self._lock:
            if self._observed is None:
                return None
            server_time, observed_at = self._observed
        return server_time + timedelta(seconds=self._clock.monotonic() - observed_at)


def _parse_date(date: str | None) -> datetime | None:
    try:
        server_time = parsedate_to_datetime(date or "")
    except (ValueError, OverflowError):
        return None
    if server_time.year not in _PLAUSIBLE_YEARS:
        return None
    # `-0000` means an unknown zone; all dates of HTTP are in UTC.
    return server_time if server_time.tzinfo is not None else server_time.replace(tzinfo=UTC)
