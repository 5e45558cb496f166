"""Check again, before the first call of an apply, that no other state has what the plan is about.

Two runs of projects that share a place may plan at the same time, and neither sees what the other is about to do. So
each of them writes its records first, and then reads the other states: at least one of two runs about the same object
sees the records of the other, takes its own records back, and sends nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity, select_errors
from reconciler.model.event import WarningIssued
from reconciler.model.plan import Action
from reconciler.planning.deletions import DeletionPlan
from reconciler.planning.owners import (
    ClaimedChange,
    OwnedParts,
    OwnFacts,
    build_owners,
    explain_claimed,
    explain_unreadable,
    find_claimed,
)
from reconciler.planning.pipeline import PlanResult
from reconciler.workspace.workspace import Workspace

_RACE = "a run with that state took it while this run was planning; nothing was sent"


def refuse_raced(workspace: Workspace, planned: PlanResult) -> None:
    """Raise ReconcilerError if another state has an object of the plan by now. The state must be open, with the records
    of the plan durable; the records of refused changes are taken back. A state that cannot be read by now is refused
    too, or a warning."""
    if workspace.settings.sandbox:
        return
    owners = build_owners(workspace.state.read_neighbours(planned.plan.account_id, again=True))
    project = workspace.specs.project
    own = OwnFacts(planned.live_groups, planned.records, project.shown)
    parts = OwnedParts(dict(planned.operations), DeletionPlan(planned.deletions))
    raced = [each for each in find_claimed(owners, parts, own) if each.change.action is not Action.NO_OP]
    is_strict = project.content.requires_all_states
    unreadable = [explain_unreadable(each, is_strict=is_strict) for each in owners.unreadable]
    refusals = [*_explain_raced(raced, project.shown), *select_errors(unreadable)]
    if refusals:
        refusals += _withdraw(workspace, planned, {each.change.address.key for each in raced})
        raise ReconcilerError(workspace.specs.mask_excerpts(refusals))
    for warning in unreadable:
        if warning.severity is Severity.WARNING and warning not in planned.plan.warnings:
            workspace.events(WarningIssued(warning))


def _explain_raced(raced: Iterable[ClaimedChange], project: str) -> Iterator[Diagnostic]:
    for finding in explain_claimed(list(raced), project):
        yield replace(finding, notes=(*finding.notes, _RACE))


def _withdraw(workspace: Workspace, planned: PlanResult, raced: Collection[str]) -> list[Diagnostic]:
    """Take back the records of all changes with a call, since nothing is sent, and of the entries `raced`. Returns
    diagnostics if that cannot be written: the next plans of both projects name the records that stay."""
    effective = {change.address for change in planned.plan.effective}
    withdrawn = [
        change.address
        for change in planned.plan.changes
        if change.address in effective or (change.address.key in raced and change.action is Action.ADOPT)
    ]
    with suppress(OSError):  # `end` reports a state that cannot be written
        workspace.state.stage((address, planned.records.get(address)) for address in withdrawn)
    try:
        workspace.state.end()
    except ReconcilerError as error:
        return list(error.diagnostics)
    return []
