"""Test the plan digest: it covers every fact that decides about an effect, and no other fact."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import (
    Action,
    Change,
    ListedDestination,
    LiveConnection,
    LiveObject,
    Plan,
    UndeclaredDestination,
    UnmanagedGroup,
)
from reconciler.model.record import Record
from reconciler.model.removal import CompletedRemoval, Extent
from reconciler.model.resource import Desired, Observed, OnFailure, SetupTests, Trust
from reconciler.model.source import Span
from reconciler.model.value import Reference, Secret
from reconciler.planning.deletions import PlannedDeletion
from reconciler.planning.effects import Effect, build_effects, compute_digest, hash_effect
from reconciler.planning.planner import PlannedOperation, Planner
from reconciler.secrets.fingerprint import Fingerprinter

GROUP_OF_ORDERS = Desired(
    Address(GROUP, "orders"), "orders", Span("a.yaml", 3, 3, 3, 9), {("name",): "orders"}
)
ORDERS = Desired(
    Address(DESTINATION, "orders"),
    "orders",
    Span("a.yaml", 4, 5, 4, 9),
    {
        ("service",): "big_query",
        ("region",): "GCP_US_EAST4",
        ("time_zone_offset",): "0",
        ("config", "project_id"): "acme",
        ("config", "secret_key"): Reference("env", "ORDERS_KEY"),
        ("config", "brand_new"): 1,
    },
    depends_on=(Address(GROUP, "orders"),),
    unchecked=frozenset({("config", "brand_new")}),
)
GROUP_OF_SALES = replace(
    GROUP_OF_ORDERS, address=Address(GROUP, "sales"), name="sales", fields={("name",): "sales"}
)
SALES = replace(
    ORDERS, address=Address(DESTINATION, "sales"), name="sales", depends_on=(Address(GROUP, "sales"),)
)
THERE = {
    ("service",): "big_query",
    ("region",): "GCP_US_EAST4",
    ("time_zone_offset",): "-5",
    ("config", "project_id"): "theirs",
    ("config", "secret_key"): "******",
    ("config", "brand_new"): 1,
}
LIVE = LiveObject("Old", service="big_query", connections=(LiveConnection("own_log", "fivetran_log", True),))
GOING = PlannedDeletion(
    Change(
        Address(DESTINATION, "old"), Action.DELETE, id="old_mole", span=Span("r.yaml", 9, 1, 9, 2), live=LIVE
    ),
    CompletedRemoval("old_mole", Extent.PAIR),
)


@dataclass
class PlanInputs:
    """Hold the inputs of a plan: `orders` is new, `sales` exists and differs, `old` is deleted."""

    desired: dict[str, Desired] = field(
        default_factory=lambda: {
            str(each.address): each for each in (GROUP_OF_ORDERS, ORDERS, GROUP_OF_SALES, SALES)
        }
    )
    sales: Mapping[tuple[str, ...], Any] = field(default_factory=lambda: dict(THERE))
    secret: str = "first"
    removal: PlannedDeletion = GOING
    live: dict[str, str] = field(default_factory=lambda: {"sold_out": "sales", "old_mole": "old"})
    scope: tuple[str, ...] = ()
    shuffled: random.Random | None = None
    altered: Callable[[Plan], Plan] = lambda plan: plan

    def order(self, values: Any) -> Any:
        values = list(values)
        if self.shuffled is not None:
            self.shuffled.shuffle(values)
        return values

    def steps(self) -> dict[Address, PlannedOperation]:
        fingerprinter = Fingerprinter(b"k" * 32)
        planner = Planner(lambda reference, form: Secret(self.secret), fingerprinter)
        sent = fingerprinter.fingerprint("destination.sales:config.secret_key", Secret("long ago"))
        observed = {
            "group.sales": Observed(GROUP, "sold_out", "sales", {("name",): "sales"}),
            "destination.sales": Observed(DESTINATION, "sold_out", "sales", self.sales, "connected"),
        }
        record = Record(id="sold_out", fingerprints={("config", "secret_key"): sent})
        steps = {}
        for name in self.order(self.desired):
            desired = self.desired[name]
            desired = replace(desired, fields=dict(self.order(desired.fields.items())))
            there = observed.get(name)
            step = planner.plan_resource(desired, there, record if there else None)
            steps[desired.address] = step
        assert planner.diagnostics == []
        return steps

    def effects(self) -> dict[Address, Effect]:
        return self.plan_effects()[1]

    def digest(self) -> str:
        plan, effects = self.plan_effects()
        return compute_digest(plan.account_id, self.order(effects.values()), self.order(self.scope))

    def plan_effects(self) -> tuple[Plan, dict[Address, Effect]]:
        steps = self.steps()
        changes = tuple(self.order([*(step.change for step in steps.values()), self.removal.change]))
        plan = Plan("intently_yarn", "Acme", changes)
        live = {id: Observed(GROUP, id, name, {}) for id, name in self.order(self.live.items())}
        altered = self.altered(plan)
        return altered, build_effects(altered.changes, steps, live)


def test_a_digest_is_a_sha256() -> None:
    assert len(PlanInputs().digest()) == 64
    assert set(PlanInputs().digest()) <= set("0123456789abcdef")


@given(st.randoms(use_true_random=False))
def test_the_digest_ignores_the_order_of_files_keys_and_responses(shuffled: random.Random) -> None:
    scope = ("orders", "sales", "old")
    assert PlanInputs(shuffled=shuffled, scope=scope).digest() == PlanInputs(scope=scope).digest()


@given(st.integers(1, 999), st.integers(1, 99), st.text("abc/.", min_size=1))
def test_the_digest_ignores_positions_of_lines(line: int, column: int, path: str) -> None:
    inputs = PlanInputs()
    moved = Span(path, line, column, line, column + 1)
    inputs.desired = {
        name: replace(desired, span=moved, spans=dict.fromkeys(desired.fields, moved))
        for name, desired in inputs.desired.items()
    }
    inputs.removal = replace(GOING, change=replace(GOING.change, span=moved))
    assert inputs.digest() == PlanInputs().digest()


@given(st.text(min_size=1))
def test_two_secrets_behind_one_reference_give_one_digest(secret: str) -> None:
    assert PlanInputs(secret=secret).digest() == PlanInputs().digest()


FACTS_WITHOUT_EFFECT: dict[str, Callable[[Plan], Plan]] = {
    "time": lambda plan: replace(plan, seconds=9.9),
    "requests": lambda plan: replace(plan, requests=77),
    "files": lambda plan: replace(plan, files=77),
    "name of the account": lambda plan: replace(plan, account_name="Other"),
    "unmanaged": lambda plan: replace(plan, unmanaged=(UnmanagedGroup("x", "y"),)),
    "undeclared": lambda plan: replace(
        plan, undeclared=(UndeclaredDestination(Address(DESTINATION, "x"), "x", ListedDestination("lake")),)
    ),
    "status": lambda plan: replace(
        plan,
        changes=tuple(
            replace(change, facts=replace(change.facts, setup_status="broken")) for change in plan.changes
        ),
    ),
    "warnings": lambda plan: replace(
        plan, warnings=(Diagnostic("unknown-field", "x", severity=Severity.WARNING),)
    ),
    "blockers": lambda plan: replace(plan, blockers=(Diagnostic("protected", "x"),)),
    "unchanged": lambda plan: replace(
        plan, changes=(*plan.changes, Change(Address(GROUP, "same"), Action.NO_OP, id="same_old"))
    ),
    "adopted": lambda plan: replace(
        plan, changes=(*plan.changes, Change(Address(GROUP, "same"), Action.ADOPT, id="same_old"))
    ),
}


@pytest.mark.parametrize("fact", FACTS_WITHOUT_EFFECT)
def test_the_digest_ignores_facts_without_effect(fact: str) -> None:
    assert PlanInputs(altered=FACTS_WITHOUT_EFFECT[fact]).digest() == PlanInputs().digest()


def with_orders(**changes: Any) -> Callable[[PlanInputs], None]:
    def alter(inputs: PlanInputs) -> None:
        inputs.desired["destination.orders"] = replace(ORDERS, **changes)

    return alter


def with_sales(**changes: Any) -> Callable[[PlanInputs], None]:
    def alter(inputs: PlanInputs) -> None:
        inputs.desired["destination.sales"] = replace(SALES, **changes)

    return alter


def with_inputs(**changes: Any) -> Callable[[PlanInputs], None]:
    def alter(inputs: PlanInputs) -> None:
        for name, value in changes.items():
            setattr(inputs, name, value)

    return alter


def with_live(**changes: Any) -> Callable[[PlanInputs], None]:
    change = replace(GOING.change, live=replace(LIVE, **changes))
    return with_inputs(removal=replace(GOING, change=change))


EFFECTS: dict[str, Callable[[PlanInputs], None]] = {
    "account": with_inputs(altered=lambda plan: replace(plan, account_id="other")),
    "scope": with_inputs(scope=("orders",)),
    "value of a new field": with_orders(fields={**ORDERS.fields, ("region",): "AWS_US_EAST_1"}),
    "one field more": with_sales(fields={**SALES.fields, ("config", "data_set_location"): "EU"}),
    "value of a changed field": with_sales(fields={**SALES.fields, ("config", "project_id"): "ours"}),
    "value before": with_inputs(sales={**THERE, ("config", "project_id"): "of another user"}),
    "a drifted field": with_inputs(sales={**THERE, ("region",): "AWS_US_EAST_1"}),
    "reference of a secret": with_orders(
        fields={**ORDERS.fields, ("config", "secret_key"): Reference("env", "B")}
    ),
    "reference of a rotated secret": with_sales(
        fields={**SALES.fields, ("config", "secret_key"): Reference("env", "B")}
    ),
    "a secret made visible": with_orders(
        fields={
            **ORDERS.fields,
            ("config", "secret_key"): Reference("env", "ORDERS_KEY", confidential=False),
        },
        unchecked=frozenset({("config", "secret_key"), ("config", "brand_new")}),
    ),
    "a hidden literal": with_orders(fields={**ORDERS.fields, ("config", "brand_new"): 2}),
    "type of a hidden literal": with_orders(fields={**ORDERS.fields, ("config", "brand_new"): "1"}),
    "trust": with_orders(trust=Trust(certificates=True)),
    "setup tests": with_sales(setup_tests=SetupTests(run=False)),
    "failure mode of tests": with_sales(setup_tests=SetupTests(on_failure=OnFailure.WARN)),
    "a namesake": with_inputs(live={"sold_out": "sales", "old_mole": "old", "late_comer": "orders"}),
    "another object with this name": with_inputs(
        altered=lambda plan: replace(
            plan,
            changes=tuple(
                replace(change, id="other") if change.id == "sold_out" else change for change in plan.changes
            ),
        )
    ),
    "id of a deletion": with_inputs(removal=replace(GOING, change=replace(GOING.change, id="other"))),
    "a connection deleted with it": with_live(connections=()),
    "name of a deleted object": with_live(name="Payroll"),
    "service of a deleted object": with_live(service="snowflake"),
}


@pytest.mark.parametrize("effect", EFFECTS)
def test_a_change_of_an_effect_changes_the_digest(effect: str) -> None:
    inputs = PlanInputs()
    EFFECTS[effect](inputs)
    assert inputs.digest() != PlanInputs().digest()


@pytest.mark.parametrize("effect", sorted(EFFECTS.keys() - {"account", "scope"}))
def test_an_expectation_covers_every_effect_that_the_digest_covers(effect: str) -> None:
    """Account and scope have no effect on an address: a saved plan stores them separately."""
    inputs = PlanInputs()
    EFFECTS[effect](inputs)
    assert [*map(hash_effect, inputs.effects().values())] != [
        *map(hash_effect, PlanInputs().effects().values())
    ]


def test_an_expectation_holds_no_value() -> None:
    inputs = PlanInputs(secret="the-value-of-a-secret")
    with_orders(fields={**ORDERS.fields, ("config", "brand_new"): "a-hidden-literal"})(inputs)
    text = repr([*map(hash_effect, inputs.effects().values())])
    assert "destination.orders" in text
    for value in ("the-value-of-a-secret", "a-hidden-literal", "acme", "GCP_US_EAST4"):
        assert value not in text


def test_different_effects_have_different_digests() -> None:
    digests = set()
    for alter in EFFECTS.values():
        inputs = PlanInputs()
        alter(inputs)
        digests.add(inputs.digest())
    assert len(digests) == len(EFFECTS)


def test_every_field_of_a_replacement_changes_the_digest() -> None:
    def digest(**changes: Any) -> str:
        inputs = PlanInputs(sales={**THERE, ("service",): "snowflake"})
        fields = {**SALES.fields, **changes.pop("fields", {})}
        inputs.desired["destination.sales"] = replace(SALES, allow_replace=True, fields=fields)
        assert inputs.steps()[SALES.address].change.action is Action.REPLACE
        return inputs.digest()

    assert digest() != digest(fields={("config", "secret_key"): Reference("env", "B")})
    assert digest() != digest(fields={("config", "brand_new"): 2})
    assert digest() == digest()
