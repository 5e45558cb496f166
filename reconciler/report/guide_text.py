"""Render guides, which are Markdown, on a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, TableElement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from reconciler.report.explanation import render_two_columns
from reconciler.report.style import Screen, wrap_text

_WIDEST = 100
_COLUMN = 24  # cells that a column of a table needs
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)")
_TOPIC = re.compile(r"([a-z-]+)\.md")
_MORE = {
    "reconciler help TOPIC": "shows a guide",
    "reconciler COMMAND --help": "shows the options of a command",
    "reconciler explain CODE": "shows the meaning of an error or warning",
}
# rich's own theme paints code on black, which a light terminal shows as a bar.
_THEME = Theme(
    {
        "markdown.h1": "bold underline",
        "markdown.h2": "bold",
        "markdown.h3": "bold",
        "markdown.code": "cyan",
        "markdown.code_block": "cyan",
        "markdown.table.header": "bold",
        "markdown.table.border": "dim",
    }
)


def print_guide(console: Screen, text: str) -> None:
    """Print a guide, folded to the width of the terminal, with the linked topics at the end."""
    links = dict.fromkeys(
        found[1] for _, target in _LINK.findall(text) if (found := _TOPIC.fullmatch(target))
    )
    with console.use_theme(_THEME):
        # The links of the files lead nowhere from a terminal: their text stays, their topics follow at the end.
        console.print(
            _Guide(_LINK.sub(r"\1", text), hyperlinks=False),
            soft_wrap=False,
            width=min(console.width, _WIDEST),
        )
        if links:
            see_also = Text(f"\nSee also: reconciler help {' | '.join(links)}")
            console.print(wrap_text(see_also, console.width))


def render_guide_list(summaries: Mapping[str, str], width: int | None = None) -> str:
    """Render all topics with their summaries, a topic on a line if no terminal limits its length, and other commands
    for help."""
    return f"{render_two_columns(summaries, width)}\n\n{render_two_columns(_MORE, width)}"


class _LeftHeading(Heading):
    """A heading at the left margin, without a frame."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text


class _PlainCode(CodeBlock):
    """Code indented by four cells, without a background."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = Text(str(self.text).rstrip(), "markdown.code_block")
        yield Padding(wrap_text(code, max(1, options.max_width - 4)), (0, 0, 0, 4))


class _WholeTable(TableElement):
    """A table that folds long words; rich would cut them off. Without room for columns each row is a block."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        titles = [cell.content for cell in self.header.row.cells] if self.header and self.header.row else []
        rows = [[cell.content for cell in row.cells] for row in self.body.rows] if self.body else []
        if options.max_width < _COLUMN * len(titles):
            for first, *others in rows:
                yield first
                yield from (Padding(cell, (0, 0, 0, 4)) for cell in others)
            return
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, style="markdown.table.border")
        for title in titles:
            table.add_column(title, header_style="markdown.table.header", overflow="fold")
        for row in rows:
            table.add_row(*row)
        yield table


class _Guide(Markdown):
    elements = {  # noqa: RUF012 - rich declares it as a class variable
        **Markdown.elements,
        "heading_open": _LeftHeading,
        "fence": _PlainCode,
        "table_open": _WholeTable,
    }
