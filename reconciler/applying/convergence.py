"""Check after an apply whether a new plan is empty."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import partial

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import ConvergenceCheck
from reconciler.model.outcome import Outcome
from reconciler.planning.pipeline import PlanResult, make_plan
from reconciler.runtime.deadline import ShutdownDeadline
from reconciler.runtime.polling import MAX_POLLS, Poller
from reconciler.runtime.workers import run_interruptible
from reconciler.workspace.workspace import Workspace


def find_remaining(
    workspace: Workspace, planned: PlanResult, outcomes: Iterable[Outcome]
) -> tuple[tuple[Address, ...] | None, list[Diagnostic]]:
    """Find the addresses that a new plan of the touched entries still changes; None and the reasons if it fails.

    After a run without failures, a new plan with changes may have read old values, so planning is repeated.
    """
    keys = {change.address.key for change in planned.plan.effective}
    touched = {Address(kind, key) for kind in (GROUP, DESTINATION) for key in keys}
    workspace.listener(ConvergenceCheck(len(keys)))
    # `--resend-…` asks for one more request each, which has been sent by now.
    settings = replace(workspace.settings, resend=(), resent_creates=())
    check_workspace = replace(workspace, settings=settings, listener=workspace.events.put)
    max_polls = MAX_POLLS if not any(outcome.is_unsuccessful for outcome in outcomes) else 1
    work = partial(_plan_remaining, check_workspace, touched, max_polls)
    deadline = ShutdownDeadline(workspace.settings.clock, workspace.cancelled)
    try:
        return run_interruptible(work, deadline, workspace.events), []
    except ReconcilerError as error:
        return None, list(error.diagnostics)


def _plan_remaining(
    workspace: Workspace, touched: Collection[Address], max_polls: int
) -> tuple[Address, ...]:
    remaining: tuple[Address, ...] = ()

    def is_empty() -> bool | None:
        nonlocal remaining
        plan = make_plan(workspace, touched).plan
        refusals = [finding for finding in plan.omissions if not finding.code_facts.hides_resource]
        if refusals:
            raise ReconcilerError(refusals)
        remaining = (
            *(change.address for change in plan.effective),
            *(diagnostic.address for diagnostic in plan.gone_or_hidden if diagnostic.address is not None),
        )
        return not remaining or None

    Poller(workspace.settings.clock, workspace.cancelled).poll_until(is_empty, max_polls)
    return remaining
