"""Run the setup tests of a written resource, and explain the consequences of their results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from reconciler.api.client import Client
from reconciler.api.errors import ApiError, Timeout
from reconciler.applying.calls import approve_servers
from reconciler.kinds.approvals import matches_server, revoke
from reconciler.kinds.base import Verification
from reconciler.kinds.destination import HEALTHY_STATUS
from reconciler.kinds.group_identity import read_part
from reconciler.kinds.registry import KINDS
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.group_identity import IdentityPart
from reconciler.model.outcome import Check
from reconciler.model.plan import Action
from reconciler.model.record import is_asserted
from reconciler.model.resource import OnFailure
from reconciler.model.trust import ServerIdentity, ServerKind, TrustAction, TrustChange
from reconciler.model.value import FieldPath, format_path
from reconciler.planning.errors import explain_operation
from reconciler.planning.fact_warnings import explain_settled_status
from reconciler.planning.planner import PlannedOperation
from reconciler.planning.trust import is_approvable
from reconciler.planning.trust_findings import advise_pin, describe_server, explain_forged_certificate
from reconciler.runtime.polling import MAX_POLLS, Poller

SECOND_RUN_AFTER = 2.0
"""Seconds before new permissions are tried again: they reach the services of a cloud one after the other."""


@dataclass(frozen=True, slots=True)
class TrustFailure:
    """Approval or revocation that failed, with its error."""

    change: TrustChange
    error: ApiError


@dataclass(frozen=True, slots=True)
class TestedTrust:
    """Result of everything that follows a write: the runs of setup tests, the last of which counts, and the approval or
    revocation that failed and ended it. Without setup tests there are no runs."""

    runs: tuple[Verification, ...]
    failure: TrustFailure | None = None


def has_follow_up(operation: PlannedOperation) -> bool:
    """Check whether requests follow a successful write: reads of the identity of its group, or what completes it."""
    return bool(operation.unread_parts) or needs_completion(operation)


def needs_completion(operation: PlannedOperation) -> bool:
    """Check whether setup tests, or approvals of the servers of a new object, have to follow a successful write."""
    change = operation.change
    return change.runs_tests or (change.action in _CREATING_ACTIONS and bool(change.approvals))


@dataclass(frozen=True, slots=True)
class SetupTestRun:
    """Run of the setup tests of one resource, with everything that its worker needs, and the requests around it:

    1. The missing parts of the identity of the group are read: whoever has to act on failed tests needs them.
    2. The servers of a new resource are approved as planned; those of an existing one were approved before its update.
    3. The tests run. Pinned servers that they meet are approved, each at most once, and the tests run again.
    4. After passed tests the planned revocations follow.

    `trust` are the approvals that were given and revoked, `identity` is what was read; this run adds to them.
    """

    client: Client
    operation: PlannedOperation
    id: str
    poller: Poller
    trust: list[TrustChange] = field(default_factory=list)
    identity: dict[IdentityPart, str] = field(default_factory=dict)

    def execute(self) -> TestedTrust:
        """Run the tests. Raises `ApiError` if the first run has no result."""
        self._read_identity()
        change = self.operation.change
        runs: tuple[Verification, ...] = ()
        try:
            if change.action in _CREATING_ACTIONS:
                self._approve(change.approvals)
            if change.runs_tests:
                runs = self._run_first_tests()
                while runs[-1].pending and (approvals := self._select_met(runs[-1])):
                    self._approve(approvals)
                    runs = (*runs, *self._run_tests_twice())
                if runs[-1].has_passed:
                    self._revoke(change.revocations)
        except _TrustError as error:
            return TestedTrust(runs, error.failure)
        return TestedTrust(runs)

    def _read_identity(self) -> None:
        """Read the missing parts of the identity of the group. The write is in effect without them, so a failure is no
        failure of the change; the next write reads them again."""
        for part in self.operation.unread_parts:
            with suppress(ApiError):
                self.identity[part] = read_part(self.client, self.id, part)

    def _run_first_tests(self) -> tuple[Verification, ...]:
        try:
            return self._run_tests_twice()
        except ApiError as error:
            if not error.is_ambiguous or self.poller.cancelled.is_set():
                raise
            return (self._resolve_lost_response(error),)

    def _run_tests_twice(self) -> tuple[Verification, ...]:
        """Run the tests once or twice. Raises `ApiError` if the first run has no result.

        A resource that was never healthy gets a second run, since the first run after a create is known to fail while
        permissions still spread.
        """
        first_run = self._run_tests()
        if self._is_final(first_run):
            return (first_run,)
        self.poller.clock.wait(self.poller.cancelled, SECOND_RUN_AFTER)
        if self.poller.cancelled.is_set():
            return (first_run,)
        try:
            return (first_run, self._run_tests())
        except ApiError:
            return (first_run,)  # the first run has an answer; the next plan tests again

    def _select_met(self, run: Verification) -> tuple[TrustChange, ...]:
        """Select the pinned servers that a run has met, without a pin that was approved already: Fivetran does not
        trust its server all the same. If a certificate is not what its hash says, nothing of the run is approved."""
        if run.forged or self.poller.cancelled.is_set() or not self.operation.approves_met:
            return ()
        used = {change.pin for change in self.trust}
        matches = (
            (pin, met)
            for pin in self.operation.desired.trust.pins
            if pin not in used
            for met in run.pending
            if is_approvable(met) and matches_server(pin.identity, met)
        )
        return tuple(TrustChange(TrustAction.APPROVE, met, pin) for pin, met in matches)

    def _approve(self, approvals: Iterable[TrustChange]) -> None:
        for approval in approvals:
            with _report_failure(approval):
                approve_servers(self.client, self.id, [approval], self.trust)

    def _revoke(self, revocations: Iterable[TrustChange]) -> None:
        for revocation in revocations:
            if revocation.approval is None or self.poller.cancelled.is_set():
                continue
            with _report_failure(revocation):
                revoke(self.client, self.id, revocation.approval)
            self.trust.append(revocation)

    def _run_tests(self) -> Verification:
        """Run the tests. The read after them may still show the old status, so it is repeated if the tests passed and
        the resource does not read as healthy."""
        desired = self.operation.desired
        run = KINDS[desired.address.kind].verify(self.client, self.id, desired)
        if run.healthy or run.pending or run.forged or any(check.has_failed for check in run.checks):
            return run
        became_healthy = self.poller.poll_until(lambda: self._is_healthy() or None, MAX_POLLS - 1)
        return replace(run, healthy=True, untried=False) if became_healthy else run

    def _is_healthy(self) -> bool:
        observed = KINDS[self.operation.desired.address.kind].observe(self.client, self.id)
        return observed is not None and observed.status == HEALTHY_STATUS

    def _is_final(self, run: Verification) -> bool:
        return (
            bool(run.pending or run.forged)
            or not run.untried
            or not any(check.has_failed for check in run.checks)
        )

    def _resolve_lost_response(self, error: ApiError) -> Verification:
        """Resolve a lost response: a new destination that reads as healthy has passed its tests."""
        if self._is_healthy() and self.operation.change.action in _CREATING_ACTIONS:
            return Verification(checks=(), pending=(), healthy=True)
        if isinstance(error, Timeout):
            raise error  # another run would take as long again; the next plan shows that tests are outstanding
        return self._run_tests()


_CREATING_ACTIONS = frozenset({Action.CREATE, Action.REPLACE})


class _TrustError(Exception):
    def __init__(self, failure: TrustFailure) -> None:
        super().__init__()
        self.failure = failure


@contextmanager
def _report_failure(change: TrustChange) -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        raise _TrustError(TrustFailure(change, error)) from error


def explain_verification(
    verification: Verification, operation: PlannedOperation, trust: Iterable[TrustChange] = ()
) -> tuple[Diagnostic, ...]:
    """Explain the last test run. The `on_failure` of the entry gives the severity. `trust` are the given approvals."""
    if verification.forged:
        return tuple(explain_forged_certificate(server, operation) for server in verification.forged)
    if verification.pending:
        approved = [change.identity for change in trust]
        return tuple(
            _explain_pending(
                kind, servers, operation, is_approved=any(server in approved for server in servers)
            )
            for kind in ServerKind
            if (servers := [server for server in verification.pending if server.kind is kind])
        )
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


def _explain_pending(
    kind: ServerKind, servers: Sequence[ServerIdentity], operation: PlannedOperation, *, is_approved: bool
) -> Diagnostic:
    """Explain the servers of one kind that wait. Of a chain of certificates any one is enough."""
    address = operation.change.address
    choice = (f"any one of these {len(servers)} is enough",) if len(servers) > 1 else ()
    if is_approved:
        problem = f"{address} still waits for the approval of {kind.phrase}, although one was approved"
        advice = "look at its setup tests in Fivetran: it trusts none of these"
    else:
        problem = f"{address} waits for the approval of {kind.phrase}"
        advice = advise_pin(address)
    return Diagnostic(
        "approval-needed",
        problem,
        span=operation.desired.span,
        address=address,
        notes=(*map(describe_server, servers), *choice),
        help=advice,
    )


def explain_trust_failure(failure: TrustFailure, operation: PlannedOperation) -> Diagnostic:
    """Explain an approval or revocation that failed after the write of its destination."""
    cause, address = explain_operation(failure.error, operation), operation.change.address
    identity = failure.change.identity
    verb = "approved" if failure.change.action is TrustAction.APPROVE else "revoked"
    reason = cause.message.removeprefix(f"{address}: ")
    return Diagnostic(
        cause.code,
        f"{address}: {identity.kind.phrase} could not be {verb}: {reason}",
        span=failure.change.pin.span if failure.change.pin is not None else operation.desired.span,
        address=address,
        notes=(describe_server(identity), *cause.notes),
        help="apply again: what is done already is not repeated",
    )


def _choose_severity(operation: PlannedOperation) -> Severity:
    return Severity.ERROR if operation.desired.setup_tests.on_failure is OnFailure.FAIL else Severity.WARNING


def _format_check(check: Check) -> str:
    return f"{check.title}: {check.message or check.status}"
