"""Render annotations and outputs for GitHub Actions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from reconciler.model.diagnostic import Diagnostic, Severity, sort_diagnostics
from reconciler.model.plan import Plan
from reconciler.model.policy import PolicyResult
from reconciler.model.sanitize import escape, to_one_line
from reconciler.report.apply import render_apply_markdown
from reconciler.report.drift import select_unlisted_warnings
from reconciler.report.plan_markdown import (
    render_failure_markdown,
    render_plan_markdown,
    render_validation_markdown,
)
from reconciler.report.plan_summary import count_changes
from reconciler.report.renderer import (
    ApplyReport,
    DriftReport,
    ExitStatus,
    JobFiles,
    Parts,
    PlanReport,
    Renderer,
    SetupTestReport,
    ValidationReport,
    make_verbatim,
)
from reconciler.report.setup_test_run import count_tests, render_test_markdown

MAX_PER_STEP = 10
"""Number of errors, and of warnings, that a runner keeps of one step; it drops all others silently."""
MAX_MESSAGE_LENGTH = 4096
"""Characters of one message."""

PathMapper = Callable[[str], str]


def render_github_annotations(diagnostics: Iterable[Diagnostic], to_repo_path: PathMapper) -> list[str]:
    """Render each diagnostic on a line, errors first. If there are too many, the last line counts the omitted
    diagnostics.

    `to_repo_path` turns the path of a span into a path from the root of the repository.
    """
    ordered = sort_diagnostics(diagnostics)
    rendered: list[str] = []
    for severity in Severity:
        matching = [diagnostic for diagnostic in ordered if diagnostic.severity is severity]
        shown = matching if len(matching) <= MAX_PER_STEP else matching[: MAX_PER_STEP - 1]
        rendered += [_render_annotation(diagnostic, to_repo_path) for diagnostic in shown]
        if len(matching) > len(shown):
            rendered.append(
                f"::{severity}::{len(matching) - len(shown):,} more; the log of this step has them all"
            )
    return rendered


def _render_annotation(diagnostic: Diagnostic, to_repo_path: PathMapper) -> str:
    span = diagnostic.span
    properties: dict[str, object] = {}
    if span is not None:
        properties = {"file": to_repo_path(span.path), "line": span.line}
        # GitHub refuses a column for a span of several lines.
        properties |= {"col": span.column} if span.end_line == span.line else {"endLine": span.end_line}
    properties["title"] = diagnostic.code
    parameters = ",".join(f"{name}={_escape_property(str(value))}" for name, value in properties.items())
    return f"::{diagnostic.severity} {parameters}::{_escape_data(_render_message(diagnostic))}"


def _render_message(diagnostic: Diagnostic) -> str:
    parts = [to_one_line(diagnostic.message)]
    parts += [to_one_line(diagnostic.label)] if diagnostic.label else []
    parts += [f"note: {to_one_line(note)}" for note in diagnostic.notes]
    parts += [f"help: {to_one_line(diagnostic.help)}"] if diagnostic.help else []
    text = "\n".join(parts)
    return text if len(text) <= MAX_MESSAGE_LENGTH else text[: MAX_MESSAGE_LENGTH - 1] + "…"


def _escape_data(text: str) -> str:
    """Escape text after the second `::`. The runner reverses exactly these escapes."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(escape(text)).replace(":", "%3A").replace(",", "%2C")


MAX_SUMMARY_BYTES = 1_048_576
"""Bytes of the summary of one step; a larger summary is not shown at all."""

_PLAN_OUTPUTS = ("digest", "has-changes", "add", "change", "destroy")


def build_plan_outputs(plan: Plan) -> dict[str, str]:
    """Build the outputs for later steps. A plan with unseen objects is not known to have no changes."""
    add, change, destroy = count_changes(plan)
    return {
        "digest": plan.digest,
        "has-changes": _format_known_bool(plan, bool(plan.effective)),
        "refused": _format_bool(bool(plan.blockers)),
        "add": str(add),
        "change": str(change),
        "destroy": str(destroy),
    }


def build_drift_outputs(plan: Plan) -> dict[str, str]:
    """Build the outputs of a run that looks for changes made outside the specs, and applies nothing. Drift is not known
    to be absent from destinations that a run with a budget has not read."""
    return {
        **build_failure_outputs(refused=False),
        "has-changes": _format_known_bool(plan, bool(plan.drifted)),
    }


def build_failure_outputs(*, refused: bool) -> dict[str, str]:
    """Build the outputs of a run without a plan: `has-changes` is empty, neither true nor false. All outputs are set,
    so that no output keeps the value of an earlier command of the step."""
    return {**dict.fromkeys(_PLAN_OUTPUTS, ""), "refused": _format_bool(refused)}


def render_outputs(outputs: Mapping[str, str]) -> str:
    """Render `NAME=value` lines. Values are escaped, so that no value can start a new line."""
    return "".join(f"{name}={escape(value)}\n" for name, value in outputs.items())


def _format_known_bool(plan: Plan, value: bool) -> str:
    return "" if (plan.omissions or plan.unread) and not value else _format_bool(value)


def _format_bool(value: bool) -> str:
    return "true" if value else "false"


class GithubRenderer(Renderer):
    """Text for the log of a step, diagnostics also as annotations, with the outputs and the summary of the step."""

    def diagnostics(self, diagnostics: Collection[Diagnostic]) -> Parts:
        """Render diagnostics with excerpts, then their annotations."""
        yield from super().diagnostics(diagnostics)
        yield from self._annotate(diagnostics)

    def left_out(self, warnings: Collection[Diagnostic], *, has_shown: bool) -> Parts:
        """Render the number of warnings that the text leaves out, and their annotations."""
        yield from super().left_out(warnings, has_shown=has_shown)
        yield from self._annotate(warnings)

    def plan(self, report: PlanReport) -> Parts:
        """Render the plan, which is also the summary."""
        yield from super().plan(report)
        yield self._summarize_plan(report.plan, report.exit)

    def drift(self, report: DriftReport) -> Parts:
        """Render the drift. The step gets outputs and no summary."""
        yield from super().drift(report)
        shown = select_unlisted_warnings(report.plan)
        yield from self._annotate(warning for warning in report.plan.warnings if warning not in shown)
        yield _build_job_files(report.exit, build_drift_outputs(report.plan))

    def validation(self, report: ValidationReport) -> Parts:
        """Render the counts. A refusal is rendered as a failure."""
        yield from super().validation(report)
        if not report.refusals:
            arguments = (report.headline, report.warnings, self.run.project, self.run.read_line)
            yield _build_job_files(
                report.exit,
                {"refused": _format_bool(False)},
                lambda limit: render_validation_markdown(*arguments, limit),
            )

    def applied(self, report: ApplyReport) -> Parts:
        """Render the end of an apply: errors as annotations, changes as summary. If the run changed nothing, the
        summary is the plan."""
        yield from super().applied(report)
        applied = report.applied
        if applied is None:
            yield self._summarize_plan(report.plan, report.exit)
            return
        yield from self._annotate(
            [diagnostic for outcome in applied.outcomes for diagnostic in outcome.diagnostics]
        )
        yield _build_job_files(
            report.exit,
            build_plan_outputs(report.plan),
            lambda limit: render_apply_markdown(applied, limit, names_all=self.run.is_verbose),
        )

    def tested(self, report: SetupTestReport) -> Parts:
        """Render the end of a run of setup tests: failures as annotations, results as summary."""
        yield from super().tested(report)
        applied = report.applied
        yield from self._annotate(
            [diagnostic for outcome in applied.outcomes for diagnostic in outcome.diagnostics]
        )
        counts = count_tests(applied.outcomes)
        yield _build_job_files(
            report.exit,
            {str(status).replace(" ", "-"): str(number) for status, number in counts.items()},
            lambda limit: render_test_markdown(
                applied, report.left, report.missing, limit, names_all=self.run.is_verbose
            ),
        )

    def failure(
        self,
        exit_code: ExitStatus,
        diagnostics: Collection[Diagnostic],
        policy_results: Collection[PolicyResult] = (),
    ) -> Parts:
        """Render the diagnostics, which are also the summary."""
        yield from super().failure(exit_code, diagnostics, policy_results)
        yield self._summarize_failure(exit_code, diagnostics)

    def interrupted(self, exit_code: ExitStatus, diagnostic: Diagnostic) -> Parts:
        """Render one line, and the summary of a failure."""
        yield from super().interrupted(exit_code, diagnostic)
        yield self._summarize_failure(exit_code, [diagnostic])

    def _annotate(self, diagnostics: Iterable[Diagnostic]) -> Parts:
        for line in render_github_annotations(diagnostics, self.run.to_repo_path):
            yield make_verbatim(line)

    def _summarize_plan(self, plan: Plan, exit_code: ExitStatus) -> JobFiles:
        run = self.run
        return _build_job_files(
            exit_code,
            build_plan_outputs(plan),
            lambda limit: render_plan_markdown(
                plan,
                run.project,
                run.read_line,
                limit,
                names_places=run.is_verbose,
                is_full=run.is_full,
            ),
        )

    def _summarize_failure(self, exit_code: ExitStatus, diagnostics: Collection[Diagnostic]) -> JobFiles:
        run = self.run
        return _build_job_files(
            exit_code,
            build_failure_outputs(refused=exit_code.is_refusal),
            lambda limit: render_failure_markdown(
                list(diagnostics), run.project, run.read_line, run.failure_headline, limit
            ),
        )


def _build_job_files(
    exit_code: ExitStatus, outputs: Mapping[str, str], summary: Callable[[int], str] | None = None
) -> JobFiles:
    exit_outputs = {"exit-code": str(int(exit_code)), "reason": exit_code.reason}
    return JobFiles({**outputs, **exit_outputs}, summary)
