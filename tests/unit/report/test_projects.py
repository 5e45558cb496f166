"""The table of several projects."""

from __future__ import annotations

from reconciler.report.projects import PLAN_COLUMNS, ProjectCounts, render_projects_table

ROWS = [
    ProjectCounts("a/reconciler.yaml", {"add": 1, "change": 2, "destroy": 3, "refused": 0}),
    ProjectCounts("a/long/folder/\x1b[31m/reconciler.yaml", None, failed=1_000),
]


def render(width: int | None) -> list[str]:
    return str(render_projects_table(ROWS, PLAN_COLUMNS, width)).splitlines()


def test_columns_are_aligned_and_names_are_inert() -> None:
    """S-44"""
    blank, headings, *rows = render(None)
    assert blank == ""
    assert len({len(line) for line in (headings, *rows)}) == 1
    assert "\x1b" not in "".join(rows)
    assert [line.split()[-1] for line in (headings, *rows)] == ["failed", "0", "1,000", "1,000"]


def test_a_narrow_terminal_has_the_counts_below_each_project() -> None:
    _, headings, *rows = render(60)
    assert max(map(len, (headings, *rows))) <= 60
    assert rows[0] == "a/reconciler.yaml"
    assert rows[1].split() == ["1", "2", "3", "0", "0"]
    assert rows[-1].split() == ["2", "projects", "1", "2", "3", "0", "1,000"]
