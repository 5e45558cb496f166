"""Poll for an object: the first reads after a write may not show it yet.

Only the number of reads counts, no age and no clock: more reads show the object, but a longer wait may not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from reconciler.model.clock import Clock

MAX_POLLS = 6
"""Up to five reads in a row may not show an existing object yet, so the sixth read decides."""

FIRST_INTERVAL = 0.1
"""Seconds before the second read; each further pause is twice as long."""

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Poller:
    """Poller that repeats a read with growing pauses. Once `cancelled`, the remaining reads follow without a pause."""

    clock: Clock
    cancelled: threading.Event

    def poll_until(self, probe: Callable[[], _Found | None], max_polls: int = MAX_POLLS) -> _Found | None:
        """Poll until a probe returns a result that is not None; None if all probes return None. Exceptions of a probe
        pass through."""
        for attempt in range(max_polls):
            if attempt:
                self.clock.wait(self.cancelled, FIRST_INTERVAL * 2 ** (attempt - 1))
            found = probe()
            if found is not None:
                return found
        return None
