"""Limit the reads in flight after the API refused one for its rate: halve them, and raise the limit slowly.

A pause alone would let all readers go on at once when it ends, and Fivetran would refuse the next burst too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

RAISE_AFTER = 100
"""Successful reads after which one more read may be in flight."""

_CANCEL_POLL_INTERVAL = 0.1


class InFlightLimit:
    """Limit of concurrent reads. Without a refused read there is none. One limit serves all threads of a run, and is
    safe to share.

    Requests that left before the limit was last halved do not halve it again: the refusals of one burst are one sign.
    """

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled
        self._changed = threading.Condition()
        self._limit: int | None = None
        self._in_flight = 0
        self._successes = 0
        self._halvings = 0

    @property
    def limit(self) -> int | None:
        """Number of reads that may be in flight; None without a limit."""
        with self._changed:
            return self._limit

    @contextmanager
    def hold_slot(self) -> Iterator[int]:
        """Hold a slot for one read, and wait for it if necessary. Yields a token for `halve`. A run that ends is not
        kept waiting: it gets its slot at once, and sends nothing."""
        with self._changed:
            while self._is_full and not self._cancelled.is_set():
                self._changed.wait(_CANCEL_POLL_INTERVAL)
            self._in_flight += 1
            token = self._halvings
        try:
            yield token
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify()

    def halve(self, token: int) -> None:
        """Halve the limit after a refused read with this token. At least one read may always be in flight."""
        with self._changed:
            if token != self._halvings:
                return
            self._halvings += 1
            self._successes = 0
            current = self._in_flight if self._limit is None else min(self._limit, self._in_flight)
            self._limit = max(1, current // 2)

    def count_success(self) -> None:
        """Count a successful read, and raise the limit if enough were successful since its last change."""
        with self._changed:
            if self._limit is None:
                return
            self._successes += 1
            if self._successes >= RAISE_AFTER:
                self._successes = 0
                self._limit += 1
                self._changed.notify()

    @property
    def _is_full(self) -> bool:
        return self._limit is not None and self._in_flight >= self._limit
