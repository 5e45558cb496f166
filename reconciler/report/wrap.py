"""Lines for terminals that are narrower than what is said."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.text import Text

_WORD = re.compile(r"\S+")
_HANGING_INDENT = 4


def wrap_text(text: Text, width: int) -> Text:
    """The text with no line longer than `width` cells, as far as its words allow.

    Lines break between words; what follows hangs a little deeper than the line began.
    """
    return Text("\n", end=text.end).join(
        [part for line in text.split("\n", allow_blank=True) for part in _split_line(line, width)]
    )


def _split_line(line: Text, width: int) -> Iterator[Text]:
    if cell_len(line.plain) <= width:
        yield line
        return
    indent = len(line.plain) - len(line.plain.lstrip())
    hanging = indent + _HANGING_INDENT if indent + _HANGING_INDENT <= width // 2 else 0
    for number, part in enumerate(line.divide(_find_breaks(line.plain, width, hanging))):
        part.rstrip()
        yield Text(" " * hanging).append_text(part) if number else part


def _find_breaks(line: str, width: int, hanging: int) -> list[int]:
    """Where new lines begin: before each word that would not end in time."""
    breaks: list[int] = []
    start, available = 0, width
    for word in _WORD.finditer(line):
        if cell_len(line[start : word.end()]) > available and line[start : word.start()].strip():
            start, available = word.start(), width - hanging
            breaks.append(start)
    return breaks
