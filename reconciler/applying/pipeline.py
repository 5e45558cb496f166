"""Apply a plan.

1. Open the state for writing, and collect the records of everything that needs no call (`_open_state`). Assertions of
   the operator need none either: they stand in the first record of each address that this run writes.
2. Write these records and the intent of each change, before the first call (`records.build_intents`).
3. Refuse the run if another state has one of its objects by now (`ownership`).
4. Execute the plan (`executor`), which records each result.
5. Take back the intents of changes without an effect, and end approved plans that are in effect (`_settle_state`).
6. Close the state (`close_state`).
7. Make a new plan of the touched entries: it should be empty (`convergence`). Record the fields that Fivetran did not
   keep, so that no later plan takes them for drift, and the status of each destination (`_record_answers`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial

from reconciler.applying.circuit_breaker import CircuitBreaker
from reconciler.applying.convergence import ConvergenceResult, check_convergence
from reconciler.applying.executor import PlanExecutor
from reconciler.applying.ownership import refuse_raced
from reconciler.applying.record_writer import RecordWriter, SaveEntry
from reconciler.applying.records import (
    build_adopted_records,
    build_intents,
    build_opening_entries,
    record_assertions,
    select_writable_intents,
    settle_records,
)
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import WarningIssued
from reconciler.model.outcome import ApplyResult, Outcome
from reconciler.model.plan import UnsettledRequest
from reconciler.model.policy import PolicyStatus
from reconciler.model.record import ASSERTION, Exemption, Record
from reconciler.model.record_transitions import record_answers, record_status
from reconciler.model.removal import CompletedRemoval
from reconciler.model.value import format_path
from reconciler.planning.fact_warnings import warn_unkept
from reconciler.planning.pipeline import PlanResult
from reconciler.planning.redaction import redact_diagnostics
from reconciler.planning.settling import find_unsettled
from reconciler.state.codec import JournalValue
from reconciler.workspace.project_state import ApprovedPlan
from reconciler.workspace.workspace import Workspace


def apply_plan(
    workspace: Workspace, planned: PlanResult, approved: ApprovedPlan | None = None
) -> ApplyResult:
    """Execute all operations and deletions of a plan. The workspace must be open for writing.

    A failed change never raises, and never stops changes that do not depend on it. `approved` is the plan as it was
    approved by its digest; it stays in the state until all of it is in effect. After `workspace.cancelled` is set no
    call starts, and calls in flight get a short time to end. Raises `ReconcilerError` only before the first call, if
    the state cannot be written, or another state has an object of the plan by now.
    """
    clock, sender = workspace.settings.clock, workspace.sender
    started, requests_before, retries_before = clock.monotonic(), sender.requests_sent, sender.retry_count
    unasserted, planned = planned, record_assertions(planned)
    opening = _open_state(workspace, planned, approved, _collect_exemptions(workspace, planned))
    intents = build_intents(planned, workspace.now())
    # In one write: the place of a state may limit the rate of writes.
    workspace.state.persist([*opening.items(), *select_writable_intents(intents, planned.records).items()])
    refuse_raced(workspace, unasserted)
    executor = build_executor(workspace, planned, intents, partial(save_entry, workspace), CircuitBreaker())
    outcomes = executor.run(planned.operations, planned.deletions)
    _settle_state(workspace, planned, outcomes, approved)
    problems = [*executor.records.errors, *close_state(workspace)]
    remaining: tuple[Address, ...] | None = None
    # After the loss of the state another run may be changing the account, so a new plan would prove nothing.
    if not workspace.cancelled.is_set() and not has_lost_state(problems):
        checked = check_convergence(workspace, planned, outcomes)
        remaining = checked.remaining
        problems += [*checked.problems, *_record_answers(workspace, checked)]
    return ApplyResult(
        outcomes=outcomes,
        requests=sender.requests_sent - requests_before,
        retry_count=sender.retry_count - retries_before,
        seconds=clock.monotonic() - started,
        interrupted=workspace.cancelled.is_set(),
        remaining=remaining,
        problems=tuple(problems),
    )


def adopt_only(workspace: Workspace, planned: PlanResult) -> None:
    """Record existing objects as declared, for a plan without effective changes, and the assertions of the operator.
    Sends nothing.

    Raises `ReconcilerError` if the state cannot be written, or another state has an object by now.
    """
    if _is_recorded(workspace, planned):
        return
    # Without a change, nothing exceeds a limit or a policy: only assertions need the reason of the operator.
    exemptions = _collect_exemptions(workspace, planned) if planned.asserted else ()
    opening = _open_state(workspace, planned, exemptions=exemptions)
    if opening:
        workspace.state.persist(opening.items())
        refuse_raced(workspace, planned)
    problems = close_state(workspace)
    if problems:
        raise ReconcilerError(problems)


def has_lost_state(problems: Iterable[Diagnostic]) -> bool:
    """Return whether another run has taken over the state."""
    return any(diagnostic.code_facts.loses_state for diagnostic in problems)


def _is_recorded(workspace: Workspace, planned: PlanResult) -> bool:
    """Return whether the state has all facts of the plan, so that it need not be written."""
    state = workspace.state
    return (
        planned.records == state.records
        and not planned.plan.forgotten
        and planned.completed_removals.items() <= state.removals.items()
        and state.clear_values_warning is None
        and not build_adopted_records(planned, workspace.settings.clock.now())
    )


# 1. Opening the state


def _open_state(
    workspace: Workspace,
    planned: PlanResult,
    approved: ApprovedPlan | None = None,
    exemptions: Iterable[Exemption] = (),
) -> dict[Address, JournalValue]:
    """Open the state. Returns the records of everything that needs no call. Raises `ReconcilerError`."""
    state = workspace.state
    removals = {**_find_requested_removals(workspace), **planned.completed_removals}
    state.begin(planned.plan.account_id, removals, approved, exemptions)
    return build_opening_entries(planned, state.records, workspace.settings.clock.now())


def _find_requested_removals(workspace: Workspace) -> dict[str, CompletedRemoval]:
    """Find the completed removals that the specs still have an entry for, in or out of scope."""
    requested = {(entry.key, entry.id) for entry in workspace.specs.removed}
    removals = workspace.state.removals
    return {key: removed for key, removed in removals.items() if (key, removed.id) in requested}


def _collect_exemptions(workspace: Workspace, planned: PlanResult) -> Iterator[Exemption]:
    """Collect what this run does on the word of its operator: exemptions from limits and policies, requests sent again,
    and assertions. All of it has one reason."""
    settings, plan = workspace.settings, planned.plan
    limits = [f"{limit}={number:g}" for limit, number in settings.allowed.items()]
    policies = [
        judgement.policy for judgement in plan.judgements if judgement.standing is PolicyStatus.OVERRIDDEN
    ]
    resent = [f"resend-create={change.address}" for change in plan.resent]
    asserted = [f"{ASSERTION}={value.address}:{format_path(value.path)}" for value in planned.asserted]
    what = (*limits, *policies, *resent, *asserted)
    if settings.reason and what:
        by = f"{settings.holder.user} on {settings.holder.host}"
        at = settings.clock.now().isoformat(timespec="seconds")
        yield Exemption(by, at, what, settings.reason, plan.digest)


# 4. Executing the plan


def build_executor(
    workspace: Workspace,
    planned: PlanResult,
    intents: Mapping[Address, Record],
    save: SaveEntry,
    breaker: CircuitBreaker,
) -> PlanExecutor:
    """Build the executor of a plan. `intents` are the records before each call, `save` writes the records after it."""
    settings = workspace.settings
    return PlanExecutor(
        client=workspace.client,
        clock=settings.clock,
        events=workspace.events,
        cancelled=workspace.cancelled,
        records=RecordWriter(save, intents, settings.clock, workspace.now, breaker, settings.redactor.redact),
        breaker=breaker,
        find_unsettled=partial(_find_unsettled_create, workspace, planned),
        workers=settings.workers,
        fail_fast=settings.fail_fast,
        ids=dict(planned.ids),
        known_ids={*planned.live_groups, *planned.ids.values()},
    )


def save_entry(workspace: Workspace, address: Address, entry: Record | CompletedRemoval) -> None:
    """Write the record of one address to the open state. Raises OSError."""
    workspace.state.stage([(address, entry)])


def _find_unsettled_create(
    workspace: Workspace, planned: PlanResult, address: Address
) -> UnsettledRequest | None:
    """Find the open request that a create has to wait for now, which may be long after the plan was made."""
    planned_wait = planned.operations[address].change.unsettled
    if planned_wait is not None and planned_wait.resent:
        return None
    return find_unsettled(
        planned.records.get(address), workspace.now(), workspace.specs.project.content.settle
    )


# 5. and 6. Settling and closing the state


def _settle_state(
    workspace: Workspace, planned: PlanResult, outcomes: Collection[Outcome], approved: ApprovedPlan | None
) -> None:
    """Take back the intents of changes without an effect, and end the approved plans that are in effect."""
    state = workspace.state
    # A remaining intent only costs the next plan some reads, and `close_state` reports a state that cannot be written.
    with suppress(OSError):
        state.stage(settle_records(planned, outcomes, state.records).items())
    if any(outcome.is_unsuccessful for outcome in outcomes):
        return
    if _is_complete_plan(workspace, planned):
        state.mark_applied(state.approved_plans)
    if approved is not None:
        state.mark_applied({approved.digest})


def _is_complete_plan(workspace: Workspace, planned: PlanResult) -> bool:
    """Return whether the plan covers all entries of the specs, so that no effect of an earlier plan can be pending."""
    specs = workspace.specs
    planned_for = {change.address for change in planned.plan.changes}
    return all(entry.address in planned_for for entry in (*specs.groups, *specs.destinations))


def close_state(workspace: Workspace) -> list[Diagnostic]:
    """Close the state. Returns diagnostics if it could not be written."""
    try:
        cleaned = workspace.state.end()
    except ReconcilerError as error:
        return list(error.diagnostics)
    if cleaned is not None:
        workspace.events(WarningIssued(cleaned))
    return []


# 7. Recording answers


def _record_answers(workspace: Workspace, checked: ConvergenceResult) -> list[Diagnostic]:
    """Record the status of each destination, and what Fivetran answered in place of the sent values.

    Returns a warning for each such field, and diagnostics if the state could not be written: then the next plan shows
    these fields as drift, and an apply of it tries again.
    """
    planned = checked.plan
    if planned is None:
        return []
    entries = {
        address: record_status(
            record_answers(planned.records[address], operation.record_update), operation.record_update
        )
        for address, operation in planned.operations.items()
        if address in planned.records
    }
    state = workspace.state
    try:
        state.begin(planned.plan.account_id, _find_requested_removals(workspace))
        state.persist(
            (address, record) for address, record in entries.items() if record != state.records.get(address)
        )
    except ReconcilerError as error:
        return list(error.diagnostics)
    warnings = redact_diagnostics(warn_unkept(planned.operations.values()), workspace.settings.redactor)
    return [*workspace.specs.mask_excerpts(warnings), *close_state(workspace)]
