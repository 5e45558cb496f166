"""Render the explanations of diagnostic codes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from reconciler.report.style import fold_words

_WIDTH = 88
_MIN_WIDTH = 30
_INDENT = "  "


def render_explanation(code: str, text: str, width: int | None = None) -> str:
    """Render a code with its text, folded to `width` cells (None: not folded)."""
    text_width = min(_WIDTH, max(_MIN_WIDTH, (width or _WIDTH) - len(_INDENT)))
    lines = fold_words(" ".join(text.split()), text_width)
    return f"{code}\n\n" + textwrap.indent("\n".join(lines), _INDENT)


def render_code_list(explanations: Mapping[str, str], width: int | None = None) -> str:
    """Render every code with the first sentence of its text: one line each if no terminal limits the length."""
    return render_two_columns(
        {code: extract_first_sentence(text) for code, text in sorted(explanations.items())}, width
    )


def render_two_columns(rows: Mapping[str, str], width: int | None = None) -> str:
    """Render names with their texts in a second column, which is folded at `width` cells if the column has room."""
    column = max(map(len, rows), default=0) + 2
    lines = [f"{name:<{column}}{text}" for name, text in rows.items()]
    if width is not None and width >= column + _MIN_WIDTH:
        lines = [
            textwrap.fill(line, width, subsequent_indent=" " * column, break_on_hyphens=False)
            for line in lines
        ]
    return "\n".join(lines)


def extract_first_sentence(text: str) -> str:
    """Return the first sentence of an explanation."""
    return text.split(". ", 1)[0].rstrip(".") + "."
