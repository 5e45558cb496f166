"""Render the reports of a run in one format. A renderer writes nothing itself: it returns texts and files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeAlias

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, IgnoredWarning
from reconciler.model.outcome import ApplyResult
from reconciler.model.plan import AssertedValue, Change, Plan
from reconciler.model.policy import PolicyResult
from reconciler.report.apply import render_adoption, render_summary
from reconciler.report.assertions import render_recorded
from reconciler.report.diagnostics import ReadLine, render_concise, render_full
from reconciler.report.drift import UnmanagedGroups, render_drift_text, select_unlisted_warnings
from reconciler.report.left_out_warnings import render_left_out, split_warnings
from reconciler.report.plan_text import Detail, render_plan_text
from reconciler.report.setup_test_run import render_test_summary
from reconciler.report.statistics import render_statistics
from reconciler.report.style import StyledText
from reconciler.report.validation import render_ignored, render_other_findings, render_validation

_FAILURE_HEADLINES = {"apply": "Not applied", "test": "Not tested", "validate": "Not valid"}


class ExitStatus(Protocol):
    """Exit code of a run. `reason` is the exit code in one word; a refusal forbids the changes of a plan."""

    @property
    def reason(self) -> str: ...

    @property
    def is_refusal(self) -> bool: ...

    def __int__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Printed:
    """Text for standard output, or for standard error. Verbatim text is neither folded nor coloured."""

    text: StyledText | str
    to_stderr: bool = False
    is_verbatim: bool = False


@dataclass(frozen=True, slots=True)
class JobFiles:
    """Outputs of a step of GitHub Actions, and the page of its summary for a limit in bytes (None: no page)."""

    outputs: Mapping[str, str]
    summary: Callable[[int], str] | None = None


Part: TypeAlias = Printed | JobFiles
Parts: TypeAlias = Iterator[Part]


@dataclass(frozen=True, slots=True)
class RunView:
    """Facts of a run that renderers need.

    `project_file` is the path as given, `project` the path from the root of the repository, `to_repo_path` the same
    for any other path. The widths are cells of a terminal, or None. `command` is the name of the command. A full report
    shows each change by itself. With `counts_codes` texts have the number of findings of each code in their place.
    """

    command: str
    project_file: str
    to_repo_path: Callable[[str], str]
    read_line: ReadLine
    get_time: Callable[[], datetime]
    get_out_width: Callable[[], int | None]
    get_err_width: Callable[[], int | None]
    is_verbose: bool = False
    is_full: bool = False
    counts_codes: bool = False

    @property
    def project(self) -> str:
        """Return the path of the project file for the marker of a comment."""
        return self.to_repo_path(self.project_file)

    @property
    def failure_headline(self) -> str:
        """Return the headline of a failed run."""
        return _FAILURE_HEADLINES.get(self.command, "No plan")


@dataclass(frozen=True, slots=True)
class PlanReport:
    """Report of a plan with the exit code of its run. `header` and `footer` surround the text of the plan; `saved` are
    facts about the file of a saved plan."""

    plan: Plan
    exit: ExitStatus
    created_at: datetime
    header: StyledText | None = None
    footer: StyledText | None = None
    saved: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Report of the drift of a plan, with or without the groups that have no spec."""

    plan: Plan
    exit: ExitStatus
    unmanaged_groups: UnmanagedGroups


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """Report of an apply. `applied` is None if the run changed nothing: the plan was empty, refused or declined.

    `asserted` are the values that the operator asserted to be in effect, `unrecorded` those of them that the state does
    not hold at the end.
    """

    plan: Plan
    exit: ExitStatus
    applied: ApplyResult | None
    asserted: Sequence[AssertedValue] = ()
    unrecorded: Collection[AssertedValue] = ()


@dataclass(frozen=True, slots=True)
class SetupTestReport:
    """Report of a run of setup tests. `left` are destinations that the budget or the deadline left out, `missing` are
    entries without a live destination."""

    exit: ExitStatus
    applied: ApplyResult
    left: Sequence[Address] = ()
    missing: Sequence[Address] = ()


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """Report of checked specs. `entries` are the files by address; `findings_elsewhere` counts findings in other files
    than the files that the user named."""

    exit: ExitStatus
    groups: int
    destinations: int
    files: int
    entries: Mapping[str, str]
    warnings: Sequence[Diagnostic] = ()
    refusals: Sequence[Diagnostic] = ()
    policy_results: Sequence[PolicyResult] = ()
    findings_elsewhere: int = 0
    ignored: Sequence[IgnoredWarning] = ()

    @property
    def headline(self) -> str:
        """Return the counts in one sentence."""
        return render_validation(self.groups, self.destinations, self.files)

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        """Return all findings."""
        return (*self.warnings, *self.refusals)


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renderer of text: results for standard output, diagnostics for standard error. Other formats override methods."""

    run: RunView

    is_document: ClassVar[bool] = False
    """Whether standard output must be one document for a program."""
    shows_outcomes_live: ClassVar[bool] = True
    """Whether each change is reported as soon as it ends."""

    def result(self, text: StyledText | str) -> Parts:
        """Render a result as text. Formats with a document render nothing."""
        yield Printed(text)

    def document(self, exit_code: ExitStatus, content: Mapping[str, Any]) -> Parts:
        """Render a result as a document. Formats without a document render nothing."""
        return iter(())

    def diagnostics(self, diagnostics: Collection[Diagnostic]) -> Parts:
        """Render diagnostics with excerpts, or their numbers if the user wants statistics."""
        if self.run.counts_codes:
            yield Printed(render_statistics(diagnostics), to_stderr=True)
            return
        text = render_full(
            diagnostics,
            self.run.read_line,
            self.run.get_err_width(),
            combines_alike=not self.run.is_verbose,
        )
        yield Printed(text, to_stderr=True)

    def warnings(self, warnings: Collection[Diagnostic]) -> Parts:
        """Render warnings, before the results of a run."""
        if warnings:
            yield from self.diagnostics(warnings)
            yield Printed("", to_stderr=True)

    def plan_warnings(self, plan: Plan) -> Parts:
        """Render the warnings of a plan. Those about entries that it does not touch are counted, unless the user wants
        all."""
        yield from self._warn_of(plan.warnings, plan.effective)

    def _warn_of(self, warnings: Sequence[Diagnostic], changes: Sequence[Change]) -> Parts:
        shown, left_out = (warnings, []) if self.run.is_verbose else split_warnings(warnings, changes)
        yield from self.warnings(shown)
        yield from self.left_out(left_out, has_shown=bool(shown))

    def left_out(self, warnings: Collection[Diagnostic], *, has_shown: bool) -> Parts:
        """Render the number of warnings that are left out. `has_shown` says that others were shown before them."""
        if warnings:
            yield Printed(render_left_out(len(warnings), has_shown=has_shown), to_stderr=True)
            yield Printed("", to_stderr=True)

    def blockers(self, blockers: Collection[Diagnostic]) -> Parts:
        """Render diagnostics that forbid to apply a plan, after the plan."""
        if blockers:
            yield Printed("", to_stderr=True)
            yield from self.diagnostics(blockers)

    def changes(self, plan: Plan) -> Parts:
        """Render the changes of a plan, for the approval of the user."""
        detail = Detail.EVERYTHING if self.run.is_verbose else Detail.CHANGES
        yield Printed(render_plan_text(plan, detail, self.run.get_out_width(), is_full=self.run.is_full))

    def plan(self, report: PlanReport) -> Parts:
        """Render a whole plan with its warnings and blockers."""
        yield from self.plan_warnings(report.plan)
        if report.header is not None:
            yield from self.result(report.header)
        yield from self.changes(report.plan)
        yield from self.blockers(report.plan.blockers)
        if report.footer is not None:
            yield from self.result(report.footer)

    def drift(self, report: DriftReport) -> Parts:
        """Render the drift of a plan, and the entries that it omits. Other blockers are irrelevant. The text lists the
        statuses, so no warning repeats them."""
        yield from self._warn_of(select_unlisted_warnings(report.plan), report.plan.drifted)
        yield from self.result(
            render_drift_text(
                report.plan,
                report.unmanaged_groups,
                self.run.get_out_width(),
                is_verbose=self.run.is_verbose,
                is_full=self.run.is_full,
            )
        )
        yield from self.blockers(report.plan.omissions)

    def validation(self, report: ValidationReport) -> Parts:
        """Render checked specs, or the refusals of policies."""
        if report.refusals:
            yield from self.failure(report.exit, report.findings, report.policy_results)
            return
        yield from self.warnings(report.warnings)
        if report.ignored:
            yield Printed(render_ignored(len(report.ignored)), to_stderr=True)
            yield Printed("", to_stderr=True)
        yield from self.result(report.headline)
        if report.findings_elsewhere:
            yield Printed(render_other_findings(report.findings_elsewhere), to_stderr=True)

    def applied(self, report: ApplyReport) -> Parts:
        """Render the end of an apply. The plan and, unless `shows_outcomes_live` is false, each change stand above."""
        if report.applied is not None:
            yield Printed("")
            yield Printed(render_summary(report.applied))
        elif report.plan.adopted and not int(report.exit):
            yield Printed(render_adoption(report.plan.adopted))
        yield from self.assertions(report)
        if report.applied is not None and report.applied.problems:
            yield from self.diagnostics(report.applied.problems)

    def assertions(self, report: ApplyReport) -> Parts:
        """Render what an apply has recorded of the values that the operator asserted."""
        if report.asserted and (report.applied is not None or not int(report.exit)):
            yield Printed(render_recorded(report.asserted, report.unrecorded))

    def tested(self, report: SetupTestReport) -> Parts:
        """Render the end of a run of setup tests. The result of each destination stands above."""
        if report.applied.outcomes:
            yield from self.result("")
        yield from self.result(render_test_summary(report.applied, report.left, report.missing))
        if report.applied.problems:
            yield from self.diagnostics(report.applied.problems)

    def failure(
        self,
        exit_code: ExitStatus,
        diagnostics: Collection[Diagnostic],
        policy_results: Collection[PolicyResult] = (),
    ) -> Parts:
        """Render the end of a failed run. No document of a failure looks like a plan without changes."""
        yield from self.diagnostics(diagnostics)

    def interrupted(self, exit_code: ExitStatus, diagnostic: Diagnostic) -> Parts:
        """Render the end of a run that the user stopped before its first change. Only documents need the diagnostic."""
        yield Printed("Interrupted before anything was changed.", to_stderr=True)


class ConciseRenderer(Renderer):
    """Renderer for editors: each diagnostic on a line."""

    def diagnostics(self, diagnostics: Collection[Diagnostic]) -> Parts:
        """Render each diagnostic on a line."""
        if self.run.counts_codes:
            yield from super().diagnostics(diagnostics)
            return
        yield Printed(render_concise(diagnostics), to_stderr=True)

    def warnings(self, warnings: Collection[Diagnostic]) -> Parts:
        """Render each warning on a line. No empty line follows, since editors parse every line."""
        if warnings:
            yield from self.diagnostics(warnings)


class DocumentRenderer(Renderer):
    """Renderer of one document on standard output, with the diagnostics inside. Renders no text for people."""

    is_document = True
    shows_outcomes_live = False

    def result(self, text: StyledText | str) -> Parts:
        """Render nothing."""
        return iter(())

    def warnings(self, warnings: Collection[Diagnostic]) -> Parts:
        """Render nothing."""
        return iter(())

    def plan_warnings(self, plan: Plan) -> Parts:
        """Render nothing."""
        return iter(())

    def blockers(self, blockers: Collection[Diagnostic]) -> Parts:
        """Render nothing."""
        return iter(())

    def changes(self, plan: Plan) -> Parts:
        """Render nothing."""
        return iter(())

    def applied(self, report: ApplyReport) -> Parts:
        """Render nothing."""
        return iter(())

    def interrupted(self, exit_code: ExitStatus, diagnostic: Diagnostic) -> Parts:
        """Render the document of a failure."""
        return self.failure(exit_code, [diagnostic])


def make_verbatim(text: str) -> Printed:
    """Make a document for standard output."""
    return Printed(text, is_verbatim=True)
