"""Test outputs of a step of GitHub Actions: one line each, the same names after every result."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_values import FULL_PLAN, UNCHANGED_GROUP, UNTESTED_DESTINATION, build_plan

from reconciler.model.diagnostic import Diagnostic
from reconciler.report.github import (
    build_drift_outputs,
    build_failure_outputs,
    build_plan_outputs,
    render_outputs,
)


def test_a_plan_has_outputs_for_later_steps() -> None:
    assert build_plan_outputs(replace(FULL_PLAN, digest="7f3a")) == {
        "digest": "7f3a",
        "has-changes": "true",
        "refused": "false",
        "add": "2",
        "change": "1",
        "destroy": "0",
    }


def test_a_planned_test_run_is_a_change_and_an_unchanged_entry_is_none() -> None:
    assert build_plan_outputs(build_plan(UNTESTED_DESTINATION))["has-changes"] == "true"
    assert build_plan_outputs(build_plan(UNCHANGED_GROUP))["has-changes"] == "false"


def test_a_plan_that_is_not_applied_is_refused() -> None:
    blocked = replace(FULL_PLAN, blockers=(Diagnostic("limit-exceeded", "too much"),))
    assert build_plan_outputs(blocked)["refused"] == "true"


@pytest.mark.parametrize("refused", [True, False])
def test_a_failure_has_the_same_outputs_without_values(refused: bool) -> None:
    failed = build_failure_outputs(refused=refused)
    assert failed.keys() == build_plan_outputs(FULL_PLAN).keys()
    assert failed.pop("refused") == ("true" if refused else "false")
    assert set(failed.values()) == {""}


def test_a_drift_run_outputs_whether_there_is_drift() -> None:
    assert build_drift_outputs(FULL_PLAN)["has-changes"] == "false"
    assert build_drift_outputs(FULL_PLAN)["digest"] == ""


def test_no_value_can_set_another_output() -> None:
    lines = render_outputs({"digest": "x\nrefused=false\r\u2028y", "add": "1"})
    assert lines.splitlines() == ["digest=x\\nrefused=false\\r\\u2028y", "add=1"]
