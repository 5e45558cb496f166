"""Test that a failing rule refuses (S-54), and that each level stops the right runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import ReconcilerError, Severity
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.policy import EnforcementLevel, PolicyResult, PolicyStatus
from reconciler.model.source import Span
from reconciler.policy.base import EntryView, PlanView, Rule, Violation
from reconciler.policy.evaluate import evaluate_plan, evaluate_specs
from reconciler.policy.load import Policy

PLACE = Span("specs/reconciler.yaml", 7, 5, 7, 12)
ENTRY = EntryView("sales", Span("specs/sales.yaml", 3, 3, 3, 8), False, {"name": "Sales"})


class ScriptedRule(Rule):
    """Answer with a scripted result."""

    def __init__(self, answer: Callable[[], Any], of: str = "entry") -> None:
        self.answer, self.of = answer, of

    def check_entry(self, entry: EntryView) -> Any:
        return self.answer() if self.of == "entry" else ()

    def check_plan(self, proposal: PlanView) -> Any:
        return self.answer() if self.of == "plan" else ()


def raise_error() -> Any:
    raise ValueError("canary-of-an-error")


def exit_process() -> Any:
    raise SystemExit(0)


def yield_and_raise() -> Any:
    yield Violation("something is wrong", Address(GROUP, "sales"))
    raise ValueError("canary-of-an-error")


def report_violation() -> Any:
    return [Violation("something is wrong", Address(GROUP, "sales"), help="correct it")]


TOUCHED = (Change(Address(GROUP, "sales"), Action.UPDATE),)


def evaluate_once(
    level: EnforcementLevel,
    answer: Callable[[], Any],
    *overridden: str,
    of: str = "entry",
    changes: tuple[Change, ...] = TOUCHED,
) -> PolicyResult:
    plan = Plan(account_id="a", account_name="A", changes=changes)
    proposal = PlanView(plan, {"sales": ENTRY}, {"sales": ENTRY})
    policy = Policy("made", "made", ScriptedRule(answer, of), level, because="we say so", span=PLACE)
    [result] = evaluate_plan([policy], proposal, overridden)
    return result


def list_severities(result: PolicyResult) -> set[Severity]:
    return {each.severity for each in result.findings}


@pytest.mark.parametrize("of", ["entry", "plan"])
@pytest.mark.parametrize("level", EnforcementLevel)
@pytest.mark.parametrize(
    "answer",
    [
        raise_error,
        yield_and_raise,
        exit_process,
        lambda: None,
        lambda: ["text"],
        lambda: 1,
        lambda: [Violation("")],
        lambda: [Violation(None)],  # type: ignore[arg-type]
        lambda: [Violation("x", help=3)],  # type: ignore[arg-type]
        lambda: [Violation("x", address="group.sales")],  # type: ignore[arg-type]
    ],
    ids=range(10),
)
def test_a_failing_rule_refuses_at_every_level(
    level: EnforcementLevel, answer: Callable[[], Any], of: str
) -> None:
    result = evaluate_once(level, answer, of=of)
    assert result.standing is PolicyStatus.FAILED
    [finding] = result.findings
    assert (finding.code, finding.severity, finding.span) == ("policy-failed", Severity.ERROR, PLACE)
    assert "canary" not in repr(finding)


def test_a_failing_advisory_policy_can_be_overridden() -> None:
    result = evaluate_once(EnforcementLevel.ADVISORY, raise_error, "made")
    assert result.standing is PolicyStatus.OVERRIDDEN
    assert list_severities(result) == {Severity.WARNING}


def test_a_hard_policy_cannot_be_overridden() -> None:
    with pytest.raises(ReconcilerError) as refused:
        evaluate_once(EnforcementLevel.HARD, raise_error, "made")
    assert [each.code for each in refused.value.diagnostics] == ["cannot-override"]


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (EnforcementLevel.ADVISORY, Severity.WARNING),
        (EnforcementLevel.SOFT, Severity.ERROR),
        (EnforcementLevel.HARD, Severity.ERROR),
    ],
)
def test_a_violation_has_the_severity_of_its_level(level: EnforcementLevel, severity: Severity) -> None:
    result = evaluate_once(level, report_violation)
    assert result.standing is PolicyStatus.VIOLATED
    [finding] = result.findings
    assert finding.severity is severity
    assert finding.message == "group.sales: something is wrong"
    assert finding.span == ENTRY.span
    assert finding.notes == (f"{level} policy `made` at specs/reconciler.yaml:7:5: we say so",)
    assert finding.help.startswith("correct it")
    assert ("--override made" in finding.help) == (level is EnforcementLevel.SOFT)


def test_an_override_turns_errors_into_warnings_with_a_note() -> None:
    result = evaluate_once(EnforcementLevel.SOFT, report_violation, "made")
    assert result.standing is PolicyStatus.OVERRIDDEN
    assert list_severities(result) == {Severity.WARNING}
    assert "overridden for this run" in result.findings[0].notes


def test_an_unnecessary_override_changes_nothing() -> None:
    assert evaluate_once(EnforcementLevel.SOFT, lambda: (), "made").standing is PolicyStatus.PASSED


def test_an_unknown_value_matches_where_in_a_plan_but_not_in_specs() -> None:
    unknown = EntryView("sales", ENTRY.span, True, {}, unknown=frozenset({"region"}))
    policy = Policy("made", "made", ScriptedRule(report_violation), where={"region": ("AWS_*",)})
    plan = Plan(account_id="a", account_name="A", changes=())
    [of_specs] = evaluate_specs([policy], [unknown])
    [of_plan] = evaluate_plan([policy], PlanView(plan, {"sales": unknown}, {}), ())
    assert (of_specs.standing, of_plan.standing) == (PolicyStatus.PASSED, PolicyStatus.VIOLATED)


def test_plan_rules_are_not_evaluated_for_specs() -> None:
    [result] = evaluate_specs([Policy("made", "made", ScriptedRule(raise_error, "plan"))], [ENTRY])
    assert result.standing is PolicyStatus.PASSED


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (EnforcementLevel.ADVISORY, Severity.WARNING),
        (EnforcementLevel.SOFT, Severity.WARNING),
        (EnforcementLevel.HARD, Severity.ERROR),
    ],
)
def test_a_preexisting_violation_is_an_error_only_if_the_policy_is_hard(
    level: EnforcementLevel, severity: Severity
) -> None:
    """A user who has overridden a soft policy does not have to override it again for unrelated changes."""
    result = evaluate_once(level, report_violation, changes=())
    assert result.standing is PolicyStatus.VIOLATED
    [finding] = (*result.findings, *result.older)
    assert finding.severity is severity
    assert (finding in result.older) is (severity is Severity.WARNING), "it is not reported again"
    assert "the violation exists already, and this plan does not change its entry" in finding.notes


def test_an_advisory_violation_is_not_overridden() -> None:
    assert (
        evaluate_once(EnforcementLevel.ADVISORY, report_violation, "made").standing is PolicyStatus.VIOLATED
    )


def test_an_interrupted_rule_interrupts_the_run() -> None:
    def interrupt() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_once(EnforcementLevel.HARD, interrupt)


def test_output_of_a_rule_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    def print_text() -> Any:
        print("debugging")  # noqa: T201
        return ()

    assert evaluate_once(EnforcementLevel.HARD, print_text).standing is PolicyStatus.PASSED
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "debugging\n")


@pytest.mark.parametrize("of", ["entry", "plan"])
@pytest.mark.parametrize("address", [Address(DESTINATION, "sales"), None])
def test_a_hidden_value_in_a_message_of_a_rule_is_redacted(of: str, address: Address | None) -> None:
    canary = "canary-of-a-rule"
    declared = {"service": "clickhouse", "config.rows": [{"cell": canary}], "config.level": 7}
    entry = EntryView("sales", PLACE, True, declared, live={"config.host": f"{canary}-live"})
    rule = ScriptedRule(
        lambda: [
            Violation(
                f"7 of `{canary}-live`, `[{canary}]`", address, help=f"write something else than {canary}"
            )
        ],
        of,
    )
    plan = Plan(account_id="a", account_name="A", changes=TOUCHED)
    policy = Policy("made", "made", rule, EnforcementLevel.HARD, because="we say so", span=PLACE)
    [result] = evaluate_plan([policy], PlanView(plan, {"sales": entry}, {}), ())
    [finding] = result.findings
    assert canary not in repr(finding)
    assert finding.message.endswith("7 of `••••••••`, `[••••••••]`")
