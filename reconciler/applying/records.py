"""Choose the record transition of each change in a plan. The transitions are defined in `model.record_transitions`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from reconciler.model.address import Address
from reconciler.model.instant import Instant
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Action, AssertedValue, Change
from reconciler.model.record import Intent, Record
from reconciler.model.record_transitions import (
    adopt,
    assert_values,
    conclude_run,
    hides_open_request,
    is_adopted,
    list_moves,
    prepare_change,
    prepare_create,
    record_status,
)
from reconciler.planning.effects import list_ids_by_name
from reconciler.planning.pipeline import PlanResult
from reconciler.planning.planner import PlannedOperation
from reconciler.state.codec import JournalValue


def build_opening_entries(
    planned: PlanResult, stored: Mapping[Address, Record], now: datetime
) -> dict[Address, JournalValue]:
    """Build the journal entries of all changes without a call: moves, adoptions and forgotten entries."""
    forgotten = {
        deletion.change.address: deletion.removed
        for deletion in planned.deletions
        if deletion.change.action is Action.FORGET
    }
    return {**list_moves(stored, planned.records), **build_adopted_records(planned, now), **forgotten}


def build_adopted_records(planned: PlanResult, now: datetime) -> dict[Address, Record]:
    """Build the records of objects that are as declared, but not yet recorded so: adopted objects, new fields. Another
    status is recorded too, without the time: nothing was applied."""
    adopted: dict[Address, Record] = {}
    for operation in planned.operations.values():
        change, update = operation.change, operation.record_update
        record = planned.records.get(change.address)
        if change.action not in _WITHOUT_CALL:
            continue
        current = None if record is None else record_status(record, update)
        if current is None or not is_adopted(current, change.id, update):
            adopted[change.address] = adopt(record, change.id, update, now.isoformat(timespec="seconds"))
        elif current != record:
            adopted[change.address] = current
    return adopted


_WITHOUT_CALL = frozenset({Action.ADOPT, Action.NO_OP})


def record_assertions(planned: PlanResult) -> PlanResult:
    """Add the asserted values of changes with a call to the records that all later transitions start from. A change
    without a call is adopted with them; the first record of an object is made with them."""
    asserted = {
        change.address: assert_values(
            planned.records[change.address], planned.operations[change.address].record_update
        )
        for change in planned.plan.effective
        if change.address in planned.operations
        and change.address in planned.records
        and planned.records[change.address].id is not None
    }
    return replace(planned, records={**planned.records, **asserted})


def find_unrecorded(
    asserted: Iterable[AssertedValue], records: Mapping[Address, Record]
) -> tuple[AssertedValue, ...]:
    """Find the asserted values that the records do not hold: setup tests refuted them, or no first record was made."""
    return tuple(
        value
        for value in asserted
        if value.address not in records or value.path not in records[value.address].asserted
    )


def build_intents(planned: PlanResult, begun: Instant) -> dict[Address, Record]:
    """Build the record of each change before its call. `begun` is the start of the run.

    The records are written before the first call. After a lost response or a killed process, they name the objects that
    the next plan has to look for, and mark setup tests of a found object as outstanding.
    """
    namesakes = list_ids_by_name(planned.live_groups)
    return {
        change.address: _build_intent(planned, change, namesakes, begun) for change in planned.plan.effective
    }


def _build_intent(
    planned: PlanResult, change: Change, namesakes: Mapping[str, tuple[str, ...]], begun: Instant
) -> Record:
    record = planned.records.get(change.address)
    operation = planned.operations.get(change.address)
    name = _get_name(planned, change, operation)
    intent = Intent(change.action, name, namesakes.get(name, ()), begun)
    if operation is None:
        return prepare_change(record, change.id, intent, None)
    if change.action is Action.CREATE:
        return prepare_create(record, change.address.kind, intent, operation.record_update)
    return prepare_change(record, change.id, intent, operation.record_update)


def _get_name(planned: PlanResult, change: Change, operation: PlannedOperation | None) -> str:
    """Get the name of the object: the declared name, or the live name of an object to be deleted."""
    if operation is not None:
        return operation.desired.name
    live = planned.live_groups.get(change.id or "")
    return live.name if live is not None else change.address.key


def select_writable_intents(
    intents: Mapping[Address, Record], records: Mapping[Address, Record]
) -> dict[Address, Record]:
    """Select the records that can be written before the first call.

    An intent that would hide the open request of an earlier create is written when its own request is sent: if this run
    dies before that, the next run must still wait for the earlier request.
    """
    return {
        address: record
        for address, record in intents.items()
        if not hides_open_request(records.get(address), record)
    }


def settle_records(
    planned: PlanResult, outcomes: Iterable[Outcome], current: Mapping[Address, Record]
) -> dict[Address, Record | None]:
    """Build the records that change at the end of the run: intents of changes without an effect are taken back."""
    settled = {
        outcome.address: conclude_run(
            outcome.status,
            outcome.action,
            before=planned.records.get(outcome.address),
            current=current.get(outcome.address),
        )
        for outcome in outcomes
    }
    return {address: record for address, record in settled.items() if record is not current.get(address)}
