from __future__ import annotations

from dataclasses import replace

import pytest
from report_values import CREATED, SKIPPED, TESTED, build_apply_result

from reconciler.cli.exit import ExitCode, get_apply_exit_code, get_exit_code
from reconciler.model.codes import ExitClass
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.outcome import ApplyResult, Status

TESTS_FAILED = Diagnostic("setup-tests-failed", "they did not pass")
TESTS_WARNED = replace(TESTS_FAILED, severity=Severity.WARNING)
CANCELLED = replace(SKIPPED, status=Status.CANCELLED)
AWAITING = replace(TESTED, status=Status.AWAITING_APPROVAL)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (build_apply_result(CREATED, TESTED), ExitCode.OK),
        (build_apply_result(CREATED, SKIPPED), ExitCode.INCOMPLETE),
        (build_apply_result(replace(CREATED, status=Status.FAILED)), ExitCode.INCOMPLETE),
        (build_apply_result(replace(CREATED, status=Status.UNKNOWN)), ExitCode.INCOMPLETE),
        (build_apply_result(CREATED, CANCELLED, interrupted=True), ExitCode.INCOMPLETE),
        (build_apply_result(CANCELLED, SKIPPED, interrupted=True), ExitCode.INTERRUPTED),
        (build_apply_result(CREATED, remaining=None), ExitCode.INCOMPLETE),
        (build_apply_result(CREATED, remaining=(CREATED.address,)), ExitCode.INCOMPLETE),
        (build_apply_result(replace(TESTED, diagnostics=(TESTS_FAILED,))), ExitCode.INCOMPLETE),
        (build_apply_result(replace(TESTED, diagnostics=(TESTS_WARNED,))), ExitCode.OK),
        (build_apply_result(CREATED, AWAITING, remaining=(AWAITING.address,)), ExitCode.AWAITING_APPROVAL),
        (build_apply_result(CREATED, AWAITING, remaining=(CREATED.address,)), ExitCode.INCOMPLETE),
        (build_apply_result(AWAITING, SKIPPED), ExitCode.INCOMPLETE),
    ],
)
def test_the_exit_code_follows_from_the_outcomes(run: ApplyResult, expected: ExitCode) -> None:
    assert get_apply_exit_code(run) is expected


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["unknown-field"], ExitCode.FAILED),
        (["replace-refused"], ExitCode.REFUSED),
        (["account-unconfirmed"], ExitCode.REFUSED),
        (["no-terminal"], ExitCode.USAGE),
        (["replace-refused", "unknown-field"], ExitCode.FAILED),
    ],
)
def test_the_exit_code_follows_from_the_diagnostics(codes: list[str], expected: ExitCode) -> None:
    assert get_exit_code(Diagnostic(code, "x") for code in codes) is expected


def test_every_exit_class_is_the_reason_of_an_exit_code() -> None:
    assert {ExitCode[each.name].reason for each in ExitClass} == set(ExitClass)


def test_a_warning_beside_an_error_does_not_change_the_exit_code() -> None:
    warning = Diagnostic("unknown-service", "x", severity=Severity.WARNING)
    assert get_exit_code([warning, Diagnostic("replace-refused", "x")]) is ExitCode.REFUSED


def test_exit_reasons_are_identifiers() -> None:
    assert ExitCode.AWAITING_APPROVAL.reason == "awaiting-approval"
