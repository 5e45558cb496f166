"""`apply`: carry out a plan, remember it, then look whether anything is left."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from reconciler.engine.applier import Applier
from reconciler.engine.crew import Grace, attended
from reconciler.engine.looking import LOOKS, Looking
from reconciler.engine.planner import Step
from reconciler.engine.settling import unanswered_before, unsettled
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import Checking, Warned
from reconciler.model.outcome import Applied, Outcome, Status
from reconciler.model.plan import Action, Change, Plan, Unsettled
from reconciler.model.policy import Standing
from reconciler.model.record import Exemption, Intent, Record
from reconciler.model.removal import Removed
from reconciler.model.value import FieldPath
from reconciler.operations.memory import Reviewed
from reconciler.operations.plan import Planned, make_plan
from reconciler.operations.workspace import Workspace
from reconciler.state.document import Remembered


def apply_plan(workspace: Workspace, planned: Planned, reviewed: Reviewed | None = None) -> Applied:
    """Carry out every step; a failure of one never raises and never stops what does not depend on it.

    `reviewed` is the plan as it was approved by its digest; it is remembered until all of it is in effect.
    Setting `workspace.cancelled` starts nothing more, and what is in flight gets a little time to end. Raises
    `ReconcilerError` only before anything is sent, where nothing could be remembered. The workspace must be open
    for writing.
    """
    clock, courier, settings = workspace.settings.clock, workspace.courier, workspace.settings
    began, sent, repeated = clock.monotonic(), courier.requests_sent, courier.repeated
    _adopt(workspace, planned, reviewed, _exemptions(workspace, planned.plan))
    intents = _intents(workspace, planned)
    workspace.memory.keep(_of_new_requests(intents, planned.records).items())
    applier = Applier(
        client=workspace.client,
        clock=clock,
        relay=workspace.relay,
        cancelled=workspace.cancelled,
        remember=_remembering(workspace),
        namesakes=planned.namesakes,
        intents=intents,
        now=workspace.now,
        unsettled=partial(_unsettled, workspace, planned),
        workers=settings.parallelism,
        fail_fast=settings.fail_fast,
        ids=dict(planned.ids),
    )
    outcomes = applier.run(planned.steps, planned.removals)
    _settle(workspace, planned, outcomes, reviewed)
    problems = [*applier.unremembered, *_put_away(workspace)]
    remaining: tuple[Address, ...] | None = None
    # Whoever lost the state looks at an account that another run works on.
    if not workspace.cancelled.is_set() and not lost_its_state(problems):
        remaining, findings = _remaining(workspace, planned, outcomes)
        problems += findings
    return Applied(
        outcomes=outcomes,
        requests=courier.requests_sent - sent,
        repeated=courier.repeated - repeated,
        seconds=clock.monotonic() - began,
        interrupted=workspace.cancelled.is_set(),
        remaining=remaining,
        problems=tuple(problems),
    )


def lost_its_state(problems: Iterable[Diagnostic]) -> bool:
    """Whether another run has the state by now."""
    return any(each.code == "lease-lost" for each in problems)


def adopt_only(workspace: Workspace, planned: Planned) -> None:
    """Remember what exists as declared, for a plan in which nothing is to be done. Sends nothing.

    Raises `ReconcilerError` where it cannot be remembered.
    """
    memory = workspace.memory
    is_known = planned.records == memory.records and not planned.plan.forgotten
    is_known = is_known and planned.done.items() <= memory.removals.items()
    if is_known and memory.values_in_clear is None and not _in_effect(workspace, planned):
        return
    _adopt(workspace, planned)
    problems = _put_away(workspace)
    if problems:
        raise ReconcilerError(problems)


def _exemptions(workspace: Workspace, plan: Plan) -> Iterator[Exemption]:
    """What whoever applies lets this run do, and why."""
    settings = workspace.settings
    limits = [f"{limit}={number:g}" for limit, number in settings.allowed.items()]
    policies = [each.policy for each in plan.judgements if each.standing is Standing.OVERRIDDEN]
    resent = [f"resend-create={change.address}" for change in plan.resent]
    if settings.reason and (limits or policies or resent):
        by = f"{settings.holder.user} on {settings.holder.host}"
        at = settings.clock.now().isoformat(timespec="seconds")
        yield Exemption(by, at, (*limits, *policies, *resent), settings.reason, plan.digest)


def _adopt(
    workspace: Workspace,
    planned: Planned,
    reviewed: Reviewed | None = None,
    exemptions: Iterable[Exemption] = (),
) -> None:
    """Open the memory and keep what is in effect already. Raises `ReconcilerError`."""
    known = _in_effect(workspace, planned)
    removals = {**_still_asked_for(workspace), **planned.done}
    workspace.memory.begin(planned.plan.account_id, removals, reviewed, exemptions)
    gone = {address: None for address in workspace.memory.records if address not in planned.records}
    forgotten = {
        each.change.address: each.removed for each in planned.removals if each.change.action is Action.FORGET
    }
    entries: dict[Address, Remembered] = {**_moved(workspace, planned), **known, **gone, **forgotten}
    if entries:
        workspace.memory.keep(entries.items())


def _still_asked_for(workspace: Workspace) -> dict[str, Removed]:
    """Of the removals that were carried out those that the specs still have a line for, whatever the scope."""
    asked = {(each.key, each.id) for each in workspace.specs.removed}
    removals = workspace.memory.removals
    return {key: removed for key, removed in removals.items() if (key, removed.id) in asked}


def _in_effect(workspace: Workspace, planned: Planned) -> dict[Address, Record]:
    """Records of what is as declared and not remembered so: adopted objects, and fields declared since."""
    at = workspace.settings.clock.now().isoformat(timespec="seconds")
    records = planned.records
    return {
        step.change.address: replace(
            records.get(step.change.address, Record()),
            id=step.change.id,
            applied=step.applied,
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
        step = planned.steps.get(change.address)
        known = planned.records.get(change.address, Record())
        if change.action is Action.CREATE:
            earlier = planned.records.get(change.address)
            known = Record(
                fingerprints=_sent_for_certain(earlier, step),
                earlier=unanswered_before(earlier) if change.address.kind == GROUP else (),
            )
        elif known.id is None:
            known = _met_now(known, change, step)
        live = planned.live.get(change.id or "")
        name = live.name if live is not None else change.address.key
        if step is not None:
            name = step.desired.name
            kept = known.fingerprints
            if change.action is not Action.CREATE:
                kept = {path: value for path, value in kept.items() if path not in step.values}
            applied = {path: value for path, value in known.applied.items() if path not in step.values}
            known = replace(
                known,
                applied={} if change.action is Action.REPLACE else applied,
                fingerprints=kept,
                unverified=known.unverified or step.desired.setup_tests.run,
            )
        intent = Intent(change.action, name, planned.namesakes(name), begun)
        intents[change.address] = replace(known, intent=intent)
    return intents


def _of_new_requests(
    intents: Mapping[Address, Record], records: Mapping[Address, Record]
) -> dict[Address, Record]:
    """The intents to be written down at the beginning. What is known of an open earlier request stays until a new one
    leaves, which may have to wait, or may never be sent."""
    return {
        address: record
        for address, record in intents.items()
        if address not in records or records[address].open_request is None or record.id is not None
    }


def _unsettled(workspace: Workspace, planned: Planned, address: Address) -> Unsettled | None:
    """What a create has to wait for at this moment, which may be long after the plan was made."""
    waited_for = planned.steps[address].change.unsettled
    if waited_for is not None and waited_for.resent:
        return None
    return unsettled(planned.records.get(address), workspace.now(), workspace.specs.project.settle)


def _sent_for_certain(earlier: Record | None, step: Step | None) -> Mapping[FieldPath, str]:
    """Fingerprints of the secrets with which an object was made, whichever run turns out to have made it."""
    made = step.fingerprints if step is not None else {}
    if earlier is None or earlier.intent is None:
        return made
    return {path: value for path, value in made.items() if earlier.fingerprints.get(path) == value}


def _met_now(known: Record, change: Change, step: Step | None) -> Record:
    """What exists, and is remembered for the first time: its other fields are as declared already."""
    known = replace(known, id=change.id)
    if step is None:
        return known
    return replace(known, applied=step.applied, fingerprints=step.fingerprints)


def _settle(
    workspace: Workspace, planned: Planned, outcomes: Collection[Outcome], reviewed: Reviewed | None
) -> None:
    """Take back the intents of what was certainly not done, so that nobody looks for it."""
    entries = {
        outcome.address: _taken_back(outcome, planned.records.get(outcome.address), workspace.memory.records)
        for outcome in outcomes
        if outcome.status in _NOT_DONE
    }
    with suppress(
        OSError
    ):  # an intent that stays only makes the next plan look; a broken memory is told at its end
        workspace.memory.remember(entries.items())
    if any(outcome.went_wrong for outcome in outcomes):
        return
    if _is_of_everything(workspace, planned):
        workspace.memory.settle(workspace.memory.reviewed)
    if reviewed is not None:
        workspace.memory.settle({reviewed.digest})


def _taken_back(outcome: Outcome, before: Record | None, now: Mapping[Address, Record]) -> Record | None:
    """The record from before a call that was not carried out. A replacement that failed keeps its intent: its deletion
    may have worked, and the next plan must know why the object is gone (S-13). Its creation was refused, so no request
    is left to wait for."""
    intent = now[outcome.address].intent if outcome.address in now else None
    if before is None or intent is None or outcome.action is not Action.REPLACE:
        return before
    return replace(before, intent=replace(intent, sent=None)) if outcome.status is Status.FAILED else before


def _is_of_everything(workspace: Workspace, planned: Planned) -> bool:
    """Whether all that the specs declare is in effect now, so that nothing of earlier plans can be left."""
    specs = workspace.specs
    planned_for = {change.address for change in planned.plan.changes}
    return all(each.address in planned_for for each in (*specs.groups, *specs.destinations))


_NOT_DONE = frozenset({Status.FAILED, Status.SKIPPED, Status.HELD, Status.CANCELLED})


def _known_as(step: Step, record: Record | None) -> bool:
    return record is not None and (
        record.id,
        record.applied,
        record.fingerprints,
        record.protected,
        record.intent,
    ) == (
        step.change.id,
        step.applied,
        step.fingerprints,
        step.protected,
        None,  # a deletion that was stopped and taken back must not explain a later absence
    )


def _moved(workspace: Workspace, planned: Planned) -> dict[Address, Record | None]:
    """Records under the addresses of today that are still kept under those of yesterday."""
    kept = workspace.memory.records
    return {address: record for address, record in planned.records.items() if address not in kept}


def _remembering(workspace: Workspace) -> Callable[[Address, Record | Removed], None]:
    return lambda address, entry: workspace.memory.remember([(address, entry)])


def _put_away(workspace: Workspace) -> list[Diagnostic]:
    try:
        cleaned = workspace.memory.end()
    except ReconcilerError as error:
        return list(error.diagnostics)
    if cleaned is not None:
        workspace.relay(Warned(cleaned))
    return []


def _remaining(
    workspace: Workspace, planned: Planned, outcomes: Iterable[Outcome]
) -> tuple[tuple[Address, ...] | None, list[Diagnostic]]:
    """Addresses for which a fresh plan still wants something. None where it cannot be made, and why.

    Where everything was done, a plan that wants something may have read what was before: it is made again.
    """
    keys = {change.address.key for change in planned.plan.effective}
    touched = {Address(kind, key) for kind in (GROUP, DESTINATION) for key in keys}
    workspace.listener(Checking(len(keys)))
    # What was sent for the asking is not asked for again.
    settings = replace(workspace.settings, resend=(), resent_creates=())
    checking = replace(workspace, settings=settings, listener=workspace.relay.post)
    looks = LOOKS if not any(outcome.went_wrong for outcome in outcomes) else 1
    work = partial(_still_wanted, checking, touched, looks)
    try:
        left = attended(work, Grace(workspace.settings.clock, workspace.cancelled), workspace.relay)
    except ReconcilerError as error:
        return None, list(error.diagnostics)
    return left, []


def _still_wanted(workspace: Workspace, touched: Collection[Address], looks: int) -> tuple[Address, ...]:
    left: tuple[Address, ...] = ()

    def is_empty() -> bool | None:
        nonlocal left
        plan = make_plan(workspace, touched).plan
        left = tuple(change.address for change in plan.effective)
        left += tuple(each.address for each in plan.unseen if each.address is not None)
        return not left or None

    Looking(workspace.settings.clock, workspace.cancelled).until_seen(is_empty, looks)
    return left
