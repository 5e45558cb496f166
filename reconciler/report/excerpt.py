"""Make the excerpt of a diagnostic: its line of the file, with carets under the token."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from reconciler.model.sanitize import escape, escape_character
from reconciler.model.source import Span
from reconciler.model.value import MASKED_IN_OUTPUT

WIDTH = 110
_CONTEXT_CELLS = 30
_KEY = re.compile(r"""(?:[\s\-?]*\s)?(?P<name>["']?[A-Za-z_][\w.-]*["']?)\s*:(?:\s+|$)""")
_KEY_END = re.compile(r"\s*:(?:\s+|$)")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Text of a line, and the place of the token in it. `indent` and `width` count terminal cells."""

    text: str
    indent: int
    width: int


def make_excerpt(line: str, span: Span, secrets: Iterable[Span] = (), width: int = WIDTH) -> Excerpt:
    """Cut `line` down to about `width` cells around `span`.

    If a secret span touches the line, only the first key of the line is shown: in a file with syntax errors the end of
    the secret is not known. A span over several lines is underlined to the end of its first line.
    """
    line = line.rstrip()
    start, end = _clip_to_line(line, span.line, span)
    overlapping = [secret for secret in secrets if _has_overlap(secret, span)]
    visible_length = min(
        (_count_visible(line, span.line, secret) for secret in overlapping), default=len(line)
    )
    pieces = [
        "    " if character == "\t" else escape_character(character) for character in line[:visible_length]
    ]
    if visible_length < len(line):
        pieces.append(MASKED_IN_OUTPUT)
        start, end = min(start, visible_length), min(end, visible_length + 1)
        end = max(start + 1, end) if start == visible_length else end
    first, last = _choose_window([cell_len(piece) for piece in pieces], start, end, width)
    opening = "…" if first else ""
    closing = "…" if last < len(pieces) else ""
    before = opening + "".join(pieces[first:start])
    token = "".join(pieces[start : min(end, last)])
    # Escapes for CI runners may add cells, so indent and width are measured on escaped text.
    return Excerpt(
        text=escape(opening + "".join(pieces[first:last])).rstrip() + closing,
        indent=cell_len(escape(before)),
        width=max(1, cell_len(escape(token))),
    )


def _clip_to_line(line: str, line_number: int, span: Span) -> tuple[int, int]:
    """Return the part of line `line_number` that a span covers, as a range of its characters."""
    start = min(max(span.column - 1, 0), len(line)) if span.line == line_number else 0
    end = min(span.end_column - 1, len(line)) if span.end_line == line_number else len(line)
    return start, max(start, end)


def _has_overlap(secret: Span, span: Span) -> bool:
    return secret.path == span.path and secret.line <= span.line <= secret.end_line


def _count_visible(line: str, line_number: int, secret: Span) -> int:
    """Count the characters of line `line_number` that may be shown beside a secret span that touches the line.

    A key at the start of the line is visible, unless the key belongs to the secret itself. Without such a key only the
    indentation is visible.
    """
    indent = len(line) - len(line.lstrip())
    if secret.line < line_number:
        return indent
    start, end = _clip_to_line(line, line_number, secret)
    ends_here = secret.end_line == secret.line
    key = _KEY.match(line)
    if key and (start >= key.end("name") or (end <= key.end() and ends_here)):
        return key.end()
    is_key = ends_here and start < end and not line[:start].strip(" \t-?")
    end_of_key = _KEY_END.match(line, end) if is_key else None
    return end_of_key.end() if end_of_key else indent


def _choose_window(widths: Sequence[int], start: int, end: int, width: int) -> tuple[int, int]:
    """Choose the range of pieces to show: the token with some context, at most `width` cells."""
    if sum(widths) <= width:
        return 0, len(widths)
    first, room = start, min(_CONTEXT_CELLS, width // 3)
    while first > 0 and room > 0:
        first -= 1
        room -= widths[first]
    last, room = first, width
    while last < len(widths) and (room > 0 or last <= start):
        room -= widths[last]
        last += 1
    while first > 0 and room > 0:  # the right side ended early
        first -= 1
        room -= widths[first]
    return (first if sum(widths[:first]) > 0 else 0), max(last, min(end, start + 1))
