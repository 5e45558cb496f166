"""Report the events of all threads in the main thread."""

from __future__ import annotations

import queue
from collections.abc import Callable

from reconciler.model.event import Event, Listener


class EventQueue:
    """Listener of the main thread that also queues events of workers. Queued events are reported when the main thread
    next reports an event or calls `flush`, which it does several times a second; `on_flush` is called each time."""

    def __init__(self, listener: Listener, on_flush: Callable[[], None] = lambda: None) -> None:
        self._listener = listener
        self._on_flush = on_flush
        self._queued: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def put(self, event: Event) -> None:
        """Queue an event. Called from any thread."""
        self._queued.put(event)

    def flush(self) -> None:
        """Report the queued events. Called from the main thread."""
        while not self._queued.empty():
            self._listener(self._queued.get_nowait())
        self._on_flush()

    def __call__(self, event: Event) -> None:
        """Report an event, after the events that were queued before it. Called from the main thread."""
        self.flush()
        self._listener(event)
