"""Collect the changes of a text, line by line and range by range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reconciler.spec.text_changes import (
    Comment,
    TextChange,
    TextLines,
    find_comments,
    find_content_end,
    select_comments,
)
from reconciler.spec.text_nodes import TextElement, TextParent
from reconciler.spec.value_text import BlockStyle, Path


@dataclass(frozen=True, slots=True)
class ValuePlace:
    """Place of a value: the column of its parent's keys, its path, and the end of the `:` or `-` before it."""

    column: int
    path: Path
    mark_end: int | None = None
    in_flow: bool = False
    is_root: bool = False


@dataclass(slots=True, eq=False)
class EditBuffer:
    """Text with its nodes, the style of new text, and the changes so far."""

    text: str
    root: TextParent
    style: BlockStyle
    changes: list[TextChange] = field(default_factory=list)
    lines: TextLines = field(init=False)
    _comments: list[Comment] | None = None

    def __post_init__(self) -> None:
        self.lines = TextLines(self.text)

    def change(self, start: int, end: int, text: str) -> None:
        """Replace a range by a text."""
        if start < end or text:
            self.changes.append(TextChange(start, end, text))

    def insert_lines(self, line_end: int, lines: Sequence[str]) -> None:
        """Insert lines below the line that ends at `line_end`."""
        self.replace_lines(line_end, line_end, lines)

    def replace_lines(self, line_end: int, content_end: int, lines: Sequence[str]) -> None:
        """Replace the text between the ends of two lines by other lines."""
        line_break = self.lines.get_break(line_end)
        self.change(line_end, content_end, "".join(f"{line_break}{line}" for line in lines))

    def find_previous_end(self, line_start: int) -> int:
        """Return the end of the line above."""
        return line_start - (2 if self.text[line_start - 2 : line_start] == "\r\n" else 1)

    def skip_blanks_back(self, index: int) -> int:
        """Return the start of the blanks before a character."""
        while index > 0 and self.text[index - 1] in " \t":
            index -= 1
        return index

    def get_indent(self, index: int) -> int:
        """Return the indentation of the line of a character."""
        line = self.text[self.lines.find_start(index) : self.lines.find_end(index)]
        return len(line) - len(line.lstrip(" "))

    def select_comments(self, start: int, end: int) -> list[str]:
        """Select the texts of the comments in a range."""
        if self._comments is None:
            self._comments = find_comments(self.text, self.root)
        return select_comments(self._comments, start, end)

    def indent_comments(self, start: int, end: int, column: int) -> list[str]:
        """Build a line in a column for each comment in a range."""
        return [f"{' ' * column}{comment}" for comment in self.select_comments(start, end)]

    def find_element_end(self, element: TextElement) -> int:
        """Return the end of an element without the empty lines below a block text."""
        end = find_content_end(self.text, element.value)
        return max(end, element.key.end) if element.key is not None else end
