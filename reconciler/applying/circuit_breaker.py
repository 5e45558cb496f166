"""Stop the start of further calls when they would fail for the same reason."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.api.errors import ApiError, Cancelled
from reconciler.api.retry import is_outage

MAX_OUTAGES = 5
"""Consecutive calls without a response, each after its retries, that end the run."""


@dataclass(slots=True)
class CircuitBreaker:
    """Switch that stops the start of further calls. `reason` is the diagnostic code or the status that tripped it."""

    reason: str = ""
    _outages: int = 0

    @property
    def is_tripped(self) -> bool:
        """Whether no further call may start."""
        return bool(self.reason)

    def get_refusal(self) -> str:
        """Return the reason why no further task may start; empty if the next task may start."""
        return self.reason

    def trip(self, reason: str) -> None:
        """Start no further call. The first reason stays, since later failures may be its consequences."""
        self.reason = self.reason or reason

    def trip_without_permission(self, reason: str) -> None:
        """Start no further call with refused credentials.

        This reason replaces any other reason: no other failure can be corrected before the credentials are.
        """
        self.reason = reason

    def count_outage(self, error: BaseException | None) -> None:
        """Trip after several outages in a row. A failure of one object stops no other object, but an API that is down
        is not called a thousand times."""
        if isinstance(error, Cancelled):
            return
        self._outages = self._outages + 1 if isinstance(error, ApiError) and is_outage(error) else 0
        if self._outages >= MAX_OUTAGES:
            self.trip("outage")
