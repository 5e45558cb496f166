"""Events of a running operation, which listeners show or log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Action


@dataclass(frozen=True, slots=True)
class ReadingAccount:
    """Details of `done` of `total` destinations have been read."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ChangeStarted:
    """A change is being carried out."""

    address: Address
    action: Action


@dataclass(frozen=True, slots=True)
class ChangeWritten:
    """The mutating call of a change has worked, and that is remembered. Tests may follow."""

    address: Address
    action: Action
    id: str


@dataclass(frozen=True, slots=True)
class RecoveringCreate:
    """Nobody knows what became of the call of a change; the account is read to find out."""

    address: Address


@dataclass(frozen=True, slots=True)
class RequestRetried:
    """A call that may be sent again safely will be, `seconds` from now. `reason` is a diagnostic code."""

    method: str
    path: str
    reason: str
    attempt: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Throttled:
    """No call leaves for `seconds`: the budget of `what` is spent for now, or Fivetran asks to wait."""

    quota: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SetupTestsStarted:
    """Setup tests are running at Fivetran; this may take minutes."""

    address: Address


@dataclass(frozen=True, slots=True)
class ChangeFinished:
    """A change came to its end, good or bad."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class ConvergenceCheck:
    """The touched addresses are planned again."""

    total: int


@dataclass(frozen=True, slots=True)
class WarningIssued:
    """Something went wrong beside the work, and changes nothing about it."""

    diagnostic: Diagnostic


Event: TypeAlias = (
    ReadingAccount
    | ChangeStarted
    | ChangeWritten
    | RecoveringCreate
    | RequestRetried
    | Throttled
    | SetupTestsStarted
    | ChangeFinished
    | ConvergenceCheck
    | WarningIssued
)
Listener: TypeAlias = Callable[[Event], None]


def ignore_event(event: Event) -> None:
    """Ignore every event: the listener of a run without output."""
