"""Test which calls are retried: the whole matrix, cell by cell."""

from __future__ import annotations

import pytest

from reconciler.api.errors import (
    ApiError,
    BadRequest,
    BudgetSpent,
    Cancelled,
    Conflict,
    Exchange,
    Forbidden,
    InvalidRequestError,
    InvalidResponseError,
    NotFound,
    RateLimited,
    Redirected,
    RejectedError,
    ServerError,
    ServerUnverified,
    Timeout,
    Unauthorized,
    Unreachable,
)
from reconciler.api.retry import (
    RETRY_MATRIX,
    FailureKind,
    RequestKind,
    RetryDecision,
    RetryPolicy,
    decide_retry,
    get_diagnostic_code,
    is_outage,
)
from reconciler.api.transport import Request
from reconciler.model.codes import load_codes

REQUESTS = {
    "GET": Request("GET", "/groups"),
    "HEAD": Request("HEAD", "/groups"),
    "PATCH": Request("PATCH", "/groups/g1", body={"name": "n"}),
    "DELETE": Request("DELETE", "/groups/g1"),
    "POST": Request("POST", "/groups", body={"name": "n"}),
    "POST test": Request("POST", "/destinations/g1/test", body={}),
    "POST approval": Request("POST", "/destinations/g1/certificates", body={"hash": "h"}),
    "PUT": Request("PUT", "/groups/g1", body={}),
}

_NONE = Exchange("GET", "/v1/x")


def make_exchange(status: int) -> Exchange:
    return Exchange("GET", "/v1/x", status=status)


ERRORS: dict[str, ApiError] = {
    "429": RateLimited(make_exchange(429)),
    "not sent": Unreachable(_NONE, sent=False),
    "connect timeout": Timeout(_NONE, sent=False),
    "unknown name": ServerUnverified(_NONE, sent=False),
    "cut after sending": Unreachable(_NONE, sent=True),
    "read timeout": Timeout(_NONE, sent=True),
    "500": ServerError(make_exchange(500)),
    "502 with HTML": ServerError(make_exchange(502)),
    "524": ServerError(make_exchange(524)),
    "200 with unreadable body": InvalidResponseError(make_exchange(200)),
    "302": Redirected(make_exchange(302)),
    "400": BadRequest(make_exchange(400)),
    "401": Unauthorized(make_exchange(401)),
    "403": Forbidden(make_exchange(403)),
    "404": NotFound(make_exchange(404)),
    "404 of a gateway": RejectedError(make_exchange(404)),
    "405": RejectedError(make_exchange(405)),
    "409": Conflict(make_exchange(409)),
    "cannot be sent": InvalidRequestError(_NONE),
    "the run is ending": Cancelled(_NONE),
    "no request is left": BudgetSpent(_NONE),
}

# "+" until the deadline, "5" and "3" up to this number of attempts, "." never.
EXPECTED = """
                            GET  HEAD  PATCH  DELETE  POST  POST test  POST approval  PUT
429                          +    +     +      +       +     +          +              +
not sent                     5    5     5      5       5     5          5              5
connect timeout              5    5     5      5       5     5          5              5
unknown name                 3    3     3      3       3     3          3              3
cut after sending            5    5     5      5       .     .          5              .
read timeout                 5    5     5      5       .     .          5              .
500                          5    5     5      5       .     .          5              .
502 with HTML                5    5     5      5       .     .          5              .
524                          5    5     5      5       .     .          5              .
200 with unreadable body     5    5     5      5       .     .          5              .
302                          .    .     .      .       .     .          .              .
400                          .    .     .      .       .     .          .              .
401                          .    .     .      .       .     .          .              .
403                          .    .     .      .       .     .          .              .
404                          .    .     .      .       .     .          .              .
404 of a gateway             .    .     .      .       .     .          .              .
405                          .    .     .      .       .     .          .              .
409                          .    .     .      .       .     .          .              .
cannot be sent               .    .     .      .       .     .          .              .
the run is ending            .    .     .      .       .     .          .              .
no request is left           .    .     .      .       .     .          .              .
"""
MARKS = {
    "+": RetryDecision.UNTIL_DEADLINE,
    "5": RetryDecision.LIMITED,
    "3": RetryDecision.RETRY_FEW,
    ".": RetryDecision.NEVER,
}


def list_cells() -> list[tuple[str, str, RetryDecision]]:
    found = []
    for line in EXPECTED.splitlines()[2:]:
        outcome = line[:28].strip()
        marks = line[28:].split()
        assert len(marks) == len(REQUESTS)
        found += [(outcome, name, MARKS[mark]) for name, mark in zip(REQUESTS, marks, strict=True)]
    return found


@pytest.mark.parametrize(("outcome", "name", "expected"), list_cells())
def test_each_cell_of_the_matrix_holds(outcome: str, name: str, expected: RetryDecision) -> None:
    assert decide_retry(ERRORS[outcome], REQUESTS[name]) is expected


def test_the_table_covers_every_outcome_and_every_cell_of_the_matrix() -> None:
    assert [outcome for outcome, name, _ in list_cells() if name == "GET"] == list(ERRORS)
    assert set(RETRY_MATRIX) == set(FailureKind)
    assert all(set(row) == set(RequestKind) for row in RETRY_MATRIX.values())


def test_a_create_is_retried_only_if_it_cannot_have_taken_effect() -> None:
    creation = {
        failure
        for failure in FailureKind
        if RETRY_MATRIX[failure][RequestKind.CREATE] is not RetryDecision.NEVER
    }
    assert creation == {FailureKind.RATE_LIMITED, FailureKind.NOT_SENT, FailureKind.SERVER_UNVERIFIED}


def test_an_outage_is_a_failure_that_other_calls_would_meet_too() -> None:
    outages = {outcome for outcome, error in ERRORS.items() if is_outage(error)}
    assert outages == {
        "429",
        "not sent",
        "connect timeout",
        "unknown name",
        "cut after sending",
        "read timeout",
        "500",
        "502 with HTML",
        "524",
    }


def test_every_retry_has_a_reason_with_an_explanation() -> None:
    reasons = {
        outcome: get_diagnostic_code(error)
        for outcome, error in ERRORS.items()
        if decide_retry(error, REQUESTS["GET"]) is not RetryDecision.NEVER
    }
    assert reasons == {
        "429": "rate-limited",
        "not sent": "unreachable",
        "connect timeout": "unreachable",
        "unknown name": "unreachable",
        "cut after sending": "unreachable",
        "read timeout": "unreachable",
        "500": "server-fault",
        "502 with HTML": "server-fault",
        "524": "server-fault",
        "200 with unreadable body": "unintelligible-answer",
    }
    assert set(reasons.values()) <= set(load_codes())


@pytest.mark.parametrize(("attempts", "few"), [(5, 3), (2, 2)])
def test_few_attempts_are_never_more_than_all(attempts: int, few: int) -> None:
    policy = RetryPolicy(max_attempts=attempts)
    assert policy.get_max_attempts(RetryDecision.LIMITED) == attempts
    assert policy.get_max_attempts(RetryDecision.RETRY_FEW) == few
