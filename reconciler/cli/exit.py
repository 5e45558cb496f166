"""Exit codes, and which one a failure leads to."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from reconciler.model.diagnostic import Diagnostic, errors_among
from reconciler.model.outcome import Applied, Status


class Exit(IntEnum):
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
    "account-unconfirmed": Exit.REFUSED,
    "cannot-override": Exit.REFUSED,
    "lease-lost": Exit.LOCKED,
    "locked": Exit.LOCKED,
    "has-connections": Exit.REFUSED,
    "limit-exceeded": Exit.REFUSED,
    "plan-altered": Exit.PLAN_REFUSED,
    "plan-applied": Exit.PLAN_REFUSED,
    "plan-expired": Exit.PLAN_REFUSED,
    "plan-format": Exit.PLAN_REFUSED,
    "plan-incomplete": Exit.PLAN_REFUSED,
    "plan-other-account": Exit.PLAN_REFUSED,
    "plan-secret-changed": Exit.PLAN_REFUSED,
    "plan-signature": Exit.PLAN_REFUSED,
    "plan-spec-changed": Exit.PLAN_REFUSED,
    "plan-stale": Exit.PLAN_REFUSED,
    "plan-unlike": Exit.PLAN_REFUSED,
    "platform-connection": Exit.REFUSED,
    "policy-failed": Exit.REFUSED,
    "policy-violated": Exit.REFUSED,
    "protected": Exit.REFUSED,
    "replace-refused": Exit.REFUSED,
    "no-terminal": Exit.USAGE,
    "nothing-selected": Exit.USAGE,
}

_NOTHING_SENT = {Status.CANCELLED, Status.SKIPPED, Status.HELD}
_COMPLETE = {Status.DONE, Status.AWAITING_APPROVAL}


def exit_for(diagnostics: Iterable[Diagnostic]) -> Exit:
    """The exit code of a run that stopped for these reasons. Where they differ it is the general one."""
    codes = {_BY_CODE.get(each.code, Exit.FAILED) for each in errors_among(diagnostics)}
    return codes.pop() if len(codes) == 1 else Exit.FAILED


def exit_after(applied: Applied) -> Exit:
    """The exit code of an apply: an incomplete run outranks one that waits for an approval."""
    statuses = {outcome.status for outcome in applied.outcomes}
    if applied.interrupted and statuses <= _NOTHING_SENT and not errors_among(applied.problems):
        return Exit.INTERRUPTED
    if (
        applied.interrupted
        or not statuses <= _COMPLETE
        or any(outcome.failed_tests for outcome in applied.outcomes)
    ):
        return Exit.INCOMPLETE
    if errors_among(applied.problems):
        return Exit.INCOMPLETE
    waiting = {outcome.address for outcome in applied.outcomes if outcome.status is Status.AWAITING_APPROVAL}
    if applied.remaining is None or set(applied.remaining) - waiting:
        return Exit.INCOMPLETE
    return Exit.AWAITING_APPROVAL if waiting else Exit.OK
