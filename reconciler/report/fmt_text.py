"""What `fmt` did, or would do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import unified_diff

from rich.text import Text

from reconciler.report.neutral import neutral
from reconciler.report.style import BAD, GOOD, QUIET, Styled, counted, lines


def changed_text(paths: Iterable[str]) -> Styled:
    """One line for each file."""
    return lines([Text(neutral(path)) for path in paths])


def difference_text(path: str, before: str, after: str) -> Styled:
    """A unified diff of one file. Blanks at line ends are made visible by being there."""
    shown = unified_diff(
        before.split("\n"), after.split("\n"), f"{path} (as it is)", f"{path} (normal form)", lineterm=""
    )
    return lines([Text(neutral(line), _style(line)) for line in shown])


def summary_text(changed: int, files: int, *, written: bool) -> str:
    """`2 files changed, 6 left as they are.`"""
    did = "changed" if written else "to change"
    rest = files - changed
    left = "left as it is" if rest == 1 else "left as they are"
    return f"{counted(changed, 'file')} {did}, {rest:,} {left}."


def _style(line: str) -> str:
    return {"+": GOOD, "-": BAD, "@": QUIET}.get(line[:1], "")
