"""Compare points in time by two clocks: a duration must have passed on both, since each clock may be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Instant:
    """Point in time: `own` by the clock of this machine, `server` by the clock of Fivetran (None before the first
    answer)."""

    own: datetime
    server: datetime | None = None

    def elapsed_since(self, earlier: Instant) -> timedelta:
        """Compute the minimum of the passed times of both clocks. Negative if a clock went back."""
        passed = self.own - earlier.own
        if self.server is None or earlier.server is None:
            return passed
        return min(passed, self.server - earlier.server)

    def add(self, span: timedelta) -> Instant:
        """Add a time span."""
        return Instant(self.own + span, None if self.server is None else self.server + span)


def format_utc(moment: datetime, reference: datetime | None = None) -> str:
    """Format a moment in seconds, without its date if it follows `reference` on the same day."""
    moment = moment.astimezone(UTC)
    if reference is not None and reference.astimezone(UTC).date() == moment.date():
        return f"{moment:%H:%M:%S} UTC"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
