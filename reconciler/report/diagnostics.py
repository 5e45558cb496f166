"""Render diagnostics for people, editors and programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from rich.text import Text

from reconciler.model.diagnostic import Diagnostic, Severity, sort_diagnostics
from reconciler.model.sanitize import escape, to_one_line
from reconciler.model.source import Span
from reconciler.report.alike_findings import combine_alike
from reconciler.report.excerpt import WIDTH, make_excerpt
from reconciler.report.style import LINK, SEVERITY_STYLES, STRONG, format_count, join_lines

_MIN_WIDTH = 30
_LAST_COLUMN = sys.maxsize
_MARGIN = 10  # cells: the number of a line with its bar, and the mark of a line that goes on

ReadLine: TypeAlias = Callable[[str, int], str | None]


def render_full(
    diagnostics: Iterable[Diagnostic],
    read_line: ReadLine,
    width: int | None = None,
    *,
    combines_alike: bool = True,
) -> Text:
    """Render every diagnostic with its excerpt, in reading order, an empty line between them, and the count.

    `read_line(path, line)` returns one line of a file (from 1), or None if the file cannot be read. `width` is the
    number of cells of the terminal, or None. With `combines_alike` many alike diagnostics are rendered as one.
    """
    ordered = sort_diagnostics(diagnostics)
    secrets = _list_secret_spans(ordered)
    excerpt_width = WIDTH if width is None else min(WIDTH, max(_MIN_WIDTH, width - _MARGIN))
    shown = combine_alike(ordered) if combines_alike else ordered
    blocks = [_render_block(diagnostic, read_line, secrets, excerpt_width) for diagnostic in shown]
    return Text("\n\n").join([*blocks, Text(format_severity_counts(ordered))])


def render_excerpts(
    diagnostics: Iterable[Diagnostic], read_line: ReadLine
) -> Iterator[tuple[Diagnostic, str]]:
    """Render the excerpt of each diagnostic as plain text, in reading order; empty if there is no line to show."""
    ordered = sort_diagnostics(diagnostics)
    secrets = _list_secret_spans(ordered)
    for diagnostic in ordered:
        gutter = len(str(diagnostic.span.line)) if diagnostic.span else 0
        lines = _render_excerpt(diagnostic, gutter, read_line, secrets, WIDTH)
        yield diagnostic, join_lines(lines[1:]).plain  # a page needs no bar above the line


def render_concise(diagnostics: Iterable[Diagnostic]) -> Text:
    """Render each diagnostic on a line: `path:line:column: error[code]: message`."""
    return join_lines(
        [
            _format_location(diagnostic).append_text(render_headline(diagnostic))
            for diagnostic in sort_diagnostics(diagnostics)
        ]
    )


def serialize_diagnostics(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """Serialize each diagnostic as a JSON object, in reading order. Excerpts are left out."""
    return [
        {
            "severity": str(diagnostic.severity),
            "code": diagnostic.code,
            "message": diagnostic.message,
            "label": diagnostic.label,
            "span": serialize_span(diagnostic.span),
            "address": str(diagnostic.address) if diagnostic.address else None,
            "notes": list(diagnostic.notes),
            "help": diagnostic.help,
        }
        for diagnostic in sort_diagnostics(diagnostics)
    ]


def identify_finding(diagnostic: Diagnostic) -> tuple[object, ...]:
    """Return the parts of a policy finding that identify it: a plan adds notes, and keeps these parts."""
    return diagnostic.severity, diagnostic.code, diagnostic.message, diagnostic.span


def serialize_span(span: Span | None) -> dict[str, Any] | None:
    """Serialize a place as a JSON object; lines and columns count from 1, the end is exclusive."""
    if span is None:
        return None
    return {
        "path": span.path,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def render_headline(diagnostic: Diagnostic) -> Text:
    """Render `error[code]: message`."""
    style = SEVERITY_STYLES[diagnostic.severity]
    return Text.assemble(
        (f"{diagnostic.severity}[{diagnostic.code}]", style),
        (f": {to_one_line(diagnostic.message)}", STRONG),
    )


def render_short(diagnostic: Diagnostic) -> Text:
    """Render a diagnostic without excerpt and count, for findings that have no place in a file."""
    return join_lines([render_headline(diagnostic), *render_notes(diagnostic, "   ")])


def render_notes(diagnostic: Diagnostic, indent: str) -> list[Text]:
    """Render the `= note:` and `= help:` lines."""
    entries = [("note", note) for note in diagnostic.notes]
    entries += [("help", diagnostic.help)] if diagnostic.help else []
    return [
        Text.assemble((f"{indent}= ", LINK), (f"{kind}:", STRONG), f" {to_one_line(text)}")
        for kind, text in entries
    ]


def format_severity_counts(diagnostics: Sequence[Diagnostic]) -> str:
    """Format counts: `2 errors, 1 warning`."""
    counts = [
        (severity, sum(diagnostic.severity is severity for diagnostic in diagnostics))
        for severity in Severity
    ]
    return ", ".join(format_count(number, str(severity)) for severity, number in counts if number)


def _format_location(diagnostic: Diagnostic) -> Text:
    return Text(f"{escape(str(diagnostic.span))}: " if diagnostic.span else "")


def _render_block(diagnostic: Diagnostic, read_line: ReadLine, secrets: Sequence[Span], width: int) -> Text:
    span = diagnostic.span
    gutter = max(2, len(str(span.line))) if span else 2
    parts = [render_headline(diagnostic)]
    location = escape(str(span)) if span else str(diagnostic.address or "")
    if location:
        parts.append(Text.assemble((" " * gutter + "--> ", LINK), location))
    excerpt = _render_excerpt(diagnostic, gutter, read_line, secrets, width)
    notes = render_notes(diagnostic, " " * (gutter + 1))
    if excerpt and notes:
        excerpt.append(Text(" " * gutter + " |", LINK))
    return join_lines([*parts, *excerpt, *notes])


def _list_secret_spans(diagnostics: Iterable[Diagnostic]) -> list[Span]:
    """List the spans that no excerpt may show."""
    return [
        _widen_secret_span(diagnostic, diagnostic.span)
        for diagnostic in diagnostics
        if diagnostic.secret and diagnostic.span
    ]


def _widen_secret_span(diagnostic: Diagnostic, span: Span) -> Span:
    """Return the span to hide: the span of a secret, or its whole lines."""
    return replace(span, column=1, end_column=_LAST_COLUMN) if diagnostic.secret_line else span


def _render_excerpt(
    diagnostic: Diagnostic, gutter: int, read_line: ReadLine, secrets: Sequence[Span], width: int
) -> list[Text]:
    span = diagnostic.span
    line = read_line(span.path, span.line) if span else None
    if span is None or line is None or not line.strip():
        return []
    excerpt = make_excerpt(line, span, secrets, width)
    margin = " " * gutter + " |"
    caret = "^" * excerpt.width
    label = f" {to_one_line(diagnostic.label)}" if diagnostic.label else ""
    return [
        Text(margin, LINK),
        Text.assemble((f"{span.line:>{gutter}} |", LINK), f" {excerpt.text}".rstrip()),
        Text.assemble(
            (margin, LINK),
            " " * (excerpt.indent + 1),
            (caret + label, SEVERITY_STYLES[diagnostic.severity]),
        ),
    ]
