"""Setup tests of what was written, and what their results mean for the run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.api.client import Client
from reconciler.api.errors import ApiError, TimedOut
from reconciler.engine.failure import explain
from reconciler.engine.looking import LOOKS, Looking
from reconciler.engine.planner import Step
from reconciler.kinds.base import PendingApproval, Verification
from reconciler.kinds.destination import HEALTHY_STATUS
from reconciler.kinds.registry import KINDS
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.outcome import Check
from reconciler.model.plan import Action
from reconciler.model.resource import OnFailure

SECOND_RUN_AFTER = 2.0
"""Seconds before new permissions are tried again: they reach a cloud's services one after the other (R23)."""


@dataclass(frozen=True, slots=True)
class Verifying:
    """Everything that a worker needs to test one resource."""

    client: Client
    step: Step
    id: str
    looking: Looking

    def carry_out(self) -> tuple[Verification, ...]:
        """One or two runs of the tests, the last one counts. Raises `ApiError`.

        What has never been healthy gets a second run, since the first one after a creation is known to fail while
        permissions still spread; and so does a run whose answer was lost.
        """
        try:
            first = self._run()
        except ApiError as error:
            if not error.may_have_taken_effect or self.looking.cancelled.is_set():
                raise
            return (self._after_lost_answer(error),)
        if self._is_final(first):
            return (first,)
        self.looking.clock.wait(self.looking.cancelled, SECOND_RUN_AFTER)
        if self.looking.cancelled.is_set():
            return (first,)
        try:
            return (first, self._run())
        except ApiError:
            return (first,)  # the first run has an answer; the next plan tests again

    def _run(self) -> Verification:
        """Run the tests. S-06: the read behind them may still show what was before, so where they passed and it
        does not say so, it is repeated."""
        desired = self.step.desired
        run = KINDS[desired.address.kind].verify(self.client, self.id, desired)
        if run.healthy or run.pending or any(check.failed for check in run.checks):
            return run
        seen = self.looking.until_seen(lambda: self._is_healthy() or None, LOOKS - 1)
        return replace(run, healthy=True, untried=False) if seen else run

    def _is_healthy(self) -> bool:
        seen = KINDS[self.step.desired.address.kind].observe(self.client, self.id)
        return seen is not None and seen.status == HEALTHY_STATUS

    def _is_final(self, run: Verification) -> bool:
        return bool(run.pending) or not run.untried or not any(check.failed for check in run.checks)

    def _after_lost_answer(self, lost: ApiError) -> Verification:
        """R17: a new destination that reads as healthy has passed its tests, whatever became of their answer."""
        if self._is_healthy() and self.step.change.action in _MADE_ANEW:
            return Verification(checks=(), pending=(), healthy=True)
        if isinstance(lost, TimedOut):
            raise lost  # another run would take as long again; the next plan shows that tests are outstanding
        return self._run()


_MADE_ANEW = frozenset({Action.CREATE, Action.REPLACE})


def findings(verification: Verification, step: Step) -> tuple[Diagnostic, ...]:
    """What the last run of the tests found, as its policy judges it."""
    if verification.pending:
        return tuple(_approval_needed(approval, step) for approval in verification.pending)
    failed = [check for check in verification.checks if check.failed]
    if verification.healthy and not failed:
        return ()
    if step.desired.setup_tests.on_failure is OnFailure.IGNORE:
        return ()
    return (
        Diagnostic(
            "setup-tests-failed",
            f"{step.change.address} exists, but has not passed its setup tests",
            span=step.desired.span,
            severity=_severity(step),
            address=step.change.address,
            notes=tuple(_told(check) for check in failed),
            help="correct what the tests complain about, then apply again: what exists is kept and tested again",
        ),
    )


def not_run(step: Step, error: ApiError | None) -> Diagnostic:
    """Tests that could not be run to their end; `error` is None where the run itself had to end first."""
    cause = explain(error, step) if error is not None else None
    why = cause.message if cause is not None else "the run was stopped"
    return Diagnostic(
        "setup-tests-not-run",
        f"{step.change.address} is written, but its setup tests could not be run: {why}",
        span=step.desired.span,
        severity=_severity(step),
        address=step.change.address,
        notes=cause.notes if cause is not None else (),
        help="apply again: what exists is kept, and its tests are run",
    )


def _approval_needed(approval: PendingApproval, step: Step) -> Diagnostic:
    return Diagnostic(
        "approval-needed",
        f"{step.change.address} waits for somebody to approve a {approval.what}",
        span=step.desired.span,
        address=step.change.address,
        notes=(f"{approval.what} {approval.hash} {approval.name}".rstrip(),),
        help=(
            "approve it in Fivetran if it is the right one, "
            f"or set `trust: {{{approval.what}s: any}}`, then apply again"
        ),
    )


def _severity(step: Step) -> Severity:
    return Severity.ERROR if step.desired.setup_tests.on_failure is OnFailure.FAIL else Severity.WARNING


def _told(check: Check) -> str:
    return f"{check.title}: {check.message or check.status}"
