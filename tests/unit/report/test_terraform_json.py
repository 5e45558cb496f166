"""Test Terraform plan JSON: every object complete, masks that mirror values, no secret in clear text."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_values import (
    CHANGED_DESTINATION,
    NEW_DESTINATION,
    NEW_GROUP,
    UNCHANGED_DESTINATION,
    UNCHANGED_GROUP,
    UNTESTED_DESTINATION,
    build_plan,
    destination_address,
    group_address,
)
from terraform_plan_schema import find_violations, get_own_data

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import (
    Action,
    Change,
    FieldChange,
    FieldValue,
    Origin,
    Plan,
    Reason,
    ScopeSummary,
    SecretComparison,
    Visibility,
)
from reconciler.model.policy import EnforcementLevel, PolicyResult, PolicyStatus
from reconciler.report.gitlab import render_gitlab_counts
from reconciler.report.plan_summary import format_counts
from reconciler.report.terraform_json import build_failed_terraform_plan, build_terraform_plan

NOW = datetime(2026, 3, 4, 5, 6, 7, 890, tzinfo=timezone(timedelta(hours=2)))
KEY = ("config", "private_key")


def build_document(plan: Plan, **extra: Any) -> dict[str, Any]:
    found = build_terraform_plan(plan, NOW, extra)
    assert find_violations(found) == []
    return found


def build_change(change: Change, *others: Change) -> dict[str, Any]:
    """Build the resource change of this change, beside other changes."""
    [found] = [
        each
        for each in build_document(build_plan(change, *others))["resource_changes"]
        if each["address"] == f"fivetran_{change.address}"
    ]
    return dict(found)


def test_required_keys_are_always_present() -> None:
    found = build_document(build_plan())
    assert found["format_version"] == "1.2"
    assert found["terraform_version"] == "0.0.0-reconciler"
    assert found["timestamp"] == "2026-03-04T03:06:07Z"
    assert (found["applyable"], found["complete"], found["errored"]) == (False, True, False)
    assert found["resource_changes"] == found["planned_values"]["root_module"]["resources"] == []
    assert "resource_drift" not in found
    assert "checks" not in found


def test_a_new_pair_has_unknown_ids() -> None:
    made = build_change(NEW_DESTINATION, NEW_GROUP)
    assert made["type"] == "fivetran_destination"
    assert made["name"] == "finance_prod"
    assert made["change"] == {
        "actions": ["create"],
        "before": None,
        "after": {
            "service": "snowflake",
            "config": {"port": 443, "private_key": "(sensitive value)"},
        },
        "after_unknown": {"id": True, "group_id": True},
        "before_sensitive": False,
        "after_sensitive": {"config": {"private_key": True}},
    }
    assert build_change(NEW_GROUP)["change"]["after"] == {"name": "finance_prod"}
    assert build_change(NEW_GROUP)["change"]["after_unknown"] == {"id": True}


def test_a_destination_of_a_group_that_exists_has_its_id() -> None:
    there = Change(group_address("finance_prod"), Action.NO_OP, id="yawning_sponge")
    made = build_change(NEW_DESTINATION, there)["change"]
    assert (made["after"]["id"], made["after"]["group_id"]) == ("yawning_sponge", "yawning_sponge")
    assert made["after_unknown"] == {}


def test_an_update_shows_the_whole_object_on_both_sides() -> None:
    changed = replace(
        CHANGED_DESTINATION,
        other_values=(
            FieldValue(("service",), "snowflake"),
            FieldValue(("config", "host"), "acme"),
            FieldValue(KEY, "vault:a#b", Visibility.SECRET),
            FieldValue(("config", "role"), "not what is planned"),
        ),
    )
    rendered = build_change(changed)["change"]
    assert rendered["actions"] == ["update"]
    assert rendered["before"] == {
        "id": "decent_dropsy",
        "group_id": "decent_dropsy",
        "region": "GCP_US_EAST4",
        "private_link_id": "pl_old",
        "service": "snowflake",
        "config": {"role": None, "host": "acme", "private_key": "(sensitive value)"},
    }
    assert rendered["after"] == {
        **rendered["before"],
        "region": "AWS_US_EAST_1",
        "private_link_id": None,
        "config": {**rendered["before"]["config"], "role": "FIVETRAN_ROLE"},
    }
    assert rendered["before_sensitive"] == rendered["after_sensitive"] == {"config": {"private_key": True}}


@pytest.mark.parametrize(
    ("secrets", "before"),
    [
        (SecretComparison(changed=(KEY,)), None),
        (SecretComparison(unchanged=(KEY,)), "(sensitive value)"),
        (SecretComparison(uncomparable=(KEY,)), None),
    ],
)
def test_a_sent_secret_differs_unless_it_is_known_to_be_equal(
    secrets: SecretComparison, before: str | None
) -> None:
    sent = FieldChange(KEY, None, "env:KEY", Visibility.SECRET)
    rendered = build_change(replace(CHANGED_DESTINATION, fields=(sent,), secrets=secrets))["change"]
    assert rendered["before"]["config"] == {"private_key": before}
    assert rendered["after"]["config"] == {"private_key": "(sensitive value)"}
    assert rendered["before_sensitive"] == rendered["after_sensitive"] == {"config": {"private_key": True}}


def test_a_hidden_value_is_null_and_marked_sensitive() -> None:
    hidden = replace(
        UNCHANGED_DESTINATION, other_values=(FieldValue(("config", "x"), None, Visibility.SECRET),)
    )
    rendered = build_change(hidden)["change"]
    assert rendered["after"]["config"] == {"x": None}
    assert rendered["after_sensitive"] == {"config": {"x": True}}


def test_a_replacement_names_the_fields_that_force_it() -> None:
    fields = (
        FieldChange(("config", "bucket"), "a", "b", forces_replace=True),
        FieldChange(("region",), "x", "y"),
    )
    rendered = build_change(replace(CHANGED_DESTINATION, action=Action.REPLACE, fields=fields))
    assert rendered["action_reason"] == "replace_because_cannot_update"
    assert rendered["change"]["actions"] == ["delete", "create"]
    assert rendered["change"]["replace_paths"] == [["config", "bucket"]]
    assert rendered["change"]["before"]["config"] == {"bucket": "a"}
    assert rendered["change"]["after"]["config"] == {"bucket": "b"}


@pytest.mark.parametrize(("action", "word"), [(Action.DELETE, "delete"), (Action.FORGET, "forget")])
def test_a_removed_object_has_no_after_and_no_planned_value(action: Action, word: str) -> None:
    applied = (FieldValue(("id",), "old_mole"), FieldValue(("service",), "snowflake"))
    given_up = Change(destination_address("old"), action, (Reason.REMOVED,), id="old_mole", applied=applied)
    rendered = build_change(given_up)
    assert rendered["action_reason"] == "delete_because_no_resource_config"
    assert rendered["change"] == {
        "actions": [word],
        "before": {"id": "old_mole", "group_id": "old_mole", "service": "snowflake"},
        "after": None,
        "after_unknown": {},
        "before_sensitive": {},
        "after_sensitive": False,
    }
    found = build_document(build_plan(given_up))
    assert found["planned_values"]["root_module"]["resources"] == []
    assert found["configuration"]["root_module"]["resources"] == []
    [prior] = found["prior_state"]["values"]["root_module"]["resources"]
    assert prior["address"] == "fivetran_destination.old"


def test_an_adopted_object_is_imported_without_a_change() -> None:
    rendered = build_change(replace(UNCHANGED_GROUP, action=Action.ADOPT))["change"]
    assert rendered["actions"] == ["no-op"]
    assert rendered["importing"] == {"id": "decent_dropsy"}
    assert "importing" not in build_change(UNCHANGED_GROUP)["change"]
    assert build_document(build_plan(replace(UNCHANGED_GROUP, action=Action.ADOPT)))["applyable"] is True


def test_an_adopted_and_changed_object_is_imported() -> None:
    rendered = build_change(
        replace(CHANGED_DESTINATION, reasons=(Reason.FIELDS_DIFFER, Reason.NOT_REMEMBERED))
    )["change"]
    assert (rendered["actions"], rendered["importing"]) == (["update"], {"id": "decent_dropsy"})
    assert "importing" not in build_change(CHANGED_DESTINATION)["change"]


def test_a_test_run_is_a_no_op_with_a_note() -> None:
    found = build_document(build_plan(UNTESTED_DESTINATION))
    [rendered] = found["resource_changes"]
    assert rendered["change"]["actions"] == ["no-op"]
    about = get_own_data(found)["changes"]["fivetran_destination.lake"]
    assert (about["action"], about["reasons"]) == ("verify", ["tests-outstanding"])
    assert about["note"] == "setup tests have not passed; apply runs them"
    assert found["applyable"] is True


def test_every_object_is_in_planned_values_and_resource_changes() -> None:
    found = build_document(build_plan(NEW_GROUP, UNCHANGED_GROUP, NEW_DESTINATION, UNCHANGED_DESTINATION))
    planned = [each["address"] for each in found["planned_values"]["root_module"]["resources"]]
    assert planned == [each["address"] for each in found["resource_changes"]]
    assert len(planned) == 4
    assert {each["schema_version"] for each in found["planned_values"]["root_module"]["resources"]} == {0, 1}
    configured = found["configuration"]["root_module"]["resources"]
    assert configured[2]["expressions"] == {
        "group_id": {"references": ["fivetran_group.finance_prod.id", "fivetran_group.finance_prod"]}
    }


def test_drift_goes_from_the_applied_to_the_live_values() -> None:
    fields = (
        FieldChange(("region",), "moved", "declared", origin=Origin.DRIFT),
        FieldChange(("config", "role"), "theirs", "ours", origin=Origin.CONFLICT),
        FieldChange(("config", "host"), "old", "new"),
    )
    applied = (FieldValue(("config", "role"), "what was"),)
    [drift] = build_document(build_plan(replace(CHANGED_DESTINATION, fields=fields, applied=applied)))[
        "resource_drift"
    ]
    assert drift["change"]["actions"] == ["update"]
    assert drift["change"]["before"]["region"] == "declared"
    assert drift["change"]["after"]["region"] == "moved"
    assert drift["change"]["before"]["config"] == {"role": "what was", "host": "old"}
    assert drift["change"]["after"]["config"] == {"role": "theirs", "host": "old"}


def test_a_conflict_without_last_applied_value_has_no_before() -> None:
    moved = FieldChange(("config", "role"), "theirs", "ours", origin=Origin.CONFLICT)
    [drift] = build_document(build_plan(replace(CHANGED_DESTINATION, fields=(moved,))))["resource_drift"]
    assert "config" not in drift["change"]["before"]


def test_a_missing_object_is_a_deletion_in_drift_and_a_create() -> None:
    applied = (FieldValue(("id",), "old_mole"), FieldValue(("name",), "finance"))
    gone = replace(NEW_GROUP, reasons=(Reason.MISSING_REMOTELY,), applied=applied)
    found = build_document(build_plan(gone))
    [drift] = found["resource_drift"]
    assert drift["change"]["actions"] == ["delete"]
    assert drift["change"]["before"] == {"id": "old_mole", "name": "finance"}
    assert found["resource_changes"][0]["change"]["actions"] == ["create"]


def test_a_plan_that_is_refused_is_not_applyable() -> None:
    blocked = replace(build_plan(NEW_GROUP), blockers=(Diagnostic("limit-exceeded", "too much"),))
    found = build_document(blocked)
    assert (found["applyable"], found["errored"]) == (False, False)
    assert get_own_data(found)["blockers"][0]["code"] == "limit-exceeded"


def test_a_targeted_plan_is_not_complete() -> None:
    found = build_document(replace(build_plan(NEW_GROUP), narrowing=ScopeSummary(1, 9, "main", 1)))
    assert found["complete"] is False
    assert get_own_data(found)["narrowed_to"]["since"] == "main"


def test_policies_are_checks() -> None:
    finding = Diagnostic("limit-exceeded", "not\nthere")
    judgements = tuple(
        PolicyResult(f"rule_{standing}", "allowed-regions", EnforcementLevel.SOFT, standing, findings)
        for standing, findings in zip(PolicyStatus, ((), (finding,), (finding,), (finding,)), strict=True)
    )
    found = build_document(replace(build_plan(), judgements=judgements))
    assert [(each["address"]["name"], each["status"]) for each in found["checks"]] == [
        ("rule_passed", "pass"),
        ("rule_violated", "fail"),
        ("rule_failed", "error"),
        ("rule_overridden", "fail"),
    ]
    assert found["checks"][1]["instances"][0]["problems"] == [{"message": "not there"}]
    assert [each["standing"] for each in get_own_data(found)["policies"]] == [*PolicyStatus]


def test_facts_outside_of_the_format_are_under_their_own_key() -> None:
    secret = FieldValue(KEY, "vault:a#b", Visibility.SECRET)
    found = build_document(
        replace(
            build_plan(replace(CHANGED_DESTINATION, other_values=(secret,)), UNCHANGED_GROUP), digest="d1"
        ),
        more=1,
    )["variables"]["x_reconciler"]["value"]
    assert (found["digest"], found["account"]["id"], found["more"]) == ("d1", "intently_yarn", 1)
    assert [*found["changes"]] == ["fivetran_destination.analytics_prod"]
    about = found["changes"]["fivetran_destination.analytics_prod"]
    assert about["secret_references"] == {"config.private_key": "vault:a#b"}
    assert about["origins"]["region"] == "spec"
    assert about["span"]["line"] == 9


def test_a_failure_is_not_an_empty_plan() -> None:
    found = build_failed_terraform_plan([Diagnostic("unreachable", "gone")], NOW, {})
    assert find_violations(found) == []
    assert (found["errored"], found["applyable"], found["complete"]) == (True, False, False)
    assert {"resource_changes", "planned_values"}.isdisjoint(found)
    assert get_own_data(found)["diagnostics"][0]["code"] == "unreachable"


LEAVES = st.sampled_from([("service",), ("region",), ("config", "host"), ("config", "x"), KEY])
VALUES = st.one_of(st.none(), st.text(max_size=5), st.integers(), st.lists(st.text(max_size=2), max_size=2))
CANARY = "canary-of-the-plan"


@st.composite
def draw_change(draw: st.DrawFn, key: str) -> Change:
    """Draw any change of an engine or a forged file. Every secret has a reference with a canary."""
    action = draw(st.sampled_from(Action))
    paths = draw(st.lists(LEAVES, unique=True))
    cut = draw(st.integers(0, len(paths)))

    def shown(path: tuple[str, ...]) -> tuple[Any, Visibility]:
        if draw(st.booleans()):
            return draw(st.sampled_from([None, f"env:{CANARY}"])), Visibility.SECRET
        return draw(VALUES), Visibility.CLEAR

    fields = tuple(
        FieldChange(
            path,
            draw(VALUES) if how is Visibility.CLEAR else None,
            after,
            how,
            origin=draw(st.sampled_from(Origin)),
            forces_replace=draw(st.booleans()) and action is Action.REPLACE,
        )
        for path in (paths[:cut] if action not in SILENT_HERE else [])
        for after, how in [shown(path)]
    )
    others = tuple(FieldValue(path, *shown(path)) for path in draw(st.lists(LEAVES, unique=True)))
    missing = action is Action.CREATE and draw(st.booleans())
    return Change(
        destination_address(key) if draw(st.booleans()) else group_address(key),
        action,
        (Reason.MISSING_REMOTELY,) if missing else (),
        fields,
        id=None if action is Action.CREATE else f"id_{key}",
        other_values=others,
        applied=tuple(FieldValue(path, *shown(path)) for path in draw(st.lists(LEAVES, unique=True))),
        secrets=SecretComparison(unchanged=tuple(field.path for field in fields if draw(st.booleans()))),
    )


SILENT_HERE = frozenset(Action) - {Action.CREATE, Action.UPDATE, Action.REPLACE}


@given(st.data(), st.integers(0, 5))
def test_any_plan_is_a_valid_document_with_the_counts_of_its_text(data: st.DataObject, number: int) -> None:
    plan = build_plan(*(data.draw(draw_change(f"k{each}")) for each in range(number)))
    found = build_document(plan)
    shown = {key: value for key, value in found.items() if key != "variables"}
    assert CANARY not in repr(shown)
    actions = [each["change"]["actions"] for each in found["resource_changes"]]
    assert len(actions) == number
    counts = [sum(word in each for each in actions) for word in ("create", "update", "delete")]
    if plan.effective:
        assert format_counts(plan) == "Plan: {} to add, {} to change, {} to destroy.".format(*counts)
    assert render_gitlab_counts(plan) == '{{"create": {}, "update": {}, "delete": {}}}'.format(*counts)
