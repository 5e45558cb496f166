"""Render changed files of a project: formatted specs and written JSON Schemas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import unified_diff
from typing import Any

from rich.text import Text

from reconciler.model.sanitize import escape
from reconciler.report.style import BAD, GOOD, QUIET, StyledText, format_count, join_lines


def render_changed_files(paths: Iterable[str]) -> StyledText:
    """Render each changed file on a line."""
    return join_lines([Text(escape(path)) for path in paths])


def render_diff(path: str, before: str, after: str) -> StyledText:
    """Render a unified diff of a file. Blanks at line ends are kept."""
    diff = unified_diff(
        before.split("\n"), after.split("\n"), f"{path} (as it is)", f"{path} (normal form)", lineterm=""
    )
    return join_lines([Text(escape(line), _choose_style(line)) for line in diff])


def render_summary(changed: int, files: int, *, written: bool) -> str:
    """Render the counts: `2 files changed, 6 left as they are.`"""
    verb = "changed" if written else "to change"
    unchanged = files - changed
    phrase = "left as it is" if unchanged == 1 else "left as they are"
    return f"{format_count(changed, 'file')} {verb}, {unchanged:,} {phrase}."


def _choose_style(line: str) -> str:
    return {"+": GOOD, "-": BAD, "@": QUIET}.get(line[:1], "")


def render_schema(schema: Mapping[str, Any]) -> str:
    """Render a schema as JSON in ASCII."""
    return json.dumps(schema, indent=2)


def render_written_files(files: Mapping[str, bool], modelines: Mapping[str, str]) -> str:
    """Render each file with whether it changed, and the first line that each spec needs."""
    width = max(map(len, modelines))
    return "\n".join(
        [
            *(
                f"Wrote {escape(file)}" if is_changed else f"{escape(file)} is current"
                for file, is_changed in files.items()
            ),
            "",
            "Start your files with the line that belongs to their folder:",
            "",
            *(f"  {escape(folder):<{width}}  {escape(modeline)}" for folder, modeline in modelines.items()),
        ]
    )
