from __future__ import annotations

from dataclasses import replace

import pytest
from report_values import CREATED, SKIPPED, TESTED, applied

from reconciler.cli import exit as exit_codes
from reconciler.cli.exit import Exit, exit_after, exit_for
from reconciler.model.codes import EXPLANATIONS
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.outcome import Applied, Status

TESTS_FAILED = Diagnostic("setup-tests-failed", "they did not pass")
TESTS_WARNED = replace(TESTS_FAILED, severity=Severity.WARNING)
CANCELLED = replace(SKIPPED, status=Status.CANCELLED)
AWAITING = replace(TESTED, status=Status.AWAITING_APPROVAL)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (applied(CREATED, TESTED), Exit.OK),
        (applied(CREATED, SKIPPED), Exit.INCOMPLETE),
        (applied(replace(CREATED, status=Status.FAILED)), Exit.INCOMPLETE),
        (applied(replace(CREATED, status=Status.UNKNOWN)), Exit.INCOMPLETE),
        (applied(CREATED, CANCELLED, interrupted=True), Exit.INCOMPLETE),
        (applied(CANCELLED, SKIPPED, interrupted=True), Exit.INTERRUPTED),
        (applied(CREATED, remaining=None), Exit.INCOMPLETE),
        (applied(CREATED, remaining=(CREATED.address,)), Exit.INCOMPLETE),
        (applied(replace(TESTED, diagnostics=(TESTS_FAILED,))), Exit.INCOMPLETE),
        (applied(replace(TESTED, diagnostics=(TESTS_WARNED,))), Exit.OK),
        (applied(CREATED, AWAITING, remaining=(AWAITING.address,)), Exit.AWAITING_APPROVAL),
        (applied(CREATED, AWAITING, remaining=(CREATED.address,)), Exit.INCOMPLETE),
        (applied(AWAITING, SKIPPED), Exit.INCOMPLETE),
    ],
)
def test_the_exit_code_follows_from_what_became_of_the_changes(run: Applied, expected: Exit) -> None:
    assert exit_after(run) is expected


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["unknown-field"], Exit.FAILED),
        (["replace-refused"], Exit.REFUSED),
        (["account-unconfirmed"], Exit.REFUSED),
        (["no-terminal"], Exit.USAGE),
        (["replace-refused", "unknown-field"], Exit.FAILED),
    ],
)
def test_the_exit_code_follows_from_the_diagnostics(codes: list[str], expected: Exit) -> None:
    assert exit_for(Diagnostic(code, "x") for code in codes) is expected


def test_only_codes_that_exist_lead_to_an_exit_code_of_their_own() -> None:
    assert set(exit_codes._BY_CODE) <= set(EXPLANATIONS)


def test_a_warning_beside_an_error_does_not_change_the_exit_code() -> None:
    warning = Diagnostic("unknown-service", "x", severity=Severity.WARNING)
    assert exit_for([warning, Diagnostic("replace-refused", "x")]) is Exit.REFUSED


def test_reasons_are_words_for_machines() -> None:
    assert Exit.AWAITING_APPROVAL.reason == "awaiting-approval"
