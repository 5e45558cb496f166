"""Time as a value that callers hand in, so that tests never sleep."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for people, monotonic seconds for durations."""

    def now(self) -> datetime:
        """The current time, with a time zone (UTC)."""

    def monotonic(self) -> float:
        """Seconds that never go backwards."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let `seconds` pass, or fewer if `event` is set meanwhile. Returns whether it is set."""
