"""Run the setup tests of a written resource, and explain the consequences of their results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.api.client import Client
from reconciler.api.errors import ApiError, Timeout
from reconciler.kinds.base import PendingApproval, Verification
from reconciler.kinds.destination import HEALTHY_STATUS
from reconciler.kinds.registry import KINDS
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.outcome import Check
from reconciler.model.plan import Action
from reconciler.model.record import is_asserted
from reconciler.model.resource import OnFailure
from reconciler.model.value import FieldPath, format_path
from reconciler.planning.errors import explain_operation
from reconciler.planning.fact_warnings import explain_settled_status
from reconciler.planning.planner import PlannedOperation
from reconciler.runtime.polling import MAX_POLLS, Poller

SECOND_RUN_AFTER = 2.0
"""Seconds before new permissions are tried again: they reach the services of a cloud one after the other."""


@dataclass(frozen=True, slots=True)
class SetupTestRun:
    """Run of the setup tests of one resource, with everything that its worker needs."""

    client: Client
    operation: PlannedOperation
    id: str
    poller: Poller

    def execute(self) -> tuple[Verification, ...]:
        """Run the tests once or twice; the last run counts. Raises `ApiError`.

        A resource that was never healthy gets a second run, since the first run after a create is known to fail while
        permissions still spread. A lost response leads to a second run too.
        """
        try:
            first_run = self._run_tests()
        except ApiError as error:
            if not error.is_ambiguous or self.poller.cancelled.is_set():
                raise
            return (self._resolve_lost_response(error),)
        if self._is_final(first_run):
            return (first_run,)
        self.poller.clock.wait(self.poller.cancelled, SECOND_RUN_AFTER)
        if self.poller.cancelled.is_set():
            return (first_run,)
        try:
            return (first_run, self._run_tests())
        except ApiError:
            return (first_run,)  # the first run has an answer; the next plan tests again

    def _run_tests(self) -> Verification:
        """Run the tests. The read after them may still show the old status, so it is repeated if the tests passed and
        the resource does not read as healthy."""
        desired = self.operation.desired
        run = KINDS[desired.address.kind].verify(self.client, self.id, desired)
        if run.healthy or run.pending or any(check.has_failed for check in run.checks):
            return run
        became_healthy = self.poller.poll_until(lambda: self._is_healthy() or None, MAX_POLLS - 1)
        return replace(run, healthy=True, untried=False) if became_healthy else run

    def _is_healthy(self) -> bool:
        observed = KINDS[self.operation.desired.address.kind].observe(self.client, self.id)
        return observed is not None and observed.status == HEALTHY_STATUS

    def _is_final(self, run: Verification) -> bool:
        return bool(run.pending) or not run.untried or not any(check.has_failed for check in run.checks)

    def _resolve_lost_response(self, error: ApiError) -> Verification:
        """Resolve a lost response: a new destination that reads as healthy has passed its tests."""
        if self._is_healthy() and self.operation.change.action in _CREATING_ACTIONS:
            return Verification(checks=(), pending=(), healthy=True)
        if isinstance(error, Timeout):
            raise error  # another run would take as long again; the next plan shows that tests are outstanding
        return self._run_tests()


_CREATING_ACTIONS = frozenset({Action.CREATE, Action.REPLACE})


def explain_verification(verification: Verification, operation: PlannedOperation) -> tuple[Diagnostic, ...]:
    """Explain the last test run. The `on_failure` of the entry gives the severity."""
    if verification.pending:
        return tuple(_explain_pending_approval(approval, operation) for approval in verification.pending)
    if verification.has_passed:
        return () if verification.healthy else (_explain_settled_status(verification, operation),)
    if operation.desired.setup_tests.on_failure is OnFailure.IGNORE:
        return ()
    return (
        Diagnostic(
            "setup-tests-failed",
            f"{operation.change.address} exists, but has not passed its setup tests",
            span=operation.desired.span,
            severity=_choose_severity(operation),
            address=operation.change.address,
            notes=(
                *(_format_check(check) for check in verification.failed),
                *_note_refuted(operation.record_update.fingerprints),
            ),
            help=f"correct the cause of the failed tests, then {_advise_new_run(operation)}",
        ),
    )


def _advise_new_run(operation: PlannedOperation) -> str:
    """Advise on the run that tests again: no apply repeats tests whose failure the spec accepts."""
    if operation.desired.setup_tests.on_failure is OnFailure.FAIL:
        return "apply again: the object is kept and tested again"
    return f"run `reconciler test {operation.change.address}`"


def _note_refuted(fingerprints: Mapping[FieldPath, str]) -> Iterator[str]:
    """Note the asserted values that failed tests refute."""
    fields = [f"`{format_path(path)}`" for path, stored in fingerprints.items() if is_asserted(stored)]
    if fields:
        yield (
            f"recorded by `--secrets-as-they-are`, and not any more: {', '.join(fields)} may be the cause, and cannot"
            f" be compared until {'it is' if len(fields) == 1 else 'they are'} sent or recorded again"
        )


def _explain_settled_status(verification: Verification, operation: PlannedOperation) -> Diagnostic:
    change, span = operation.change, operation.desired.span
    return explain_settled_status(change.address, span, verification.settled_status)


def explain_tests_not_run(operation: PlannedOperation, error: ApiError | None) -> Diagnostic:
    """Explain tests without a result. `error` is None if the apply itself had to end first."""
    cause = explain_operation(error, operation) if error is not None else None
    reason = cause.message if cause is not None else "the run was stopped"
    address = operation.change.address
    is_written = operation.change.action is not Action.VERIFY
    problem = f"{address} is written, but its setup tests" if is_written else f"the setup tests of {address}"
    return Diagnostic(
        "setup-tests-not-run",
        f"{problem} have no result: {reason}",
        span=operation.desired.span,
        severity=_choose_severity(operation),
        address=operation.change.address,
        notes=cause.notes if cause is not None else (),
        help="apply again: the object is kept, and its tests are run"
        if is_written
        else "run them again: `reconciler test`",
    )


def _explain_pending_approval(approval: PendingApproval, operation: PlannedOperation) -> Diagnostic:
    return Diagnostic(
        "approval-needed",
        f"{operation.change.address} waits for the approval of a {approval.subject}",
        span=operation.desired.span,
        address=operation.change.address,
        notes=(f"{approval.subject} {approval.hash} {approval.name}".rstrip(),),
        help=(
            "approve it in Fivetran if you trust it, "
            f"or set `trust: {{{approval.subject}s: any}}`, then apply again"
        ),
    )


def _choose_severity(operation: PlannedOperation) -> Severity:
    return Severity.ERROR if operation.desired.setup_tests.on_failure is OnFailure.FAIL else Severity.WARNING


def _format_check(check: Check) -> str:
    return f"{check.title}: {check.message or check.status}"
