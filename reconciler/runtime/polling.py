"""Looking more than once: what was made a moment ago may not be shown by the first few reads.

No ages and no clocks decide anything: what counts is how often an object was looked for and not found.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from reconciler.model.clock import Clock

MAX_POLLS = 6
"""S-06: up to five reads may not show yet what exists."""

FIRST_INTERVAL = 0.1
"""Seconds before the second look; each further pause is twice as long."""

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Poller:
    """How somebody looks again. Once `cancelled`, the looks that are left come without a pause."""

    clock: Clock
    cancelled: threading.Event

    def poll_until(self, probe: Callable[[], _Found | None], max_polls: int = MAX_POLLS) -> _Found | None:
        """What the first look that finds something finds; None where none of `looks` does. Errors go through."""
        for attempt in range(max_polls):
            if attempt:
                self.clock.wait(self.cancelled, FIRST_INTERVAL * 2 ** (attempt - 1))
            found = probe()
            if found is not None:
                return found
        return None
