"""`apply`: carry out a plan, remember it, then look whether anything is left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from reconciler.engine.applier import Applier
from reconciler.engine.planner import Step
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import Checking
from reconciler.model.outcome import Applied
from reconciler.model.plan import Action
from reconciler.model.record import Intent, Record
from reconciler.operations.plan import Planned, make_plan
from reconciler.operations.workspace import Workspace


def apply_plan(workspace: Workspace, planned: Planned, cancelled: threading.Event) -> Applied:
    """Carry out every step; a failure of one never raises and never stops what does not depend on it.

    Setting `cancelled` lets the step in flight finish and starts nothing more. Raises `ReconcilerError` only
    before anything is sent, where nothing could be remembered. The workspace must be open for writing.
    """
    clock, transport = workspace.settings.clock, workspace.transport
    began, sent = clock.monotonic(), transport.requests_sent
    _adopt(workspace, planned)
    workspace.memory.keep(_intents(workspace, planned).items())
    applier = Applier(workspace.client, clock, workspace.listener, cancelled, _remembering(workspace))
    outcomes = applier.run(planned.steps)
    outcomes += applier.bury(planned.removals, outcomes)
    problems = [*applier.unremembered, *_put_away(workspace)]
    remaining: tuple[Address, ...] | None = None
    if not cancelled.is_set():
        remaining, findings = _remaining(workspace, planned)
        problems += findings
    return Applied(
        outcomes=outcomes,
        requests=transport.requests_sent - sent,
        seconds=clock.monotonic() - began,
        interrupted=cancelled.is_set(),
        remaining=remaining,
        problems=tuple(problems),
    )


def adopt_only(workspace: Workspace, planned: Planned) -> None:
    """Remember what exists as declared, for a plan in which nothing is to be done. Sends nothing.

    Raises `ReconcilerError` where it cannot be remembered.
    """
    unchanged = planned.records == workspace.memory.records and not planned.plan.forgotten
    if unchanged and not _in_effect(workspace, planned):
        return
    _adopt(workspace, planned)
    problems = _put_away(workspace)
    if problems:
        raise ReconcilerError(problems)


def _adopt(workspace: Workspace, planned: Planned) -> None:
    """Open the memory and keep what is in effect already. Raises `ReconcilerError`."""
    known = _in_effect(workspace, planned)
    workspace.memory.begin(planned.plan.account_id)
    gone = {address: None for address in workspace.memory.records if address not in planned.records}
    forgotten = {change.address: None for change in planned.plan.forgotten}
    entries: dict[Address, Record | None] = {**_moved(workspace, planned), **known, **gone, **forgotten}
    if entries:
        workspace.memory.keep(entries.items())


def _in_effect(workspace: Workspace, planned: Planned) -> dict[Address, Record]:
    """Records of what is as declared and not remembered so: adopted objects, and fields declared since."""
    at = workspace.settings.clock.now().isoformat(timespec="seconds")
    records = planned.records
    return {
        step.change.address: replace(
            records.get(step.change.address, Record()),
            id=step.change.id,
            applied=step.declared,
            fingerprints=step.fingerprints,
            protected=step.protected,
            intent=None,
            applied_at=at,
        )
        for step in planned.steps.values()
        if step.change.action in {Action.ADOPT, Action.NO_OP}
        and not _known_as(step, records.get(step.change.address))
    }


def _intents(workspace: Workspace, planned: Planned) -> dict[Address, Record]:
    """What is about to be written, to be remembered before the first call.

    After a lost answer or a killed process, the next plan knows from it what to look for, and that tests of
    what it finds are outstanding.
    """
    at = workspace.settings.clock.now().isoformat(timespec="seconds")
    records = planned.records
    intents: dict[Address, Record] = {}
    for change in planned.plan.effective:
        if change.address not in planned.steps:
            continue  # a deletion needs no memory: what is gone is gone
        desired = planned.steps[change.address].desired
        namesakes = tuple(sorted(group.id for group in planned.live.values() if group.name == desired.name))
        known = records.get(change.address, Record())
        if change.action is Action.CREATE:
            known = Record()
        intents[change.address] = replace(
            known,
            unverified=known.unverified or desired.setup_tests.run,
            intent=Intent(change.action, desired.name, namesakes, at),
        )
    return intents


def _known_as(step: Step, record: Record | None) -> bool:
    return record is not None and (record.id, record.applied, record.protected) == (
        step.change.id,
        step.declared,
        step.protected,
    )


def _moved(workspace: Workspace, planned: Planned) -> dict[Address, Record | None]:
    """Records under the addresses of today that are still kept under those of yesterday."""
    kept = workspace.memory.records
    return {address: record for address, record in planned.records.items() if address not in kept}


def _remembering(workspace: Workspace) -> Callable[[Address, Record | None], None]:
    return lambda address, record: workspace.memory.remember([(address, record)])


def _put_away(workspace: Workspace) -> list[Diagnostic]:
    try:
        workspace.memory.end()
    except ReconcilerError as error:
        return list(error.diagnostics)
    return []


def _remaining(workspace: Workspace, planned: Planned) -> tuple[tuple[Address, ...] | None, list[Diagnostic]]:
    """Addresses for which a fresh plan still wants something. None where it cannot be made, and why."""
    keys = {change.address.key for change in planned.plan.effective}
    touched = {Address(kind, key) for kind in (GROUP, DESTINATION) for key in keys}
    workspace.listener(Checking(len(keys)))
    settings = replace(workspace.settings, resend=())  # what was sent for the asking is not asked for again
    try:
        again = make_plan(replace(workspace, settings=settings), touched)
    except ReconcilerError as error:
        return None, list(error.diagnostics)
    return tuple(change.address for change in again.plan.effective), []
