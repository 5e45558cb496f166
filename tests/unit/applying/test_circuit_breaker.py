"""Test when a run stops sending calls, and the reason that it gives."""

from __future__ import annotations

import pytest

from reconciler.api.errors import ApiError, Cancelled, Exchange, Forbidden, Unreachable
from reconciler.applying.circuit_breaker import MAX_OUTAGES, CircuitBreaker

EXCHANGE = Exchange("POST", "/groups")
OUTAGE, REFUSAL, STOP = Unreachable(EXCHANGE, sent=True), Forbidden(EXCHANGE), Cancelled(EXCHANGE)


@pytest.mark.parametrize(
    ("errors", "is_tripped"),
    [
        ([OUTAGE] * MAX_OUTAGES, True),
        ([OUTAGE] * (MAX_OUTAGES - 1), False),
        ([*[OUTAGE] * (MAX_OUTAGES - 1), None, OUTAGE], False),
        ([*[OUTAGE] * (MAX_OUTAGES - 1), REFUSAL, OUTAGE], False),
        ([*[OUTAGE] * (MAX_OUTAGES - 1), STOP, OUTAGE], True),
        ([REFUSAL] * MAX_OUTAGES, False),
    ],
    ids=["outages", "too few", "success between", "refusal between", "cancelled call between", "refusals"],
)
def test_only_consecutive_outages_trip_the_breaker(errors: list[ApiError | None], is_tripped: bool) -> None:
    breaker = CircuitBreaker()
    for error in errors:
        breaker.count_outage(error)
    assert (breaker.is_tripped, breaker.reason) == (is_tripped, "outage" if is_tripped else "")


def test_the_first_reason_stays_unless_credentials_are_refused() -> None:
    breaker = CircuitBreaker()
    breaker.trip("not-remembered")
    breaker.trip("outage")
    assert breaker.reason == "not-remembered"
    breaker.trip_without_permission("forbidden")
    assert breaker.reason == "forbidden"
