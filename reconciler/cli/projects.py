"""Run a command for several projects, one after the other. A failing project does not stop the others."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from reconciler.cli.exit import ExitCode, get_worst_exit_code
from reconciler.cli.output import OutputOptions
from reconciler.cli.usage import MisuseError
from reconciler.model.diagnostic import ReconcilerError, select_errors

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext
    from reconciler.model.plan import Plan
    from reconciler.report.projects import ProjectCounts
    from reconciler.workspace.settings import Settings

_FORMATS = ("text", "json")
_FRAME = ("format", "tool")

OnPlan: TypeAlias = "Callable[[Plan], None]"
"""Function that gets the plan of a run."""


@dataclass(frozen=True, slots=True)
class CountedColumns:
    """Columns of the table of several projects, and the function that counts a plan by their names."""

    names: Sequence[str]
    count: Callable[[Plan], Mapping[str, int]]


@dataclass(slots=True)
class ProjectRun:
    """Run for one project. `plan` is None if the run made no plan, `errors` is the number of its errors then."""

    settings: Settings
    plan: Plan | None = None
    errors: int = 1
    exit: ExitCode = ExitCode.OK
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def project(self) -> str:
        """The project file as the user would name it."""
        return str(self.settings.project)

    def take_plan(self, plan: Plan) -> None:
        """Take the plan of the run."""
        self.plan, self.errors = plan, 0


def ignore_plan(plan: Plan) -> None:
    """Ignore the plan of a run about one project."""


def choose_columns(*, is_drift: bool) -> CountedColumns:
    """Choose the columns of the table of several projects."""
    from reconciler.report.projects import DRIFT_COLUMNS, PLAN_COLUMNS, count_drift, count_plan

    return (
        CountedColumns(DRIFT_COLUMNS, count_drift) if is_drift else CountedColumns(PLAN_COLUMNS, count_plan)
    )


def check_several(form: str, unusable_options: Mapping[str, bool] = MappingProxyType({})) -> None:
    """Check that a command line fits several projects: its format, and the `unusable_options` that are given. Raises
    MisuseError."""
    if form not in _FORMATS:
        raise MisuseError(
            f"`--format {form}` holds the plan of one project",
            "use `text` or `json`, or run once per project",
        )
    for option, is_given in unusable_options.items():
        if is_given:
            raise MisuseError(f"`{option}` is for one project", "run once per project, with `--project FILE`")


def run_projects(
    projects: Sequence[Path],
    settings: Settings,
    output: OutputOptions,
    form: str,
    *,
    work: Callable[[CommandContext, OnPlan], ExitCode],
    columns: CountedColumns,
) -> ExitCode:
    """Run the work for each project, and print one table, or one document with all results.

    Returns the worst exit code. An interrupted run ends with the table of the projects before it.
    """
    from reconciler.cli.context import run_command

    runs: list[ProjectRun] = []
    for project in projects:
        run = ProjectRun(_build_settings(settings, project))
        _run_project(run, output, form, work, is_first=not runs)
        runs.append(run)
        if run.exit is ExitCode.INTERRUPTED:
            break
    code = get_worst_exit_code(run.exit for run in runs)
    show = partial(_show_results, runs=runs, code=code, columns=columns)
    return run_command(runs[0].settings, output, form, show)


def _build_settings(settings: Settings, project: Path) -> Settings:
    """Build the settings of one project, which knows no secret of another project."""
    from reconciler.model.redaction import Redactor
    from reconciler.workspace.environment_secrets import add_environment_secrets

    redactor = Redactor()
    add_environment_secrets(redactor, settings.environ)
    return replace(settings, project=project, redactor=redactor, is_project_named=True)


def _run_project(
    run: ProjectRun,
    output: OutputOptions,
    form: str,
    work: Callable[[CommandContext, OnPlan], ExitCode],
    *,
    is_first: bool,
) -> None:
    """Run the work for one project. A document is kept for the document of all projects."""
    from reconciler.cli.context import run_command
    from reconciler.report.projects import render_project_heading

    def work_below_heading(context: CommandContext) -> ExitCode:
        if not is_first:
            context.print_result("")
        context.print_result(render_project_heading(run.project))
        try:
            return work(context, run.take_plan)
        except ReconcilerError as error:
            run.errors = len(select_errors(error.diagnostics))
            raise

    captured = io.StringIO() if form == "json" else None
    run.exit = run_command(run.settings, output, form, work_below_heading, stdout=captured)
    if captured is not None:
        run.document = json.loads(captured.getvalue())


def _show_results(
    context: CommandContext,
    runs: Sequence[ProjectRun],
    code: ExitCode,
    columns: CountedColumns,
) -> ExitCode:
    from reconciler.report.projects import render_projects_table

    rows = [_count_run(run, columns.count) for run in runs]
    width = context.renderer.run.get_out_width()
    context.print_result(render_projects_table(rows, columns.names, width))
    documents = [
        {
            "project": run.project,
            "totals": row.serialize(columns.names),
            **{key: value for key, value in run.document.items() if key not in _FRAME},
        }
        for run, row in zip(runs, rows, strict=True)
    ]
    context.print_document(code, {"projects": documents})
    return code


def _count_run(run: ProjectRun, count: Callable[[Plan], Mapping[str, int]]) -> ProjectCounts:
    from reconciler.report.projects import ProjectCounts

    counts = None if run.plan is None else count(run.plan)
    return ProjectCounts(run.project, counts, failed=run.errors)
