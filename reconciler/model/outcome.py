"""Define the outcomes of planned changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, select_errors
from reconciler.model.group_identity import GroupIdentity
from reconciler.model.plan import Action, LiveConnection, LiveObject
from reconciler.model.trust import TrustChange


class Status(StrEnum):
    """End of a change."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    HELD = "held"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    AWAITING_APPROVAL = "awaiting-approval"

    @property
    def is_in_effect(self) -> bool:
        """Whether the change is in effect, perhaps with an approval outstanding."""
        return self in {Status.DONE, Status.AWAITING_APPROVAL}

    @property
    def is_untried(self) -> bool:
        """Whether no request of the change was sent."""
        return self in {Status.SKIPPED, Status.HELD, Status.CANCELLED}

    @property
    def may_be_in_effect(self) -> bool:
        """Whether the change is in effect, or may be."""
        return self.is_in_effect or self is Status.UNKNOWN


class CheckStatus(StrEnum):
    """Result of one setup test, as Fivetran names it."""

    PASSED = "PASSED"
    SKIPPED = "SKIPPED"
    WARNING = "WARNING"
    FAILED = "FAILED"
    JOB_FAILED = "JOB_FAILED"


@dataclass(frozen=True, slots=True)
class Check:
    """One setup test. `status` is the API's word, also an unknown word. `details` are JSON of any shape that the API
    answers beside the message."""

    title: str
    status: str
    message: str = ""
    details: Any = None

    @property
    def has_passed(self) -> bool:
        """Whether the test passed, or was not needed."""
        return self.status in {CheckStatus.PASSED, CheckStatus.SKIPPED}

    @property
    def has_failed(self) -> bool:
        """Whether the test failed. Every status but the three harmless statuses counts as failed, so that an unknown
        status never passes."""
        return self.status not in {CheckStatus.PASSED, CheckStatus.SKIPPED, CheckStatus.WARNING}


@dataclass(frozen=True, slots=True)
class Outcome:
    """End of a change. `seconds` is wall time; `diagnostics` are the problems.

    `checks` are the results of the last run of the setup tests, `earlier_checks` of the runs before it. `recovered`
    means that the answer of a create was lost, and that a search has found the object. `held_until` is the time from
    which a waiting create can be made. `live` is the deleted or replaced object, as Fivetran showed it; `deleted_first`
    are the connections that were deleted before it, even if the object stayed. `approvals` are the approvals that were
    given and revoked, whatever the end of the change. `identity` are the parts of the identity of its group that the
    destination needs, as far as this run has read them, and all known ones if setup tests have failed.
    """

    address: Address
    action: Action
    status: Status
    id: str | None = None
    checks: tuple[Check, ...] | None = None
    earlier_checks: tuple[tuple[Check, ...], ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    seconds: float = 0.0
    recovered: bool = False
    held_until: datetime | None = None
    live: LiveObject | None = None
    deleted_first: tuple[LiveConnection, ...] = ()
    approvals: tuple[TrustChange, ...] = ()
    identity: GroupIdentity = field(default_factory=dict)

    @property
    def has_failed_tests(self) -> bool:
        """Whether the write is in effect, but a required test failed."""
        return self.status is Status.DONE and bool(select_errors(self.diagnostics))

    @property
    def is_unsuccessful(self) -> bool:
        """Whether work is left for this run, or for a user."""
        return self.status is not Status.DONE or self.has_failed_tests

    @property
    def status_phrase(self) -> str:
        """Phrase about the end, which follows the address in messages."""
        return "has not passed its setup tests" if self.has_failed_tests else f"ended as `{self.status}`"


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """End of an apply: one outcome per effective change, in the order of the plan.

    `retry_count` counts the requests that were sent again. `remaining` lists the changes of a fresh plan of the touched
    addresses; `None` means that the fresh plan could not be made. `problems` belong to no single change.
    """

    outcomes: tuple[Outcome, ...]
    requests: int
    seconds: float
    retry_count: int = 0
    interrupted: bool = False
    remaining: tuple[Address, ...] | None = ()
    problems: tuple[Diagnostic, ...] = ()
