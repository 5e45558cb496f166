"""A change knows the whole object, for those who judge it: what stays, and what was there. It decides nothing by it."""

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


def stepped(
    desired: Desired = ORDERS, there: dict[FieldPath, Any] | None = THERE, record: Record | None = None
) -> PlannedOperation:
    planner = Planner(lambda reference, form: Secret("hidden"), Fingerprinter(b"k" * 32))
    observed = None if there is None else Observed(DESTINATION, "old_mole", "old_mole", there, "connected")
    step = planner.plan_resource(desired, observed, record)
    assert planner.diagnostics == []
    return step


def known(values: tuple[FieldValue, ...]) -> dict[FieldPath, Any]:
    """Values by path; of what is not shown the way in which it is not, and the reference."""
    assert len({each.path for each in values}) == len(values)
    return {
        each.path: each.value if each.shown is Visibility.CLEAR else (each.shown, each.value)
        for each in values
    }


SECRET, HIDDEN = (Visibility.SECRET, "vault:a#b"), (Visibility.HIDDEN, "not in the catalogue")


def test_what_stays_is_told_in_normal_form_with_how_it_is_tested() -> None:
    change = stepped().change
    assert change.action is Action.ADOPT
    assert known(change.other_values) == {
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


def test_what_changes_is_told_as_a_change_only() -> None:
    change = stepped(there={**THERE, ROLE: "OTHER", ("region",): "elsewhere"}).change
    assert {field.path for field in change.fields} == {ROLE, ("region",)}
    assert {ROLE, ("region",)}.isdisjoint(known(change.other_values))
    assert known(change.other_values)[KEY] == SECRET


def test_a_creation_tells_all_of_it_as_changes_but_how_it_is_tested() -> None:
    change = stepped(there=None).change
    assert known(change.other_values) == TESTS
    assert change.applied == ()


def test_a_replacement_tells_what_is_made_again() -> None:
    change = stepped(replace(ORDERS, allow_replace=True), {**THERE, ("service",): "redshift"}).change
    assert change.action is Action.REPLACE
    assert [field.path for field in change.fields if field.forces_replace] == [("service",)]
    assert known(change.other_values)[("config", "host")] == "acme"


def test_what_matters_for_a_creation_only_is_not_said_to_be_in_effect() -> None:
    ignoring = replace(ORDERS, ignore_changes=frozenset({ROLE, KEY}))
    assert {ROLE, KEY}.isdisjoint(known(stepped(ignoring).change.other_values))
    changed = replace(ignoring, allow_replace=True)
    again = stepped(changed, {**THERE, ("service",): "redshift"}).change
    assert known(again.other_values)[ROLE] == "LOADER"


def test_a_group_has_no_tests() -> None:
    group = Desired(Address(GROUP, "orders"), "Orders", AT, {("name",): "Orders"})
    planner = Planner(lambda reference, form: None, None)
    change = planner.plan_resource(group, Observed(GROUP, "x", "Orders", {("name",): "Orders"}), None).change
    assert known(change.other_values) == {("name",): "Orders"}


def test_of_what_is_gone_it_is_told_what_was_applied() -> None:
    change = stepped(there=None, record=Record(id="old_mole", applied=APPLIED)).change
    assert change.is_missing
    assert known(change.applied) == {("id",): "old_mole", **APPLIED, NEW: HIDDEN}


def test_of_a_conflict_it_is_told_what_was_applied_and_of_nothing_else() -> None:
    record = Record(id="old_mole", applied={**APPLIED, ROLE: "FIRST"})
    both = stepped(there={**THERE, ROLE: "THEIRS", ("region",): "moved"}, record=record).change
    assert known(both.applied) == {ROLE: "FIRST"}
    drifted = stepped(there={**THERE, ROLE: "THEIRS"}, record=Record(id="old_mole", applied=APPLIED)).change
    assert drifted.applied == ()


def removed(extent: Extent, record: Record | None) -> list[Change]:
    records = {} if record is None else {Address(DESTINATION, "orders"): record}
    identity = RemovalIdentity({"old_mole": "Orders"}, records)
    placed = {"old_mole": ("snowflake", "")}
    planner = DeletionPlanner(identity, placed, (), lambda id: [], lambda *_: None, lambda *_: True)
    entry = RemovalEntry("orders", "old_mole", extent, False, AT, AT, AT, "Orders")
    return [each.change for each in planner.plan_deletions((entry,)).deletions]


def test_of_what_is_removed_nothing_is_shown_that_the_catalogue_does_not_know() -> None:
    """No spec says any more what was passed on unchecked."""
    [deleted, _] = removed(Extent.PAIR, Record(id="old_mole", applied={**APPLIED, KEY: "esm-name"}))
    assert known(deleted.applied) == {
        ("id",): "old_mole",
        **APPLIED,
        KEY: (Visibility.SECRET, None),
        NEW: HIDDEN,
    }
    [forgotten] = removed(Extent.MANAGEMENT, Record(id="old_mole", applied=APPLIED))
    assert known(forgotten.applied)[("config", "host")] == "acme"


def test_of_what_no_run_has_applied_nothing_is_said() -> None:
    [deleted, _] = removed(Extent.PAIR, None)
    assert deleted.applied == ()


def test_nothing_of_it_is_in_the_digest() -> None:
    step = stepped(there={**THERE, ROLE: "OTHER"})

    def digest(change: Change) -> str:
        effects = build_effects((change,), {change.address: replace(step, change=change)}, {})
        return compute_digest("intently_yarn", effects.values())

    bare = replace(step.change, other_values=(), applied=(FieldValue(("x",), 1),))
    assert digest(bare) == digest(step.change)
    assert digest(replace(step.change, fields=())) != digest(step.change)
