"""Define the clock that callers pass in, so that tests never sleep."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Clock of a run: wall time for users, monotonic seconds for durations."""

    def now(self) -> datetime:
        """Return the current time, with a time zone (UTC)."""

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for `seconds`, or until `event` is set. Returns whether it is set."""
