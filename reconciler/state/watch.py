"""Poll a lock every few seconds, in a thread of its own, so that a slow backend does not delay a run.

A poll only asks for the version of the file. The writing thread reads the file if its version has changed.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.model.clock import Clock
from reconciler.runtime.deadline import SIGNAL_POLL_INTERVAL, ShutdownDeadline
from reconciler.state.backend import BackendError

POLL_INTERVAL = 4.0
"""Seconds between polls. `state unlock` promises that the holder of a broken lock notices within some seconds."""
MAX_POLL_INTERVAL = 30.0
"""Seconds between polls of a backend that does not answer."""
_POLL_TIMEOUT = 10.0
_JOIN_TIMEOUT = 0.3


@dataclass(frozen=True, slots=True)
class Observation:
    """Result of a poll: the version, and the version that the run knew when the poll started."""

    version: str
    known_version: str


class LockWatcher:
    """Watcher of a lock, owned by one thread. `read_version` is called in other threads, never twice at the same
    time."""

    def __init__(self, read_version: Callable[[ShutdownDeadline], str], clock: Clock) -> None:
        self._read_version = read_version
        self._clock = clock
        self._stop = threading.Event()
        self._deadline = ShutdownDeadline(clock, self._stop)
        self._observations: queue.SimpleQueue[Observation | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._last_poll = clock.monotonic()
        self._interval = POLL_INTERVAL

    def poll(self, known_version: str) -> Observation | None:
        """Take the observation that has arrived since the last call, if any. Starts the next poll when it is due."""
        observation = None
        if self._thread is not None and not self._observations.empty():
            observation, self._thread = self._observations.get(), None
            self._last_poll = self._clock.monotonic()
            self._interval = POLL_INTERVAL if observation else min(2 * self._interval, MAX_POLL_INTERVAL)
        elif self._thread is None and self._clock.monotonic() - self._last_poll >= self._interval:
            self._thread = threading.Thread(target=self._run, args=(known_version,), daemon=True)
            self._thread.start()
        return observation

    def stop(self) -> None:
        """Stop the watcher. A poll in flight gets a moment to end, and is then abandoned."""
        if self._thread is not None and not self._stop.is_set():
            self._thread.join(_JOIN_TIMEOUT)
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10 * SIGNAL_POLL_INTERVAL)

    def _run(self, known_version: str) -> None:
        observation = None
        try:
            with self._deadline.best_effort(_POLL_TIMEOUT):
                observation = Observation(self._read_version(self._deadline), known_version)
        except BackendError:
            pass  # no reason to stop while the lease lasts
        finally:
            self._observations.put(observation)
