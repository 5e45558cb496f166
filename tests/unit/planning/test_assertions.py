"""Test which declared values an operator asserts: only those that no fingerprint stands for and that are not sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.plan import Action, AssertedValue
from reconciler.model.record import HIDDEN_LITERAL, NO_FINGERPRINT, Intent, Record, mark_asserted
from reconciler.model.resource import Desired, Observed
from reconciler.model.source import Span
from reconciler.model.value import FieldPath, Reference, Secret, Structure
from reconciler.planning.assertions import assert_values_of, list_asserted_references, require_fingerprint_key
from reconciler.planning.planner import PlannedOperation, Planner
from reconciler.secrets.base import SecretUnavailable, ValueShape
from reconciler.secrets.fingerprint import Fingerprinter

ADDRESS = Address(DESTINATION, "orders")
MINE, OTHER = Fingerprinter(b"k" * 32), Fingerprinter(b"other key".ljust(32))
HOST, PASSWORD, EXTRA = ("config", "host"), ("config", "password"), ("config", "brand_new")
DECLARED: dict[FieldPath, Any] = {
    ("service",): "snowflake",
    ("region",): "AWS_US_EAST_1",
    ("time_zone_offset",): "0",
    HOST: "orders.example",
    ("config", "database"): "ORDERS",
    ("config", "user"): "LOADER",
    ("config", "auth"): "PASSWORD",
    PASSWORD: Reference("env", "PASSWORD"),
}
LIVE = {**DECLARED, PASSWORD: "******"}
APPLIED = {path: value for path, value in LIVE.items() if path != PASSWORD}
ORDERS = Desired(
    ADDRESS, "orders", Span("specs/main.yaml", 4, 5, 4, 9), DECLARED, depends_on=(Address(GROUP, "orders"),)
)
WITH_LITERAL = replace(ORDERS, fields={**DECLARED, EXTRA: "a-value-of-a-new-field"})
ADOPTED = Record(id="good_id", applied=APPLIED, fingerprints={PASSWORD: NO_FINGERPRINT})


def fingerprint(value: Any, maker: Fingerprinter = MINE, path: FieldPath = PASSWORD) -> str:
    return maker.fingerprint_field(ADDRESS, path, Secret(value))


ASSERTED = mark_asserted(NO_FINGERPRINT, fingerprint("live"))


@dataclass
class SecretReads:
    """Resolve secrets, and list the reads."""

    values: Mapping[str, str] = field(default_factory=lambda: {"PASSWORD": "live", "B": "b"})
    reads: list[str] = field(default_factory=list)

    def resolve(self, reference: Reference, shape: ValueShape) -> Secret:
        self.reads.append(reference.locator)
        if reference.locator not in self.values:
            raise SecretUnavailable(reference, "it is not set")
        return Secret(self.values[reference.locator])


def assert_values(
    desired: Desired = ORDERS,
    record: Record | None = ADOPTED,
    live: Mapping[FieldPath, Any] | None = LIVE,
    **options: Any,
) -> PlannedOperation:
    """Plan the destination, and assert its values. Nothing may be refused."""
    planner = Planner(SecretReads().resolve, **{"fingerprinter": MINE, **options})
    observed = Observed(DESTINATION, "good_id", "good_id", live, "connected") if live is not None else None
    operation = assert_values_of(planner.plan_resource(desired, observed, record), planner)
    assert planner.diagnostics == []
    return operation


def with_password(stored: str) -> Record:
    return replace(ADOPTED, fingerprints={PASSWORD: stored})


@pytest.mark.parametrize(
    ("record", "action"),
    [
        pytest.param(None, Action.ADOPT, id="no record"),
        pytest.param(ADOPTED, Action.NO_OP, id="an adopted object"),
        pytest.param(
            replace(ADOPTED, id=None, intent=Intent(Action.CREATE, "orders")), Action.ADOPT, id="recovered"
        ),
        pytest.param(replace(ADOPTED, unverified=True), Action.VERIFY, id="tests outstanding"),
    ],
)
def test_a_secret_without_a_fingerprint_is_asserted(record: Record | None, action: Action) -> None:
    operation = assert_values(record=record)
    assert operation.asserted == (AssertedValue(ADDRESS, PASSWORD, "env:PASSWORD"),)
    assert operation.record_update.fingerprints == {PASSWORD: ASSERTED}
    assert operation.change.action is action
    assert operation.values == {}
    assert (operation.change.uncomparable, operation.change.secrets.uncomparable) == ((), ())
    assert operation.change.secrets.unchanged == (PASSWORD,)


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        pytest.param(fingerprint("live"), fingerprint("live"), id="sent"),
        pytest.param(fingerprint("live", OTHER), fingerprint("live", OTHER), id="of another key"),
        pytest.param(ASSERTED, ASSERTED, id="asserted before"),
        pytest.param(fingerprint("old"), fingerprint("live"), id="rotated"),
        pytest.param(
            mark_asserted(NO_FINGERPRINT, fingerprint("old")), fingerprint("live"), id="asserted and rotated"
        ),
        pytest.param(HIDDEN_LITERAL, fingerprint("live"), id="a literal before"),
    ],
)
def test_a_secret_with_a_fingerprint_or_to_be_sent_is_not_asserted(stored: str, kept: str) -> None:
    operation = assert_values(record=with_password(stored))
    assert operation.asserted == ()
    assert operation.record_update.fingerprints == {PASSWORD: kept}


def test_a_secret_that_is_sent_for_another_reason_is_not_asserted() -> None:
    resent = assert_values(resend={(ADDRESS, PASSWORD)})
    follows = assert_values(live={**LIVE, ("config", "auth"): "KEY_PAIR"})
    for operation in (resent, follows):
        assert PASSWORD in operation.values
        assert operation.asserted == ()
        assert operation.record_update.fingerprints == {PASSWORD: fingerprint("live")}


def test_an_update_asserts_the_secrets_that_it_does_not_send() -> None:
    operation = assert_values(live={**LIVE, HOST: "other.example"})
    assert operation.change.action is Action.UPDATE
    assert [*operation.values] == [HOST]
    assert operation.record_update.fingerprints == {PASSWORD: ASSERTED}


@pytest.mark.parametrize(
    "desired",
    [
        pytest.param(replace(ORDERS, ignore_changes=frozenset({PASSWORD})), id="ignored"),
        pytest.param(
            replace(ORDERS, fields={**DECLARED, PASSWORD: Reference("esm", "orders/password")}),
            id="fetched by Fivetran",
        ),
    ],
)
def test_a_secret_that_is_never_compared_is_not_asserted(desired: Desired) -> None:
    assert assert_values(desired).asserted == ()


def test_a_new_object_asserts_nothing() -> None:
    operation = assert_values(record=None, live=None)
    assert operation.change.action is Action.CREATE
    assert operation.asserted == ()
    assert operation.record_update.fingerprints == {PASSWORD: fingerprint("live")}


def test_a_replacement_asserts_nothing() -> None:
    desired = replace(ORDERS, allow_replace=True)
    operation = assert_values(desired, live={**LIVE, ("service",): "redshift"})
    assert operation.change.action is Action.REPLACE
    assert operation.asserted == ()


def test_a_structure_with_secrets_is_asserted_as_a_whole() -> None:
    nested = Structure({"keys": [Reference("env", "B"), "public"]})
    desired = replace(ORDERS, fields={**DECLARED, EXTRA: nested})
    operation = assert_values(desired, record=None, live={**LIVE, EXTRA: "******"})
    assert AssertedValue(ADDRESS, EXTRA, "env:B") in operation.asserted
    expected = mark_asserted(NO_FINGERPRINT, fingerprint({"keys": ["b", "public"]}, path=EXTRA))
    assert operation.record_update.fingerprints[EXTRA] == expected


def test_a_hidden_literal_is_asserted_if_nothing_shows_its_live_value() -> None:
    shown = assert_values(WITH_LITERAL, live={**LIVE, EXTRA: "a-value-of-a-new-field"}, record=None)
    assert EXTRA not in [value.path for value in shown.asserted]
    masked = assert_values(WITH_LITERAL, live={**LIVE, EXTRA: "******"}, record=None)
    assert AssertedValue(ADDRESS, EXTRA, None) in masked.asserted
    marked = mark_asserted(HIDDEN_LITERAL, fingerprint("a-value-of-a-new-field", path=EXTRA))
    assert masked.record_update.fingerprints[EXTRA] == marked
    assert masked.change.uncomparable == ()


def test_the_mark_of_a_hidden_literal_ends_only_when_it_is_sent() -> None:
    marked = mark_asserted(HIDDEN_LITERAL, fingerprint("a-value-of-a-new-field", path=EXTRA))
    record = replace(ADOPTED, fingerprints={PASSWORD: ASSERTED, EXTRA: marked})
    live = {**LIVE, EXTRA: "******"}
    unchanged = assert_values(WITH_LITERAL, record, live)
    assert (unchanged.change.action, unchanged.record_update.fingerprints) == (
        Action.NO_OP,
        record.fingerprints,
    )
    resent = assert_values(WITH_LITERAL, record, live, resend={(ADDRESS, EXTRA)})
    assert resent.record_update.fingerprints[EXTRA] == fingerprint("a-value-of-a-new-field", path=EXTRA)
    edited = replace(WITH_LITERAL, fields={**DECLARED, EXTRA: "another-value"})
    sent = assert_values(edited, record, live)
    assert [*sent.values] == [EXTRA]
    assert sent.record_update.fingerprints[EXTRA] == fingerprint("another-value", path=EXTRA)


def test_a_secret_that_cannot_be_read_is_refused_with_its_place() -> None:
    store = SecretReads({})
    planner = Planner(store.resolve, MINE)
    observed = Observed(DESTINATION, "good_id", "good_id", LIVE, "connected")
    operation = assert_values_of(planner.plan_resource(ORDERS, observed, ADOPTED), planner)
    [refusal] = planner.diagnostics
    assert (refusal.code, refusal.address) == ("secret-unavailable", ADDRESS)
    assert "`env:PASSWORD`" in refusal.message
    assert refusal.help is not None
    assert "--exclude orders" in refusal.help
    assert operation.asserted == ()


def test_an_assertion_reads_each_secret_once_and_no_compared_secret_again() -> None:
    desired = replace(ORDERS, fields={**DECLARED, ("config", "passphrase"): Reference("env", "B")})
    record = replace(
        ADOPTED,
        fingerprints={
            PASSWORD: NO_FINGERPRINT,
            ("config", "passphrase"): fingerprint("b", path=("config", "passphrase")),
        },
    )
    store = SecretReads()
    planner = Planner(store.resolve, MINE)
    observed = Observed(DESTINATION, "good_id", "good_id", LIVE, "connected")
    compared = planner.list_references(desired, observed, record)
    ahead = [*compared, *list_asserted_references(desired, record)]
    assert_values_of(planner.plan_resource(desired, observed, record), planner)
    assert sorted(store.reads) == ["B", "PASSWORD"]
    assert sorted(reference.locator for reference in ahead) == ["B", "PASSWORD"]


def test_an_assertion_needs_a_key_of_fingerprints() -> None:
    require_fingerprint_key(MINE)
    with pytest.raises(ReconcilerError) as error:
        require_fingerprint_key(None)
    assert [diagnostic.code for diagnostic in error.value.diagnostics] == ["no-fingerprint-key"]
