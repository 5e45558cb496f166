"""Decide on retries by a matrix: which requests are repeated after which failures, how often, and after which waits.

A repeat is safe if the first attempt certainly had no effect, or if a second effect is the same as the first. A create
without an answer meets neither condition: its caller has to read the account first. So the decision needs both the kind
of the failure and the kind of the request.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from reconciler.api.errors import (
    READ_METHODS,
    ApiError,
    InvalidResponseError,
    RateLimited,
    RejectedError,
    ServerError,
    ServerUnverified,
    Unreachable,
)
from reconciler.api.transport import Request
from reconciler.model.clock import Clock


class RequestKind(Enum):
    """Kind of a request, by the effect of a second request."""

    READ = auto()
    UPDATE = auto()
    """A PATCH: a second request leaves the same values as the first request."""
    DELETE = auto()
    """A DELETE: a second request finds no object."""
    CREATE = auto()
    """A POST: a second request makes a second object. The caller has to look for the first object."""
    TEST = auto()
    """A POST of setup tests: a second request does no harm, but uses the budget of tests, so the caller decides."""
    APPROVAL = auto()
    """A POST of an approval: a second request approves the same server again, or is refused."""


class FailureKind(Enum):
    """Kind of a failed attempt, as far as a repeat is concerned."""

    RATE_LIMITED = auto()
    """429: the request was certainly not carried out."""
    NOT_SENT = auto()
    """The request certainly did not leave."""
    SERVER_UNVERIFIED = auto()
    """The request did not leave either, and waiting seldom helps: unknown host name, untrusted certificate."""
    NO_ANSWER = auto()
    """The request left, and no complete answer came: a reset, a deadline, an answer that breaks off."""
    SERVER_ERROR = auto()
    """5xx, from Fivetran or from a gateway that gave up waiting for Fivetran."""
    INVALID_RESPONSE = auto()
    """2xx with a body that is no answer of the API."""
    REJECTED = auto()
    """An answer that a second request would get again: 3xx, 4xx."""
    REFUSED_LOCALLY = auto()
    """The client refused the request before it left."""


class RetryDecision(Enum):
    """Whether a request is sent again."""

    NEVER = auto()
    RETRY_FEW = auto()
    """Until `FEW_ATTEMPTS` have failed."""
    LIMITED = auto()
    """Until `RetryPolicy.max_attempts` have failed."""
    UNTIL_DEADLINE = auto()
    """As often as `RetryPolicy.max_seconds` allows."""


FEW_ATTEMPTS = 3
"""Number of attempts if waiting seldom helps: a name resolver may have failed for a moment."""

_MAX_DOUBLINGS = 60  # far beyond the maximal wait, and still a finite float

_NO, _FEW, _YES, _ON = (
    RetryDecision.NEVER,
    RetryDecision.RETRY_FEW,
    RetryDecision.LIMITED,
    RetryDecision.UNTIL_DEADLINE,
)

# fmt: off
_ROWS = (
    #                               READ  UPDATE DELETE CREATE TEST  APPROVAL
    (FailureKind.RATE_LIMITED,      (_ON,  _ON,   _ON,   _ON,   _ON,  _ON)),
    (FailureKind.NOT_SENT,          (_YES, _YES,  _YES,  _YES,  _YES, _YES)),
    (FailureKind.SERVER_UNVERIFIED, (_FEW, _FEW,  _FEW,  _FEW,  _FEW, _FEW)),
    # The request may have been carried out: a second create would make a second object, and a second test uses budget.
    (FailureKind.NO_ANSWER,         (_YES, _YES,  _YES,  _NO,   _NO,  _YES)),
    (FailureKind.SERVER_ERROR,      (_YES, _YES,  _YES,  _NO,   _NO,  _YES)),
    (FailureKind.INVALID_RESPONSE,  (_YES, _YES,  _YES,  _NO,   _NO,  _YES)),
    (FailureKind.REJECTED,          (_NO,  _NO,   _NO,   _NO,   _NO,  _NO)),
    (FailureKind.REFUSED_LOCALLY,   (_NO,  _NO,   _NO,   _NO,   _NO,  _NO)),
)
# fmt: on

RETRY_MATRIX: Mapping[FailureKind, Mapping[RequestKind, RetryDecision]] = MappingProxyType(
    {failure: MappingProxyType(dict(zip(RequestKind, row, strict=True))) for failure, row in _ROWS}
)


def decide_retry(error: ApiError, request: Request) -> RetryDecision:
    """Decide whether a request that ended in this error is sent again."""
    return RETRY_MATRIX[_classify_failure(error)][_classify_request(request)]


def _classify_failure(error: ApiError) -> FailureKind:  # noqa: PLR0911 - a table
    match error:
        case RateLimited():
            return FailureKind.RATE_LIMITED
        case ServerUnverified(sent=False):
            return FailureKind.SERVER_UNVERIFIED
        case Unreachable(sent=sent):
            return FailureKind.NO_ANSWER if sent else FailureKind.NOT_SENT
        case ServerError():
            return FailureKind.SERVER_ERROR
        case InvalidResponseError():
            return FailureKind.INVALID_RESPONSE
        case RejectedError():
            return FailureKind.REJECTED
    return FailureKind.REFUSED_LOCALLY


def _classify_request(request: Request) -> RequestKind:
    if request.method in READ_METHODS:
        return RequestKind.READ
    if request.method == "POST" and request.path.endswith("/test"):
        return RequestKind.TEST
    if request.method == "POST" and request.path.endswith(("/certificates", "/fingerprints")):
        return RequestKind.APPROVAL
    return {"PATCH": RequestKind.UPDATE, "DELETE": RequestKind.DELETE}.get(request.method, RequestKind.CREATE)


def is_outage(error: ApiError) -> bool:
    """Check whether an error concerns the API or the way to it, so that any other call would fail as well."""
    return isinstance(error, Unreachable | ServerError | RateLimited)


def get_diagnostic_code(error: ApiError) -> str:
    """Get the diagnostic code of an error after which a call is repeated."""
    return _DIAGNOSTIC_CODES[_classify_failure(error)]


_DIAGNOSTIC_CODES: Mapping[FailureKind, str] = MappingProxyType(
    {
        FailureKind.RATE_LIMITED: "rate-limited",
        FailureKind.NOT_SENT: "unreachable",
        FailureKind.SERVER_UNVERIFIED: "unreachable",
        FailureKind.NO_ANSWER: "unreachable",
        FailureKind.SERVER_ERROR: "server-fault",
        FailureKind.INVALID_RESPONSE: "unintelligible-answer",
    }
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds on the attempts of a call. Times are in seconds.

    `max_attempts` bounds the attempts that fail other than by a 429. A 429 has no effect and ends when the budget of
    the account recovers, so only `max_seconds` bounds such attempts, the time from the first attempt on. Waits double
    from `initial_wait` to `max_wait`. A longer wait that Fivetran asks for counts instead, and a wait beyond the rest
    of `max_seconds` ends the call at once.

    The timeouts of a call bound its attempts as well, see `RetryState`. No attempt starts with less than `min_attempt`
    left, since it could only end in a timeout.
    """

    max_attempts: int = 5
    initial_wait: float = 0.5
    max_wait: float = 30.0
    max_seconds: float = 600.0
    min_attempt: float = 1.0

    def get_max_attempts(self, decision: RetryDecision) -> float:
        """Get the number of attempts that may fail in total."""
        return {
            RetryDecision.NEVER: 0,
            RetryDecision.RETRY_FEW: min(FEW_ATTEMPTS, self.max_attempts),
            RetryDecision.LIMITED: self.max_attempts,
            RetryDecision.UNTIL_DEADLINE: math.inf,
        }[decision]

    def get_backoff(self, attempts: int) -> float:
        """Get the seconds to wait after a number of attempts."""
        doublings = min(attempts - 1, _MAX_DOUBLINGS)
        return min(self.initial_wait * 2.0**doublings, self.max_wait)


DEFAULT = RetryPolicy()


class RetryState:
    """State of one call between its attempts. Used by one thread.

    `attempts` counts its attempts, the current one included. `last_error` is the newest error, None before the first.
    An error after an attempt that may have taken effect is ambiguous too, even if its own attempt had no effect.

    All attempts share `budget`, the seconds that the call may take: the time of each attempt and of each wait after it
    counts. So a server that drips costs the budget once, and not once per attempt. A pause after a 429 does not count,
    since it says nothing about how long the call takes; `RetryPolicy.max_seconds` bounds it.
    """

    def __init__(self, request: Request, policy: RetryPolicy, clock: Clock, budget: float = math.inf) -> None:
        self.request = request
        self.attempts = 0
        self.last_error: ApiError | None = None
        self._policy = policy
        self._clock = clock
        self._budget = budget
        self._started_at: float | None = None
        self._attempt_started_at = 0.0
        self._failed_attempts = 0
        self._is_stopped = False

    @property
    def remaining_seconds(self) -> float:
        """Seconds that are left for the call."""
        if self._started_at is None:
            return self._policy.max_seconds
        return self._started_at + self._policy.max_seconds - self._clock.monotonic()

    @property
    def remaining_budget(self) -> float:
        """Seconds that are left for the attempts of the call."""
        return self._budget

    def begin_attempt(self) -> None:
        """Count a request that is about to leave. The time runs from the first attempt on, not from a wait for its
        turn."""
        self.attempts += 1
        self._attempt_started_at = self._clock.monotonic()
        if self._started_at is None:
            self._started_at = self._attempt_started_at

    def record_failure(self, error: ApiError) -> None:
        """Record the error of a failed attempt, and the time that the attempt took."""
        self._budget -= self._clock.monotonic() - self._attempt_started_at
        if self.last_error is not None and self.last_error.is_ambiguous:
            error.mark_ambiguous()
        self.last_error = error
        self._failed_attempts += not isinstance(error, RateLimited)

    def stop(self) -> None:
        """Let no attempt follow, even if the matrix allows it."""
        self._is_stopped = True

    def compute_wait(self, error: ApiError) -> float | None:
        """Compute the seconds until the attempt that follows an error; None if the error ends the call. A wait that
        counts is taken from the budget."""
        max_attempts = self._policy.get_max_attempts(decide_retry(error, self.request))
        if self._is_stopped or self._failed_attempts >= max_attempts:
            return None
        is_pause = isinstance(error, RateLimited)
        attempts = self.attempts if is_pause else self._failed_attempts
        wait = max(error.retry_after or 0.0, self._policy.get_backoff(attempts))
        budget = self._budget if is_pause else self._budget - wait
        if wait > self.remaining_seconds or budget < self._policy.min_attempt:
            return None
        self._budget = budget
        return wait
