"""Compute the next record of an address: every transition of records, in one table.

The record of an address changes at these moments, and at no other:

    moment                      next record
    --------------------------  ------------------------------------------------------------------------------------
    read, request unmarked      the same; the intent was sent at the latest possible time
    read, value in clear        the same; a fingerprint takes the place of the value
    read, another status        the same, with the status
    moved (`was:`)              the same, under the address of today; two records of one object become one
    adopted                     id, values and protection in effect; no intent; outstanding tests stay outstanding
    asserted                    the same; marked fingerprints of the values that the operator asserts to be in effect
    before a create             intent; only fingerprints that every open request sends; open requests of a group
    before a first change       intent; id; values in effect, without the values that the call sends
    before an update, a test    intent; without the values that the call sends; tests outstanding if they follow
    before a replacement        intent; no values, and only fingerprints that the call does not send
    before a deletion           intent
    the request leaves          intent with the time of sending
    after a success             id and all values in effect; no intent; tests outstanding if they follow
    after approvals alone       as after a success; outstanding tests stay outstanding
    after passed tests          as after a success; no tests outstanding
    after failed tests          as after a success; tests outstanding; no asserted fingerprints
    after pending approvals     as after a success; tests outstanding, with the servers that they wait for
    after the check             the same, with the answers of Fivetran that differ from the sent values, and its status
    after a deletion            none; the completed removal stands in its place
    after a failure             as before the call; a failed replacement keeps its intent, unsent
    skipped, held, cancelled    as before the call
    unknown end                 as it was when the request left
    forgotten                   none

The order around a call is the reason for most rows: the intent is durable before the request leaves, so a run that is
killed at any point leaves a record from which the next plan knows which request may have taken effect. A row never
claims more than is certain at its moment; a missing value only costs a comparison, a wrong value hides a difference.

The identity of the group is no value of the object. A record keeps what it has of it at every moment, as long as it is
about the same group; only a create drops it, since its group may be new too. The rows after a call add what was read.

All functions are pure. The module is part of the model because three rooms above it need it: `state` bounds times when
it reads, `planning` computes the content of future records, and `applying` writes records around each call.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from reconciler.model.address import GROUP, Address
from reconciler.model.group_identity import GroupIdentity, IdentityPart
from reconciler.model.instant import Instant
from reconciler.model.outcome import Status
from reconciler.model.plan import Action
from reconciler.model.record import (
    HIDDEN_LITERAL,
    NO_ANSWERS,
    NO_FINGERPRINT,
    Answers,
    Intent,
    Record,
    is_asserted,
    is_fingerprint,
    withdraw_assertion,
)
from reconciler.model.resource import Desired
from reconciler.model.trust import NO_GRANTS, Grants, ServerIdentity
from reconciler.model.value import FieldPath, Fields


@dataclass(frozen=True, slots=True)
class RecordUpdate:
    """Content of the record of one entry once the change of the entry is in effect.

    `applied` are declared values in normal form that may be stored in clear, `fingerprints` stand for the other values.
    `sent` are the paths whose values the call sends. `has_tests` says that setup tests follow the call. `answers` are
    about fields that Fivetran did not keep and that the call does not send again. `setup_status` is the status that
    Fivetran showed for the plan, if it is unhealthy. `declared_grants` are the trust and the setup tests
    of the spec; `former_pins` are pinned no more, and stay in the record until their approvals are revoked. `identity`
    is what the run has read of the identity of the group.
    """

    applied: Mapping[FieldPath, Any] = field(default_factory=dict)
    fingerprints: Mapping[FieldPath, str] = field(default_factory=dict)
    protected: bool = False
    sent: Collection[FieldPath] = ()
    has_tests: bool = False
    answers: Answers = NO_ANSWERS
    setup_status: str = ""
    declared_grants: Grants = NO_GRANTS
    former_pins: tuple[ServerIdentity, ...] = ()
    identity: GroupIdentity = field(default_factory=dict)

    @classmethod
    def keep_values(cls, record: Record) -> RecordUpdate:
        """Build the update of a record whose object is only tested: all values stay."""
        return cls(
            applied=record.applied,
            fingerprints=record.fingerprints,
            protected=record.protected,
            has_tests=True,
            answers=Answers(record.answers, record.answer_fingerprints),
            declared_grants=record.grants,
        )


# Reading a state


def bound_sent_time(record: Record, latest: datetime) -> Record:
    """Mark an open request without a time of sending as sent at `latest`, by the clock of the run that sent it."""
    intent = record.intent
    if intent is None or intent.sent is not None or not _may_have_been_sent(record, intent):
        return record
    # The start of the run has both clocks, so their distance gives the server time of `latest`.
    begun = intent.begun or Instant(latest)
    return replace(record, intent=replace(intent, sent=begun.add(latest - begun.own)))


def _may_have_been_sent(record: Record, intent: Intent) -> bool:
    """Check whether the intent may belong to a request that makes an object. A create of a known id has its answer."""
    return intent.action is Action.REPLACE or (intent.action is Action.CREATE and record.id is None)


def hide_values(record: Record, fingerprints: Mapping[FieldPath, str]) -> Record:
    """Replace values in clear by their fingerprints. A fingerprint that is stored already is newer, and stays."""
    return replace(
        record,
        applied=_remove_paths(record.applied, fingerprints),
        fingerprints={**fingerprints, **record.fingerprints},
        answers=_remove_paths(record.answers, fingerprints),
    )


def apply_moves(records: Mapping[Address, Record], entries: Iterable[Desired]) -> dict[Address, Record]:
    """Move records to the present addresses: `was:` moves a record to the entry that names its former address.

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


# Computing the content of a record


def update_secret_fingerprints(
    record: Record | None,
    secrets: Collection[FieldPath],
    resolved_here: Iterable[FieldPath],
    sent: Mapping[FieldPath, str],
) -> dict[FieldPath, str]:
    """Collect the fingerprints of all declared `secrets`: stored fingerprints, and new fingerprints of `sent` secrets.

    `resolved_here` are declared secrets that this program reads and sends. An object that no run has sent yet may have
    had them before it was adopted, so they get a mark in place of a fingerprint. Without the mark the next plan would
    take each secret for newly declared, and send it.
    """
    stored = record.fingerprints if record is not None else {}
    kept = {path: fingerprint for path, fingerprint in stored.items() if path in secrets}
    if record is None or not tracks_secrets(record):
        kept = dict.fromkeys(resolved_here, NO_FINGERPRINT) | kept
    return {**kept, **sent}


def update_literal_fingerprint(stored: str | None, fresh: str | None, *, is_in_effect: bool) -> str:
    """Choose the fingerprint of a hidden literal: `fresh` if the declared literal is in effect after the change.

    `fresh` is None without a key of fingerprints. If nothing shows that the declared literal is in effect, the stored
    fingerprint stays: a fresh fingerprint would claim that the literal was applied.
    """
    if is_in_effect:
        return HIDDEN_LITERAL if fresh is None else fresh
    return stored if stored is not None and is_fingerprint(stored) else HIDDEN_LITERAL


def keeps_protection(record: Record | None, *, is_declared: bool, sends_values: bool) -> bool:
    """Check whether an entry stays protected. Protection ends only with a change that does nothing else to the entry,
    so that one edit can never lift the protection and use its absence."""
    return is_declared or (record is not None and record.protected and sends_values)


def tracks_secrets(record: Record) -> bool:
    """Check whether a record knows which secrets were sent, so that a secret without a fingerprint was not sent.

    The record of an adopted object without values knows nothing about secrets. After a create without an answer the
    record counts as knowing, so that the secrets are sent again.
    """
    is_unanswered = record.intent is not None and record.intent.action in _CREATING_ACTIONS
    return is_unanswered or (record.id is not None and bool(record.applied))


# Adopting


def adopt(record: Record | None, id: str | None, update: RecordUpdate, at: str) -> Record:
    """Build the record of an object that is as declared without a call. `at` is the time of the adoption (ISO 8601).

    No call means no tests: outstanding tests stay outstanding. The intent is dropped: a deletion that was stopped and
    taken back must not explain a later absence of the object.
    """
    adopted = replace(
        record if record is not None else Record(),
        id=id,
        applied=update.applied,
        fingerprints=update.fingerprints,
        protected=update.protected,
        intent=None,
        applied_at=at,
        answers=update.answers.public,
        answer_fingerprints=update.answers.fingerprints,
        setup_status=update.setup_status,
        grants=update.declared_grants,
    )
    return _replace_identity(adopted, select_identity(record, id))


def assert_values(record: Record, update: RecordUpdate) -> Record:
    """Build the record of an object before its call, with the values that the operator asserts to be in effect. They
    are recorded even if the call fails: the assertion is not about its values."""
    asserted = {path: stored for path, stored in update.fingerprints.items() if is_asserted(stored)}
    return replace(record, fingerprints={**record.fingerprints, **asserted}) if asserted else record


def is_adopted(record: Record | None, id: str | None, update: RecordUpdate) -> bool:
    """Check whether an adoption would change nothing but the time: such a record is not written again."""
    return record is not None and record == adopt(record, id, update, record.applied_at)


# Around a call


def prepare_create(record: Record | None, kind: str, intent: Intent, update: RecordUpdate) -> Record:
    """Build the record of an object before its create; `record` is the present record of the address.

    The fingerprints are stored before the answer: if a later run finds the object, all its secrets were sent. After an
    earlier create without an answer, the found object may be of either request, so only fingerprints that both requests
    sent are certain. Unanswered requests of a group are kept, since names of groups are not unique: each request may
    still make a group beside the managed group. A destination has the id of its group, so a late request cannot make a
    second destination.
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


def prepare_change(
    record: Record | None, id: str | None, intent: Intent, update: RecordUpdate | None
) -> Record:
    """Build the record of an existing object `id` before an update, test, replacement or deletion.

    Until the answer to the call, the sent values may be in effect or not. So they are dropped: the next plan must take
    them neither for applied nor for drift. A replacement drops all values, since values of another service
    mean nothing without their service. `update` is None for a deletion, which sends no values.
    """
    known = record if record is not None else Record()
    if known.id is None:
        known = _build_first_record(known, id, update)
    if update is None:
        return replace(known, intent=intent)
    is_replacement = intent.action is Action.REPLACE
    return replace(
        known,
        applied={} if is_replacement else _remove_paths(known.applied, update.sent),
        fingerprints=_remove_paths(known.fingerprints, update.sent),
        unverified=known.unverified or update.has_tests,
        intent=intent,
        answers={} if is_replacement else _remove_paths(known.answers, update.sent),
        answer_fingerprints={} if is_replacement else _remove_paths(known.answer_fingerprints, update.sent),
    )


def _build_first_record(record: Record, id: str | None, update: RecordUpdate | None) -> Record:
    """Build the record of an object that exists and has no id in the state. Fields that the call does not send are as
    declared, since the plan would send them otherwise."""
    if update is None:
        return replace(record, id=id)
    return replace(record, id=id, applied=update.applied, fingerprints=update.fingerprints)


def mark_intent_sent(record: Record, now: Instant) -> Record:
    """Mark the intent of a record as sent, immediately before the request leaves. A request without this mark was never
    sent."""
    if record.intent is None:
        raise ValueError("a record without an intent has no request to send")
    return replace(record, intent=replace(record.intent, sent=now))


def complete_change(intended: Record | None, id: str, update: RecordUpdate, at: str) -> Record:
    """Build the record of an object after a successful call; `intended` is its record before the call, `at` is the time
    (ISO 8601).

    The record is built anew, so no mark of the call survives its answer. Earlier unanswered requests stay: the answer
    to this request says nothing about them. Results of earlier tests stay until the next tests have a result.
    """
    known = intended if intended is not None else Record()
    completed = Record(
        id=id,
        applied=update.applied,
        fingerprints=update.fingerprints,
        protected=update.protected,
        unverified=update.has_tests,
        applied_at=at,
        earlier=known.earlier,
        answers=update.answers.public,
        answer_fingerprints=update.answers.fingerprints,
        settled_status=known.settled_status,
        awaited_approvals=known.awaited_approvals,
        setup_status=update.setup_status,
        awaiting=known.awaiting,
        grants=replace(update.declared_grants, pins=(*update.declared_grants.pins, *update.former_pins)),
    )
    return _replace_identity(completed, {**select_identity(known, id), **update.identity})


def complete_approvals(intended: Record | None, id: str, update: RecordUpdate, at: str) -> Record:
    """Build the record of an object after approvals that no setup test follows: earlier results of tests stay."""
    completed = complete_change(intended, id, update, at)
    return replace(completed, unverified=intended is not None and intended.unverified)


def complete_tests(
    intended: Record | None, id: str, update: RecordUpdate, at: str, settled_status: str = ""
) -> Record:
    """Build the record of an object after passed setup tests. Before that, each plan asks for the tests again.

    `settled_status` is the status that Fivetran still shows although the tests have passed; empty for a healthy object.
    No plan asks for the tests again because of this status.
    """
    return replace(
        complete_change(intended, id, update, at),
        unverified=False,
        settled_status=settled_status,
        awaited_approvals=(),
        awaiting=(),
    )


def fail_tests(
    intended: Record | None,
    id: str,
    update: RecordUpdate,
    at: str,
    awaiting: tuple[ServerIdentity, ...] = (),
    *,
    has_failures: bool = True,
) -> Record:
    """Build the record of an object after setup tests without success. `awaiting` are the servers whose approval they
    wait for. With `has_failures` a test has failed: this refutes what the operator asserted, since a wrong secret is
    one of the possible causes.
    """
    completed = complete_change(intended, id, update, at)
    return replace(
        completed,
        fingerprints=_withdraw_assertions(completed.fingerprints) if has_failures else completed.fingerprints,
        unverified=True,
        settled_status="",
        awaited_approvals=tuple(sorted({str(server.kind) for server in awaiting})),
        awaiting=awaiting,
    )


def _withdraw_assertions(fingerprints: Mapping[FieldPath, str]) -> dict[FieldPath, str]:
    """Withdraw all assertions: these values cannot be compared any more, as if they had never been asserted."""
    return {path: withdraw_assertion(stored) for path, stored in fingerprints.items()}


def conclude_run(
    status: Status, action: Action, before: Record | None, current: Record | None
) -> Record | None:
    """Choose the record of an address at the end of a run. `before` is the record before the run, `current` is the
    present record.

    After an unknown end the intent stays: the next plan has to look for the object of the request. After every end
    without an effect the intent is dropped, so that no plan looks for an object that was never requested. A failed
    replacement is the exception: its deletion may have worked, and the next plan must know the reason of the absence.
    Its create was refused, so no open request is left.
    """
    if status.may_be_in_effect:
        return current
    intent = current.intent if current is not None else None
    is_failed_replacement = status is Status.FAILED and action is Action.REPLACE
    if before is None or intent is None or not is_failed_replacement:
        return before
    return replace(before, intent=replace(intent, sent=None))


def record_answers(record: Record, update: RecordUpdate) -> Record:
    """Build the record of an object after the check of an apply, with the answers of Fivetran that differ from the sent
    values. An answer that agrees by now is dropped."""
    return replace(record, answers=update.answers.public, answer_fingerprints=update.answers.fingerprints)


def record_status(record: Record, update: RecordUpdate) -> Record:
    """Build the record of an object that stays as it is, with the status that Fivetran shows now."""
    return replace(record, setup_status=update.setup_status)


# The identity of the group


def select_identity(record: Record | None, id: str | None) -> GroupIdentity:
    """Select the recorded identity of the group `id`. A record of an object in another group has another identity."""
    return record.identity if record is not None and id is not None and record.id == id else {}


def _replace_identity(record: Record, identity: GroupIdentity) -> Record:
    return replace(
        record,
        ssh_public_key=identity.get(IdentityPart.SSH_PUBLIC_KEY, ""),
        service_account=identity.get(IdentityPart.SERVICE_ACCOUNT, ""),
    )


# Requests without an answer


def list_unanswered_intents(record: Record | None) -> tuple[Intent, ...]:
    """List the intents whose requests may still make an object beside the object of the next request.

    Of several intents with one name the first stays: it has the fewest namesakes, so no object of any of these requests
    is mistaken for an older object.
    """
    if record is None:
        return ()
    request = record.open_request
    names = {intent.name for intent in record.earlier}
    return record.earlier if request is None or request.name in names else (*record.earlier, request)


def hides_open_request(stored: Record | None, intended: Record) -> bool:
    """Check whether the record before a create would hide an open request, so that it must not be written before the
    create is sent.

    The create may have to wait, or may never be sent. The next plan would then see an intent that was never sent, know
    nothing of the open request, and send a second request at once.
    """
    return intended.id is None and stored is not None and stored.open_request is not None


_CREATING_ACTIONS = frozenset({Action.CREATE, Action.REPLACE})


def _remove_paths(values: Fields, paths: Collection[FieldPath]) -> dict[FieldPath, Any]:
    return {path: value for path, value in values.items() if path not in paths}
