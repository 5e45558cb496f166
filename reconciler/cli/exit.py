"""Choose the exit code of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from types import MappingProxyType

from reconciler.model.diagnostic import Diagnostic, select_errors
from reconciler.model.outcome import ApplyResult, Status


class ExitCode(IntEnum):
    """Exit code of a run."""

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
    def is_refusal(self) -> bool:
        """Whether a rule of the project, or of a saved plan, forbids the changes."""
        return self in {ExitCode.REFUSED, ExitCode.PLAN_REFUSED}

    @property
    def reason(self) -> str:
        """The name in JSON documents, for example `awaiting-approval`."""
        return self.name.lower().replace("_", "-")

    @property
    def meaning(self) -> str:
        """The meaning, for help pages and guides."""
        return _MEANINGS[self]


_MEANINGS: Mapping[ExitCode, str] = MappingProxyType(
    {
        ExitCode.OK: "Success, also if there is nothing to do.",
        ExitCode.FAILED: 'Failed: specs, credentials, API, or "no" at the prompt.',
        ExitCode.CHANGES: "Only with `--detailed-exitcode`: there are changes, or drift.",
        ExitCode.REFUSED: "Refused by a policy, a limit or protection, or because the state of another project has an"
        " object.",
        ExitCode.PLAN_REFUSED: "The reviewed plan is no longer valid.",
        ExitCode.LOCKED: "Another run holds the lock.",
        ExitCode.INCOMPLETE: "The apply is incomplete, also if a creation has to wait.",
        ExitCode.AWAITING_APPROVAL: "A certificate or a host key has no approval: pin it with `trust pin`, and apply"
        " again.",
        ExitCode.USAGE: "Wrong usage of the command line.",
        ExitCode.BUG: "A bug of this program. Please report it with the printed lines.",
        ExitCode.INTERRUPTED: "Interrupted before any change was sent.",
    }
)


def get_exit_code(diagnostics: Iterable[Diagnostic]) -> ExitCode:
    """Choose the exit code of a run that ended with these diagnostics.

    It is the exit class of the errors if they have the same class, else FAILED.
    """
    classes = {diagnostic.code_facts.exit for diagnostic in select_errors(diagnostics)}
    return ExitCode[classes.pop().name] if len(classes) == 1 else ExitCode.FAILED


_FROM_BEST_TO_WORST = (
    ExitCode.OK,
    ExitCode.CHANGES,
    ExitCode.AWAITING_APPROVAL,
    ExitCode.REFUSED,
    ExitCode.PLAN_REFUSED,
    ExitCode.LOCKED,
    ExitCode.INCOMPLETE,
    ExitCode.USAGE,
    ExitCode.FAILED,
    ExitCode.BUG,
    ExitCode.INTERRUPTED,
)


def get_worst_exit_code(codes: Iterable[ExitCode]) -> ExitCode:
    """Choose the exit code of a run over several projects: the worst exit code of a project."""
    return max(codes, key=_FROM_BEST_TO_WORST.index, default=ExitCode.OK)


def get_apply_exit_code(applied: ApplyResult) -> ExitCode:
    """Choose the exit code of an apply. An incomplete run takes precedence over a pending approval."""
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
