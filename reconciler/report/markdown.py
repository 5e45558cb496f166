"""GitHub-flavoured Markdown in which data of others is inert, and which knows when it is too long.

Data stands only inside code spans, fences and `<code>` elements: nothing in there is a link, a mention, a reference
to an issue or HTML. It never has a line break and never begins a line.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reconciler.report.neutral import neutral

LIMIT = 60_000
"""Bytes of a whole comment; GitHub takes 65,536 characters."""

_LONGEST_SPAN = 200
_LONGEST_LINE = 400
_TICKS = re.compile("`+")


def code(text: str) -> str:
    """Data as a code span, whose marks are longer than any run of backticks in it."""
    shown = _cropped(neutral(text), _LONGEST_SPAN) or '""'
    marks = "`" * (_longest_run([shown]) + 1)
    # One space on both sides is taken away again, unless there is nothing but spaces.
    padding = " " if shown.strip(" ") and (shown[0] in "` " or shown[-1] in "` ") else ""
    return f"{marks}{padding}{shown}{padding}{marks}"


def html_code(text: str) -> str:
    """Data as a `<code>` element, for places where Markdown is not read."""
    return f"<code>{html.escape(_cropped(neutral(text), _LONGEST_SPAN))}</code>"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page that is whole with any number of its lines: what it opens, it closes."""

    lines: tuple[str, ...]
    opening: str = ""
    closing: str = ""

    def text(self, lines: Iterable[str] | None = None) -> str:
        """All of it, or with these lines instead of its own."""
        return self.opening + "\n".join(self.lines if lines is None else lines) + self.closing


def paragraph(*lines: str) -> Section:
    """Lines of our own Markdown."""
    return Section(lines)


def fenced(lines: Iterable[str], language: str = "text") -> Section:
    """Lines with data as a block of code."""
    shown = tuple(_cropped(neutral(line), _LONGEST_LINE) for line in lines)
    marks = "`" * max(3, _longest_run(shown) + 1)
    return Section(shown, f"{marks}{language}\n", f"\n{marks}")


def folded(summary: str, inside: Section) -> Section:
    """A section that opens on a click. `summary` is HTML."""
    return Section(
        inside.lines,
        f"<details><summary>{summary}</summary>\n\n{inside.opening}",
        f"{inside.closing}\n\n</details>",
    )


def page(sections: Iterable[Section]) -> str:
    """Sections as one text."""
    return "\n\n".join(section.text() for section in sections)


def cut_page(sections: Sequence[Section], room: int) -> str:
    """As much of the sections as fits into `room` bytes of UTF-8. The one that is cut says so and is closed."""
    return "\n\n".join(_fitting(sections, room))


def size(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode(errors="backslashreplace"))


def _fitting(sections: Sequence[Section], room: int) -> Iterator[str]:
    for section in sections:
        needed = size(section.text()) + len("\n\n")
        if needed > room:
            yield from _cut(section, room - len("\n\n"))
            return
        room -= needed
        yield section.text()


def _cut(section: Section, room: int) -> Iterator[str]:
    left = room - size(section.text(["", _more(len(section.lines))]))
    kept = 0
    for line in section.lines:
        left -= size(line) + 1
        if left < 0:
            break
        kept += 1
    if kept:
        yield section.text([*section.lines[:kept], _more(len(section.lines) - kept)])


def _more(number: int) -> str:
    return f"… {number:,} more lines do not fit"


def _longest_run(texts: Iterable[str]) -> int:
    return max((len(run) for text in texts for run in _TICKS.findall(text)), default=0)


def _cropped(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
