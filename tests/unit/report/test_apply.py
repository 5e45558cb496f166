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
from reconciler.report.apply import measure_addresses, render_outcome, render_summary

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
