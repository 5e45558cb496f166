"""The time as the server has it, told by the `Date` of its answers."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from reconciler.model.clock import Clock

_PLAUSIBLE_YEARS = range(1970, 9000)
"""Outside of these a date is no time that any clock shows."""


class ServerClock:
    """The newest date that was heard, and how long ago that was. Safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._observed: tuple[datetime, float] | None = None

    def observe(self, date: str | None) -> None:
        """Take in the `Date` header of an answer. One that is missing or no date says nothing."""
        server_time = _parse_date(date)
        if server_time is not None:
            with self._lock:
                self._observed = (server_time, self._clock.monotonic())

    def now(self) -> datetime | None:
        """The time at the server now; None where no answer has told it."""
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
    # `-0000` says that the zone is not known; all dates of HTTP are in UTC.
    return server_time if server_time.tzinfo is not None else server_time.replace(tzinfo=UTC)
