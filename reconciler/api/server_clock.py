"""The time as the server has it, told by the `Date` of its answers."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from reconciler.model.clock import Clock

_YEARS = range(1970, 9000)
"""Outside of these a date is no time that any clock shows."""


class ServerClock:
    """The newest date that was heard, and how long ago that was. Safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._heard: tuple[datetime, float] | None = None

    def hear(self, date: str | None) -> None:
        """Take in the `Date` header of an answer. One that is missing or no date says nothing."""
        moment = _parsed(date)
        if moment is not None:
            with self._lock:
                self._heard = (moment, self._clock.monotonic())

    def now(self) -> datetime | None:
        """The time at the server now; None where no answer has told it."""
        with self._lock:
            if self._heard is None:
                return None
            moment, heard_at = self._heard
        return moment + timedelta(seconds=self._clock.monotonic() - heard_at)


def _parsed(date: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date or "")
    except (ValueError, OverflowError):
        return None
    if moment.year not in _YEARS:
        return None
    # `-0000` says that the zone is not known; all dates of HTTP are in UTC.
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
