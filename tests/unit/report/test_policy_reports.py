"""Test policy results of a plan in every format: how many passed, their findings, and the overridden policies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_values import FULL_PLAN, build_plan, make_span

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.policy import EnforcementLevel, PolicyResult, PolicyStatus
from reconciler.report.plan_json import serialize_plan
from reconciler.report.plan_markdown import render_plan_markdown
from reconciler.report.plan_text import render_plan_text
from reconciler.report.sarif import build_sarif_log
from reconciler.report.terraform_text import render_terraform_plan

FOUND = Diagnostic("limit-exceeded", "`region` is not allowed", make_span("a.yaml", 3), help="take another")
PASSED = PolicyResult("regions", "allowed-regions", EnforcementLevel.HARD, PolicyStatus.PASSED)
WARNS = PolicyResult(
    "naming",
    "key-pattern",
    EnforcementLevel.ADVISORY,
    PolicyStatus.VIOLATED,
    (replace(FOUND, severity=Severity.WARNING),),
)
REFUSES = replace(
    PASSED, policy="eu_only", standing=PolicyStatus.VIOLATED, findings=(FOUND,), because="data stays here"
)
FAILED = replace(
    PASSED, policy="broken", standing=PolicyStatus.FAILED, findings=(replace(FOUND, message="no"),)
)
WAIVED = replace(REFUSES, policy="private", level=EnforcementLevel.SOFT, standing=PolicyStatus.OVERRIDDEN)


def render_closing_line(*judgements: PolicyResult) -> str:
    """Render the closing line of a plan with these policy results."""
    return render_plan_text(replace(FULL_PLAN, judgements=judgements)).plain.splitlines()[-1]


@pytest.mark.parametrize(
    ("judgements", "text"),
    [
        ([PASSED] * 4 + [WARNS], "policies: 4 passed, 1 warning"),
        ([WARNS, WARNS], "policies: 2 warnings"),
        ([PASSED, REFUSES, FAILED, WAIVED], "policies: 1 passed, 1 violated, 1 failed, 1 overridden"),
    ],
)
def test_the_closing_line_counts_policy_results(judgements: list[PolicyResult], text: str) -> None:
    assert render_closing_line(*judgements).endswith(f" · {text}")
    plan = replace(FULL_PLAN, judgements=tuple(judgements))
    assert text in render_plan_markdown(plan, "p.yaml", lambda path, line: None)
    assert text in render_terraform_plan(plan)


def test_a_plan_without_policies_does_not_mention_policies() -> None:
    assert "policies" not in render_closing_line()
    assert serialize_plan(build_plan())["policies"] == []


def test_the_json_document_has_every_policy_result() -> None:
    [text] = serialize_plan(replace(FULL_PLAN, judgements=(WAIVED,)))["policies"]
    assert {name: text[name] for name in ("policy", "rule", "level", "standing", "because")} == {
        "policy": "private",
        "rule": "allowed-regions",
        "level": "soft",
        "standing": "overridden",
        "because": "data stays here",
    }
    assert [each["code"] for each in text["findings"]] == ["limit-exceeded"]


def build_run(*judgements: PolicyResult, notes: tuple[str, ...] = ()) -> dict[str, object]:
    findings = [replace(found, notes=notes) for each in judgements for found in each.findings]
    [run] = build_sarif_log(findings, str, judgements, default_file="p.yaml", exit_code=3)["runs"]
    return dict(run)


def test_each_policy_is_a_sarif_rule() -> None:
    run = build_run(WARNS, REFUSES, notes=("added on the way",))
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}  # type: ignore[index]
    assert [*rules] == ["limit-exceeded/eu_only", "limit-exceeded/naming"]
    about = rules["limit-exceeded/eu_only"]
    assert about["properties"] == {"policy": "eu_only", "rule": "allowed-regions", "level": "hard"}
    assert about["shortDescription"] == {"text": "data stays here"}
    assert about["help"]["text"].startswith("data stays here\n\n")
    results = {each["ruleId"]: each for each in run["results"]}  # type: ignore[attr-defined]
    refused = results["limit-exceeded/eu_only"]
    assert refused["level"] == "error"
    assert refused["message"]["text"] == (
        "`region` is not allowed\nadded on the way\nbecause data stays here\ntake another"
    )
    assert [*rules][refused["ruleIndex"]] == "limit-exceeded/eu_only"
    assert refused["partialFingerprints"]["primaryLocationLineHash"]
    assert results["limit-exceeded/naming"]["level"] == "warning"


def test_a_reason_in_the_notes_is_not_repeated() -> None:
    run = build_run(REFUSES, notes=("because data stays here",))
    [result] = run["results"]  # type: ignore[misc]
    assert result["message"]["text"].count("data stays here") == 1
