"""Check after an apply whether a new plan is empty."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import ConvergenceCheck
from reconciler.model.outcome import Outcome
from reconciler.model.record_transitions import record_answers, record_status
from reconciler.model.value import FieldPath
from reconciler.planning.pipeline import PlanResult, make_plan
from reconciler.runtime.deadline import ShutdownDeadline
from reconciler.runtime.polling import MAX_POLLS, Poller
from reconciler.runtime.workers import run_interruptible
from reconciler.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class ConvergenceResult:
    """Result of the check. `remaining` are the addresses that a new plan still changes; None if it could not be made,
    for the reasons in `problems`. `plan` is the new plan if it shows anything to record: fields that Fivetran did not
    keep, or another status; else None."""

    remaining: tuple[Address, ...] | None
    problems: tuple[Diagnostic, ...] = ()
    plan: PlanResult | None = None


def check_convergence(
    workspace: Workspace, planned: PlanResult, outcomes: Collection[Outcome]
) -> ConvergenceResult:
    """Make a new plan of the touched entries.

    After a run without failures, a new plan with changes may have read old values, so planning is repeated. If the
    fields that this run has sent still read otherwise after that, Fivetran did not keep them.
    """
    keys = {change.address.key for change in planned.plan.effective}
    touched = {Address(kind, key) for kind in (GROUP, DESTINATION) for key in keys}
    workspace.listener(ConvergenceCheck(len(keys)))
    # `--resend-…` asks for one more request each, which has been sent by now. What the operator asserts is recorded, or
    # was refuted by setup tests.
    settings = replace(workspace.settings, resend=(), resent_creates=(), asserts_secrets=False)
    check_workspace = replace(workspace, settings=settings, listener=workspace.events.put)
    max_polls = MAX_POLLS if not any(outcome.is_unsuccessful for outcome in outcomes) else 1
    work = partial(_check, check_workspace, touched, _list_sent_fields(planned, outcomes), max_polls)
    deadline = ShutdownDeadline(workspace.settings.clock, workspace.cancelled)
    try:
        return run_interruptible(work, deadline, workspace.events) or ConvergenceResult(None)
    except ReconcilerError as error:
        return ConvergenceResult(None, tuple(error.diagnostics))


def _list_sent_fields(
    planned: PlanResult, outcomes: Iterable[Outcome]
) -> dict[Address, frozenset[FieldPath]]:
    """List the fields of all successful writes of this run."""
    return {
        outcome.address: frozenset(planned.operations[outcome.address].record_update.sent)
        for outcome in outcomes
        if outcome.status.is_in_effect and outcome.address in planned.operations
    }


def _check(
    workspace: Workspace,
    touched: Collection[Address],
    just_sent: Mapping[Address, Collection[FieldPath]],
    max_polls: int,
) -> ConvergenceResult:
    result = ConvergenceResult(None)

    def is_empty() -> bool | None:
        nonlocal result
        planned = make_plan(workspace, touched, just_sent=just_sent)
        refusals = [finding for finding in planned.plan.omissions if not finding.code_facts.hides_resource]
        if refusals:
            raise ReconcilerError(refusals)
        remaining = (
            *(change.address for change in planned.plan.effective),
            *(found.address for found in planned.plan.gone_or_hidden if found.address is not None),
        )
        is_unkept = any(_has_new_answers(planned, address) for address in planned.operations)
        has_news = is_unkept or any(_has_new_status(planned, address) for address in planned.operations)
        result = ConvergenceResult(remaining, plan=planned if has_news else None)
        return not (remaining or is_unkept) or None

    Poller(workspace.settings.clock, workspace.cancelled).poll_until(is_empty, max_polls)
    return result


def _has_new_answers(planned: PlanResult, address: Address) -> bool:
    """Return whether the answers of Fivetran are not recorded yet."""
    record, update = planned.records.get(address), planned.operations[address].record_update
    return record is not None and record_answers(record, update) != record


def _has_new_status(planned: PlanResult, address: Address) -> bool:
    """Return whether the status at Fivetran is not recorded yet. It is no reason to make the plan again."""
    record, update = planned.records.get(address), planned.operations[address].record_update
    return record is not None and record_status(record, update) != record
