"""Looking at a lock every few seconds, in a thread of its own, so that a slow place does not hold up a run.

A look only asks whether anything was written. What that means is found out by the thread that writes.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.model.clock import Clock
from reconciler.state.patience import GLANCE, Patience
from reconciler.state.shelf import RemoteError

LOOK = 4.0
"""Seconds from one look to the next. Whoever breaks a lock is told that its holder notices within some seconds."""
LONGEST_PAUSE = 30.0
"""Seconds between looks at a place that does not answer."""
_PATIENCE = 10.0
_MOMENT = 0.3


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look saw: a stamp, and what the one who asked for it knew by then."""

    stamp: str
    known: str


class Watch:
    """Begun, asked and ended by one thread. `look` is called in others, never twice at the same time."""

    def __init__(self, look: Callable[[Patience], str], clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._over = threading.Event()
        self._patience = Patience(clock, self._over)
        self._seen: queue.SimpleQueue[Sight | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._last = clock.monotonic()
        self._pause = LOOK

    def glance(self, known: str) -> Sight | None:
        """What a look saw that has ended since the last glance. Begins the next one when it is time to."""
        sight = None
        if self._thread is not None and not self._seen.empty():
            sight, self._thread = self._seen.get(), None
            self._last = self._clock.monotonic()
            self._pause = LOOK if sight else min(2 * self._pause, LONGEST_PAUSE)
        elif self._thread is None and self._clock.monotonic() - self._last >= self._pause:
            self._thread = threading.Thread(target=self._run, args=(known,), daemon=True)
            self._thread.start()
        return sight

    def end(self) -> None:
        """Look no more. A look that is under way gets a moment to end in order, and is given up then."""
        if self._thread is not None and not self._over.is_set():
            self._thread.join(_MOMENT)
        self._over.set()
        if self._thread is not None:
            self._thread.join(10 * GLANCE)

    def _run(self, known: str) -> None:
        sight = None
        try:
            with self._patience.giving_way(_PATIENCE):
                sight = Sight(self._look(self._patience), known)
        except RemoteError:
            pass  # it is no reason to stop while the lease lasts
        finally:
            self._seen.put(sight)
