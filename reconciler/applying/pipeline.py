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
from reconciler.model.outcome import ApplyResult, Outcome, Status
from reconciler.model.plan import Action, Change, Plan, UnsettledRequest
from reconciler.model.policy import PolicyStatus
from reconciler.model.record import Exemption, Intent, Record
from reconciler.model.removal import CompletedRemoval
from reconciler.model.value import FieldPath
from reconciler.planning.pipeline import PlanResult, make_plan
from reconciler.planning.planner import PlannedOperation
from reconciler.planning.settling import find_unsettled, unanswered_intents
from reconciler.runtime.deadline import ShutdownDeadline
from reconciler.runtime.polling import MAX_POLLS, Poller
from reconciler.runtime.workers import run_interruptible
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
    workspace.state.persist(_filter_new_intents(intents, planned.records).items())
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
    _revert_intents(workspace, planned, outcomes, approved)
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
    return any(diagnostic.code_facts.loses_state for diagnostic in problems)


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
    in_effect = _build_adopted_records(workspace, planned)
    removals = {**_find_requested_removals(workspace), **planned.completed_removals}
    workspace.state.begin(planned.plan.account_id, removals, approved, exemptions)
    dropped = {address: None for address in workspace.state.records if address not in planned.records}
    forgotten = {
        deletion.change.address: deletion.removed
        for deletion in planned.deletions
        if deletion.change.action is Action.FORGET
    }
    entries: dict[Address, JournalValue] = {
        **_find_moved_records(workspace, planned),
        **in_effect,
        **dropped,
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
    """Records of what is as declared and not remembered so: adopted objects, and fields declared since."""
    at = workspace.settings.clock.now().isoformat(timespec="seconds")
    records = planned.records
    return {
        operation.change.address: replace(
            records.get(operation.change.address, Record()),
            id=operation.change.id,
            applied=operation.applied,
            fingerprints=operation.fingerprints,
            protected=operation.protected,
            intent=None,
            applied_at=at,
        )
        for operation in planned.operations.values()
        if operation.change.action in {Action.ADOPT, Action.NO_OP}
        and not _is_recorded(operation, records.get(operation.change.address))
    }


def _build_intents(workspace: Workspace, planned: PlanResult) -> dict[Address, Record]:
    """What is about to be sent, to be remembered before the first call (S-01).

    After a lost answer or a killed process, the next plan knows from it what to look for, and that tests of
    what it finds are outstanding. What a call may or may not have changed counts as not known until it is answered:
    the values and fingerprints that it sends are forgotten here, and all values of what is replaced: those of another
    service mean nothing without it. Not so the fingerprints of a creation: where the object is found, all of it was
    sent.
    """
    begun = workspace.now()
    intents: dict[Address, Record] = {}
    for change in planned.plan.effective:
        operation = planned.operations.get(change.address)
        record = planned.records.get(change.address, Record())
        if change.action is Action.CREATE:
            earlier = planned.records.get(change.address)
            record = Record(
                fingerprints=_filter_certain_fingerprints(earlier, operation),
                earlier=unanswered_intents(earlier) if change.address.kind == GROUP else (),
            )
        elif record.id is None:
            record = _build_first_record(record, change, operation)
        live = planned.live_groups.get(change.id or "")
        name = live.name if live is not None else change.address.key
        if operation is not None:
            name = operation.desired.name
            fingerprints = record.fingerprints
            if change.action is not Action.CREATE:
                fingerprints = {
                    path: value for path, value in fingerprints.items() if path not in operation.values
                }
            applied = {path: value for path, value in record.applied.items() if path not in operation.values}
            record = replace(
                record,
                applied={} if change.action is Action.REPLACE else applied,
                fingerprints=fingerprints,
                unverified=record.unverified or operation.desired.setup_tests.run,
            )
        intent = Intent(change.action, name, planned.find_namesakes(name), begun)
        intents[change.address] = replace(record, intent=intent)
    return intents


def _filter_new_intents(
    intents: Mapping[Address, Record], records: Mapping[Address, Record]
) -> dict[Address, Record]:
    """The intents to be written down at the beginning. What is known of an open earlier request stays until a new one
    leaves, which may have to wait, or may never be sent."""
    return {
        address: record
        for address, record in intents.items()
        if address not in records or records[address].open_request is None or record.id is not None
    }


def _find_unsettled_create(
    workspace: Workspace, planned: PlanResult, address: Address
) -> UnsettledRequest | None:
    """What a create has to wait for at this moment, which may be long after the plan was made."""
    planned_wait = planned.operations[address].change.unsettled
    if planned_wait is not None and planned_wait.resent:
        return None
    return find_unsettled(planned.records.get(address), workspace.now(), workspace.specs.project.settle)


def _filter_certain_fingerprints(
    record: Record | None, operation: PlannedOperation | None
) -> Mapping[FieldPath, str]:
    """Fingerprints of the secrets with which an object was made, whichever run turns out to have made it."""
    fingerprints = operation.fingerprints if operation is not None else {}
    if record is None or record.intent is None:
        return fingerprints
    return {path: value for path, value in fingerprints.items() if record.fingerprints.get(path) == value}


def _build_first_record(record: Record, change: Change, operation: PlannedOperation | None) -> Record:
    """What exists, and is remembered for the first time: its other fields are as declared already."""
    record = replace(record, id=change.id)
    if operation is None:
        return record
    return replace(record, applied=operation.applied, fingerprints=operation.fingerprints)


def _revert_intents(
    workspace: Workspace, planned: PlanResult, outcomes: Collection[Outcome], approved: ApprovedPlan | None
) -> None:
    """Take back the intents of what was certainly not done, so that nobody looks for it."""
    entries = {
        outcome.address: _revert_intent(
            outcome, planned.records.get(outcome.address), workspace.state.records
        )
        for outcome in outcomes
        if outcome.status in _NOT_DONE
    }
    with suppress(
        OSError
    ):  # an intent that stays only makes the next plan look; a broken memory is told at its end
        workspace.state.stage(entries.items())
    if any(outcome.is_unsuccessful for outcome in outcomes):
        return
    if _is_complete_plan(workspace, planned):
        workspace.state.mark_applied(workspace.state.approved_plans)
    if approved is not None:
        workspace.state.mark_applied({approved.digest})


def _revert_intent(
    outcome: Outcome, record: Record | None, records: Mapping[Address, Record]
) -> Record | None:
    """The record from before a call that was not carried out. A replacement that failed keeps its intent: its deletion
    may have worked, and the next plan must know why the object is gone (S-13). Its creation was refused, so no request
    is left to wait for."""
    intent = records[outcome.address].intent if outcome.address in records else None
    if record is None or intent is None or outcome.action is not Action.REPLACE:
        return record
    return replace(record, intent=replace(intent, sent=None)) if outcome.status is Status.FAILED else record


def _is_complete_plan(workspace: Workspace, planned: PlanResult) -> bool:
    """Whether all that the specs declare is in effect now, so that nothing of earlier plans can be left."""
    specs = workspace.specs
    planned_for = {change.address for change in planned.plan.changes}
    return all(entry.address in planned_for for entry in (*specs.groups, *specs.destinations))


_NOT_DONE = frozenset({Status.FAILED, Status.SKIPPED, Status.HELD, Status.CANCELLED})


def _is_recorded(operation: PlannedOperation, record: Record | None) -> bool:
    return record is not None and (
        record.id,
        record.applied,
        record.fingerprints,
        record.protected,
        record.intent,
    ) == (
        operation.change.id,
        operation.applied,
        operation.fingerprints,
        operation.protected,
        None,  # a deletion that was stopped and taken back must not explain a later absence
    )


def _find_moved_records(workspace: Workspace, planned: PlanResult) -> dict[Address, Record | None]:
    """Records under the addresses of today that are still kept under those of yesterday."""
    records = workspace.state.records
    return {address: record for address, record in planned.records.items() if address not in records}


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
            work, ShutdownDeadline(workspace.settings.clock, workspace.cancelled), workspace.events
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
