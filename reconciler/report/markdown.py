"""Render GitHub-flavoured Markdown in which data of other systems is inert, within a limit of bytes.

Data stands only inside code spans, fences and `<code>` elements: there it cannot become a link, a mention, a reference
to an issue or HTML. It never has a line break and never begins a line.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reconciler.model.sanitize import escape

MAX_COMMENT_BYTES = 60_000
"""Bytes of a whole comment; GitHub takes 65,536 characters."""

_MAX_SPAN_LENGTH = 200
_MAX_LINE_LENGTH = 400
_TICKS = re.compile("`+")


def format_code(text: str) -> str:
    """Format data as a code span, whose marks are longer than any run of backticks in the data."""
    content = _truncate(escape(text), _MAX_SPAN_LENGTH) or '""'
    marks = "`" * (_find_longest_run([content]) + 1)
    # Readers remove one space on both sides, unless the span has nothing but spaces.
    padding = " " if content.strip(" ") and (content[0] in "` " or content[-1] in "` ") else ""
    return f"{marks}{padding}{content}{padding}{marks}"


def format_html_code(text: str) -> str:
    """Format data as a `<code>` element, for places in which Markdown is not read."""
    return f"<code>{html.escape(_truncate(escape(text), _MAX_SPAN_LENGTH))}</code>"


@dataclass(frozen=True, slots=True)
class Section:
    """Section of a page. It can be cut after any line: `closing` ends every open element."""

    lines: tuple[str, ...]
    opening: str = ""
    closing: str = ""

    def render(self, lines: Iterable[str] | None = None) -> str:
        """Render all lines, or `lines` instead of its own."""
        return self.opening + "\n".join(self.lines if lines is None else lines) + self.closing


def make_paragraph(*lines: str) -> Section:
    """Make a paragraph of Markdown without data of other systems."""
    return Section(lines)


def make_code_block(
    lines: Iterable[str], language: str = "text", max_line_length: int = _MAX_LINE_LENGTH
) -> Section:
    """Make a code block of lines, which may have data of other systems."""
    content = tuple(_truncate(escape(line), max_line_length) for line in lines)
    marks = "`" * max(3, _find_longest_run(content) + 1)
    return Section(content, f"{marks}{language}\n", f"\n{marks}")


def make_details(summary: str, content: Section) -> Section:
    """Make a section that opens on a click. `summary` is HTML."""
    return Section(
        content.lines,
        f"<details><summary>{summary}</summary>\n\n{content.opening}",
        f"{content.closing}\n\n</details>",
    )


def join_sections(sections: Iterable[Section]) -> str:
    """Join sections to one text."""
    return "\n\n".join(section.render() for section in sections)


def truncate_page(sections: Sequence[Section], max_bytes: int) -> str:
    """Truncate a page to `max_bytes` bytes of UTF-8. A cut section is closed, and counts its omitted lines."""
    return "\n\n".join(_fit_sections(sections, max_bytes))


def count_bytes(text: str) -> int:
    """Count the bytes of a text in UTF-8."""
    return len(text.encode(errors="backslashreplace"))


def _fit_sections(sections: Sequence[Section], max_bytes: int) -> Iterator[str]:
    for section in sections:
        needed = count_bytes(section.render()) + len("\n\n")
        if needed > max_bytes:
            yield from _truncate_section(section, max_bytes - len("\n\n"))
            return
        max_bytes -= needed
        yield section.render()


def _truncate_section(section: Section, max_bytes: int) -> Iterator[str]:
    remaining = max_bytes - count_bytes(section.render(["", _format_omitted(len(section.lines))]))
    kept = 0
    for line in section.lines:
        remaining -= count_bytes(line) + 1
        if remaining < 0:
            break
        kept += 1
    if kept:
        yield section.render([*section.lines[:kept], _format_omitted(len(section.lines) - kept)])


def _format_omitted(number: int) -> str:
    return f"… {number:,} more lines do not fit"


def _find_longest_run(texts: Iterable[str]) -> int:
    return max((len(run) for text in texts for run in _TICKS.findall(text)), default=0)


def _truncate(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"
