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
_KEY_END = re.compile(r"\s*:(\s+|$)")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What stands on the line, and where the token is in it. `indent` and `width` count terminal cells."""

    text: str
    indent: int
    width: int


def make_excerpt(line: str, span: Span, secrets: Iterable[Span] = ()) -> Excerpt:
    """Show `line` around `span`.

    Every secret span that touches the line is hidden: quotes stay, the length does not show. A
    secret span that covers a key hides what follows the key. A span over several lines is
    underlined to the end of its first one.
    """
    line = line.rstrip()
    start, end = _range_on(line, span.line, span)
    hidden = [_hidden_range(line, span.line, secret) for secret in secrets if _touches(secret, span)]
    pieces = _cells(line, hidden)
    first, last = _window([cell_len(piece) for piece in pieces], start, end)
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


def _hidden_range(line: str, number: int, secret: Span) -> tuple[int, int]:
    """The part of line `number` to hide for a secret span that touches it."""
    start, end = _range_on(line, number, secret)
    key = _KEY_END.match(line, end)
    if key and secret.end_line == secret.line:
        return key.end(), len(line)
    if end - start >= 2 and line[start] in "\"'" and line[end - 1] == line[start]:
        return start + 1, end - 1
    return start, end


def _cells(line: str, hidden: Sequence[tuple[int, int]]) -> list[str]:
    """What is shown for each character; the first hidden one shows the mask, the others nothing."""
    pieces = ["    " if character == "\t" else visible(character) for character in line]
    for start, end in hidden:
        if start < end:
            pieces[start:end] = [MASKED_IN_OUTPUT] + [""] * (end - start - 1)
    return pieces


def _window(widths: Sequence[int], start: int, end: int) -> tuple[int, int]:
    """The range of pieces to show so that the token is in sight and the line is not too long."""
    if sum(widths) <= WIDTH:
        return 0, len(widths)
    first, room = start, _BEFORE
    while first > 0 and room > 0:
        first -= 1
        room -= widths[first]
    last, room = first, WIDTH
    while last < len(widths) and (room > 0 or last <= start):
        room -= widths[last]
        last += 1
    return (first if sum(widths[:first]) > 0 else 0), max(last, min(end, start + 1))
