"""Render the differences of files as unified diffs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import unified_diff

from rich.text import Text

from reconciler.model.sanitize import escape
from reconciler.model.value import MASKED_IN_OUTPUT
from reconciler.report.style import BAD, GOOD, QUIET, STRONG, join_lines
from reconciler.spec.characters import BYTE_ORDER_MARK

_STYLES = {"+": GOOD, "-": BAD, "@": QUIET}


def render_file_diff(path: str, before: str | None, after: str, masked: Mapping[str, str]) -> Text:
    """Render the unified diff of a file; `before` is None for a new file. `masked` has the shown form of each line, of
    either text, with a value that must not be shown."""
    old_name = "/dev/null" if before is None else escape(path)
    lines = unified_diff(_split(before or ""), _split(after), old_name, escape(path), lineterm="")
    return join_lines([_render_line(line, masked, is_header=number < 2) for number, line in enumerate(lines)])


def mask_whole_lines(text: str, numbers: Iterable[int]) -> dict[str, str]:
    """Mask lines of a text (from 1) behind their indentation: each line by its shown form."""
    lines = _split(text)
    masked = {}
    for number in numbers:
        if number <= len(lines):
            line = lines[number - 1]
            masked[line] = f"{line[: len(line) - len(line.lstrip())]}{MASKED_IN_OUTPUT}"
    return masked


def _split(text: str) -> list[str]:
    """Split a text at its line ends; a line end alone is no difference that people see."""
    return text.removeprefix(BYTE_ORDER_MARK).splitlines()


def _render_line(line: str, masked: Mapping[str, str], *, is_header: bool) -> Text:
    if is_header:
        return Text(line, STRONG)
    mark, content = line[:1], line[1:]
    return Text(mark + escape(masked.get(content, content)), _STYLES.get(mark, ""))
