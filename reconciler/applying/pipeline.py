"""`apply`: carry out a plan, remember it, then look whether anything is left."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from reconciler.applying.executor import PlanExecutor
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import ConvergenceCheck, WarningIssued
from reconciler.model.instant import Instant
from reconciler.model.outcome import ApplyResult, Outcome
from reconciler.model.plan import Action, Change, Plan, UnsettledRequest
from reconciler.model.policy import PolicyStatus
from reconciler.model.record import Exemption, Intent, Record
from reconciler.model.record_transitions import (
    adopt,
    after_run,
    before_change,
    before_create,
    hides_open_request,
    is_adopted,
    list_moves,
)
from reconciler.model.removal import CompletedRemoval
from reconciler.planning.pipeline import PlanResult, make_plan
from reconciler.planning.planner import PlannedOperation
from reconciler.planning.settling import find_unsettled
from reconciler.runtime.polling import MAX_POLLS, Poller
from reconciler.runtime.workers import ShutdownGrace, run_interruptible
from reconciler.state.codec import JournalValue
from reconciler.workspace.project_state import ApprovedPlan
from reconciler.workspace.workspace import Workspace


def apply_plan(
    workspace: Workspace, planned: PlanResult, approved: ApprovedPlan | None = None
) -> ApplyResult:
    """Carry out every step; a failure of one never raises and never stops what does not depend on it.

    `reviewed` is the plan as it was approved by its digest; it is remembered until all of it is in effect.
    Setting `workspace.cancelled` starts nothing more, and what is in flight gets a little time to end. Raises
    `ReconcilerError` only before anything is sent, where nothing could be remembered. The workspace must be open
    for writing.
    """
    clock, sender, settings = workspace.settings.clock, workspace.sender, workspace.settings
    started, requests_before, retries_before = clock.monotonic(), sender.requests_sent, sender.retry_count
    _adopt(workspace, planned, approved, _collect_exemptions(workspace, planned.plan))
    intents = _build_intents(workspace, planned)
    workspace.state.persist(_select_writable_intents(intents, planned.records).items())
    executor = PlanExecutor(
        client=workspace.client,
        clock=clock,
        events=workspace.events,
        cancelled=workspace.cancelled,
        save_record=_build_record_saver(workspace),
        namesakes=planned.find_namesakes,
        intents=intents,
        now=workspace.now,
        find_unsettled=partial(_find_unsettled_create, workspace, planned),
        workers=settings.parallelism,
        fail_fast=settings.fail_fast,
        ids=dict(planned.ids),
    )
    outcomes = executor.run(planned.operations, planned.deletions)
    _settle_records(workspace, planned, outcomes, approved)
    problems = [*executor.save_errors, *_close_state(workspace)]
    remaining: tuple[Address, ...] | None = None
    # Whoever lost the state looks at an account that another run works on.
    if not workspace.cancelled.is_set() and not has_lost_state(problems):
        remaining, findings = _find_remaining(workspace, planned, outcomes)
        problems += findings
    return ApplyResult(
        outcomes=outcomes,
        requests=sender.requests_sent - requests_before,
        retry_count=sender.retry_count - retries_before,
        seconds=clock.monotonic() - started,
        interrupted=workspace.cancelled.is_set(),
        remaining=remaining,
        problems=tuple(problems),
    )


def has_lost_state(problems: Iterable[Diagnostic]) -> bool:
    """Whether another run has the state by now."""
    return any(diagnostic.code == "lease-lost" for diagnostic in problems)


def adopt_only(workspace: Workspace, planned: PlanResult) -> None:
    """Remember what exists as declared, for a plan in which nothing is to be done. Sends nothing.

    Raises `ReconcilerError` where it cannot be remembered.
    """
    state = workspace.state
    is_known = planned.records == state.records and not planned.plan.forgotten
    is_known = is_known and planned.completed_removals.items() <= state.removals.items()
    if is_known and state.clear_values_warning is None and not _build_adopted_records(workspace, planned):
        return
    _adopt(workspace, planned)
    problems = _close_state(workspace)
    if problems:
        raise ReconcilerError(problems)


def _collect_exemptions(workspace: Workspace, plan: Plan) -> Iterator[Exemption]:
    """What whoever applies lets this run do, and why."""
    settings = workspace.settings
    limits = [f"{limit}={number:g}" for limit, number in settings.allowed.items()]
    policies = [
        judgement.policy for judgement in plan.judgements if judgement.standing is PolicyStatus.OVERRIDDEN
    ]
    resent = [f"resend-create={change.address}" for change in plan.resent]
    if settings.reason and (limits or policies or resent):
        by = f"{settings.holder.user} on {settings.holder.host}"
        at = settings.clock.now().isoformat(timespec="seconds")
        yield Exemption(by, at, (*limits, *policies, *resent), settings.reason, plan.digest)


def _adopt(
    workspace: Workspace,
    planned: PlanResult,
    approved: ApprovedPlan | None = None,
    exemptions: Iterable[Exemption] = (),
) -> None:
    """Open the memory and keep what is in effect already. Raises `ReconcilerError`."""
    adopted = _build_adopted_records(workspace, planned)
    removals = {**_find_requested_removals(workspace), **planned.completed_removals}
    workspace.state.begin(planned.plan.account_id, removals, approved, exemptions)
    forgotten = {
        deletion.change.address: deletion.removed
        for deletion in planned.deletions
        if deletion.change.action is Action.FORGET
    }
    entries: dict[Address, JournalValue] = {
        **list_moves(workspace.state.records, planned.records),
        **adopted,
        **forgotten,
    }
    if entries:
        workspace.state.persist(entries.items())


def _find_requested_removals(workspace: Workspace) -> dict[str, CompletedRemoval]:
    """Of the removals that were carried out those that the specs still have a line for, whatever the scope."""
    requested = {(entry.key, entry.id) for entry in workspace.specs.removed}
    removals = workspace.state.removals
    return {key: removed for key, removed in removals.items() if (key, removed.id) in requested}


def _build_adopted_records(workspace: Workspace, planned: PlanResult) -> dict[Address, Record]:
    """Records of objects that are as declared and not recorded so: adopted objects, and newly declared fields."""
    at = workspace.settings.clock.now().isoformat(timespec="seconds")
    adopted: dict[Address, Record] = {}
    for operation in planned.operations.values():
        change, update = operation.change, operation.record_update
        record = planned.records.get(change.address)
        if change.action in {Action.ADOPT, Action.NO_OP} and not is_adopted(record, change.id, update):
            adopted[change.address] = adopt(record, change.id, update, at)
    return adopted


def _build_intents(workspace: Workspace, planned: PlanResult) -> dict[Address, Record]:
    """The record of each change before its call.

    They are written before the first call. After a lost response or a killed process the next plan reads from them what
    to look for, and that setup tests of a found object are outstanding.
    """
    begun = workspace.now()
    return {change.address: _build_intent(planned, change, begun) for change in planned.plan.effective}


def _build_intent(planned: PlanResult, change: Change, begun: Instant) -> Record:
    record = planned.records.get(change.address)
    operation = planned.operations.get(change.address)
    name = _get_name(planned, change, operation)
    intent = Intent(change.action, name, planned.find_namesakes(name), begun)
    if operation is not None and change.action is Action.CREATE:
        return before_create(record, change.address.kind, intent, operation.record_update)
    return before_change(
        record, change.id, intent, operation.record_update if operation is not None else None
    )


def _get_name(planned: PlanResult, change: Change, operation: PlannedOperation | None) -> str:
    """The name of the object: as declared; of an object that is to be deleted, as it is at Fivetran."""
    if operation is not None:
        return operation.desired.name
    live = planned.live_groups.get(change.id or "")
    return live.name if live is not None else change.address.key


def _select_writable_intents(
    intents: Mapping[Address, Record], records: Mapping[Address, Record]
) -> dict[Address, Record]:
    """The records that can be written before the first call. The executor writes the other records when it sends."""
    return {
        address: record
        for address, record in intents.items()
        if not hides_open_request(records.get(address), record)
    }


def _find_unsettled_create(
    workspace: Workspace, planned: PlanResult, address: Address
) -> UnsettledRequest | None:
    """What a create has to wait for at this moment, which may be long after the plan was made."""
    planned_wait = planned.operations[address].change.unsettled
    if planned_wait is not None and planned_wait.resent:
        return None
    return find_unsettled(planned.records.get(address), workspace.now(), workspace.specs.project.settle)


def _settle_records(
    workspace: Workspace, planned: PlanResult, outcomes: Collection[Outcome], approved: ApprovedPlan | None
) -> None:
    """Take back the intents of changes that had no effect, so that no plan looks for what they were to make."""
    current = workspace.state.records
    settled = {
        outcome.address: after_run(
            outcome.status,
            outcome.action,
            planned.records.get(outcome.address),
            current.get(outcome.address),
        )
        for outcome in outcomes
    }
    changed = {address: record for address, record in settled.items() if record is not current.get(address)}
    # An intent that stays only makes the next plan look; a state that cannot be written is reported when it is closed.
    with suppress(OSError):
        workspace.state.stage(changed.items())
    if any(outcome.is_unsuccessful for outcome in outcomes):
        return
    if _is_complete_plan(workspace, planned):
        workspace.state.mark_applied(workspace.state.approved_plans)
    if approved is not None:
        workspace.state.mark_applied({approved.digest})


def _is_complete_plan(workspace: Workspace, planned: PlanResult) -> bool:
    """Whether all that the specs declare is in effect now, so that nothing of earlier plans can be left."""
    specs = workspace.specs
    planned_for = {change.address for change in planned.plan.changes}
    return all(entry.address in planned_for for entry in (*specs.groups, *specs.destinations))


def _build_record_saver(workspace: Workspace) -> Callable[[Address, Record | CompletedRemoval], None]:
    return lambda address, entry: workspace.state.stage([(address, entry)])


def _close_state(workspace: Workspace) -> list[Diagnostic]:
    try:
        cleaned = workspace.state.end()
    except ReconcilerError as error:
        return list(error.diagnostics)
    if cleaned is not None:
        workspace.events(WarningIssued(cleaned))
    return []


def _find_remaining(
    workspace: Workspace, planned: PlanResult, outcomes: Iterable[Outcome]
) -> tuple[tuple[Address, ...] | None, list[Diagnostic]]:
    """Addresses for which a fresh plan still wants something. None where it cannot be made, and why.

    Where everything was done, a plan that wants something may have read what was before: it is made again.
    """
    keys = {change.address.key for change in planned.plan.effective}
    touched = {Address(kind, key) for kind in (GROUP, DESTINATION) for key in keys}
    workspace.listener(ConvergenceCheck(len(keys)))
    # What was sent for the asking is not asked for again.
    settings = replace(workspace.settings, resend=(), resent_creates=())
    check_workspace = replace(workspace, settings=settings, listener=workspace.events.put)
    max_polls = MAX_POLLS if not any(outcome.is_unsuccessful for outcome in outcomes) else 1
    work = partial(_plan_remaining, check_workspace, touched, max_polls)
    try:
        remaining = run_interruptible(
            work, ShutdownGrace(workspace.settings.clock, workspace.cancelled), workspace.events
        )
    except ReconcilerError as error:
        return None, list(error.diagnostics)
    return remaining, []


def _plan_remaining(
    workspace: Workspace, touched: Collection[Address], max_polls: int
) -> tuple[Address, ...]:
    remaining: tuple[Address, ...] = ()

    def is_empty() -> bool | None:
        nonlocal remaining
        plan = make_plan(workspace, touched).plan
        remaining = tuple(change.address for change in plan.effective)
        remaining += tuple(
            diagnostic.address for diagnostic in plan.gone_or_hidden if diagnostic.address is not None
        )
        return not remaining or None

    Poller(workspace.settings.clock, workspace.cancelled).poll_until(is_empty, max_polls)
    return remaining
