"""Define the events of a running operation, which listeners show or log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Action


@dataclass(frozen=True, slots=True)
class ReadingAccount:
    """The run has read the details of `done` of `total` destinations."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ChangeStarted:
    """A change has begun."""

    address: Address
    action: Action


@dataclass(frozen=True, slots=True)
class ChangeWritten:
    """The mutating call of a change has worked, and its record is stored. Tests may follow."""

    address: Address
    action: Action
    id: str


@dataclass(frozen=True, slots=True)
class RecoveringCreate:
    """The outcome of a create is unknown; the run reads the account to find the object."""

    address: Address


@dataclass(frozen=True, slots=True)
class RequestRetried:
    """A failed call that is safe to repeat is sent again in `seconds`. `reason` is a diagnostic code."""

    method: str
    path: str
    reason: str
    attempt: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Throttled:
    """No call leaves for `seconds`: the budget of `quota` is spent for now, or Fivetran asks to wait."""

    quota: str
    seconds: float


@dataclass(frozen=True, slots=True)
class AwaitingAnswer:
    """A call has waited for its answer for `seconds`, and goes on waiting."""

    method: str
    path: str
    since: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class AnswerArrived:
    """A call that was reported by `AwaitingAnswer` has ended, with or without an answer."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class AwaitingObjects:
    """The run waits until these links and agents can be used, at most for `seconds`."""

    names: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class SetupTestsStarted:
    """Setup tests are running at Fivetran; this may take minutes."""

    address: Address


@dataclass(frozen=True, slots=True)
class ChangeFinished:
    """A change has ended, with or without success."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class ConvergenceCheck:
    """The run plans the touched addresses again."""

    total: int


@dataclass(frozen=True, slots=True)
class WarningIssued:
    """A problem that does not affect the changes of the run."""

    diagnostic: Diagnostic


Event: TypeAlias = (
    ReadingAccount
    | ChangeStarted
    | ChangeWritten
    | RecoveringCreate
    | RequestRetried
    | Throttled
    | AwaitingAnswer
    | AnswerArrived
    | AwaitingObjects
    | SetupTestsStarted
    | ChangeFinished
    | ConvergenceCheck
    | WarningIssued
)
Listener: TypeAlias = Callable[[Event], None]


def ignore_event(event: Event) -> None:
    """Ignore every event: the listener of a run without output."""
