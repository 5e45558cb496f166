"""Render the results of several projects: a heading for each, and one table at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from reconciler.model.plan import Plan
from reconciler.model.sanitize import escape
from reconciler.report.plan_summary import count_changes
from reconciler.report.style import BAD, QUIET, STRONG, StyledText, format_count, join_lines

REFUSED, FAILED = "refused", "failed"
PLAN_COLUMNS = ("add", "change", "destroy", REFUSED)
DRIFT_COLUMNS = ("changed", "gone", REFUSED)
_NOT_PLANNED = "-"


@dataclass(frozen=True, slots=True)
class ProjectCounts:
    """Counts of one project by column. `counts` is None for a project without a plan; `failed` counts the errors that
    ended its run."""

    project: str
    counts: Mapping[str, int] | None
    failed: int = 0

    @property
    def is_bad(self) -> bool:
        """Whether the project has failed, or has a plan that is refused."""
        return self.failed > 0 or self.counts is None or self.counts[REFUSED] > 0

    def serialize(self, columns: Sequence[str]) -> dict[str, int | None]:
        """Serialize the row of the table. A count of a project without a plan is null."""
        counts = self.counts if self.counts is not None else {}
        return {**{column: counts.get(column) for column in columns}, FAILED: self.failed}


def count_plan(plan: Plan) -> dict[str, int]:
    """Count the changes of a plan in Terraform's columns, and its blockers."""
    add, change, destroy = count_changes(plan)
    return {"add": add, "change": change, "destroy": destroy, REFUSED: len(plan.blockers)}


def count_drift(plan: Plan) -> dict[str, int]:
    """Count the drift of a plan, and the entries that it omits."""
    gone = sum(change.is_missing for change in plan.drifted)
    return {"changed": len(plan.drifted) - gone, "gone": gone, REFUSED: len(plan.omissions)}


def render_project_heading(project: str) -> StyledText:
    """Render the heading above the results of a project."""
    return Text(f"Project {escape(project)}", STRONG)


def render_projects_table(
    rows: Sequence[ProjectCounts], columns: Sequence[str], terminal_width: int | None = None
) -> StyledText:
    """Render a row for each project, and the totals. On a narrow terminal the counts stand below their project."""
    headings = (*columns, FAILED)
    total = format_count(len(rows), "project")
    longest = max(len(escape(row.project)) for row in rows)
    is_narrow = (
        terminal_width is not None and longest + len(_format_cells(headings, headings)) > terminal_width
    )
    width = len(total) if is_narrow else max(len(total), longest)
    lines = [Text(f"{'':<{width}}{_format_cells(headings, headings)}", QUIET)]
    for row in rows:
        cells = [*(_format_count(row, column) for column in columns), f"{row.failed:,}"]
        name = f"{escape(row.project)}\n{'':<{width}}" if is_narrow else f"{escape(row.project):<{width}}"
        lines.append(Text(f"{name}{_format_cells(cells, headings)}", BAD if row.is_bad else ""))
    sums = [sum((row.counts or {}).get(column, 0) for row in rows) for column in columns]
    sums.append(sum(row.failed for row in rows))
    cells = [f"{number:,}" for number in sums]
    lines.append(Text(f"{total:<{width}}{_format_cells(cells, headings)}", STRONG))
    return join_lines([Text(), *lines])


def _format_count(row: ProjectCounts, column: str) -> str:
    return _NOT_PLANNED if row.counts is None else f"{row.counts[column]:,}"


def _format_cells(cells: Sequence[str], columns: Sequence[str]) -> str:
    return "".join(f"  {cell:>{max(len(column), 6)}}" for cell, column in zip(cells, columns, strict=True))
