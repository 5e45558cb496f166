"""Test the whole object in a change: unchanged and last applied values, for policies and reports. It has no effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.plan import Action, Change, FieldValue, Visibility
from reconciler.model.record import Record
from reconciler.model.removal import Extent
from reconciler.model.resource import Desired, Observed, SetupTests, Trust
from reconciler.model.source import Span
from reconciler.model.value import FieldPath, Reference, Secret
from reconciler.planning.deletions import DeletionPlanner
from reconciler.planning.effects import build_effects, compute_digest
from reconciler.planning.planner import PlannedOperation, Planner
from reconciler.planning.removal_identity import RemovalIdentity
from reconciler.secrets.fingerprint import Fingerprinter
from reconciler.spec.removal import RemovalEntry

KEY, NEW, ROLE = ("config", "private_key"), ("config", "new_at_fivetran"), ("config", "role")
AT = Span("a.yaml", 4, 5, 4, 9)
ORDERS = Desired(
    Address(DESTINATION, "orders"),
    "orders",
    AT,
    {
        ("service",): "snowflake",
        ("region",): "AWS_US_EAST_1",
        ("time_zone_offset",): -5,
        ("config", "host"): "acme",
        ("config", "user"): "FIVETRAN",
        ("config", "database"): "ORDERS",
        ROLE: "LOADER",
        KEY: Reference("vault", "a", "b"),
        NEW: "unseen",
    },
    trust=Trust(certificates=True),
    setup_tests=SetupTests(run=False),
    unchecked=frozenset({NEW}),
    depends_on=(Address(GROUP, "orders"),),
)
THERE: dict[FieldPath, Any] = {
    ("service",): "snowflake",
    ("region",): "AWS_US_EAST_1",
    ("time_zone_offset",): "-5",
    ("config", "host"): "acme",
    ("config", "user"): "FIVETRAN",
    ("config", "database"): "ORDERS",
    ROLE: "LOADER",
    KEY: "******",
    NEW: "unseen",
}
APPLIED = {path: value for path, value in THERE.items() if path != KEY}
TESTS = {
    ("run_setup_tests",): False,
    ("trust_certificates",): True,
    ("trust_fingerprints",): False,
}


def plan_destination(
    desired: Desired = ORDERS, there: dict[FieldPath, Any] | None = THERE, record: Record | None = None
) -> PlannedOperation:
    planner = Planner(lambda reference, form: Secret("hidden"), Fingerprinter(b"k" * 32))
    observed = None if there is None else Observed(DESTINATION, "old_mole", "old_mole", there, "connected")
    step = planner.plan_resource(desired, observed, record)
    assert planner.diagnostics == []
    return step


def show_values(values: tuple[FieldValue, ...]) -> dict[FieldPath, Any]:
    """Map paths to values; a hidden value becomes its visibility and its reference."""
    assert len({each.path for each in values}) == len(values)
    return {
        each.path: each.value if each.shown is Visibility.CLEAR else (each.shown, each.value)
        for each in values
    }


SECRET, HIDDEN = (Visibility.SECRET, "vault:a#b"), (Visibility.HIDDEN, "not in the catalogue")


def test_unchanged_values_are_in_normal_form_with_the_test_settings() -> None:
    change = plan_destination().change
    assert change.action is Action.ADOPT
    assert show_values(change.other_values) == {
        ("service",): "snowflake",
        ("region",): "AWS_US_EAST_1",
        ("time_zone_offset",): "-5",
        ("config", "host"): "acme",
        ("config", "user"): "FIVETRAN",
        ("config", "database"): "ORDERS",
        ROLE: "LOADER",
        KEY: SECRET,
        NEW: HIDDEN,
        **TESTS,
    }
    assert change.applied == ()


def test_a_changed_field_is_no_unchanged_value() -> None:
    change = plan_destination(there={**THERE, ROLE: "OTHER", ("region",): "elsewhere"}).change
    assert {field.path for field in change.fields} == {ROLE, ("region",)}
    assert {ROLE, ("region",)}.isdisjoint(show_values(change.other_values))
    assert show_values(change.other_values)[KEY] == SECRET


def test_a_create_lists_only_test_settings_as_unchanged() -> None:
    change = plan_destination(there=None).change
    assert show_values(change.other_values) == TESTS
    assert change.applied == ()


def test_a_replacement_lists_unchanged_values() -> None:
    change = plan_destination(replace(ORDERS, allow_replace=True), {**THERE, ("service",): "redshift"}).change
    assert change.action is Action.REPLACE
    assert [field.path for field in change.fields if field.forces_replace] == [("service",)]
    assert show_values(change.other_values)[("config", "host")] == "acme"


def test_an_ignored_field_is_an_unchanged_value_only_in_a_replacement() -> None:
    ignoring = replace(ORDERS, ignore_changes=frozenset({ROLE, KEY}))
    assert {ROLE, KEY}.isdisjoint(show_values(plan_destination(ignoring).change.other_values))
    changed = replace(ignoring, allow_replace=True)
    again = plan_destination(changed, {**THERE, ("service",): "redshift"}).change
    assert show_values(again.other_values)[ROLE] == "LOADER"


def test_a_group_has_no_test_settings() -> None:
    group = Desired(Address(GROUP, "orders"), "Orders", AT, {("name",): "Orders"})
    planner = Planner(lambda reference, form: None, None)
    change = planner.plan_resource(group, Observed(GROUP, "x", "Orders", {("name",): "Orders"}), None).change
    assert show_values(change.other_values) == {("name",): "Orders"}


def test_a_missing_object_has_its_last_applied_values() -> None:
    change = plan_destination(there=None, record=Record(id="old_mole", applied=APPLIED)).change
    assert change.is_missing
    assert show_values(change.applied) == {("id",): "old_mole", **APPLIED, NEW: HIDDEN}


def test_last_applied_values_are_given_only_for_conflicts() -> None:
    record = Record(id="old_mole", applied={**APPLIED, ROLE: "FIRST"})
    both = plan_destination(there={**THERE, ROLE: "THEIRS", ("region",): "moved"}, record=record).change
    assert show_values(both.applied) == {ROLE: "FIRST"}
    drifted = plan_destination(
        there={**THERE, ROLE: "THEIRS"}, record=Record(id="old_mole", applied=APPLIED)
    ).change
    assert drifted.applied == ()


def plan_removal(extent: Extent, record: Record | None) -> list[Change]:
    records = {} if record is None else {Address(DESTINATION, "orders"): record}
    identity = RemovalIdentity({"old_mole": "Orders"}, records)
    placed = {"old_mole": ("snowflake", "")}
    planner = DeletionPlanner(identity, placed, (), lambda id: [], lambda *_: None, lambda *_: True)
    entry = RemovalEntry("orders", "old_mole", extent, False, AT, AT, AT, "Orders")
    return [each.change for each in planner.plan_deletions((entry,)).deletions]


def test_unknown_fields_of_a_removed_object_are_hidden() -> None:
    """No spec marks the field as unchecked any more."""
    [deleted, _] = plan_removal(Extent.PAIR, Record(id="old_mole", applied={**APPLIED, KEY: "esm-name"}))
    assert show_values(deleted.applied) == {
        ("id",): "old_mole",
        **APPLIED,
        KEY: (Visibility.SECRET, None),
        NEW: HIDDEN,
    }
    [forgotten] = plan_removal(Extent.MANAGEMENT, Record(id="old_mole", applied=APPLIED))
    assert show_values(forgotten.applied)[("config", "host")] == "acme"


def test_a_removed_object_without_a_record_has_no_applied_values() -> None:
    [deleted, _] = plan_removal(Extent.PAIR, None)
    assert deleted.applied == ()


def test_unchanged_and_applied_values_do_not_change_the_digest() -> None:
    step = plan_destination(there={**THERE, ROLE: "OTHER"})

    def digest(change: Change) -> str:
        effects = build_effects((change,), {change.address: replace(step, change=change)}, {})
        return compute_digest("intently_yarn", effects.values())

    bare = replace(step.change, other_values=(), applied=(FieldValue(("x",), 1),))
    assert digest(bare) == digest(step.change)
    assert digest(replace(step.change, fields=())) != digest(step.change)
