"""Carrying out planned steps, one after the other, parents first.

A step that fails takes only its dependants with it; every step gets exactly one outcome. Nothing is
repeated here: after a lost answer the outcome is UNKNOWN, and the next plan finds out by looking.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from reconciler.api.client import Client
from reconciler.api.errors import ApiError, Forbidden, NotFound, Unauthorized
from reconciler.engine.failure import explain, explain_deletion
from reconciler.engine.graph import in_order
from reconciler.engine.planner import Step
from reconciler.engine.removal import Removal
from reconciler.kinds.base import Verification
from reconciler.kinds.registry import KINDS
from reconciler.model.address import GROUP, Address
from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic, Severity, errors_among
from reconciler.model.event import ChangeFinished, ChangeStarted, Listener, SetupTestsStarted
from reconciler.model.outcome import Check, Outcome, Status
from reconciler.model.plan import Action
from reconciler.model.record import Record
from reconciler.model.resource import OnFailure


@dataclass(slots=True)
class Applier:
    """Runs the steps of one plan. `ids` grows as groups are made: address → id at Fivetran.

    `remember` keeps what is now in effect; it must be durable when it returns, and may raise OSError.
    """

    client: Client
    clock: Clock
    listener: Listener
    cancelled: threading.Event
    remember: Callable[[Address, Record | None], None]
    ids: dict[Address, str] = field(default_factory=dict)
    unremembered: list[Diagnostic] = field(default_factory=list)
    _stopped_by: Diagnostic | None = None

    def run(self, steps: Mapping[Address, Step]) -> tuple[Outcome, ...]:
        """One outcome per step that does something, in the order in which they were reached."""
        self.ids |= {address: step.change.id for address, step in steps.items() if step.change.id}
        outcomes: dict[Address, Outcome] = {}
        for step in in_order(steps):
            if step.change.action in {Action.NO_OP, Action.ADOPT}:
                continue
            outcomes[step.change.address] = outcome = self._outcome(step, outcomes)
            self.listener(ChangeFinished(outcome))
        return tuple(outcomes.values())

    def bury(self, removals: Iterable[Removal], before: Iterable[Outcome]) -> tuple[Outcome, ...]:
        """Carry out deletions, after everything else and only if all of that worked. One outcome each."""
        trouble = next((each for each in before if each.status is not Status.DONE), None)
        outcomes: list[Outcome] = []
        for removal in removals:
            if removal.change.action is not Action.DELETE:
                continue
            outcomes.append(self._burial(removal, trouble))
            if outcomes[-1].status is not Status.DONE:
                trouble = outcomes[-1]
            self.listener(ChangeFinished(outcomes[-1]))
        return tuple(outcomes)

    def _burial(self, removal: Removal, trouble: Outcome | None) -> Outcome:
        change = removal.change
        if trouble is not None:
            reason = (
                f"{change.address} was not deleted, because {trouble.address} ended as `{trouble.status}`"
            )
            held = Diagnostic("held", reason, span=change.span, address=change.address)
            return Outcome(change.address, change.action, Status.HELD, id=change.id, diagnostics=(held,))
        if self.cancelled.is_set():
            return Outcome(change.address, change.action, Status.CANCELLED, id=change.id)
        self.listener(ChangeStarted(change.address, change.action))
        began = self.clock.monotonic()
        outcome = self._buried(removal)
        return replace(outcome, seconds=self.clock.monotonic() - began)

    def _buried(self, removal: Removal) -> Outcome:
        change = removal.change
        try:
            for connection in removal.connections:
                with suppress(NotFound):
                    self.client.delete_connection(connection)
            KINDS[change.address.kind].delete(self.client, change.id or "")
        except ApiError as error:
            status = Status.UNKNOWN if error.may_have_taken_effect else Status.FAILED
            told = explain_deletion(error, change)
            return Outcome(change.address, change.action, status, id=change.id, diagnostics=(told,))
        self._write_down(change.address, None, f"{change.address} is deleted")
        return Outcome(change.address, change.action, Status.DONE, id=change.id)

    def _outcome(self, step: Step, outcomes: Mapping[Address, Outcome]) -> Outcome:
        blocked = self._blocked(step, outcomes)
        if blocked is not None:
            return blocked
        self.listener(ChangeStarted(step.change.address, step.change.action))
        began = self.clock.monotonic()
        outcome = self._attempt(step)
        return replace(outcome, seconds=self.clock.monotonic() - began)

    def _blocked(self, step: Step, outcomes: Mapping[Address, Outcome]) -> Outcome | None:
        """Why a step is not even tried, if so."""
        address, action = step.change.address, step.change.action
        for parent in step.change.depends_on:
            if parent in outcomes and outcomes[parent].status is not Status.DONE:
                reason = Diagnostic(
                    "skipped",
                    f"{address} was not tried, because {parent} did not come about",
                    address=address,
                )
                return Outcome(address, action, Status.SKIPPED, diagnostics=(reason,))
        if self.cancelled.is_set():
            return Outcome(address, action, Status.CANCELLED)
        if self._stopped_by is not None:
            reason = Diagnostic(
                "skipped", f"{address} was not tried after `{self._stopped_by.code}`", address=address
            )
            return Outcome(address, action, Status.SKIPPED, diagnostics=(reason,))
        return None

    def _attempt(self, step: Step) -> Outcome:
        address, action = step.change.address, step.change.action
        try:
            id = self._write(step)
        except ApiError as error:
            diagnostic = explain(error, step)
            if isinstance(error, Unauthorized | Forbidden):
                self._stopped_by = diagnostic  # S-25: every further call would end the same way
            status = Status.UNKNOWN if error.may_have_taken_effect else Status.FAILED
            return Outcome(address, action, status, id=self.ids.get(address), diagnostics=(diagnostic,))
        self.ids[address] = id
        tested = step.desired.setup_tests.run
        self._keep(step, id, unverified=tested)
        return self._verified(step, id) if tested else Outcome(address, action, Status.DONE, id=id)

    def _keep(self, step: Step, id: str, *, unverified: bool) -> None:
        """Remember what is in effect. A memory that fails must not make a written object look unwritten."""
        at = self.clock.now().isoformat(timespec="seconds")
        record = Record(
            id=id,
            applied=step.declared,
            fingerprints=step.fingerprints,
            protected=step.protected,
            unverified=unverified,
            applied_at=at,
        )
        self._write_down(step.change.address, record, f"{step.change.address} is written (id `{id}`)")

    def _write_down(self, address: Address, record: Record | None, done: str) -> None:
        try:
            self.remember(address, record)
        except OSError as error:
            self.unremembered.append(
                Diagnostic(
                    "not-remembered",
                    f"{done}, but that could not be remembered: {error.strerror or error}",
                    address=address,
                    help="correct the cause and apply again: it is found by its id or name",
                )
            )

    def _write(self, step: Step) -> str:
        """Send the one mutating call of a step, if it has one, and return the id of the resource."""
        kind, desired, change = KINDS[step.desired.address.kind], step.desired, step.change
        if change.action is Action.CREATE:
            parents = [self.ids[parent] for parent in change.depends_on if parent.kind == GROUP]
            return kind.create(self.client, parents[0] if parents else None, desired, step.values)
        id = self.ids[change.address]
        if change.action is Action.REPLACE:
            kind.delete(self.client, id)
            return kind.create(self.client, id, desired, step.values)
        if change.action is Action.UPDATE:
            kind.update(self.client, id, step.values)
        return id

    def _verified(self, step: Step, id: str) -> Outcome:
        """Run the setup tests of what was just written. Whatever they say, the write itself stands."""
        address, action = step.change.address, step.change.action
        self.listener(SetupTestsStarted(address))
        try:
            verification = KINDS[address.kind].verify(self.client, id, step.desired)
        except ApiError as error:
            return Outcome(address, action, Status.DONE, id=id, diagnostics=(_tests_not_run(error, step),))
        findings = _findings(verification, step)
        if not errors_among(findings):
            self._keep(step, id, unverified=False)
        status = Status.AWAITING_APPROVAL if verification.pending else Status.DONE
        return Outcome(
            address,
            action,
            status,
            id=id,
            checks=verification.checks,
            diagnostics=findings,
        )


def _findings(verification: Verification, step: Step) -> tuple[Diagnostic, ...]:
    if verification.pending:
        return tuple(
            Diagnostic(
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
            for approval in verification.pending
        )
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


def _tests_not_run(error: ApiError, step: Step) -> Diagnostic:
    cause = explain(error, step)
    return Diagnostic(
        "setup-tests-not-run",
        f"{step.change.address} is written, but its setup tests could not be run: {cause.message}",
        span=step.desired.span,
        severity=_severity(step),
        address=step.change.address,
        notes=cause.notes,
        help="apply again: what exists is kept, and its tests are run",
    )


def _severity(step: Step) -> Severity:
    return Severity.ERROR if step.desired.setup_tests.on_failure is OnFailure.FAIL else Severity.WARNING


def _told(check: Check) -> str:
    return f"{check.title}: {check.message or check.status}"
