"""What cannot judge refuses (S-54), and each level stops whom it should."""

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


class Made(Rule):
    """A rule that answers what it is told to."""

    def __init__(self, answer: Callable[[], Any], of: str = "entry") -> None:
        self.answer, self.of = answer, of

    def check_entry(self, entry: EntryView) -> Any:
        return self.answer() if self.of == "entry" else ()

    def check_plan(self, proposal: PlanView) -> Any:
        return self.answer() if self.of == "plan" else ()


def raising() -> Any:
    raise ValueError("canary-of-an-error")


def leaving() -> Any:
    raise SystemExit(0)


def failing_half_way() -> Any:
    yield Violation("something is wrong", Address(GROUP, "sales"))
    raise ValueError("canary-of-an-error")


def violated() -> Any:
    return [Violation("something is wrong", Address(GROUP, "sales"), help="correct it")]


TOUCHED = (Change(Address(GROUP, "sales"), Action.UPDATE),)


def judged(
    level: EnforcementLevel,
    answer: Callable[[], Any],
    *overridden: str,
    of: str = "entry",
    changes: tuple[Change, ...] = TOUCHED,
) -> PolicyResult:
    plan = Plan(account_id="a", account_name="A", changes=changes)
    proposal = PlanView(plan, {"sales": ENTRY}, {"sales": ENTRY})
    policy = Policy("made", "made", Made(answer, of), level, because="we say so", span=PLACE)
    [judgement] = evaluate_plan([policy], proposal, overridden)
    return judgement


def severities(judgement: PolicyResult) -> set[Severity]:
    return {each.severity for each in judgement.findings}


@pytest.mark.parametrize("of", ["entry", "plan"])
@pytest.mark.parametrize("level", EnforcementLevel)
@pytest.mark.parametrize(
    "answer",
    [
        raising,
        failing_half_way,
        leaving,
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
def test_a_rule_that_cannot_judge_refuses_whatever_its_level(
    level: EnforcementLevel, answer: Callable[[], Any], of: str
) -> None:
    judgement = judged(level, answer, of=of)
    assert judgement.standing is PolicyStatus.FAILED
    [finding] = judgement.findings
    assert (finding.code, finding.severity, finding.span) == ("policy-failed", Severity.ERROR, PLACE)
    assert "canary" not in repr(finding)


def test_one_that_only_warns_can_be_overridden_when_it_fails() -> None:
    judgement = judged(EnforcementLevel.ADVISORY, raising, "made")
    assert judgement.standing is PolicyStatus.OVERRIDDEN
    assert severities(judgement) == {Severity.WARNING}


def test_a_hard_one_cannot() -> None:
    with pytest.raises(ReconcilerError) as refused:
        judged(EnforcementLevel.HARD, raising, "made")
    assert [each.code for each in refused.value.diagnostics] == ["cannot-override"]


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (EnforcementLevel.ADVISORY, Severity.WARNING),
        (EnforcementLevel.SOFT, Severity.ERROR),
        (EnforcementLevel.HARD, Severity.ERROR),
    ],
)
def test_a_violation_weighs_as_its_level_says(level: EnforcementLevel, severity: Severity) -> None:
    judgement = judged(level, violated)
    assert judgement.standing is PolicyStatus.VIOLATED
    [finding] = judgement.findings
    assert finding.severity is severity
    assert finding.message == "group.sales: something is wrong"
    assert finding.span == ENTRY.span
    assert finding.notes == (f"{level} policy `made` at specs/reconciler.yaml:7:5: we say so",)
    assert finding.help.startswith("correct it")
    assert ("--override made" in finding.help) == (level is EnforcementLevel.SOFT)


def test_an_override_turns_errors_into_warnings_and_says_so() -> None:
    judgement = judged(EnforcementLevel.SOFT, violated, "made")
    assert judgement.standing is PolicyStatus.OVERRIDDEN
    assert severities(judgement) == {Severity.WARNING}
    assert "overridden for this run" in judgement.findings[0].notes


def test_an_override_that_is_not_needed_changes_nothing() -> None:
    assert judged(EnforcementLevel.SOFT, lambda: (), "made").standing is PolicyStatus.PASSED


def test_what_nobody_knows_counts_as_meant_by_a_plan_and_is_left_alone_by_specs() -> None:
    unknown = EntryView("sales", ENTRY.span, True, {}, unknown=frozenset({"region"}))
    policy = Policy("made", "made", Made(violated), where={"region": ("AWS_*",)})
    plan = Plan(account_id="a", account_name="A", changes=())
    [of_specs] = evaluate_specs([policy], [unknown])
    [of_plan] = evaluate_plan([policy], PlanView(plan, {"sales": unknown}, {}), ())
    assert (of_specs.standing, of_plan.standing) == (PolicyStatus.PASSED, PolicyStatus.VIOLATED)


def test_rules_about_plans_are_not_asked_about_specs() -> None:
    [judgement] = evaluate_specs([Policy("made", "made", Made(raising, "plan"))], [ENTRY])
    assert judgement.standing is PolicyStatus.PASSED


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (EnforcementLevel.ADVISORY, Severity.WARNING),
        (EnforcementLevel.SOFT, Severity.WARNING),
        (EnforcementLevel.HARD, Severity.ERROR),
    ],
)
def test_what_stands_already_and_is_not_touched_stops_only_where_the_policy_is_hard(
    level: EnforcementLevel, severity: Severity
) -> None:
    """Whoever overrode a soft policy once does not have to do it again for changes of something else."""
    judgement = judged(level, violated, changes=())
    assert judgement.standing is PolicyStatus.VIOLATED
    [finding] = (*judgement.findings, *judgement.older)
    assert finding.severity is severity
    assert (finding in judgement.older) is (severity is Severity.WARNING), "and nobody is told again"
    assert "the violation exists already, and this plan does not change its entry" in finding.notes


def test_an_advisory_violation_is_not_overridden() -> None:
    assert judged(EnforcementLevel.ADVISORY, violated, "made").standing is PolicyStatus.VIOLATED


def test_a_rule_that_is_interrupted_interrupts_the_run() -> None:
    def interrupted() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(EnforcementLevel.HARD, interrupted)


def test_what_a_rule_prints_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    def printing() -> Any:
        print("debugging")  # noqa: T201
        return ()

    assert judged(EnforcementLevel.HARD, printing).standing is PolicyStatus.PASSED
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "debugging\n")


@pytest.mark.parametrize("of", ["entry", "plan"])
@pytest.mark.parametrize("address", [Address(DESTINATION, "sales"), None])
def test_a_rule_that_repeats_a_hidden_value_does_not_show_it(of: str, address: Address | None) -> None:
    canary = "canary-of-a-rule"
    declared = {"service": "clickhouse", "config.rows": [{"cell": canary}], "config.level": 7}
    entry = EntryView("sales", PLACE, True, declared, live={"config.host": f"{canary}-live"})
    rule = Made(
        lambda: [
            Violation(
                f"7 of `{canary}-live`, `[{canary}]`", address, help=f"write something else than {canary}"
            )
        ],
        of,
    )
    plan = Plan(account_id="a", account_name="A", changes=TOUCHED)
    policy = Policy("made", "made", rule, EnforcementLevel.HARD, because="we say so", span=PLACE)
    [judgement] = evaluate_plan([policy], PlanView(plan, {"sales": entry}, {}), ())
    [finding] = judgement.findings
    assert canary not in repr(finding)
    assert finding.message.endswith("7 of `••••••••`, `[••••••••]`")
