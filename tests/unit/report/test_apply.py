from __future__ import annotations

from dataclasses import replace

import pytest
from report_values import (
    CREATED,
    SKIPPED,
    TESTED,
    build_apply_result,
    destination_address,
    group_address,
    make_span,
)

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.outcome import ApplyResult, Check, Outcome, Status
from reconciler.model.plan import Action
from reconciler.report.apply import (
    measure_addresses,
    render_apply_markdown,
    render_outcome,
    render_outcomes,
    render_summary,
    serialize_apply_result,
)
from reconciler.report.setup_test_run import render_test_markdown

WIDTH = measure_addresses([CREATED.address, TESTED.address])


def render(outcome: Outcome) -> list[str]:
    return render_outcome(outcome, WIDTH).plain.splitlines()


def test_a_finished_change_is_one_line() -> None:
    assert render(CREATED) == ["  + group.finance_prod        created    yawning_sponge        0.4 s"]


def test_setup_tests_are_counted_and_their_messages_shown() -> None:
    assert render(TESTED) == [
        "  + destination.finance_prod  created    yawning_sponge        3.9 s",
        "      setup tests  2 passed, 1 warning",
        "        ! Validate Permissions: role R cannot create schemas",
    ]


def test_a_skipped_change_has_no_duration() -> None:
    assert render(SKIPPED) == ["  ~ destination.analytics_prod  skipped"]


@pytest.mark.parametrize(
    ("status", "message", "line"),
    [
        (
            Status.SKIPPED,
            "destination.analytics_prod was not tried, because group.analytics_prod did not come about",
            "skipped    not tried, because group.analytics_prod did not come about",
        ),
        (Status.HELD, "destination.analytics_prod was not deleted", "held back  not deleted"),
    ],
)
def test_an_untried_change_has_its_reason_in_its_line(status: Status, message: str, line: str) -> None:
    untried = replace(
        SKIPPED, status=status, diagnostics=(Diagnostic("skipped", message, span=make_span("a", 1, 1)),)
    )
    assert render(untried) == [f"  ~ destination.analytics_prod  {line}"]


def skip(number: int, reason: str, status: Status = Status.SKIPPED) -> Outcome:
    address = destination_address(f"team_{number}")
    diagnostic = Diagnostic("skipped", f"{address} was {reason}")
    return Outcome(address, Action.CREATE, status, diagnostics=(diagnostic,))


def render_all(*outcomes: Outcome, names_all: bool = False) -> list[str]:
    return [text.plain for text in render_outcomes(outcomes, WIDTH, names_all=names_all)]


def test_many_changes_with_one_reason_are_one_line_after_the_results() -> None:
    skipped = [skip(number, "not tried after `unauthorized`") for number in range(1200)]
    held = [
        skip(number, "not deleted, because group.a ended as `failed`", Status.HELD) for number in range(4)
    ]
    assert render_all(*skipped, *held, CREATED) == [
        render(CREATED)[0],
        "  1,200 not started: skipped, not tried after `unauthorized`"
        " (destination.team_0, destination.team_1 and 1,198 more; --verbose names all)",
        "  4 not started: held back, not deleted, because group.a ended as `failed`"
        " (destination.team_0, destination.team_1 and 2 more; --verbose names all)",
    ]


def test_destinations_without_their_groups_have_one_reason() -> None:
    skipped = [
        skip(number, f"not tried, because group.team_{number} did not come about") for number in range(4)
    ]
    assert render_all(*skipped) == [
        "  4 not started: skipped, not tried, because their groups did not come about"
        " (destination.team_0, destination.team_1 and 2 more; --verbose names all)"
    ]


def test_changes_with_different_reasons_have_a_line_each() -> None:
    skipped = [skip(number, f"not tried, because group.x{number} did not come about") for number in range(9)]
    assert [line.split()[1] for line in render_all(*skipped)] == [str(each.address) for each in skipped]


def test_with_all_names_every_change_has_a_line_in_its_place() -> None:
    skipped = [skip(number, "not tried after `unauthorized`") for number in range(5)]
    lines = render_all(*skipped, CREATED, names_all=True)
    assert len(lines) == 6
    assert lines[-1] == render(CREATED)[0]


def test_markdown_has_one_line_and_json_every_outcome() -> None:
    cancelled = [
        Outcome(group_address(f"team_{number}"), Action.CREATE, Status.CANCELLED) for number in range(512)
    ]
    applied = build_apply_result(CREATED, *cancelled, interrupted=True, remaining=None)
    line = "  512 not started: cancelled (group.team_0, group.team_1 and 510 more; --verbose names all)"
    for page in (render_apply_markdown(applied, 60_000), render_test_markdown(applied, (), (), 60_000)):
        assert line in page.splitlines()
        assert "team_7" not in page
    for page in (
        render_apply_markdown(applied, 600_000, names_all=True),
        render_test_markdown(applied, (), (), 600_000, names_all=True),
    ):
        assert page.count(" cancelled\n") == 512
    assert len(serialize_apply_result(applied)["outcomes"]) == 513


def test_a_failure_shows_reason_and_help() -> None:
    reason = Diagnostic(
        "api-refused",
        "refused",
        span=make_span("specs/a.yaml", 7, 3),
        notes=("POST /v1/groups",),
        help="correct the spec",
    )
    failed = replace(CREATED, status=Status.FAILED, id=None, diagnostics=(reason,))
    assert render(failed) == [
        "  + group.finance_prod        failed                           0.4 s",
        "      error[api-refused]: refused",
        "        --> specs/a.yaml:7:3",
        "        = note: POST /v1/groups",
        "        = help: correct the spec",
    ]


def test_a_failed_setup_test_is_reported_once() -> None:
    checks = (Check("Connect", "PASSED"), Check("Read", "FAILED", "no route"), Check("Write", "FAILED"))
    reason = Diagnostic(
        "setup-tests-failed", "it has not passed", notes=("Read: no route", "Write: FAILED", "another fact")
    )
    assert render(replace(TESTED, checks=checks, diagnostics=(reason,)))[1:] == [
        "      setup tests  1 passed, 2 failed",
        "        ! Read: no route",
        "        ! Write",
        "      error[setup-tests-failed]: it has not passed",
        "        = note: another fact",
    ]


def test_a_create_that_awaits_approval_is_reported_as_created() -> None:
    assert render(replace(CREATED, status=Status.AWAITING_APPROVAL)) == [
        "  + group.finance_prod        created    yawning_sponge        0.4 s, awaiting approval"
    ]


def test_an_unknown_test_status_is_shown_unchanged() -> None:
    odd = replace(TESTED, checks=(Check("New", "EXPLODED\x1b", "x" * 5000),))
    lines = render(odd)
    assert lines[1] == "      setup tests  1 EXPLODED\\x1b"
    assert lines[2].startswith("        ! New: xxx")
    assert len(lines[2]) < 700


def test_a_complete_run_has_a_summary_of_two_lines() -> None:
    updated = replace(SKIPPED, status=Status.DONE)
    assert render_summary(build_apply_result(CREATED, TESTED, updated)).plain.splitlines() == [
        "Applied: 2 created, 1 updated in 11.8 s, 19 requests.",
        "Checked: a new plan is empty.",
    ]


def test_a_change_that_awaits_approval_counts_as_applied_and_as_not_finished() -> None:
    waiting = replace(TESTED, status=Status.AWAITING_APPROVAL)
    untested = replace(TESTED, diagnostics=(Diagnostic("setup-tests-failed", "it has not passed"),))
    run = build_apply_result(CREATED, waiting, untested, remaining=(TESTED.address,))
    assert render_summary(run).plain.splitlines() == [
        "Applied: 3 created in 11.8 s, 19 requests.",
        "Not finished: 1 awaiting approval, 1 without passed setup tests.",
        "Checked: a new plan still has changes of destination.finance_prod.",
        "Fix the problems that the setup tests report, then run apply again: it repeats the tests.",
    ]


def test_an_incomplete_run_counts_unapplied_changes_and_gives_advice() -> None:
    failed = replace(CREATED, status=Status.FAILED)
    lines = render_summary(
        build_apply_result(failed, SKIPPED, remaining=(failed.address, SKIPPED.address))
    ).plain.splitlines()
    assert lines[:3] == [
        "Applied: nothing in 11.8 s, 19 requests.",
        "Not applied: 1 failed, 1 skipped.",
        "Checked: a new plan still has changes of group.finance_prod, destination.analytics_prod.",
    ]
    assert "run apply again" in lines[3]


@pytest.mark.parametrize(
    ("run", "advice"),
    [
        (build_apply_result(replace(CREATED, status=Status.UNKNOWN), remaining=None), "creates none twice"),
        (
            build_apply_result(replace(CREATED, status=Status.AWAITING_APPROVAL)),
            "Pin the certificates and",
        ),
        (build_apply_result(CREATED, remaining=None), "Run plan to see whether any changes are left."),
        (
            build_apply_result(CREATED, remaining=(group_address("finance_prod"),)),
            "Run plan to see the remaining changes.",
        ),
        (
            build_apply_result(CREATED, interrupted=True, remaining=None),
            "Interrupted. All changes were applied",
        ),
        (
            build_apply_result(CREATED, SKIPPED, interrupted=True, remaining=None),
            "Interrupted. Run apply again",
        ),
    ],
)
def test_every_unfinished_run_ends_with_one_advice(run: ApplyResult, advice: str) -> None:
    assert advice in render_summary(run).plain.splitlines()[-1]


def test_an_interrupted_run_does_not_claim_a_convergence_check() -> None:
    assert "hecked" not in render_summary(build_apply_result(CREATED, interrupted=True, remaining=None)).plain


def test_many_remaining_addresses_are_summarized() -> None:
    left = tuple(destination_address(f"d{number}") for number in range(9))
    assert "destination.d4 and 4 more." in render_summary(build_apply_result(CREATED, remaining=left)).plain


def test_long_durations_are_shown_in_minutes() -> None:
    slow = replace(CREATED, action=Action.VERIFY, seconds=125.2, checks=())
    assert render(slow)[0].endswith("tested     yawning_sponge        2 min 5 s")
