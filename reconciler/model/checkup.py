"""Define the checks of a set-up and their results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.diagnostic import Diagnostic, select_errors


class CheckupStatus(StrEnum):
    """Status of a check. Only an error makes a checkup fail."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    NOT_CHECKED = "not-checked"


class CheckupArea(StrEnum):
    """Part of a set-up that a check is about, in the order of the report."""

    PROGRAM = "program"
    CONNECTION = "connection"
    ACCOUNT = "account"
    PROJECT = "project"
    STATE = "state"
    SECRETS = "secrets"


@dataclass(frozen=True, slots=True)
class CheckupItem:
    """A check with its result in one line.

    `help` is the next step if the status is no success. `findings` are details with a place in a file. `cause` is the
    earlier problem for which a check could not run.
    """

    area: CheckupArea
    name: str
    status: CheckupStatus
    text: str
    help: str = ""
    findings: tuple[Diagnostic, ...] = ()
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Checkup:
    """All checks of a set-up, in the order of the report."""

    items: tuple[CheckupItem, ...]

    @property
    def counts(self) -> Mapping[CheckupStatus, int]:
        """Number of checks by status, zero included."""
        counted = Counter(item.status for item in self.items)
        return {status: counted[status] for status in CheckupStatus}

    @property
    def has_errors(self) -> bool:
        """Whether something is wrong."""
        return any(item.status is CheckupStatus.ERROR for item in self.items)


@dataclass(frozen=True, slots=True)
class AreaChecks:
    """Maker of the checks of one area."""

    area: CheckupArea

    def pass_check(self, name: str, text: str) -> CheckupItem:
        """Make a check without a problem."""
        return CheckupItem(self.area, name, CheckupStatus.OK, text)

    def warn(self, name: str, text: str, advice: str, findings: Iterable[Diagnostic] = ()) -> CheckupItem:
        """Make a check with a problem that stops no run."""
        return CheckupItem(self.area, name, CheckupStatus.WARNING, text, advice, tuple(findings))

    def fail(self, name: str, text: str, advice: str, findings: Iterable[Diagnostic] = ()) -> CheckupItem:
        """Make a check with a problem that stops a run."""
        return CheckupItem(self.area, name, CheckupStatus.ERROR, text, advice, tuple(findings))

    def skip(self, name: str, cause: str, advice: str = "") -> CheckupItem:
        """Make a check that could not run."""
        return CheckupItem(self.area, name, CheckupStatus.NOT_CHECKED, cause, advice, cause=cause)

    def judge(
        self, name: str, text: str, findings: Collection[Diagnostic], summary: str = "", advice: str = ""
    ) -> CheckupItem:
        """Make a check from findings: `text` is its line without a finding, `summary` its line above the findings.

        A single finding without a place in a file is the line itself, with its own next step.
        """
        if not findings:
            return self.pass_check(name, text)
        make = self.fail if select_errors(findings) else self.warn
        if len(findings) == 1:
            [finding] = findings
            if finding.span is None:
                return make(name, "; ".join((finding.message, *finding.notes)), finding.help)
        return make(name, summary, advice, findings)
