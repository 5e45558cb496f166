"""Requests that were answered already, and that the account gets to see later."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import datetime

from werkzeug.wrappers import Request

from reconciler.emulator.faults import Fault


@dataclass(frozen=True, slots=True, order=True)
class LateRequest:
    """A request that is carried out at `due`. `sequence` is the number of the exchange in which it was sent."""

    due: datetime
    sequence: int
    request: Request = field(compare=False)
    body: bytes = field(compare=False)
    fault: Fault = field(compare=False)


class LateRequests:
    """Those that are still on their way. Add and take them within a transaction of the store only."""

    def __init__(self) -> None:
        self._queue: list[LateRequest] = []

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add(self, request: LateRequest) -> None:
        """Keep a request until it is due."""
        heapq.heappush(self._queue, request)

    def pop_due(self, now: datetime) -> LateRequest | None:
        """The first request that is due by now, if any is."""
        if not self._queue or self._queue[0].due > now:
            return None
        return heapq.heappop(self._queue)

    def clear(self) -> None:
        """Lose all of them."""
        self._queue.clear()
