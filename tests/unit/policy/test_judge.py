"""What cannot judge refuses (S-54), and each level stops whom it should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import ReconcilerError, Severity
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.policy import Judgement, Level, Standing
from reconciler.model.source import Span
from reconciler.policy.base import Entry, Proposal, Rule, Violation
from reconciler.policy.judge import judged_plan, judged_specs
from reconciler.policy.load import Policy

PLACE = Span("specs/reconciler.yaml", 7, 5, 7, 12)
ENTRY = Entry("sales", Span("specs/sales.yaml", 3, 3, 3, 8), False, {"name": "Sales"})


class Made(Rule):
    """A rule that answers what it is told to."""

    def __init__(self, answer: Callable[[], Any], of: str = "entry") -> None:
        self.answer, self.of = answer, of

    def of_entry(self, entry: Entry) -> Any:
        return self.answer() if self.of == "entry" else ()

    def of_plan(self, proposal: Proposal) -> Any:
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
    level: Level,
    answer: Callable[[], Any],
    *overridden: str,
    of: str = "entry",
    changes: tuple[Change, ...] = TOUCHED,
) -> Judgement:
    plan = Plan(account_id="a", account_name="A", changes=changes)
    proposal = Proposal(plan, {"sales": ENTRY}, {"sales": ENTRY})
    policy = Policy("made", "made", Made(answer, of), level, because="we say so", span=PLACE)
    [judgement] = judged_plan([policy], proposal, overridden)
    return judgement


def severities(judgement: Judgement) -> set[Severity]:
    return {each.severity for each in judgement.findings}


@pytest.mark.parametrize("of", ["entry", "plan"])
@pytest.mark.parametrize("level", Level)
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
    level: Level, answer: Callable[[], Any], of: str
) -> None:
    judgement = judged(level, answer, of=of)
    assert judgement.standing is Standing.FAILED
    [finding] = judgement.findings
    assert (finding.code, finding.severity, finding.span) == ("policy-failed", Severity.ERROR, PLACE)
    assert "canary" not in repr(finding)


def test_one_that_only_warns_can_be_overridden_when_it_fails() -> None:
    judgement = judged(Level.ADVISORY, raising, "made")
    assert judgement.standing is Standing.OVERRIDDEN
    assert severities(judgement) == {Severity.WARNING}


def test_a_hard_one_cannot() -> None:
    with pytest.raises(ReconcilerError) as refused:
        judged(Level.HARD, raising, "made")
    assert [each.code for each in refused.value.diagnostics] == ["cannot-override"]


@pytest.mark.parametrize(
    ("level", "severity"),
    [(Level.ADVISORY, Severity.WARNING), (Level.SOFT, Severity.ERROR), (Level.HARD, Severity.ERROR)],
)
def test_a_violation_weighs_as_its_level_says(level: Level, severity: Severity) -> None:
    judgement = judged(level, violated)
    assert judgement.standing is Standing.VIOLATED
    [finding] = judgement.findings
    assert finding.severity is severity
    assert finding.message == "group.sales: something is wrong"
    assert finding.span == ENTRY.span
    assert finding.notes == (f"{level} policy `made` at specs/reconciler.yaml:7:5: we say so",)
    assert finding.help.startswith("correct it")
    assert ("--override made" in finding.help) == (level is Level.SOFT)


def test_an_override_turns_errors_into_warnings_and_says_so() -> None:
    judgement = judged(Level.SOFT, violated, "made")
    assert judgement.standing is Standing.OVERRIDDEN
    assert severities(judgement) == {Severity.WARNING}
    assert "overridden for this run" in judgement.findings[0].notes


def test_an_override_that_is_not_needed_changes_nothing() -> None:
    assert judged(Level.SOFT, lambda: (), "made").standing is Standing.PASSED


def test_what_nobody_knows_counts_as_meant_by_a_plan_and_is_left_alone_by_specs() -> None:
    unknown = Entry("sales", ENTRY.span, True, {}, undecided=frozenset({"region"}))
    policy = Policy("made", "made", Made(violated), where={"region": ("AWS_*",)})
    plan = Plan(account_id="a", account_name="A", changes=())
    [of_specs] = judged_specs([policy], [unknown])
    [of_plan] = judged_plan([policy], Proposal(plan, {"sales": unknown}, {}), ())
    assert (of_specs.standing, of_plan.standing) == (Standing.PASSED, Standing.VIOLATED)


def test_rules_about_plans_are_not_asked_about_specs() -> None:
    [judgement] = judged_specs([Policy("made", "made", Made(raising, "plan"))], [ENTRY])
    assert judgement.standing is Standing.PASSED


@pytest.mark.parametrize(
    ("level", "severity"),
    [(Level.ADVISORY, Severity.WARNING), (Level.SOFT, Severity.WARNING), (Level.HARD, Severity.ERROR)],
)
def test_what_stands_already_and_is_not_touched_stops_only_where_the_policy_is_hard(
    level: Level, severity: Severity
) -> None:
    """Whoever overrode a soft policy once does not have to do it again for changes of something else."""
    judgement = judged(level, violated, changes=())
    assert judgement.standing is Standing.VIOLATED
    [finding] = (*judgement.findings, *judgement.older)
    assert finding.severity is severity
    assert (finding in judgement.older) is (severity is Severity.WARNING), "and nobody is told again"
    assert "it stands already, and this plan changes nothing of it" in finding.notes


def test_an_advisory_violation_is_not_overridden() -> None:
    assert judged(Level.ADVISORY, violated, "made").standing is Standing.VIOLATED


def test_a_rule_that_is_interrupted_interrupts_the_run() -> None:
    def interrupted() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(Level.HARD, interrupted)


def test_what_a_rule_prints_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    def printing() -> Any:
        print("debugging")  # noqa: T201
        return ()

    assert judged(Level.HARD, printing).standing is Standing.PASSED
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "debugging\n")


@pytest.mark.parametrize("of", ["entry", "plan"])
@pytest.mark.parametrize("address", [Address(DESTINATION, "sales"), None])
def test_a_rule_that_repeats_a_hidden_value_does_not_show_it(of: str, address: Address | None) -> None:
    canary = "canary-of-a-rule"
    declared = {"service": "clickhouse", "config.rows": [{"cell": canary}], "config.level": 7}
    entry = Entry("sales", PLACE, True, declared, live={"config.host": f"{canary}-live"})
    rule = Made(
        lambda: [
            Violation(
                f"7 of `{canary}-live`, `[{canary}]`", address, help=f"write something else than {canary}"
            )
        ],
        of,
    )
    plan = Plan(account_id="a", account_name="A", changes=TOUCHED)
    policy = Policy("made", "made", rule, Level.HARD, because="we say so", span=PLACE)
    [judgement] = judged_plan([policy], Proposal(plan, {"sales": entry}, {}), ())
    [finding] = judgement.findings
    assert canary not in repr(finding)
    assert finding.message.endswith("7 of `••••••••`, `[••••••••]`")
