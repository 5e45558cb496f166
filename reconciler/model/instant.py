"""A point in time by two clocks: neither of them alone may say that it was long ago."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Instant:
    """`own` is by the clock of this machine, `server` by that of Fivetran; None before the first answer that has it."""

    own: datetime
    server: datetime | None = None

    def elapsed_since(self, earlier: Instant) -> timedelta:
        """How much time has passed, at the least. Negative where a clock went back."""
        passed = self.own - earlier.own
        if self.server is None or earlier.server is None:
            return passed
        return min(passed, self.server - earlier.server)

    def add(self, span: timedelta) -> Instant:
        """The instant that comes so much later."""
        return Instant(self.own + span, None if self.server is None else self.server + span)


def format_utc(moment: datetime, reference: datetime | None = None) -> str:
    """A moment for people, in seconds; without its date where it stands behind another one of the same day."""
    moment = moment.astimezone(UTC)
    if reference is not None and reference.astimezone(UTC).date() == moment.date():
        return f"{moment:%H:%M:%S} UTC"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
