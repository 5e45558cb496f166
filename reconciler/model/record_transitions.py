"""Turn the record of an address into its next record: every transition of records, in one table.

The record of an address changes at these moments, and at no other:

    moment                      next record
    --------------------------  ------------------------------------------------------------------------------------
    read, request unmarked      the same; the intent was sent at the latest possible time
    read, value in clear        the same; a fingerprint takes the place of the value
    moved (`was:`)              the same, under the address of today; two records of one object become one
    adopted                     id, values and protection in effect; no intent; outstanding tests stay outstanding
    before a create             intent; only fingerprints that every open request sends; open requests of a group
    before a first change       intent; id; values in effect, without the values that the call sends
    before an update, a test    intent; without the values that the call sends; tests outstanding if they follow
    before a replacement        intent; no values, and only fingerprints that the call does not send
    before a deletion           intent
    the request leaves          intent with the time of sending
    after a success             id and all values in effect; no intent; tests outstanding if they follow
    after passed tests          as after a success; no tests outstanding
    after failed tests          as after a success
    after a deletion            none; the completed removal stands in its place
    after a failure             as before the call; a failed replacement keeps its intent, unsent
    skipped, held, cancelled    as before the call
    unknown end                 as it was when the request left
    forgotten                   none

All functions are pure. The module lies in the model because three rooms above it need it: `state` bounds times when it
reads, `planning` computes what a record will hold, and `applying` writes records around each call.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from reconciler.model.address import GROUP, Address
from reconciler.model.instant import Instant
from reconciler.model.outcome import Status
from reconciler.model.plan import Action
from reconciler.model.record import HIDDEN_LITERAL, NO_FINGERPRINT, Intent, Record, is_fingerprint
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath, Fields


@dataclass(frozen=True, slots=True)
class RecordUpdate:
    """Content of the record of one entry once the change of the entry is in effect.

    `applied` are declared values in normal form that may be stored in clear, `fingerprints` stand for the other values.
    `sent` are the paths whose values the call sends. `has_tests` says that setup tests follow the call.
    """

    applied: Mapping[FieldPath, Any] = field(default_factory=dict)
    fingerprints: Mapping[FieldPath, str] = field(default_factory=dict)
    protected: bool = False
    sent: Collection[FieldPath] = ()
    has_tests: bool = False


# Reading a state


def bound_sent_time(record: Record, latest: datetime) -> Record:
    """Mark an open request without a time of sending as sent at `latest`, by the clock of the run that sent it."""
    intent = record.intent
    if intent is None or intent.sent is not None or not _may_have_been_sent(record, intent):
        return record
    # The start of the run shows how far both clocks are apart, and they are not read again before the request.
    begun = intent.begun or Instant(latest)
    return replace(record, intent=replace(intent, sent=begun.add(latest - begun.own)))


def _may_have_been_sent(record: Record, intent: Intent) -> bool:
    """Whether the intent may belong to a request that makes an object. A create of a known id has its answer."""
    return intent.action is Action.REPLACE or (intent.action is Action.CREATE and record.id is None)


def hide_values(record: Record, fingerprints: Mapping[FieldPath, str]) -> Record:
    """Replace values in clear by their fingerprints. A fingerprint that is stored already is newer, and stays."""
    return replace(
        record,
        applied=_remove_paths(record.applied, fingerprints),
        fingerprints={**fingerprints, **record.fingerprints},
    )


def apply_moves(records: Mapping[Address, Record], entries: Iterable[Desired]) -> dict[Address, Record]:
    """Return the records by the addresses of today: `was:` moves a record to the entry that names it.

    A run that was killed while it wrote a move may leave the record under both addresses. Both have the same id then,
    and the former address goes; with different ids they are two objects, and both stay.
    """
    moved_records = dict(records)
    for entry in entries:
        former = moved_records.get(entry.moved_from) if entry.moved_from is not None else None
        if former is None or entry.moved_from is None:
            continue
        if moved_records.setdefault(entry.address, former).id == former.id:
            del moved_records[entry.moved_from]
    return moved_records


def list_moves(
    stored: Mapping[Address, Record], moved: Mapping[Address, Record]
) -> dict[Address, Record | None]:
    """List the journal entries that turn stored records into moved records. None ends the record of an address.

    New addresses come first: if only a part of the lines is written, a record stands twice rather than nowhere.
    """
    arrived = {address: record for address, record in moved.items() if address not in stored}
    return {**arrived, **{address: None for address in stored if address not in moved}}


# Computing what a record will hold


def update_secret_fingerprints(
    record: Record | None,
    secrets: Collection[FieldPath],
    resolved_here: Iterable[FieldPath],
    sent: Mapping[FieldPath, str],
) -> dict[FieldPath, str]:
    """Fingerprints of all declared `secrets`: stored fingerprints, and new ones of `sent` secrets.

    `resolved_here` are declared secrets that this program reads and sends. An object that no run has sent yet may have
    had them before it was adopted, so they get a mark in place of a fingerprint. Without the mark the next plan would
    take each for newly declared, and send it.
    """
    stored = record.fingerprints if record is not None else {}
    kept = {path: fingerprint for path, fingerprint in stored.items() if path in secrets}
    if record is None or not tracks_secrets(record):
        kept = dict.fromkeys(resolved_here, NO_FINGERPRINT) | kept
    return {**kept, **sent}


def update_literal_fingerprint(stored: str | None, fresh: str | None, *, is_in_effect: bool) -> str:
    """Fingerprint of a hidden literal: `fresh` if the declared literal is in effect after the change.

    `fresh` is None without a key of fingerprints. If nothing shows that the declared literal is the one in effect, the
    stored fingerprint stays: a fresh one would claim that the literal was applied.
    """
    if is_in_effect:
        return HIDDEN_LITERAL if fresh is None else fresh
    return stored if stored is not None and is_fingerprint(stored) else HIDDEN_LITERAL


def keeps_protection(record: Record | None, *, is_declared: bool, sends_values: bool) -> bool:
    """Whether an entry stays protected. Protection ends only with a change that does nothing else to the entry, so
    that one edit can never lift the protection and use its absence."""
    return is_declared or (record is not None and record.protected and sends_values)


def tracks_secrets(record: Record) -> bool:
    """Whether a secret without a fingerprint was certainly never sent, or not for certain.

    An adopted object without values says nothing about its secrets. After a create without an answer they are unknown.
    """
    is_unanswered = record.intent is not None and record.intent.action in _CREATING_ACTIONS
    return is_unanswered or (record.id is not None and bool(record.applied))


# Adopting


def adopt(record: Record | None, id: str | None, update: RecordUpdate, at: str) -> Record:
    """Record of an object that is as declared without a call. `at` is the time of the adoption (ISO 8601).

    No call means no tests: outstanding tests stay outstanding. The intent goes: a deletion that was stopped and taken
    back must not explain a later absence of the object.
    """
    return replace(
        record if record is not None else Record(),
        id=id,
        applied=update.applied,
        fingerprints=update.fingerprints,
        protected=update.protected,
        intent=None,
        applied_at=at,
    )


def is_adopted(record: Record | None, id: str | None, update: RecordUpdate) -> bool:
    """Whether adopting the object would change nothing but the time: such a record is not written again."""
    return record is not None and record == adopt(record, id, update, record.applied_at)


# Around a call


def before_create(record: Record | None, kind: str, intent: Intent, update: RecordUpdate) -> Record:
    """Record of an object that is about to be made; `record` is the record of the address so far.

    The fingerprints stay: if the object is found later, all of it was sent. After an earlier create without an answer,
    the object that is found may be of either request, so only fingerprints that both have sent are certain. Requests of
    a group that were never answered are carried on, since names of groups are not unique: each may still make a group
    beside the managed one. A destination has the id of its group, so a late request cannot make a second one.
    """
    fingerprints = update.fingerprints
    if record is not None and record.intent is not None:
        fingerprints = {
            path: value for path, value in fingerprints.items() if record.fingerprints.get(path) == value
        }
    return Record(
        fingerprints=fingerprints,
        unverified=update.has_tests,
        intent=intent,
        earlier=list_unanswered_intents(record) if kind == GROUP else (),
    )


def before_change(
    record: Record | None, id: str | None, intent: Intent, update: RecordUpdate | None
) -> Record:
    """Record of an existing object `id` that is about to be updated, tested, replaced or deleted.

    Until the call is answered, the values that it sends may be in effect or not. So they are dropped: the next plan
    must neither take them for applied nor for drift. A replacement drops all values, since values of another service
    mean nothing without their service. `update` is None for a deletion, which sends no values.
    """
    known = record if record is not None else Record()
    if known.id is None:
        known = _build_first_record(known, id, update)
    if update is None:
        return replace(known, intent=intent)
    return replace(
        known,
        applied={} if intent.action is Action.REPLACE else _remove_paths(known.applied, update.sent),
        fingerprints=_remove_paths(known.fingerprints, update.sent),
        unverified=known.unverified or update.has_tests,
        intent=intent,
    )


def _build_first_record(record: Record, id: str | None, update: RecordUpdate | None) -> Record:
    """Record of an object that exists and has no id in the state. The fields that the call does not send are as
    declared, or the plan would send them."""
    if update is None:
        return replace(record, id=id)
    return replace(record, id=id, applied=update.applied, fingerprints=update.fingerprints)


def before_send(record: Record, now: Instant) -> Record:
    """Mark the intent as sent, immediately before the request leaves. A request without this mark was never sent."""
    if record.intent is None:
        raise ValueError("a record without an intent has no request to send")
    return replace(record, intent=replace(record.intent, sent=now))


def after_success(intended: Record | None, id: str, update: RecordUpdate, at: str) -> Record:
    """Record of an object whose call has worked; `intended` is its record before the call, `at` the time (ISO 8601).

    The record is built anew, so no mark of the call survives its answer. Earlier unanswered requests do: the answer to
    this request says nothing about them.
    """
    return Record(
        id=id,
        applied=update.applied,
        fingerprints=update.fingerprints,
        protected=update.protected,
        unverified=update.has_tests,
        applied_at=at,
        earlier=intended.earlier if intended is not None else (),
    )


def after_passed_tests(intended: Record | None, id: str, update: RecordUpdate, at: str) -> Record:
    """Record of an object that has passed its setup tests. Until then each plan asks for the tests again."""
    return replace(after_success(intended, id, update, at), unverified=False)


def after_run(status: Status, action: Action, before: Record | None, current: Record | None) -> Record | None:
    """Record of an address at the end of a run. `before` is the record before the run, `current` the record now.

    After an unknown end the intent stays: the next plan has to look for the object of the request. After every end
    without an effect the intent goes, so that no plan looks for an object that was never asked for. A failed
    replacement is the exception: its deletion may have worked, and the next plan must know why the object is gone. Its
    create was refused, so no request is left to wait for.
    """
    if status.may_be_in_effect:
        return current
    intent = current.intent if current is not None else None
    is_failed_replacement = status is Status.FAILED and action is Action.REPLACE
    if before is None or intent is None or not is_failed_replacement:
        return before
    return replace(before, intent=replace(intent, sent=None))


# Requests without an answer


def list_unanswered_intents(record: Record | None) -> tuple[Intent, ...]:
    """Intents whose requests may still make an object beside the object of the next request.

    Of several intents with one name the first stays: it has the fewest namesakes, so none of the objects that any of
    the requests made is mistaken for an older one.
    """
    if record is None:
        return ()
    request = record.open_request
    names = {intent.name for intent in record.earlier}
    return record.earlier if request is None or request.name in names else (*record.earlier, request)


def hides_open_request(stored: Record | None, intended: Record) -> bool:
    """Whether the record before a create would hide a request that is still open, and has to wait with it until it is
    sent.

    The create may have to wait itself, or may never be sent. The next plan would then see an intent that was never
    sent, know nothing of the open request, and send a second one at once.
    """
    return intended.id is None and stored is not None and stored.open_request is not None


_CREATING_ACTIONS = frozenset({Action.CREATE, Action.REPLACE})


def _remove_paths(values: Fields, paths: Collection[FieldPath]) -> dict[FieldPath, Any]:
    return {path: value for path, value in values.items() if path not in paths}
