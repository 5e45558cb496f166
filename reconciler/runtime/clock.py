"""The real clock."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime


class SystemClock:
    """Time as this machine tells it."""

    def now(self) -> datetime:
        """The current time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait, but no longer than until `event` comes about."""
        return event.wait(seconds)
