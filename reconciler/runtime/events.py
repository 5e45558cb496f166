"""Events from many threads, told by one."""

from __future__ import annotations

import queue
from collections.abc import Callable

from reconciler.model.event import Event, Listener


class EventQueue:
    """A listener for the main thread that also takes events of workers. What they post is told the next time the
    main thread tells something or calls `deliver`, which it does all the time: `tend` is what else it does then."""

    def __init__(self, listener: Listener, on_flush: Callable[[], None] = lambda: None) -> None:
        self._listener = listener
        self._on_flush = on_flush
        self._queued: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def put(self, event: Event) -> None:
        """Leave an event to be told. From any thread."""
        self._queued.put(event)

    def flush(self) -> None:
        """Tell what was posted. From the main thread."""
        while not self._queued.empty():
            self._listener(self._queued.get_nowait())
        self._on_flush()

    def __call__(self, event: Event) -> None:
        """Tell an event, after those that were posted before it. From the main thread."""
        self.flush()
        self._listener(event)
