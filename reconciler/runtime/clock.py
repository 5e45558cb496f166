"""The clock of this machine."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime


class SystemClock:
    """Reads the time of this machine."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let seconds pass."""
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let seconds pass, or fewer if `event` is set meanwhile. Returns whether it is set."""
        return event.wait(seconds)
