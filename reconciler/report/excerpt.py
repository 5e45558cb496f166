"""The line of a file that a diagnostic is about, with a caret under the token."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from reconciler.model.source import Span
from reconciler.model.value import MASKED_IN_OUTPUT
from reconciler.report.neutral import neutral, visible

WIDTH = 110
_BEFORE = 30
_KEY = re.compile(r"""(?:[\s\-?]*\s)?(?P<name>["']?[A-Za-z_][\w.-]*["']?)\s*:(?:\s+|$)""")
_KEY_END = re.compile(r"\s*:(?:\s+|$)")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What stands on the line, and where the token is in it. `indent` and `width` count terminal cells."""

    text: str
    indent: int
    width: int


def make_excerpt(line: str, span: Span, secrets: Iterable[Span] = (), width: int = WIDTH) -> Excerpt:
    """Show `line` around `span`, in about `width` cells.

    Where a secret span touches the line, nothing but its first key is shown: a finding about a text
    that no parser understands cannot say where the secret in it ends. A span over several lines is
    underlined to the end of its first one.
    """
    line = line.rstrip()
    start, end = _range_on(line, span.line, span)
    touching = [secret for secret in secrets if _touches(secret, span)]
    shown = min((_shown_length(line, span.line, secret) for secret in touching), default=len(line))
    pieces = ["    " if character == "\t" else visible(character) for character in line[:shown]]
    if shown < len(line):
        pieces.append(MASKED_IN_OUTPUT)
        start, end = min(start, shown), min(end, shown + 1)
        end = max(start + 1, end) if start == shown else end
    first, last = _window([cell_len(piece) for piece in pieces], start, end, width)
    opening = "…" if first else ""
    closing = "…" if last < len(pieces) else ""
    before = opening + "".join(pieces[first:start])
    token = "".join(pieces[start : min(end, last)])
    # Only the text is made neutral for runners: it may grow by a cell, which never hurts before a token.
    return Excerpt(
        text=neutral(opening + "".join(pieces[first:last])).rstrip() + closing,
        indent=cell_len(neutral(before)),
        width=max(1, cell_len(neutral(token))),
    )


def _range_on(line: str, number: int, span: Span) -> tuple[int, int]:
    """The part of line `number` that a span covers, as a range of its characters."""
    start = min(max(span.column - 1, 0), len(line)) if span.line == number else 0
    end = min(span.end_column - 1, len(line)) if span.end_line == number else len(line)
    return start, max(start, end)


def _touches(secret: Span, span: Span) -> bool:
    return secret.path == span.path and secret.line <= span.line <= secret.end_line


def _shown_length(line: str, number: int, secret: Span) -> int:
    """How many characters of line `number` may be shown beside a secret span that touches it.

    That is a key at the start of the line, unless the key belongs to the secret itself; without one it
    is the indentation alone.
    """
    indent = len(line) - len(line.lstrip())
    if secret.line < number:
        return indent
    start, end = _range_on(line, number, secret)
    ends_here = secret.end_line == secret.line
    key = _KEY.match(line)
    if key and (start >= key.end("name") or (end <= key.end() and ends_here)):
        return key.end()
    is_key = ends_here and start < end and not line[:start].strip(" \t-?")
    end_of_key = _KEY_END.match(line, end) if is_key else None
    return end_of_key.end() if end_of_key else indent


def _window(widths: Sequence[int], start: int, end: int, width: int) -> tuple[int, int]:
    """The range of pieces to show so that the token is in sight and the line is not too long."""
    if sum(widths) <= width:
        return 0, len(widths)
    first, room = start, min(_BEFORE, width // 3)
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
