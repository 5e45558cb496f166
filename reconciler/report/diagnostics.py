"""Diagnostics as people, editors and programs read them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from rich.text import Text

from reconciler.model.diagnostic import Diagnostic, Severity, in_reading_order
from reconciler.model.source import Span
from reconciler.report.excerpt import WIDTH, make_excerpt
from reconciler.report.neutral import neutral, one_line
from reconciler.report.style import LINK, SEVERITY_STYLES, STRONG, counted, lines

_NARROWEST = 30
_LAST_COLUMN = sys.maxsize
_MARGIN = 10  # the number of a line with its bar, and what says that the line goes on

ReadLine: TypeAlias = Callable[[str, int], str | None]


def full(diagnostics: Iterable[Diagnostic], read_line: ReadLine, width: int | None = None) -> Text:
    """Every diagnostic with its excerpt, in reading order, an empty line between them, and the count.

    `read_line(path, line)` answers one line of a file (from 1), or None where it cannot be had. `width`
    is that of the terminal, where there is one.
    """
    ordered = in_reading_order(diagnostics)
    secrets = [_hidden(each, each.span) for each in ordered if each.secret and each.span]
    room = WIDTH if width is None else min(WIDTH, max(_NARROWEST, width - _MARGIN))
    blocks = [_block(each, read_line, secrets, room) for each in ordered]
    return Text("\n\n").join([*blocks, Text(count_line(ordered))])


def concise(diagnostics: Iterable[Diagnostic]) -> Text:
    """One line for each diagnostic: `path:line:column: error[code]: message`."""
    return lines([_place(each).append_text(headline(each)) for each in in_reading_order(diagnostics)])


def as_data(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """One JSON object for each diagnostic, in reading order. Excerpts are left out."""
    return [
        {
            "severity": str(each.severity),
            "code": each.code,
            "message": each.message,
            "label": each.label,
            "span": span_data(each.span),
            "address": str(each.address) if each.address else None,
            "notes": list(each.notes),
            "help": each.help,
        }
        for each in in_reading_order(diagnostics)
    ]


def identity(diagnostic: Diagnostic) -> tuple[object, ...]:
    """What stays of a finding of a policy where notes are added to it on the way to a plan."""
    return diagnostic.severity, diagnostic.code, diagnostic.message, diagnostic.span


def span_data(span: Span | None) -> dict[str, Any] | None:
    """A place as a JSON object; lines and columns count from 1, the end is exclusive."""
    if span is None:
        return None
    return {
        "path": span.path,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def headline(diagnostic: Diagnostic) -> Text:
    """`error[code]: message`."""
    style = SEVERITY_STYLES[diagnostic.severity]
    return Text.assemble(
        (f"{diagnostic.severity}[{diagnostic.code}]", style),
        (f": {one_line(diagnostic.message)}", STRONG),
    )


def short(diagnostic: Diagnostic) -> Text:
    """One diagnostic without excerpt and count, for what has no place in a file."""
    return lines([headline(diagnostic), *remarks(diagnostic, "   ")])


def remarks(diagnostic: Diagnostic, indent: str) -> list[Text]:
    """The `= note:` and `= help:` lines."""
    told = [("note", note) for note in diagnostic.notes]
    told += [("help", diagnostic.help)] if diagnostic.help else []
    return [
        Text.assemble((f"{indent}= ", LINK), (f"{kind}:", STRONG), f" {one_line(said)}")
        for kind, said in told
    ]


def count_line(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    counts = [(severity, sum(each.severity is severity for each in diagnostics)) for severity in Severity]
    return ", ".join(counted(number, str(severity)) for severity, number in counts if number)


def _place(diagnostic: Diagnostic) -> Text:
    return Text(f"{neutral(str(diagnostic.span))}: " if diagnostic.span else "")


def _block(diagnostic: Diagnostic, read_line: ReadLine, secrets: Sequence[Span], room: int) -> Text:
    span = diagnostic.span
    gutter = max(2, len(str(span.line))) if span else 2
    parts = [headline(diagnostic)]
    where = neutral(str(span)) if span else str(diagnostic.address or "")
    if where:
        parts.append(Text.assemble((" " * gutter + "--> ", LINK), where))
    shown = _excerpt(diagnostic, gutter, read_line, secrets, room)
    told = remarks(diagnostic, " " * (gutter + 1))
    if shown and told:
        shown.append(Text(" " * gutter + " |", LINK))
    return lines([*parts, *shown, *told])


def _hidden(diagnostic: Diagnostic, span: Span) -> Span:
    """What must not be shown of a secret: its span, or its whole lines."""
    return replace(span, column=1, end_column=_LAST_COLUMN) if diagnostic.secret_line else span


def _excerpt(
    diagnostic: Diagnostic, gutter: int, read_line: ReadLine, secrets: Sequence[Span], width: int
) -> list[Text]:
    span = diagnostic.span
    line = read_line(span.path, span.line) if span else None
    if span is None or line is None or not line.strip():
        return []
    excerpt = make_excerpt(line, span, secrets, width)
    empty = " " * gutter + " |"
    caret = "^" * excerpt.width
    label = f" {one_line(diagnostic.label)}" if diagnostic.label else ""
    return [
        Text(empty, LINK),
        Text.assemble((f"{span.line:>{gutter}} |", LINK), f" {excerpt.text}".rstrip()),
        Text.assemble(
            (empty, LINK),
            " " * (excerpt.indent + 1),
            (caret + label, SEVERITY_STYLES[diagnostic.severity]),
        ),
    ]
