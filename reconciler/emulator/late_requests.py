"""Queue late requests: the client has its response, and the request takes effect later."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import datetime

from werkzeug.wrappers import Request

from reconciler.emulator.faults import Fault


@dataclass(frozen=True, slots=True, order=True)
class LateRequest:
    """Late request, executed at `due`. `sequence` is the number of its history entry."""

    due: datetime
    sequence: int
    request: Request = field(compare=False)
    body: bytes = field(compare=False)
    fault: Fault = field(compare=False)


class LateRequests:
    """Queue of the late requests. Use it within a transaction of the store only."""

    def __init__(self) -> None:
        self._queue: list[LateRequest] = []

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add(self, request: LateRequest) -> None:
        """Add a late request."""
        heapq.heappush(self._queue, request)

    def pop_due(self, now: datetime) -> LateRequest | None:
        """Remove and return the first due request, None if no request is due."""
        if not self._queue or self._queue[0].due > now:
            return None
        return heapq.heappop(self._queue)

    def clear(self) -> None:
        """Drop all late requests."""
        self._queue.clear()
