"""Render the differences of files as unified diffs."""

from __future__ import annotations

from collections.abc import Collection
from difflib import unified_diff

from rich.text import Text

from reconciler.model.sanitize import escape
from reconciler.model.value import MASKED_IN_OUTPUT
from reconciler.report.style import BAD, GOOD, QUIET, STRONG, join_lines

_STYLES = {"+": GOOD, "-": BAD, "@": QUIET}


def render_file_diff(path: str, before: str | None, after: str, hidden_lines: Collection[int] = ()) -> Text:
    """Render the unified diff of a file; `before` is None for a new file. `hidden_lines` (from 1) of the text before
    hold values that must not be shown."""
    old_lines = _split(before or "")
    hidden = {old_lines[number - 1] for number in hidden_lines if number <= len(old_lines)}
    old_name = "/dev/null" if before is None else escape(path)
    lines = unified_diff(old_lines, _split(after), old_name, escape(path), lineterm="")
    return join_lines([_render_line(line, hidden, is_header=number < 2) for number, line in enumerate(lines)])


def _split(text: str) -> list[str]:
    """Split a text at its line ends; a line end alone is no difference that people see."""
    return text.removeprefix("\ufeff").splitlines()


def _render_line(line: str, hidden: Collection[str], *, is_header: bool) -> Text:
    if is_header:
        return Text(line, STRONG)
    mark, content = line[:1], line[1:]
    if content in hidden:
        indent = content[: len(content) - len(content.lstrip())]
        content = f"{indent}{MASKED_IN_OUTPUT}"
    return Text(mark + escape(content), _STYLES.get(mark, ""))
