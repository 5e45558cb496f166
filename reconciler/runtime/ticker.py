"""Call a function at short intervals, for displays that go on while the main thread waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

TICK_INTERVAL = 0.25
"""Seconds between two calls."""
_STOP_TIMEOUT = 1.0


class Ticker:
    """Thread that calls `work` every `TICK_INTERVAL` seconds, from `start` to `stop`. `work` must be thread-safe."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start the calls."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the calls. A call under way is waited for, but not endlessly: a paused terminal may block it."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT)

    def _run(self) -> None:
        while not self._stopped.wait(TICK_INTERVAL):
            self._work()
