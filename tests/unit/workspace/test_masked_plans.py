"""Test plans of an earlier release: values of hidden fields are masked in every text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import Action, Change, FieldChange, FieldValue, Plan, Visibility
from reconciler.model.policy import EnforcementLevel, PolicyResult, PolicyStatus
from reconciler.workspace.masked_plans import MaskedPlan, mask_plan

CANARY = "canary-of-a-plan"
ORDERS = Address(DESTINATION, "orders")
NEW, HOST, SERVICE = ("config", "new"), ("config", "host"), ("service",)


def make_diagnostic(text: str) -> Diagnostic:
    return Diagnostic(
        "policy-violated",
        f"`config.new` is {text}",
        severity=Severity.WARNING,
        label=f"{text} in Fivetran",
        notes=(f"not {text}",),
        help=f"no {text}",
    )


def make_plan(change: Change, *findings: Diagnostic) -> Plan:
    judgement = PolicyResult(
        "p", "forbid", EnforcementLevel.HARD, PolicyStatus.VIOLATED, findings, older=findings
    )
    return Plan(
        "a", "A", (change,), warnings=findings, blockers=findings, judgements=(judgement,) if findings else ()
    )


UPDATE = Change(
    ORDERS,
    Action.UPDATE,
    fields=(
        FieldChange(NEW, f"{CANARY} before", {"a": [CANARY, 7]}),
        FieldChange(HOST, "h", "i"),
        FieldChange(("config", "below"), None, None, Visibility.SECRET),
        FieldChange(("config", "password"), None, None, Visibility.SECRET),
        FieldChange(("config", "password"), None, "env:PASSWORD", Visibility.SECRET),
    ),
    other_values=(FieldValue(SERVICE, "snowflake"), FieldValue(("config", "same"), CANARY)),
    applied=(FieldValue(NEW, f"{CANARY} applied"), FieldValue(("config", "cleared"), None)),
)


def test_values_of_hidden_fields_are_masked_and_named() -> None:
    finding = make_diagnostic(f"`{CANARY}`, {CANARY} before and `7`")
    found = mask_plan(make_plan(UPDATE, finding), {})
    assert CANARY not in repr(found)
    assert found.masked_fields == {ORDERS: (NEW, ("config", "same"))}
    [change] = found.plan.changes
    assert [(each.path[-1], each.before, each.after, each.shown) for each in change.fields] == [
        ("new", None, "not in the catalogue", Visibility.HIDDEN),
        ("host", "h", "i", Visibility.CLEAR),
        ("below", None, "not in the catalogue", Visibility.HIDDEN),
        ("password", None, None, Visibility.SECRET),
        ("password", None, "env:PASSWORD", Visibility.SECRET),
    ]
    assert change.applied[1] == FieldValue(("config", "cleared"), None)
    assert found.plan.warnings[0].message == "`config.new` is `••••••••`, •••••••• and `••••••••`"


@pytest.mark.parametrize(
    ("change", "service", "hidden"),
    [
        # If the plan does not name the service, another source may; otherwise no field is public.
        (replace(UPDATE, other_values=(), applied=()), "snowflake", {NEW}),
        (replace(UPDATE, other_values=(), applied=()), "clickhouse", {NEW, HOST}),
        (replace(UPDATE, other_values=(), applied=()), None, {NEW, HOST}),
        # The replaced destination has another service.
        (
            replace(
                UPDATE, fields=(FieldChange(SERVICE, "clickhouse", "snowflake"), FieldChange(HOST, "h", "i"))
            ),
            None,
            {HOST},
        ),
    ],
)
def test_the_service_decides_about_masking(
    change: Change, service: str | None, hidden: set[tuple[str, ...]]
) -> None:
    found = mask_plan(make_plan(replace(change, other_values=(), applied=())), {ORDERS: service})
    assert set(found.masked_fields[ORDERS]) == hidden


def test_a_current_plan_stays_unchanged() -> None:
    group = Change(Address(GROUP, "orders"), Action.CREATE, fields=(FieldChange(("name",), None, "x"),))
    today = mask_plan(make_plan(UPDATE), {}).plan
    assert mask_plan(today, {}) == MaskedPlan(today, {})
    assert mask_plan(make_plan(group, make_diagnostic("`x`")), {}).plan == make_plan(
        group, make_diagnostic("`x`")
    )
