"""Exit codes, and which one a failure leads to."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from reconciler.model.diagnostic import Diagnostic, select_errors
from reconciler.model.outcome import ApplyResult, Status


class ExitCode(IntEnum):
    """What a run says to the shell that started it. `reason` is the same in one word."""

    OK = 0
    FAILED = 1
    CHANGES = 2
    REFUSED = 3
    PLAN_REFUSED = 4
    LOCKED = 5
    INCOMPLETE = 6
    AWAITING_APPROVAL = 7
    USAGE = 64
    BUG = 70
    INTERRUPTED = 130

    @property
    def reason(self) -> str:
        """The name as machines read it, for example `awaiting-approval`."""
        return self.name.lower().replace("_", "-")


_BY_CODE = {
    "account-unconfirmed": ExitCode.REFUSED,
    "cannot-override": ExitCode.REFUSED,
    "lease-lost": ExitCode.LOCKED,
    "locked": ExitCode.LOCKED,
    "has-connections": ExitCode.REFUSED,
    "limit-exceeded": ExitCode.REFUSED,
    "plan-altered": ExitCode.PLAN_REFUSED,
    "plan-applied": ExitCode.PLAN_REFUSED,
    "plan-expired": ExitCode.PLAN_REFUSED,
    "plan-format": ExitCode.PLAN_REFUSED,
    "plan-incomplete": ExitCode.PLAN_REFUSED,
    "plan-other-account": ExitCode.PLAN_REFUSED,
    "plan-secret-changed": ExitCode.PLAN_REFUSED,
    "plan-signature": ExitCode.PLAN_REFUSED,
    "plan-spec-changed": ExitCode.PLAN_REFUSED,
    "plan-stale": ExitCode.PLAN_REFUSED,
    "plan-unlike": ExitCode.PLAN_REFUSED,
    "platform-connection": ExitCode.REFUSED,
    "policy-failed": ExitCode.REFUSED,
    "policy-violated": ExitCode.REFUSED,
    "protected": ExitCode.REFUSED,
    "replace-refused": ExitCode.REFUSED,
    "no-terminal": ExitCode.USAGE,
    "nothing-selected": ExitCode.USAGE,
}


def get_exit_code(diagnostics: Iterable[Diagnostic]) -> ExitCode:
    """The exit code of a run that stopped for these reasons. Where they differ it is the general one."""
    codes = {_BY_CODE.get(diagnostic.code, ExitCode.FAILED) for diagnostic in select_errors(diagnostics)}
    return codes.pop() if len(codes) == 1 else ExitCode.FAILED


def get_apply_exit_code(applied: ApplyResult) -> ExitCode:
    """The exit code of an apply: an incomplete run outranks one that waits for an approval."""
    statuses = {outcome.status for outcome in applied.outcomes}
    is_untried = all(status.is_untried for status in statuses)
    if applied.interrupted and is_untried and not select_errors(applied.problems):
        return ExitCode.INTERRUPTED
    if (
        applied.interrupted
        or not all(status.is_in_effect for status in statuses)
        or any(outcome.has_failed_tests for outcome in applied.outcomes)
    ):
        return ExitCode.INCOMPLETE
    if select_errors(applied.problems):
        return ExitCode.INCOMPLETE
    waiting = {outcome.address for outcome in applied.outcomes if outcome.status is Status.AWAITING_APPROVAL}
    if applied.remaining is None or set(applied.remaining) - waiting:
        return ExitCode.INCOMPLETE
    return ExitCode.AWAITING_APPROVAL if waiting else ExitCode.OK
