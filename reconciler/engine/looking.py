"""Looking more than once: what was made a moment ago may not be shown by the first few reads.

No ages and no clocks decide anything: what counts is how often an object was looked for and not found.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from reconciler.model.clock import Clock

LOOKS = 6
"""S-06: up to five reads may not show yet what exists."""

FIRST_PAUSE = 0.1
"""Seconds before the second look; each further pause is twice as long."""

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Looking:
    """How somebody looks again. Once `cancelled`, the looks that are left come without a pause."""

    clock: Clock
    cancelled: threading.Event

    def until_seen(self, look: Callable[[], _Found | None], looks: int = LOOKS) -> _Found | None:
        """What the first look that finds something finds; None where none of `looks` does. Errors go through."""
        for number in range(looks):
            if number:
                self.clock.wait(self.cancelled, FIRST_PAUSE * 2 ** (number - 1))
            found = look()
            if found is not None:
                return found
        return None
