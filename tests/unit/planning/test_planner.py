"""Test the planned change of a resource: the action, its reasons, the sent fields and the result for each secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.plan import Action, Reason, SecretComparison
from reconciler.model.record import HIDDEN_LITERAL, NO_FINGERPRINT, Intent, Record
from reconciler.model.resource import Desired, Observed, OnFailure, SetupTests
from reconciler.model.risk import Risk
from reconciler.model.source import Span
from reconciler.model.value import FieldPath, Reference, Secret, Structure
from reconciler.planning.planner import PlannedOperation, Planner
from reconciler.secrets.base import SecretUnavailable, ValueShape
from reconciler.secrets.fingerprint import Fingerprinter

AT = Span("specs/main.yaml", 4, 5, 4, 9)
ADDRESS = Address(DESTINATION, "orders")
ID = "good_id"
SERVICE, ZONE, REGION = ("service",), ("time_zone_offset",), ("region",)
AUTH, PASSWORD, DATABASE = ("config", "auth"), ("config", "password"), ("config", "database")
MINE, OTHER = Fingerprinter(b"k" * 32), Fingerprinter(b"other key".ljust(32))

DECLARED: dict[FieldPath, Any] = {
    SERVICE: "snowflake",
    ZONE: "0",
    AUTH: "PASSWORD",
    DATABASE: "ORDERS",
    PASSWORD: Reference("env", "ORDERS_PASSWORD"),
}
LIVE: dict[FieldPath, Any] = {**DECLARED, PASSWORD: "******"}
APPLIED = {path: value for path, value in LIVE.items() if path != PASSWORD}
ORDERS = Desired(ADDRESS, "orders", AT, DECLARED, depends_on=(Address(GROUP, "orders"),))


def make_fingerprint(value: str, maker: Fingerprinter = MINE) -> str:
    return maker.fingerprint_field(ADDRESS, PASSWORD, Secret(value))


KNOWN = Record(id=ID, applied=APPLIED, fingerprints={PASSWORD: make_fingerprint("first")})


@dataclass
class RecordingStore:
    """Resolve secrets and record each read."""

    values: Mapping[str, str] = field(default_factory=lambda: {"ORDERS_PASSWORD": "first"})
    reads: list[str] = field(default_factory=list)

    def resolve(self, reference: Reference, shape: ValueShape) -> Secret:
        self.reads.append(reference.locator)
        if reference.locator not in self.values:
            raise SecretUnavailable(reference, "it is not set")
        return Secret(self.values[reference.locator])


def observe(fields: Mapping[FieldPath, Any], status: str = "connected") -> Observed:
    return Observed(DESTINATION, ID, ID, fields, status)


def plan(
    desired: Desired = ORDERS,
    live: Mapping[FieldPath, Any] | None = None,
    record: Record | None = KNOWN,
    *,
    secret: str = "first",
    fingerprinter: Fingerprinter | None = MINE,
) -> PlannedOperation:
    """Plan the destination; without `live` it is as declared. Nothing may be refused."""
    planner = Planner(RecordingStore({"ORDERS_PASSWORD": secret, "B": "b"}).resolve, fingerprinter)
    operation = planner.plan_resource(desired, observe(LIVE if live is None else live), record)
    assert planner.diagnostics == []
    return operation


def declare(**changes: Any) -> Desired:
    """Declare the destination with other fields of `config`; None omits a field."""
    fields = DECLARED | {("config", name): value for name, value in changes.items()}
    return replace(ORDERS, fields={path: value for path, value in fields.items() if value is not None})


UNVERIFIED = replace(KNOWN, unverified=True)
WARNING = replace(ORDERS, setup_tests=SetupTests(on_failure=OnFailure.WARN))
UNTESTED = replace(ORDERS, setup_tests=SetupTests(run=False))
INTERRUPTED = replace(KNOWN, intent=Intent(Action.UPDATE, "orders"))


@pytest.mark.parametrize(
    ("desired", "live", "record", "action", "reasons"),
    [
        pytest.param(ORDERS, LIVE, KNOWN, Action.NO_OP, (), id="as declared"),
        pytest.param(ORDERS, LIVE, None, Action.ADOPT, (Reason.NOT_REMEMBERED,), id="created by hand"),
        pytest.param(
            ORDERS,
            LIVE,
            Record(intent=Intent(Action.CREATE, "orders"), fingerprints=KNOWN.fingerprints),
            Action.ADOPT,
            (Reason.INTERRUPTED,),
            id="a lost response",
        ),
        pytest.param(
            declare(database="SALES"), LIVE, KNOWN, Action.UPDATE, (Reason.FIELDS_DIFFER,), id="edited"
        ),
        pytest.param(
            ORDERS, {**LIVE, ZONE: "+2"}, KNOWN, Action.UPDATE, (Reason.FIELDS_DIFFER,), id="drifted"
        ),
        pytest.param(
            ORDERS,
            {**LIVE, ZONE: "+2"},
            None,
            Action.UPDATE,
            (Reason.FIELDS_DIFFER, Reason.NOT_REMEMBERED),
            id="created by hand with other values",
        ),
        pytest.param(
            ORDERS, LIVE, UNVERIFIED, Action.VERIFY, (Reason.TESTS_OUTSTANDING,), id="tests have not passed"
        ),
        pytest.param(WARNING, LIVE, UNVERIFIED, Action.NO_OP, (), id="tests may fail"),
        pytest.param(UNTESTED, LIVE, UNVERIFIED, Action.NO_OP, (), id="tests do not run"),
        pytest.param(
            ORDERS, LIVE, INTERRUPTED, Action.NO_OP, (Reason.INTERRUPTED,), id="interrupted after its effect"
        ),
        pytest.param(
            replace(declare(database="SALES"), ignore_changes=frozenset({DATABASE})),
            LIVE,
            KNOWN,
            Action.NO_OP,
            (),
            id="an ignored field",
        ),
    ],
)
def test_an_existing_destination_gets_the_least_action(
    desired: Desired,
    live: dict[FieldPath, Any],
    record: Record,
    *,
    action: Action,
    reasons: tuple[Reason, ...],
) -> None:
    change = plan(desired, live, record).change
    assert (change.action, change.reasons, change.id) == (action, reasons, ID)


@pytest.mark.parametrize(
    ("record", "reason"),
    [(None, Reason.NEW), (Record(), Reason.NEW), (KNOWN, Reason.MISSING_REMOTELY)],
    ids=["unknown", "an intent only", "gone"],
)
def test_a_destination_that_does_not_exist_is_created_with_all_its_fields(
    record: Record | None, reason: Reason
) -> None:
    planner = Planner(RecordingStore().resolve, MINE)
    operation = planner.plan_resource(ORDERS, None, record)
    change = operation.change
    assert (change.action, change.reasons, change.id) == (Action.CREATE, (reason,), None)
    assert set(operation.values) == set(DECLARED)
    assert operation.values[PASSWORD].reveal() == "first"
    assert change.secrets == SecretComparison()


def test_an_ignored_field_is_sent_with_a_creation() -> None:
    ignoring = replace(ORDERS, ignore_changes=frozenset({DATABASE, PASSWORD}))
    operation = Planner(RecordingStore().resolve, MINE).plan_resource(ignoring, None, None)
    assert {DATABASE, PASSWORD} <= set(operation.values)


CHANGED, UNCHANGED, UNCOMPARABLE = (
    SecretComparison(**{answer: (PASSWORD,)}) for answer in ("changed", "unchanged", "uncomparable")
)
NOTHING = frozenset[FieldPath]()


@pytest.mark.parametrize(
    ("desired", "record", "options", "sent", "answer"),
    [
        pytest.param(ORDERS, KNOWN, {}, NOTHING, UNCHANGED, id="unchanged"),
        pytest.param(ORDERS, KNOWN, {"secret": "second"}, {PASSWORD}, CHANGED, id="rotated"),
        pytest.param(ORDERS, None, {}, NOTHING, UNCOMPARABLE, id="present at adoption"),
        pytest.param(
            ORDERS,
            replace(KNOWN, fingerprints={PASSWORD: NO_FINGERPRINT}),
            {"secret": "second"},
            NOTHING,
            UNCOMPARABLE,
            id="adopted before",
        ),
        pytest.param(
            ORDERS,
            KNOWN,
            {"secret": "second", "fingerprinter": None},
            NOTHING,
            UNCOMPARABLE,
            id="without a key",
        ),
        pytest.param(
            ORDERS,
            KNOWN,
            {"secret": "second", "fingerprinter": OTHER},
            NOTHING,
            UNCOMPARABLE,
            id="another key",
        ),
        pytest.param(
            replace(ORDERS, ignore_changes=frozenset({PASSWORD})),
            KNOWN,
            {"secret": "second"},
            NOTHING,
            SecretComparison(),
            id="ignored",
        ),
        pytest.param(
            ORDERS,
            replace(KNOWN, fingerprints={}),
            {},
            {PASSWORD},
            CHANGED,
            id="declared since the last apply",
        ),
        pytest.param(
            ORDERS,
            replace(KNOWN, fingerprints={PASSWORD: HIDDEN_LITERAL}),
            {},
            {PASSWORD},
            CHANGED,
            id="replaces a literal",
        ),
        pytest.param(
            declare(database="SALES"),
            KNOWN,
            {},
            {DATABASE},
            UNCHANGED,
            id="a field that no secret depends on",
        ),
    ],
)
def test_a_secret_is_sent_if_it_changed_or_was_never_sent(
    desired: Desired,
    record: Record | None,
    options: dict[str, Any],
    *,
    sent: set[FieldPath],
    answer: SecretComparison,
) -> None:
    operation = plan(desired, record=record, **options)
    assert set(operation.values) == sent
    assert operation.change.action is (
        Action.UPDATE if sent else Action.NO_OP if record is not None else Action.ADOPT
    )
    assert operation.change.secrets == answer


def test_a_secret_is_sent_with_the_field_that_it_depends_on() -> None:
    """A change of `auth` without the password would lock Fivetran out."""
    operation = plan(live={**LIVE, AUTH: "KEY_PAIR"})
    assert set(operation.values) == {AUTH, PASSWORD}


def test_a_secret_is_sent_again_if_the_user_asks_for_it() -> None:
    planner = Planner(RecordingStore().resolve, MINE, resend={(ADDRESS, PASSWORD)})
    operation = planner.plan_resource(ORDERS, observe(LIVE), KNOWN)
    assert set(operation.values) == {PASSWORD}
    assert operation.change.secrets == UNCHANGED


@pytest.mark.parametrize(
    ("record", "compares", "reads"),
    [
        pytest.param(KNOWN, True, ["ORDERS_PASSWORD"], id="compared"),
        pytest.param(KNOWN, False, [], id="with --secrets skip"),
        pytest.param(None, True, [], id="of an adopted destination"),
    ],
)
def test_a_secret_is_read_only_if_it_is_compared_or_sent(
    record: Record | None, compares: bool, reads: list[str]
) -> None:
    store = RecordingStore()
    Planner(store.resolve, MINE, compares).plan_resource(ORDERS, observe(LIVE), record)
    assert store.reads == reads


VISIBLE = replace(ORDERS, fields={**DECLARED, DATABASE: Reference("env", "B", confidential=False)})


@pytest.mark.parametrize(
    ("desired", "live", "record", "options", "reads"),
    [
        pytest.param(VISIBLE, None, None, {}, {"ORDERS_PASSWORD", "B"}, id="of a creation"),
        pytest.param(VISIBLE, LIVE, None, {}, {"B"}, id="of an adoption"),
        pytest.param(VISIBLE, LIVE, KNOWN, {}, {"ORDERS_PASSWORD", "B"}, id="compared"),
        pytest.param(VISIBLE, LIVE, KNOWN, {"compares_secrets": False}, {"B"}, id="with --secrets skip"),
        pytest.param(VISIBLE, LIVE, KNOWN, {"fingerprinter": None}, {"B"}, id="without a key"),
        pytest.param(
            replace(VISIBLE, ignore_changes=frozenset({PASSWORD})), LIVE, KNOWN, {}, {"B"}, id="ignored"
        ),
        pytest.param(
            ORDERS,
            LIVE,
            replace(KNOWN, fingerprints={PASSWORD: HIDDEN_LITERAL}),
            {},
            {"ORDERS_PASSWORD"},
            id="in place of a literal",
        ),
        pytest.param(
            ORDERS, LIVE, None, {"resend": {(ADDRESS, PASSWORD)}}, {"ORDERS_PASSWORD"}, id="sent again"
        ),
    ],
)
def test_the_references_of_a_change_are_known_ahead(
    desired: Desired,
    live: Mapping[FieldPath, Any] | None,
    record: Record | None,
    options: dict[str, Any],
    reads: set[str],
) -> None:
    store = RecordingStore({"ORDERS_PASSWORD": "first", "B": "ORDERS"})
    planner = Planner(store.resolve, **{"fingerprinter": MINE, **options})
    observed = None if live is None else observe(live)
    ahead = {reference.locator for reference in planner.list_references(desired, observed, record)}
    assert store.reads == []
    planner.plan_resource(desired, observed, record)
    assert ahead == reads == set(store.reads)


def test_an_unavailable_secret_is_refused() -> None:
    planner = Planner(RecordingStore({}).resolve, MINE)
    planner.plan_resource(ORDERS, observe(LIVE), KNOWN)
    [refusal] = planner.diagnostics
    assert (refusal.code, refusal.address) == ("secret-unavailable", ADDRESS)
    assert "`config.password` needs `env:ORDERS_PASSWORD`" in refusal.message


LAKE = replace(
    ORDERS,
    fields={
        SERVICE: "managed_data_lake",
        ZONE: "0",
        ("config", "storage_provider"): "AWS",
        ("config", "bucket"): "second",
        ("config", "fivetran_role_arn"): "arn:aws:iam::123456789012:role/lake",
    },
)
LAKE_LIVE = {**LAKE.fields, ("config", "bucket"): "first"}


@pytest.mark.parametrize(
    ("desired", "live", "path"),
    [
        pytest.param(LAKE, LAKE_LIVE, ("config", "bucket"), id="an immutable field"),
        pytest.param(
            declare(host="h", user="u"), {**LIVE, SERVICE: "big_query"}, SERVICE, id="another service"
        ),
    ],
)
def test_an_immutable_change_is_refused_or_replaces_the_destination(
    desired: Desired, live: dict[FieldPath, Any], path: FieldPath
) -> None:
    planner = Planner(RecordingStore().resolve, MINE)
    planner.plan_resource(desired, observe(live), None)
    [refusal] = planner.diagnostics
    assert (refusal.code, refusal.label) == ("replace-refused", f"`{live[path]}` in Fivetran")

    planner = Planner(RecordingStore().resolve, MINE)
    operation = planner.plan_resource(replace(desired, allow_replace=True), observe(live), None)
    assert planner.diagnostics == []
    change = operation.change
    assert (change.action, change.reasons, change.risk) == (
        Action.REPLACE,
        (Reason.IMMUTABLE_FIELD,),
        Risk.REPLACES,
    )
    assert [each.path for each in change.fields if each.forces_replace] == [path]
    assert set(operation.values) == set(desired.fields), "a new destination gets all its fields"


@pytest.mark.parametrize(
    ("desired", "status", "risk"),
    [
        pytest.param(
            declare(database="SALES"), "connected", Risk.INTERRUPTS_SYNCS, id="tests of a healthy destination"
        ),
        pytest.param(declare(database="SALES"), "incomplete", Risk.IN_PLACE, id="not yet connected"),
        pytest.param(
            replace(declare(database="SALES"), setup_tests=UNTESTED.setup_tests),
            "connected",
            Risk.MAY_INTERRUPT_SYNCS,
            id="without tests",
        ),
        pytest.param(
            replace(
                declare(),
                fields={**ORDERS.fields, ("time_zone_offset",): "+3"},
                setup_tests=SetupTests(run=False),
            ),
            "connected",
            Risk.IN_PLACE,
            id="cosmetic without tests",
        ),
        pytest.param(ORDERS, "connected", Risk.IN_PLACE, id="no change"),
    ],
)
def test_the_risk_of_an_update_is_that_of_its_tests_and_fields(
    desired: Desired, status: str, risk: Risk
) -> None:
    operation = Planner(RecordingStore().resolve, MINE).plan_resource(desired, observe(LIVE, status), KNOWN)
    assert operation.change.risk is risk


def test_a_structure_with_an_unreadable_secret_resolves_to_nothing() -> None:
    readable, unreadable = Reference("env", "ORDERS_PASSWORD"), Reference("env", "MISSING")
    desired = declare(proxies=Structure([{"key": readable}, {"key": unreadable}]))
    planner = Planner(RecordingStore({"ORDERS_PASSWORD": "first"}).resolve, MINE)
    assert planner.resolve_secret(desired, ("config", "proxies"), "big_query") is None
    assert [each.code for each in planner.diagnostics] == ["secret-unavailable"]
    resolved = planner.resolve_secret(desired, PASSWORD, "big_query")
    assert resolved is not None
    assert resolved.reveal() == "first"
