"""What became of each planned change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Action


class Status(StrEnum):
    """How one change ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    HELD = "held"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    AWAITING_APPROVAL = "awaiting-approval"


class CheckStatus(StrEnum):
    """Result of one setup test, as Fivetran names it."""

    PASSED = "PASSED"
    SKIPPED = "SKIPPED"
    WARNING = "WARNING"
    FAILED = "FAILED"
    JOB_FAILED = "JOB_FAILED"


@dataclass(frozen=True, slots=True)
class Check:
    """One setup test. `status` is the API's word, also when it is one we do not know."""

    title: str
    status: str
    message: str = ""

    @property
    def failed(self) -> bool:
        """A status other than the three harmless ones counts as failed, so that a new word is never a pass."""
        return self.status not in {CheckStatus.PASSED, CheckStatus.SKIPPED, CheckStatus.WARNING}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one change ended. `seconds` is wall time; `diagnostics` say what went wrong, if anything did."""

    address: Address
    action: Action
    status: Status
    id: str | None = None
    checks: tuple[Check, ...] | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Applied:
    """A whole apply: one outcome per effective change, in the order in which they were carried out.

    `remaining` lists what a fresh plan of the touched addresses still wants; `None` means that
    the fresh plan could not be made. `problems` belong to no single change.
    """

    outcomes: tuple[Outcome, ...]
    requests: int
    seconds: float
    interrupted: bool = False
    remaining: tuple[Address, ...] | None = ()
    problems: tuple[Diagnostic, ...] = ()
