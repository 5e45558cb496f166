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
    READS,
    ApiError,
    RateLimited,
    Rejected,
    ServerFault,
    Unidentified,
    Unintelligible,
    Unreachable,
)
from reconciler.api.transport import Answer, Request
from reconciler.model.clock import Clock

if TYPE_CHECKING:
    from tenacity import RetryCallState


class Call(Enum):
    """What a call does, as far as a repeat is concerned."""

    READ = auto()
    CHANGE = auto()
    """A PATCH: a second one leaves what the first one left."""
    REMOVAL = auto()
    """A DELETE: a second one finds nothing."""
    CREATION = auto()
    """A POST: a second one makes a second object. Whoever called has to look whether there is one."""
    TEST = auto()
    """A POST of setup tests: a second one does no harm, but has a price, so the caller decides."""


class Failure(Enum):
    """What became of a call."""

    RATE_LIMITED = auto()
    """429: it was certainly not carried out."""
    NOT_SENT = auto()
    """It certainly did not leave."""
    UNIDENTIFIED = auto()
    """Nor did this, and waiting seldom helps: an unknown name, a certificate that is not trusted."""
    NO_ANSWER = auto()
    """It left, and then: a reset, a deadline, an answer that breaks off."""
    SERVER_FAULT = auto()
    """5xx, from Fivetran or from a gateway that gave up waiting for it."""
    UNINTELLIGIBLE = auto()
    """2xx, and nobody knows of what."""
    REFUSED = auto()
    """An answer that would be the same again: 3xx, 4xx."""
    WITHHELD = auto()
    """This side did not want to send it."""


class Verdict(Enum):
    """Whether a call is sent again."""

    GIVE_UP = auto()
    REPEAT_FEW = auto()
    """Until `FEW` attempts have failed."""
    REPEAT = auto()
    """Until `Persistence.attempts` attempts have failed."""
    REPEAT_ON = auto()
    """As often as `Persistence.total` allows."""


FEW = 3
"""Attempts where waiting seldom helps, but a resolver may have had a bad second."""

_NO, _FEW, _YES, _ON = Verdict.GIVE_UP, Verdict.REPEAT_FEW, Verdict.REPEAT, Verdict.REPEAT_ON

# fmt: off
_ROWS = (
    # what became of it      READ  CHANGE REMOVAL CREATION TEST
    (Failure.RATE_LIMITED,   (_ON,  _ON,   _ON,   _ON,   _ON)),
    (Failure.NOT_SENT,       (_YES, _YES,  _YES,  _YES,  _YES)),
    (Failure.UNIDENTIFIED,   (_FEW, _FEW,  _FEW,  _FEW,  _FEW)),
    (Failure.NO_ANSWER,      (_YES, _YES,  _YES,  _NO,   _NO)),
    (Failure.SERVER_FAULT,   (_YES, _YES,  _YES,  _NO,   _NO)),
    (Failure.UNINTELLIGIBLE, (_YES, _YES,  _YES,  _NO,   _NO)),
    (Failure.REFUSED,        (_NO,  _NO,   _NO,   _NO,   _NO)),
    (Failure.WITHHELD,       (_NO,  _NO,   _NO,   _NO,   _NO)),
)
# fmt: on

MATRIX: Mapping[Failure, Mapping[Call, Verdict]] = MappingProxyType(
    {failure: MappingProxyType(dict(zip(Call, row, strict=True))) for failure, row in _ROWS}
)


def verdict(error: ApiError, request: Request) -> Verdict:
    """Whether a request that ended in this error is sent again."""
    return MATRIX[_failure(error)][_call(request)]


def _failure(error: ApiError) -> Failure:  # noqa: PLR0911 - a table
    match error:
        case RateLimited():
            return Failure.RATE_LIMITED
        case Unidentified(sent=False):
            return Failure.UNIDENTIFIED
        case Unreachable(sent=sent):
            return Failure.NO_ANSWER if sent else Failure.NOT_SENT
        case ServerFault():
            return Failure.SERVER_FAULT
        case Unintelligible():
            return Failure.UNINTELLIGIBLE
        case Rejected():
            return Failure.REFUSED
    return Failure.WITHHELD


def _call(request: Request) -> Call:
    if request.method in READS:
        return Call.READ
    if request.method == "POST" and request.path.endswith("/test"):
        return Call.TEST
    return {"PATCH": Call.CHANGE, "DELETE": Call.REMOVAL}.get(request.method, Call.CREATION)


def is_outage(error: ApiError) -> bool:
    """Whether the error is about the API or the way to it, so that any other call would meet it as well."""
    return isinstance(error, Unreachable | ServerFault | RateLimited)


def reason(error: ApiError) -> str:
    """The diagnostic code of an error after which a call is repeated."""
    return _REASONS[_failure(error)]


_REASONS: Mapping[Failure, str] = MappingProxyType(
    {
        Failure.RATE_LIMITED: "rate-limited",
        Failure.NOT_SENT: "unreachable",
        Failure.UNIDENTIFIED: "unreachable",
        Failure.NO_ANSWER: "unreachable",
        Failure.SERVER_FAULT: "server-fault",
        Failure.UNINTELLIGIBLE: "unintelligible-answer",
    }
)


@dataclass(frozen=True, slots=True)
class Persistence:
    """How long a call is tried for. Seconds.

    `attempts` is the most that may fail other than by a 429, which only `total` bounds: the time from the
    first attempt on. Waits double from `first_wait` to `longest_wait`; where Fivetran asks for a longer one,
    that counts, and one beyond what is left of `total` ends the call at once.
    """

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 30.0
    total: float = 600.0

    def attempts_after(self, decision: Verdict) -> float:
        """How many attempts may fail in all."""
        return {
            Verdict.GIVE_UP: 0,
            Verdict.REPEAT_FEW: min(FEW, self.attempts),
            Verdict.REPEAT: self.attempts,
            Verdict.REPEAT_ON: math.inf,
        }[decision]


PATIENT = Persistence()


class Trial:
    """One call while it is tried, by one thread.

    `last` is the newest error, None before the first. An error after an attempt that may have taken effect
    says so as well, whatever it is itself.
    """

    def __init__(self, request: Request, persistence: Persistence, clock: Clock) -> None:
        self.request = request
        self.last: ApiError | None = None
        self._persistence = persistence
        self._clock = clock
        self._backoff = wait_exponential(multiplier=persistence.first_wait, max=persistence.longest_wait)
        self._began: float | None = None
        self._failed = 0
        self._is_over = False

    @property
    def left(self) -> float:
        """Seconds that are left for it."""
        if self._began is None:
            return self._persistence.total
        return self._began + self._persistence.total - self._clock.monotonic()

    def begin_attempt(self) -> None:
        """A request is about to leave. The time runs from the first one on, not from a wait for its turn."""
        if self._began is None:
            self._began = self._clock.monotonic()

    def note(self, error: ApiError) -> None:
        """An attempt has failed."""
        if self.last is not None and self.last.may_have_taken_effect:
            error.put_in_doubt()
        self.last = error
        self._failed += not isinstance(error, RateLimited)

    def end(self) -> None:
        """No attempt follows, whatever the matrix says."""
        self._is_over = True

    def goes_on_after(self, error: BaseException) -> bool:
        """Whether an error leads to another attempt, time permitting."""
        if self._is_over or not isinstance(error, ApiError):
            return False
        return self._failed < self._persistence.attempts_after(verdict(error, self.request))

    def run(
        self,
        attempt: Callable[[], Answer],
        *,
        before_wait: Callable[[ApiError, int, float], None],
        wait: Callable[[float], None],
    ) -> Answer:
        """Call `attempt` until it gives an answer or there is no more hope; raises its last `ApiError`.

        `before_wait` gets the error, the number of the attempt that will come (from 2) and the seconds until
        then.
        """

        def tell(state: RetryCallState) -> None:
            if self.last is not None:
                before_wait(self.last, state.attempt_number + 1, state.upcoming_sleep)

        return Retrying(
            retry=retry_if_exception(self.goes_on_after),
            wait=self._wait,
            stop=lambda state: state.upcoming_sleep > self.left,
            before_sleep=tell,
            sleep=wait,
            reraise=True,
        )(attempt)

    def _wait(self, state: RetryCallState) -> float:
        asked = self.last.retry_after if self.last is not None else None
        return max(asked or 0.0, self._backoff(state))
