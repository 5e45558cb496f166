"""Build the outcome of each task. Pure: the executor decides about the consequences."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from reconciler.api.errors import ApiError, Cancelled
from reconciler.applying.create import AmbiguousCreateError
from reconciler.applying.schedule import Task
from reconciler.applying.verify import (
    TestedTrust,
    explain_tests_not_run,
    explain_trust_failure,
    explain_verification,
    needs_completion,
)
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.group_identity import GroupIdentity, IdentityPart
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import LiveConnection, UnsettledRequest
from reconciler.model.trust import TrustChange
from reconciler.planning.deletions import PlannedDeletion
from reconciler.planning.errors import (
    explain_abandoned,
    explain_ambiguous_create,
    explain_deletion,
    explain_held_create,
    explain_operation,
)
from reconciler.planning.planner import PlannedOperation


@dataclass(slots=True)
class InFlight:
    """A task that has a worker. `id` is known once the write has worked; setup tests follow then.

    `started_at` is in seconds of the monotonic clock. `recovered` means that the response of a create was lost, and the
    object was found. `identity` is what this run has read of the identity of the group, `known_identity` what the
    record had of the needed parts.
    """

    task: Task
    started_at: float
    id: str | None = None
    recovered: bool = False
    is_testing: bool = False
    deleted_connections: list[LiveConnection] = field(default_factory=list)
    trust: list[TrustChange] = field(default_factory=list)
    identity: dict[IdentityPart, str] = field(default_factory=dict)
    known_identity: GroupIdentity = field(default_factory=dict)

    @property
    def operation(self) -> PlannedOperation:
        """The operation of a write. Deletions have none."""
        operation = self.task.operation
        assert isinstance(operation, PlannedOperation)  # noqa: S101 - only written objects are tested
        return operation

    def build_outcome(self, status: Status, now: float) -> Outcome:
        """Build the outcome of the task at `now`, in seconds of the monotonic clock."""
        return replace(
            create_outcome(self.task, status),
            id=self.id or self.task.change.id,
            recovered=self.recovered,
            seconds=now - self.started_at,
            deleted_first=tuple(self.deleted_connections),
            approvals=tuple(self.trust),
            identity=dict(self.identity),
        )


def create_outcome(task: Task, status: Status) -> Outcome:
    """Create the outcome of a task that was not started."""
    change = task.change
    return Outcome(task.address, change.action, status, id=change.id, live=change.live)


def skip_without_parent(task: Task, parent: Address) -> Outcome:
    """Build the outcome of a task whose parent is not in effect."""
    return _skip(task, Status.SKIPPED, f"{task.address} was not tried, because {parent} did not come about")


def skip_after_stop(task: Task, reason: str) -> Outcome:
    """Build the outcome of a task that had not started when the run stopped."""
    return _skip(task, Status.SKIPPED, f"{task.address} was not tried after `{reason}`")


def hold_deletion(task: Task, failure: Outcome) -> Outcome:
    """Build the outcome of a deletion after another change has failed."""
    reason = f"{failure.address} {failure.status_phrase}"
    return _skip(task, Status.HELD, f"{task.address} was not deleted, because {reason}")


def _skip(task: Task, status: Status, message: str) -> Outcome:
    diagnostic = Diagnostic(str(status), message, span=task.change.span, address=task.address)
    return replace(create_outcome(task, status), diagnostics=(diagnostic,))


def hold_create(task: Task, unsettled: UnsettledRequest) -> Outcome:
    """Build the outcome of a create that has to wait for an earlier request."""
    return Outcome(
        task.address,
        task.change.action,
        Status.HELD,
        diagnostics=(explain_held_create(task.change, unsettled),),
        held_until=unsettled.until,
    )


def finish_tests(flight: InFlight, result: TestedTrust, now: float) -> Outcome:
    """Build the outcome of a write after its setup tests have run; the last run counts. A failed approval or revocation
    is a failure of its own, and no server waits for a person then."""
    failures = () if result.failure is None else (explain_trust_failure(result.failure, flight.operation),)
    if not result.runs:
        return replace(flight.build_outcome(Status.DONE, now), diagnostics=failures)
    last_run = result.runs[-1]
    is_waiting = bool(last_run.pending) and not (failures or last_run.forged)
    # A missing right of Fivetran may be the cause of a failed test, unless the test only waits for an approval.
    has_failed = bool(last_run.failed) and not last_run.pending
    return replace(
        flight.build_outcome(Status.AWAITING_APPROVAL if is_waiting else Status.DONE, now),
        checks=last_run.checks,
        earlier_checks=tuple(run.checks for run in result.runs[:-1]),
        diagnostics=failures or explain_verification(last_run, flight.operation, flight.trust),
        identity={**flight.known_identity, **flight.identity} if has_failed else dict(flight.identity),
    )


def finish_untested(flight: InFlight, error: ApiError | None, now: float) -> Outcome:
    """Build the outcome of a write whose setup tests have no result.

    The write is in effect, and the next plan shows that the tests are outstanding. A write that only reads would have
    followed is complete.
    """
    if not needs_completion(flight.operation):
        return flight.build_outcome(Status.DONE, now)
    cause = None if isinstance(error, Cancelled) else error
    return replace(
        flight.build_outcome(Status.DONE, now), diagnostics=(explain_tests_not_run(flight.operation, cause),)
    )


def fail_ambiguous_create(flight: InFlight, error: AmbiguousCreateError, now: float) -> Outcome:
    """Build the outcome of a create that may have created any of several objects."""
    return replace(
        flight.build_outcome(Status.UNKNOWN, now),
        diagnostics=(explain_ambiguous_create(error.ids, flight.operation),),
    )


def fail_call(flight: InFlight, error: ApiError, id: str | None, now: float) -> Outcome:
    """Build the outcome of a task whose call has failed. `id` is the id of its object, None if it is unknown."""
    operation = flight.task.operation
    diagnostic = (
        explain_deletion(error, operation.change)
        if isinstance(operation, PlannedDeletion)
        else explain_operation(error, operation)
    )
    # A failed read does not prove that the write before it failed.
    is_unclear = error.is_ambiguous or not (error.is_write or error.precedes_write)
    status = Status.UNKNOWN if is_unclear else Status.FAILED
    return replace(flight.build_outcome(status, now), id=id, diagnostics=(diagnostic,))


def abandon(flight: InFlight, now: float) -> Outcome:
    """Build the outcome of a task whose call is still running when the run ends.

    The intent is recorded, so the next plan looks for the object.
    """
    if flight.is_testing:
        return finish_untested(flight, None, now)
    return replace(
        flight.build_outcome(Status.UNKNOWN, now), diagnostics=(explain_abandoned(flight.task.change),)
    )
