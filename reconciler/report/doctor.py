"""Render the checks of a set-up as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from rich.text import Text

from reconciler.model.checkup import Checkup, CheckupItem, CheckupStatus
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.sanitize import to_one_line
from reconciler.report.diagnostics import serialize_diagnostics
from reconciler.report.style import (
    BAD,
    GOOD,
    QUIET,
    STRONG,
    WARN,
    StyledText,
    fold_words,
    format_count,
    join_lines,
)

_LABELS = {
    CheckupStatus.OK: ("ok", GOOD),
    CheckupStatus.WARNING: ("warning", WARN),
    CheckupStatus.ERROR: ("error", BAD),
    CheckupStatus.NOT_CHECKED: ("-", QUIET),
}
_STATUS_WIDTH = 7
_MIN_TEXT_WIDTH = 30
_MAX_FINDINGS = 5


def render_checkup(checkup: Checkup, width: int | None, *, shows_all: bool = False) -> StyledText:
    """Render each check on a line, below the name of its area, and the counts. `width` is the number of cells of the
    terminal, or None. With `shows_all` no finding is left out."""
    names = max(len(item.name) for item in checkup.items)
    layout = _CheckupLayout(names, width, None if shows_all else _MAX_FINDINGS)
    lines: list[Text] = []
    for area, items in groupby(checkup.items, key=lambda item: item.area):
        lines.append(Text(area.value.capitalize(), STRONG))
        for _, alike in groupby(items, key=lambda item: item.cause or item.name):
            lines += _render_alike(list(alike), layout)
        lines.append(Text())
    return join_lines([*lines, Text(_format_counts(checkup))])


def serialize_checkup(checkup: Checkup) -> dict[str, Any]:
    """Serialize each check as a JSON object, and the counts by status."""
    return {
        "checks": [
            {
                "area": str(item.area),
                "name": item.name,
                "status": str(item.status),
                "message": item.text,
                "help": item.help,
                "findings": serialize_diagnostics(item.findings),
            }
            for item in checkup.items
        ],
        "counts": {str(status): count for status, count in checkup.counts.items()},
    }


class _CheckupLayout:
    """Columns of the report: status, name, text. The text is folded on a terminal. `max_findings` of a check are
    shown, all for None."""

    def __init__(self, names: int, width: int | None, max_findings: int | None) -> None:
        self.max_findings = max_findings
        self._names = names
        self._indent = 2 + _STATUS_WIDTH + 2 + names + 2
        self._text_width = None if width is None else max(_MIN_TEXT_WIDTH, width - self._indent)

    def render_row(self, status: CheckupStatus, name: str, text: str) -> Iterator[Text]:
        """Render the line of a check."""
        label, style = _LABELS[status]
        first, *more = self._fold(text)
        yield Text.assemble(
            "  ",
            (f"{label:<{_STATUS_WIDTH}}", style),
            f"  {name:<{self._names}}  ",
            (first, QUIET if status is CheckupStatus.NOT_CHECKED else ""),
        )
        yield from (Text(" " * self._indent + line) for line in more)

    def render_note(self, mark: str, text: str, style: str = "") -> Iterator[Text]:
        """Render a line below a check, behind a mark."""
        indent = " " * self._indent
        first, *more = self._fold(text, len(mark))
        yield Text(f"{indent}{mark}{first}", style)
        yield from (Text(f"{indent}{' ' * len(mark)}{line}", style) for line in more)

    def _fold(self, text: str, used: int = 0) -> list[str]:
        line = to_one_line(text)
        if self._text_width is None:
            return [line]
        return fold_words(line, self._text_width - used)


def _render_alike(items: Sequence[CheckupItem], layout: _CheckupLayout) -> Iterator[Text]:
    """Render a check, or all checks that could not run for the same cause."""
    first = items[0]
    if len(items) > 1:
        names = ", ".join(item.name for item in items)
        yield from layout.render_row(first.status, "", f"not checked, since {first.cause}: {names}")
        return
    text = f"not checked: {first.text}" if first.status is CheckupStatus.NOT_CHECKED else first.text
    yield from layout.render_row(first.status, first.name, text)
    yield from _render_findings(first.findings, first.help, layout)
    if first.help:
        yield from layout.render_note("=> ", first.help)


def _render_findings(
    findings: Sequence[Diagnostic], help_text: str, layout: _CheckupLayout
) -> Iterator[Text]:
    """Render the first findings. A next step that several of them share stands once, below them. The `help_text` of
    the check stands below all, and is not repeated."""
    shown = findings[: layout.max_findings]
    for advice, alike in groupby(shown, key=lambda finding: finding.help):
        for finding in alike:
            place = f"{finding.span}: " if finding.span else ""
            yield from layout.render_note("", f"{place}{finding.message}")
        if advice not in {"", help_text}:
            yield from layout.render_note("=> ", advice)
    if len(findings) > len(shown):
        more = f"and {len(findings) - len(shown):,} more; `--verbose` shows all"
        yield from layout.render_note("", more, QUIET)


def _format_counts(checkup: Checkup) -> str:
    counts = checkup.counts
    parts = [
        f"{counts[CheckupStatus.OK]} ok",
        format_count(counts[CheckupStatus.WARNING], "warning"),
        format_count(counts[CheckupStatus.ERROR], "error"),
        f"{counts[CheckupStatus.NOT_CHECKED]} not checked",
    ]
    return f"{', '.join(parts)}."
