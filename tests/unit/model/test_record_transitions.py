"""Test the table of record transitions, line by line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model import record_transitions
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.instant import Instant
from reconciler.model.outcome import Status
from reconciler.model.plan import Action
from reconciler.model.record import (
    HIDDEN_LITERAL,
    NO_FINGERPRINT,
    Answers,
    Intent,
    Record,
    mark_asserted,
)
from reconciler.model.record_transitions import (
    RecordUpdate,
    adopt,
    apply_moves,
    assert_values,
    bound_sent_time,
    complete_approvals,
    complete_change,
    complete_tests,
    conclude_run,
    fail_tests,
    hide_values,
    hides_open_request,
    is_adopted,
    keeps_protection,
    list_moves,
    list_unanswered_intents,
    mark_intent_sent,
    prepare_change,
    prepare_create,
    record_answers,
    record_status,
    update_literal_fingerprint,
    update_secret_fingerprints,
)
from reconciler.model.removal import CompletedRemoval, Extent
from reconciler.model.resource import Desired
from reconciler.model.source import Span
from reconciler.model.trust import Grants, ServerIdentity, ServerKind
from reconciler.model.value import FieldPath
from reconciler.state.journal import JournalEntry, apply_entries

ORDERS, FORMER = Address(GROUP, "orders"), Address(GROUP, "sales")
HOST, PORT, PASSWORD, TOKEN = (("config", name) for name in ("host", "port", "password", "token"))
WAITING = (ServerIdentity(ServerKind.CERTIFICATE, "aGFzaA==", subject="CN=db", certificate="MIIB"),)
PIN = ServerIdentity(ServerKind.CERTIFICATE, "aGFzaA==")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
THEN, AT = "2026-02-01T08:00:00+00:00", "2026-03-01T12:00:00+00:00"
BEGUN = Instant(NOON, NOON + timedelta(seconds=40))
SENT = BEGUN.add(timedelta(seconds=3))

KNOWN = Record(
    id="decent_dropsy",
    applied={HOST: "old", PORT: 5432},
    fingerprints={PASSWORD: "k:old-password", TOKEN: "k:token"},
    applied_at=THEN,
)
"""An object that an earlier run has written."""
UPDATE = RecordUpdate(
    applied={HOST: "new", PORT: 5432},
    fingerprints={PASSWORD: "k:password", TOKEN: "k:token"},
    protected=True,
    sent={HOST, PASSWORD},
    has_tests=True,
)
"""A change that sends a host and a password."""
UNTESTED = replace(UPDATE, has_tests=False)
IN_EFFECT = Record(
    id="decent_dropsy",
    applied=UPDATE.applied,
    fingerprints=UPDATE.fingerprints,
    protected=True,
    applied_at=AT,
)
"""The record once this change is in effect."""


def make_intent(action: Action, sent: Instant | None = None) -> Intent:
    return Intent(action, "orders", ("older_group",), BEGUN, sent)


CREATE = make_intent(Action.CREATE)
OPEN_CREATE, OPEN_REPLACE = (make_intent(action, SENT) for action in (Action.CREATE, Action.REPLACE))
OPEN = Record(fingerprints={PASSWORD: "k:old-password", TOKEN: "k:token"}, intent=OPEN_CREATE)
"""A create whose request has no response."""
ASSERTED = mark_asserted(NO_FINGERPRINT, "k:password")
ASSERTED_LITERAL = mark_asserted(HIDDEN_LITERAL, "k:token")
UNKNOWN = replace(KNOWN, fingerprints={PASSWORD: NO_FINGERPRINT, TOKEN: HIDDEN_LITERAL})
"""An object that was adopted: no run has sent its secret and its hidden literal."""
ASSERTING = replace(UPDATE, fingerprints={PASSWORD: ASSERTED, TOKEN: ASSERTED_LITERAL}, sent={HOST})
"""A change that sends a host, with an assertion about the other values."""
ON_WORD = replace(IN_EFFECT, fingerprints=ASSERTING.fingerprints)
"""The record once this change is in effect."""
OTHER_NAME = replace(OPEN_CREATE, name="sales")


@dataclass(frozen=True, slots=True)
class Transition:
    """Describe a case of the table: `moment` is the first column, `why` names the case within its line."""

    moment: str
    actual: Record | None
    expected: Record | None
    why: str = ""


def start_change(action: Action, record: Record | None, update: RecordUpdate | None = UPDATE) -> Record:
    return prepare_change(record, "decent_dropsy", make_intent(action), update)


def start_create(record: Record | None, kind: str = GROUP) -> Record:
    return prepare_create(record, kind, CREATE, UPDATE)


def apply_journal_entry(entry: CompletedRemoval | None) -> Record | None:
    """Return the record of an address after a journal entry."""
    records, removals = {ORDERS: KNOWN}, dict[str, CompletedRemoval]()
    apply_entries([(ORDERS, entry)], records, removals)
    assert removals == ({} if entry is None else {"orders": entry})
    return records.get(ORDERS)


def end_run(status: Status, action: Action, before: Record | None, current: Record | None) -> Record | None:
    return conclude_run(status, action, before, current)


INTENDED_CREATE = start_create(None)
INTENDED_REPLACE = replace(start_change(Action.REPLACE, KNOWN), intent=OPEN_REPLACE)
LATEST = NOON + timedelta(minutes=10)
LATEST_INSTANT = Instant(LATEST, LATEST + timedelta(seconds=40))

TABLE = [
    Transition(
        "read, request unmarked",
        bound_sent_time(Record(intent=CREATE), LATEST),
        Record(intent=replace(CREATE, sent=LATEST_INSTANT)),
    ),
    Transition(
        "read, request unmarked",
        bound_sent_time(replace(KNOWN, intent=make_intent(Action.REPLACE)), LATEST),
        replace(KNOWN, intent=replace(OPEN_REPLACE, sent=LATEST_INSTANT)),
        "replacement",
    ),
    Transition("read, request unmarked", bound_sent_time(OPEN, LATEST), OPEN, "marked already"),
    Transition(
        "read, request unmarked",
        bound_sent_time(replace(KNOWN, intent=CREATE), LATEST),
        replace(KNOWN, intent=CREATE),
        "create with an id",
    ),
    Transition(
        "read, request unmarked",
        bound_sent_time(replace(KNOWN, intent=make_intent(Action.UPDATE)), LATEST),
        replace(KNOWN, intent=make_intent(Action.UPDATE)),
        "update",
    ),
    Transition(
        "read, value in clear",
        hide_values(KNOWN, {HOST: "k:host"}),
        replace(KNOWN, applied={PORT: 5432}, fingerprints={**KNOWN.fingerprints, HOST: "k:host"}),
    ),
    Transition(
        "read, value in clear",
        hide_values(replace(KNOWN, fingerprints={HOST: "k:stored"}), {HOST: "k:host"}),
        replace(KNOWN, applied={PORT: 5432}, fingerprints={HOST: "k:stored"}),
        "fingerprint stored already",
    ),
    Transition(
        "moved (`was:`)",
        apply_moves(
            {FORMER: KNOWN}, [Desired(ORDERS, "orders", Span("a", 1, 1, 1, 2), {}, moved_from=FORMER)]
        )[ORDERS],
        KNOWN,
    ),
    Transition("adopted", adopt(None, "decent_dropsy", UNTESTED, AT), IN_EFFECT, "unknown object"),
    Transition("adopted", adopt(KNOWN, "decent_dropsy", UNTESTED, AT), IN_EFFECT, "known object"),
    Transition(
        "adopted",
        adopt(replace(KNOWN, unverified=True, intent=CREATE), "decent_dropsy", UPDATE, AT),
        replace(IN_EFFECT, unverified=True),
        "tests outstanding, intent open",
    ),
    Transition(
        "adopted",
        adopt(replace(KNOWN, earlier=(OPEN_CREATE,)), "decent_dropsy", UNTESTED, AT),
        replace(IN_EFFECT, earlier=(OPEN_CREATE,)),
        "earlier request open",
    ),
    Transition(
        "adopted",
        adopt(None, "decent_dropsy", replace(ASSERTING, has_tests=False), AT),
        ON_WORD,
        "unknown object, asserted values",
    ),
    Transition(
        "asserted",
        assert_values(UNKNOWN, ASSERTING),
        replace(UNKNOWN, fingerprints=ASSERTING.fingerprints),
    ),
    Transition(
        "asserted",
        assert_values(replace(UNKNOWN, intent=CREATE, unverified=True), ASSERTING),
        replace(UNKNOWN, fingerprints=ASSERTING.fingerprints, intent=CREATE, unverified=True),
        "intent open, tests outstanding",
    ),
    Transition(
        "asserted",
        assert_values(KNOWN, replace(UPDATE, fingerprints={TOKEN: ASSERTED_LITERAL, PASSWORD: "k:new"})),
        replace(KNOWN, fingerprints={PASSWORD: "k:old-password", TOKEN: ASSERTED_LITERAL}),
        "another secret rotated, and is not sent yet",
    ),
    Transition("asserted", assert_values(UNKNOWN, UPDATE), UNKNOWN, "nothing"),
    Transition(
        "before a create",
        start_create(None),
        Record(fingerprints=UPDATE.fingerprints, unverified=True, intent=CREATE),
        "unknown object",
    ),
    Transition(
        "before a create",
        start_create(KNOWN),
        Record(fingerprints=UPDATE.fingerprints, unverified=True, intent=CREATE),
        "deleted object",
    ),
    Transition(
        "before a create",
        start_create(OPEN),
        Record(fingerprints={TOKEN: "k:token"}, unverified=True, intent=CREATE, earlier=(OPEN_CREATE,)),
        "request open",
    ),
    Transition(
        "before a create",
        start_create(replace(OPEN, intent=CREATE)),
        Record(fingerprints={TOKEN: "k:token"}, unverified=True, intent=CREATE),
        "request not sent",
    ),
    Transition(
        "before a create",
        start_create(OPEN, DESTINATION),
        Record(fingerprints={TOKEN: "k:token"}, unverified=True, intent=CREATE),
        "destination, request open",
    ),
    Transition(
        "before a first change",
        start_change(Action.UPDATE, None),
        Record(
            id="decent_dropsy",
            applied={PORT: 5432},
            fingerprints={TOKEN: "k:token"},
            unverified=True,
            intent=make_intent(Action.UPDATE),
        ),
    ),
    Transition(
        "before a first change",
        start_change(Action.DELETE, None, None),
        Record(id="decent_dropsy", intent=make_intent(Action.DELETE)),
        "deletion",
    ),
    Transition(
        "before an update, a test",
        start_change(Action.UPDATE, KNOWN),
        replace(
            KNOWN,
            applied={PORT: 5432},
            fingerprints={TOKEN: "k:token"},
            unverified=True,
            intent=make_intent(Action.UPDATE),
        ),
    ),
    Transition(
        "before an update, a test",
        start_change(Action.UPDATE, replace(KNOWN, unverified=True, earlier=(OPEN_CREATE,)), UNTESTED),
        replace(
            KNOWN,
            applied={PORT: 5432},
            fingerprints={TOKEN: "k:token"},
            unverified=True,
            intent=make_intent(Action.UPDATE),
            earlier=(OPEN_CREATE,),
        ),
        "tests and an earlier request outstanding",
    ),
    Transition(
        "before an update, a test",
        start_change(Action.UPDATE, ON_WORD, replace(UPDATE, sent={PASSWORD})),
        replace(
            ON_WORD,
            fingerprints={TOKEN: ASSERTED_LITERAL},
            unverified=True,
            intent=make_intent(Action.UPDATE),
        ),
        "an asserted secret is sent",
    ),
    Transition(
        "before a first change",
        start_change(Action.UPDATE, None, ASSERTING),
        Record(
            id="decent_dropsy",
            applied={PORT: 5432},
            fingerprints=ASSERTING.fingerprints,
            unverified=True,
            intent=make_intent(Action.UPDATE),
        ),
        "asserted values",
    ),
    Transition(
        "before an update, a test",
        start_change(Action.VERIFY, KNOWN, replace(UPDATE, sent=())),
        replace(KNOWN, unverified=True, intent=make_intent(Action.VERIFY)),
        "test",
    ),
    Transition(
        "before a replacement",
        start_change(Action.REPLACE, KNOWN),
        replace(
            KNOWN,
            applied={},
            fingerprints={TOKEN: "k:token"},
            unverified=True,
            intent=make_intent(Action.REPLACE),
        ),
    ),
    Transition(
        "before a deletion",
        start_change(Action.DELETE, KNOWN, None),
        replace(KNOWN, intent=make_intent(Action.DELETE)),
    ),
    Transition(
        "the request leaves",
        mark_intent_sent(INTENDED_CREATE, SENT),
        replace(INTENDED_CREATE, intent=OPEN_CREATE),
    ),
    Transition(
        "after a success",
        complete_change(OPEN, "decent_dropsy", UNTESTED, AT),
        IN_EFFECT,
    ),
    Transition(
        "after a success",
        complete_change(start_change(Action.UPDATE, KNOWN), "decent_dropsy", UPDATE, AT),
        replace(IN_EFFECT, unverified=True),
        "tests follow",
    ),
    Transition(
        "after a success",
        complete_change(start_create(OPEN), "decent_dropsy", UNTESTED, AT),
        replace(IN_EFFECT, earlier=(OPEN_CREATE,)),
        "earlier request open",
    ),
    Transition(
        "after a success",
        complete_change(ON_WORD, "decent_dropsy", UNTESTED, AT),
        IN_EFFECT,
        "asserted values were sent",
    ),
    Transition(
        "after a success",
        complete_change(UNKNOWN, "decent_dropsy", ASSERTING, AT),
        replace(ON_WORD, unverified=True),
        "asserted values were not sent",
    ),
    Transition(
        "after a success",
        complete_change(
            KNOWN, "decent_dropsy", replace(UNTESTED, declared_grants=Grants((PIN,), ("fingerprint",))), AT
        ),
        replace(IN_EFFECT, grants=Grants((PIN,), ("fingerprint",))),
        "the trust of the spec",
    ),
    Transition(
        "after a success",
        complete_change(KNOWN, "decent_dropsy", replace(UNTESTED, former_pins=(PIN,)), AT),
        replace(IN_EFFECT, grants=Grants((PIN,))),
        "an approval is to be revoked",
    ),
    Transition(
        "after approvals alone",
        complete_approvals(replace(KNOWN, unverified=True, awaiting=WAITING), "decent_dropsy", UNTESTED, AT),
        replace(IN_EFFECT, unverified=True, awaiting=WAITING),
    ),
    Transition(
        "after approvals alone",
        complete_approvals(KNOWN, "decent_dropsy", UNTESTED, AT),
        IN_EFFECT,
        "nothing outstanding",
    ),
    Transition(
        "after passed tests",
        complete_tests(ON_WORD, "decent_dropsy", ASSERTING, AT),
        ON_WORD,
        "asserted values",
    ),
    Transition(
        "after passed tests",
        complete_tests(start_create(OPEN), "decent_dropsy", UPDATE, AT),
        replace(IN_EFFECT, earlier=(OPEN_CREATE,)),
    ),
    Transition(
        "after passed tests",
        complete_tests(
            replace(KNOWN, settled_status="broken", awaited_approvals=("certificate",), awaiting=WAITING),
            "decent_dropsy",
            UPDATE,
            AT,
            "incomplete",
        ),
        replace(IN_EFFECT, settled_status="incomplete"),
        "the status stayed",
    ),
    Transition(
        "after pending approvals",
        fail_tests(KNOWN, "decent_dropsy", UPDATE, AT, WAITING, has_failures=False),
        replace(IN_EFFECT, unverified=True, awaited_approvals=("certificate",), awaiting=WAITING),
    ),
    Transition(
        "after pending approvals",
        fail_tests(ON_WORD, "decent_dropsy", ASSERTING, AT, WAITING, has_failures=False),
        replace(ON_WORD, unverified=True, awaited_approvals=("certificate",), awaiting=WAITING),
        "asserted values",
    ),
    Transition(
        "after failed tests",
        fail_tests(ON_WORD, "decent_dropsy", ASSERTING, AT),
        replace(IN_EFFECT, fingerprints=UNKNOWN.fingerprints, unverified=True),
        "asserted values",
    ),
    Transition(
        "after failed tests",
        fail_tests(
            ON_WORD,
            "decent_dropsy",
            replace(ASSERTING, fingerprints={PASSWORD: "k:new", TOKEN: ASSERTED_LITERAL}),
            AT,
        ),
        replace(IN_EFFECT, fingerprints={PASSWORD: "k:new", TOKEN: HIDDEN_LITERAL}, unverified=True),
        "an asserted secret was sent before the tests",
    ),
    Transition(
        "after failed tests",
        fail_tests(KNOWN, "decent_dropsy", UPDATE, AT, WAITING),
        replace(IN_EFFECT, unverified=True, awaited_approvals=("certificate",), awaiting=WAITING),
        "approval awaited too",
    ),
    Transition(
        "after failed tests",
        fail_tests(replace(KNOWN, awaited_approvals=("certificate",)), "decent_dropsy", UPDATE, AT),
        replace(IN_EFFECT, unverified=True),
        "approved meanwhile",
    ),
    Transition(
        "after a success",
        complete_change(
            replace(KNOWN, settled_status="incomplete", awaited_approvals=("certificate",)),
            "decent_dropsy",
            replace(UNTESTED, answers=Answers({PORT: 1})),
            AT,
        ),
        replace(
            IN_EFFECT,
            settled_status="incomplete",
            awaited_approvals=("certificate",),
            answers={PORT: 1},
        ),
        "results of earlier tests, a field not kept",
    ),
    Transition(
        "before an update, a test",
        start_change(Action.UPDATE, replace(KNOWN, answers={HOST: "other", PORT: 1})),
        replace(
            KNOWN,
            applied={PORT: 5432},
            fingerprints={TOKEN: "k:token"},
            unverified=True,
            intent=make_intent(Action.UPDATE),
            answers={PORT: 1},
        ),
        "fields not kept",
    ),
    Transition(
        "read, another status",
        record_status(KNOWN, replace(UPDATE, setup_status="broken")),
        replace(KNOWN, setup_status="broken"),
        "broken",
    ),
    Transition(
        "read, another status",
        record_status(replace(KNOWN, setup_status="broken"), UPDATE),
        KNOWN,
        "connected",
    ),
    Transition(
        "adopted",
        adopt(None, "decent_dropsy", replace(UPDATE, setup_status="incomplete"), AT),
        replace(IN_EFFECT, setup_status="incomplete"),
        "incomplete",
    ),
    Transition(
        "after a success",
        complete_change(
            replace(KNOWN, setup_status="broken"),
            "decent_dropsy",
            replace(UNTESTED, setup_status="broken"),
            AT,
        ),
        replace(IN_EFFECT, setup_status="broken"),
        "broken",
    ),
    Transition(
        "after the check",
        record_answers(
            replace(KNOWN, answers={HOST: "other"}), replace(UPDATE, answers=Answers({PORT: None}))
        ),
        replace(KNOWN, answers={PORT: None}),
    ),
    Transition(
        "after failed tests",
        end_run(Status.DONE, Action.UPDATE, KNOWN, replace(IN_EFFECT, unverified=True)),
        replace(IN_EFFECT, unverified=True),
    ),
    Transition(
        "after failed tests",
        end_run(Status.AWAITING_APPROVAL, Action.CREATE, None, replace(IN_EFFECT, unverified=True)),
        replace(IN_EFFECT, unverified=True),
        "approval outstanding",
    ),
    Transition("after a deletion", apply_journal_entry(CompletedRemoval("decent_dropsy", Extent.PAIR)), None),
    Transition(
        "after a failure", end_run(Status.FAILED, Action.CREATE, None, INTENDED_CREATE), None, "create"
    ),
    Transition(
        "after a failure",
        end_run(Status.FAILED, Action.UPDATE, KNOWN, start_change(Action.UPDATE, KNOWN)),
        KNOWN,
        "update",
    ),
    Transition(
        "after a failure",
        end_run(Status.FAILED, Action.UPDATE, ON_WORD, start_change(Action.UPDATE, ON_WORD, ASSERTING)),
        ON_WORD,
        "asserted values",
    ),
    Transition(
        "after a failure",
        end_run(Status.FAILED, Action.REPLACE, KNOWN, INTENDED_REPLACE),
        replace(KNOWN, intent=make_intent(Action.REPLACE)),
        "replacement",
    ),
    Transition(
        "after a failure",
        end_run(Status.FAILED, Action.DELETE, KNOWN, start_change(Action.DELETE, KNOWN, None)),
        KNOWN,
        "deletion",
    ),
    *(
        Transition(
            "skipped, held, cancelled",
            end_run(status, Action.REPLACE, KNOWN, INTENDED_REPLACE),
            KNOWN,
            status,
        )
        for status in (Status.SKIPPED, Status.HELD, Status.CANCELLED)
    ),
    Transition("unknown end", end_run(Status.UNKNOWN, Action.CREATE, None, OPEN), OPEN, "create"),
    Transition(
        "unknown end",
        end_run(Status.UNKNOWN, Action.REPLACE, KNOWN, INTENDED_REPLACE),
        INTENDED_REPLACE,
        "replacement",
    ),
    Transition("forgotten", apply_journal_entry(None), None),
]


@pytest.mark.parametrize(
    "transition", TABLE, ids=lambda transition: f"{transition.moment}: {transition.why}".rstrip(": ")
)
def test_each_transition_leads_to_its_record(transition: Transition) -> None:
    assert transition.actual == transition.expected


def test_every_line_of_the_table_is_tested() -> None:
    lines = (record_transitions.__doc__ or "").splitlines()
    ruler = next(line for line in lines if line.strip().startswith("---"))
    start = lines.index(ruler) + 1
    rows = lines[start : lines.index("", start)]
    width = len(ruler) - len(ruler.lstrip()) + len(ruler.split()[0])
    assert {row[:width].strip() for row in rows} == {transition.moment for transition in TABLE}


@pytest.mark.parametrize(
    ("stored", "ends"),
    [
        ({FORMER: KNOWN}, {ORDERS: KNOWN}),
        ({FORMER: KNOWN, ORDERS: KNOWN}, {ORDERS: KNOWN}),
        ({FORMER: KNOWN, ORDERS: IN_EFFECT}, {ORDERS: IN_EFFECT}),
        (
            {FORMER: KNOWN, ORDERS: replace(IN_EFFECT, id="other_group")},
            {FORMER: KNOWN, ORDERS: replace(IN_EFFECT, id="other_group")},
        ),
        ({}, {}),
    ],
    ids=["moved", "moved half-way", "moved half-way, then written", "two objects", "unknown"],
)
def test_two_records_of_one_object_are_merged(
    stored: Mapping[Address, Record], ends: Mapping[Address, Record]
) -> None:
    entry = Desired(ORDERS, "orders", Span("a", 1, 1, 1, 2), {}, moved_from=FORMER)
    moved = apply_moves(stored, [entry])
    assert moved == ends
    records = dict(stored)
    entries: list[JournalEntry] = list(list_moves(stored, moved).items())
    apply_entries(entries, records, {})
    assert records == moved


def test_a_move_is_written_before_its_former_record_is_removed() -> None:
    assert list(list_moves({FORMER: KNOWN}, {ORDERS: KNOWN})) == [ORDERS, FORMER]


@pytest.mark.parametrize(
    "record",
    [
        None,
        replace(IN_EFFECT, id="other_group"),
        replace(IN_EFFECT, applied={HOST: "new"}),
        replace(IN_EFFECT, fingerprints={}),
        replace(IN_EFFECT, protected=False),
        replace(IN_EFFECT, intent=make_intent(Action.DELETE)),
    ],
    ids=["unknown", "id", "values", "fingerprints", "protection", "intent"],
)
def test_only_a_record_that_differs_is_adopted_again(record: Record | None) -> None:
    assert not is_adopted(record, "decent_dropsy", UNTESTED)
    assert is_adopted(adopt(record, "decent_dropsy", UNTESTED, THEN), "decent_dropsy", UNTESTED)


@pytest.mark.parametrize(
    ("stored", "intended", "is_hidden"),
    [
        (None, INTENDED_CREATE, False),
        (KNOWN, INTENDED_CREATE, False),
        (replace(OPEN, intent=CREATE), INTENDED_CREATE, False),
        (OPEN, INTENDED_CREATE, True),
        (replace(KNOWN, intent=OPEN_REPLACE), INTENDED_CREATE, True),
        (OPEN, start_change(Action.UPDATE, OPEN), False),
        (replace(KNOWN, intent=OPEN_REPLACE), start_change(Action.REPLACE, KNOWN), False),
    ],
    ids=[
        "unknown",
        "no request",
        "request not sent",
        "open create",
        "open replacement, object deleted",
        "open create, object found",
        "open replacement, object found",
    ],
)
def test_an_open_request_stays_recorded_until_the_next_create_is_sent(
    stored: Record | None, intended: Record, is_hidden: bool
) -> None:
    assert hides_open_request(stored, intended) is is_hidden


def test_a_record_without_an_intent_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="without an intent"):
        mark_intent_sent(KNOWN, SENT)


@pytest.mark.parametrize(
    ("record", "intents"),
    [
        (None, ()),
        (KNOWN, ()),
        (Record(intent=CREATE), ()),
        (OPEN, (OPEN_CREATE,)),
        (replace(KNOWN, earlier=(OPEN_CREATE,)), (OPEN_CREATE,)),
        (Record(intent=replace(OPEN_CREATE, namesakes=("b",)), earlier=(OPEN_CREATE,)), (OPEN_CREATE,)),
        (Record(intent=OTHER_NAME, earlier=(OPEN_CREATE,)), (OPEN_CREATE, OTHER_NAME)),
    ],
    ids=["unknown", "no intent", "not sent", "open", "earlier", "same name twice", "two names"],
)
def test_of_each_name_the_first_unanswered_intent_stays(
    record: Record | None, intents: tuple[Intent, ...]
) -> None:
    assert list_unanswered_intents(record) == intents


NO_VALUES = replace(KNOWN, applied={})


@pytest.mark.parametrize(
    ("record", "sent", "fingerprints"),
    [
        (None, {}, {PASSWORD: NO_FINGERPRINT}),
        (None, {PASSWORD: "k:password"}, {PASSWORD: "k:password"}),
        (KNOWN, {}, {PASSWORD: "k:old-password"}),
        (KNOWN, {PASSWORD: "k:password"}, {PASSWORD: "k:password"}),
        (replace(KNOWN, fingerprints={}), {}, {}),
        (replace(NO_VALUES, fingerprints={}), {}, {PASSWORD: NO_FINGERPRINT}),
        (NO_VALUES, {}, {PASSWORD: "k:old-password"}),
        (replace(NO_VALUES, fingerprints={}, intent=CREATE), {}, {}),
        (
            replace(NO_VALUES, fingerprints={}, intent=make_intent(Action.UPDATE)),
            {},
            {PASSWORD: NO_FINGERPRINT},
        ),
    ],
    ids=[
        "adopted",
        "created",
        "kept",
        "rotated",
        "newly declared",
        "adopted without values",
        "stored without values",
        "create without an answer",
        "update without an answer",
    ],
)
def test_declared_secrets_get_their_fingerprints(
    record: Record | None, sent: Mapping[FieldPath, str], fingerprints: Mapping[FieldPath, str]
) -> None:
    secrets: Collection[FieldPath] = [PASSWORD]
    assert update_secret_fingerprints(record, secrets, [PASSWORD], sent) == fingerprints


@pytest.mark.parametrize(
    ("stored", "fresh", "is_in_effect", "fingerprint"),
    [
        ("k:stored", "k:fresh", True, "k:fresh"),
        ("k:stored", None, True, HIDDEN_LITERAL),
        ("k:stored", "k:fresh", False, "k:stored"),
        ("k:stored", None, False, "k:stored"),
        (NO_FINGERPRINT, "k:fresh", False, HIDDEN_LITERAL),
        (HIDDEN_LITERAL, "k:fresh", False, HIDDEN_LITERAL),
        (None, "k:fresh", False, HIDDEN_LITERAL),
    ],
)
def test_the_fingerprint_of_a_hidden_literal_is_stored_only_if_in_effect(
    stored: str | None, fresh: str | None, is_in_effect: bool, fingerprint: str
) -> None:
    assert update_literal_fingerprint(stored, fresh, is_in_effect=is_in_effect) == fingerprint


@pytest.mark.parametrize(
    ("was_protected", "is_declared", "sends_values", "is_protected"),
    [
        (None, True, True, True),
        (None, False, True, False),
        (False, False, True, False),
        (True, False, True, True),
        (True, False, False, False),
        (True, True, False, True),
    ],
)
def test_protection_ends_only_with_a_change_that_does_nothing_else(
    was_protected: bool | None, is_declared: bool, sends_values: bool, is_protected: bool
) -> None:
    record = None if was_protected is None else replace(KNOWN, protected=was_protected)
    assert keeps_protection(record, is_declared=is_declared, sends_values=sends_values) is is_protected
