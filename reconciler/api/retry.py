"""Which calls are repeated, after what, how often, and how long is waited in between."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING

from tenacity import Retrying, retry_if_exception, wait_exponential

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
from reconciler.api.transport import Request, Response
from reconciler.model.clock import Clock

if TYPE_CHECKING:
    from tenacity import RetryCallState


class RequestKind(Enum):
    """What a call does, as far as a repeat is concerned."""

    READ = auto()
    UPDATE = auto()
    """A PATCH: a second one leaves what the first one left."""
    DELETE = auto()
    """A DELETE: a second one finds nothing."""
    CREATE = auto()
    """A POST: a second one makes a second object. Whoever called has to look whether there is one."""
    TEST = auto()
    """A POST of setup tests: a second one does no harm, but has a price, so the caller decides."""


class FailureKind(Enum):
    """What became of a call."""

    RATE_LIMITED = auto()
    """429: it was certainly not carried out."""
    NOT_SENT = auto()
    """It certainly did not leave."""
    SERVER_UNVERIFIED = auto()
    """Nor did this, and waiting seldom helps: an unknown name, a certificate that is not trusted."""
    NO_ANSWER = auto()
    """It left, and then: a reset, a deadline, an answer that breaks off."""
    SERVER_ERROR = auto()
    """5xx, from Fivetran or from a gateway that gave up waiting for it."""
    INVALID_RESPONSE = auto()
    """2xx, and nobody knows of what."""
    REJECTED = auto()
    """An answer that would be the same again: 3xx, 4xx."""
    REFUSED_LOCALLY = auto()
    """This side did not want to send it."""


class RetryDecision(Enum):
    """Whether a call is sent again."""

    NEVER = auto()
    RETRY_FEW = auto()
    """Until `FEW` attempts have failed."""
    LIMITED = auto()
    """Until `Persistence.attempts` attempts have failed."""
    UNTIL_DEADLINE = auto()
    """As often as `Persistence.total` allows."""


FEW_ATTEMPTS = 3
"""Attempts where waiting seldom helps, but a resolver may have had a bad second."""

_NO, _FEW, _YES, _ON = (
    RetryDecision.NEVER,
    RetryDecision.RETRY_FEW,
    RetryDecision.LIMITED,
    RetryDecision.UNTIL_DEADLINE,
)

# fmt: off
_ROWS = (
    # what became of it      READ  CHANGE REMOVAL CREATION TEST
    (FailureKind.RATE_LIMITED,   (_ON,  _ON,   _ON,   _ON,   _ON)),
    (FailureKind.NOT_SENT,       (_YES, _YES,  _YES,  _YES,  _YES)),
    (FailureKind.SERVER_UNVERIFIED,   (_FEW, _FEW,  _FEW,  _FEW,  _FEW)),
    (FailureKind.NO_ANSWER,      (_YES, _YES,  _YES,  _NO,   _NO)),
    (FailureKind.SERVER_ERROR,   (_YES, _YES,  _YES,  _NO,   _NO)),
    (FailureKind.INVALID_RESPONSE, (_YES, _YES,  _YES,  _NO,   _NO)),
    (FailureKind.REJECTED,        (_NO,  _NO,   _NO,   _NO,   _NO)),
    (FailureKind.REFUSED_LOCALLY,       (_NO,  _NO,   _NO,   _NO,   _NO)),
)
# fmt: on

RETRY_MATRIX: Mapping[FailureKind, Mapping[RequestKind, RetryDecision]] = MappingProxyType(
    {failure: MappingProxyType(dict(zip(RequestKind, row, strict=True))) for failure, row in _ROWS}
)


def decide_retry(error: ApiError, request: Request) -> RetryDecision:
    """Whether a request that ended in this error is sent again."""
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
    return {"PATCH": RequestKind.UPDATE, "DELETE": RequestKind.DELETE}.get(request.method, RequestKind.CREATE)


def is_outage(error: ApiError) -> bool:
    """Whether the error is about the API or the way to it, so that any other call would meet it as well."""
    return isinstance(error, Unreachable | ServerError | RateLimited)


def get_diagnostic_code(error: ApiError) -> str:
    """The diagnostic code of an error after which a call is repeated."""
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
    """How long a call is tried for. Seconds.

    `attempts` is the most that may fail other than by a 429, which only `total` bounds: the time from the
    first attempt on. Waits double from `first_wait` to `longest_wait`; where Fivetran asks for a longer one,
    that counts, and one beyond what is left of `total` ends the call at once.
    """

    max_attempts: int = 5
    initial_wait: float = 0.5
    max_wait: float = 30.0
    max_seconds: float = 600.0

    def get_max_attempts(self, decision: RetryDecision) -> float:
        """How many attempts may fail in all."""
        return {
            RetryDecision.NEVER: 0,
            RetryDecision.RETRY_FEW: min(FEW_ATTEMPTS, self.max_attempts),
            RetryDecision.LIMITED: self.max_attempts,
            RetryDecision.UNTIL_DEADLINE: math.inf,
        }[decision]


DEFAULT = RetryPolicy()


class RetryState:
    """One call while it is tried, by one thread.

    `last` is the newest error, None before the first. An error after an attempt that may have taken effect
    says so as well, whatever it is itself.
    """

    def __init__(self, request: Request, policy: RetryPolicy, clock: Clock) -> None:
        self.request = request
        self.last_error: ApiError | None = None
        self._policy = policy
        self._clock = clock
        self._backoff = wait_exponential(multiplier=policy.initial_wait, max=policy.max_wait)
        self._started_at: float | None = None
        self._failed_attempts = 0
        self._is_stopped = False

    @property
    def remaining_seconds(self) -> float:
        """Seconds that are left for it."""
        if self._started_at is None:
            return self._policy.max_seconds
        return self._started_at + self._policy.max_seconds - self._clock.monotonic()

    def begin_attempt(self) -> None:
        """A request is about to leave. The time runs from the first one on, not from a wait for its turn."""
        if self._started_at is None:
            self._started_at = self._clock.monotonic()

    def record_failure(self, error: ApiError) -> None:
        """An attempt has failed."""
        if self.last_error is not None and self.last_error.is_ambiguous:
            error.mark_ambiguous()
        self.last_error = error
        self._failed_attempts += not isinstance(error, RateLimited)

    def stop(self) -> None:
        """No attempt follows, whatever the matrix says."""
        self._is_stopped = True

    def should_retry(self, error: BaseException) -> bool:
        """Whether an error leads to another attempt, time permitting."""
        if self._is_stopped or not isinstance(error, ApiError):
            return False
        return self._failed_attempts < self._policy.get_max_attempts(decide_retry(error, self.request))

    def run(
        self,
        attempt: Callable[[], Response],
        *,
        before_wait: Callable[[ApiError, int, float], None],
        wait: Callable[[float], None],
    ) -> Response:
        """Call `attempt` until it gives an answer or there is no more hope; raises its last `ApiError`.

        `before_wait` gets the error, the number of the attempt that will come (from 2) and the seconds until
        then.
        """

        def notify(state: RetryCallState) -> None:
            if self.last_error is not None:
                before_wait(self.last_error, state.attempt_number + 1, state.upcoming_sleep)

        return Retrying(
            retry=retry_if_exception(self.should_retry),
            wait=self._compute_wait,
            stop=lambda state: state.upcoming_sleep > self.remaining_seconds,
            before_sleep=notify,
            sleep=wait,
            reraise=True,
        )(attempt)

    def _compute_wait(self, state: RetryCallState) -> float:
        requested = self.last_error.retry_after if self.last_error is not None else None
        return max(requested or 0.0, self._backoff(state))
