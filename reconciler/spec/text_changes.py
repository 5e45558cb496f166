"""Changes of a text: ranges that are replaced, apart from which every character stays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reconciler.spec.characters import BYTE_ORDER_MARK
from reconciler.spec.text_nodes import AnyTextNode, TextAlias, TextParent, TextScalar, iterate_nodes

_LINE_END = re.compile(r"\r?\n|\Z")


@dataclass(frozen=True, slots=True, order=True)
class TextChange:
    """Range of a text and the text in its place. An empty range is an insertion."""

    start: int
    end: int
    text: str


class OverlapError(Exception):
    """Two changes of a text overlap."""


def apply_changes(text: str, changes: Iterable[TextChange]) -> str:
    """Apply changes in the order of the text; insertions at one place stay in the given order.

    Deletions may overlap. Raises OverlapError if other changes do.
    """
    parts: list[str] = []
    place = 0
    can_overlap = False
    for change in sorted(changes, key=lambda change: (change.start, change.end)):
        is_deletion = not change.text
        if change.start < place and not (can_overlap and is_deletion):
            raise OverlapError
        parts += [text[place : change.start], change.text]
        place = max(place, change.end)
        can_overlap = is_deletion
    return "".join([*parts, text[place:]])


@dataclass(frozen=True, slots=True)
class TextLines:
    """Lines of a text by indexes of characters."""

    text: str

    def find_start(self, index: int) -> int:
        """Return the start of the line of a character."""
        return self.text.rfind("\n", 0, index) + 1

    def find_end(self, index: int) -> int:
        """Return the end of the line of a character, before its line break."""
        match = _LINE_END.search(self.text, index)
        return match.start() if match else len(self.text)

    def find_next(self, index: int) -> int:
        """Return the start of the line below the line of a character, or the end of the text."""
        match = _LINE_END.search(self.text, index)
        return match.end() if match else len(self.text)

    def get_column(self, index: int) -> int:
        """Return the column of a character, from 0."""
        return index - self.find_start(index)

    def is_first_on_line(self, index: int) -> bool:
        """Return whether only blanks precede a character on its line."""
        return not self.text[self.find_start(index) : index].strip(" ")

    def get_break(self, index: int) -> str:
        """Return the line break near a character: of its line, else of the line above."""
        match = _LINE_END.search(self.text, index)
        if match and match.group():
            return match.group()
        return "\r\n" if self.text[: self.find_start(index)].endswith("\r\n") else "\n"


def find_content_end(text: str, node: AnyTextNode) -> int:
    """Return the end of a node without the empty lines below a block text, unless they belong to its value."""
    last = _find_last(node)
    if not isinstance(last, TextScalar) or not last.is_block:
        return last.end
    if keeps_empty_lines(text, last):
        return last.end - _measure_break_before(text, last.end)
    return last.inner + len(text[last.inner : last.end].rstrip())


def _measure_break_before(text: str, index: int) -> int:
    """Return the number of characters of the line break before an index."""
    if text[index - 2 : index] == "\r\n":
        return 2
    return 1 if text[index - 1 : index] == "\n" else 0


def keeps_empty_lines(text: str, node: AnyTextNode) -> bool:
    """Return whether a node ends with a block text to whose value the empty lines below it belong."""
    last = _find_last(node)
    if not isinstance(last, TextScalar) or not last.is_block:
        return False
    sign = text[last.inner : last.end].split("\n", 1)[0].split("#", maxsplit=1)[0]
    return "+" in sign


def _find_last(node: AnyTextNode) -> AnyTextNode:
    last = node
    while isinstance(last, TextParent) and not last.is_flow and last.elements:
        last = last.elements[-1].value
    return last


@dataclass(frozen=True, slots=True)
class Comment:
    """Comment with its place."""

    start: int
    text: str


def find_comments(text: str, root: AnyTextNode) -> list[Comment]:
    """Find all comments of a file, also the comments behind the sign of a block text and behind an anchor."""
    comments: list[Comment] = []
    place = 0
    for start, end in _find_values(text, root):
        comments += _find_in_gap(text, place, start)
        place = max(place, end)
    return [*comments, *_find_in_gap(text, place, len(text))]


def select_comments(comments: Sequence[Comment], start: int, end: int) -> list[str]:
    """Select the texts of the comments in a range."""
    return [comment.text for comment in comments if start <= comment.start < end]


def _find_values(text: str, root: AnyTextNode) -> list[tuple[int, int]]:
    """Find the ranges of all texts of values and aliases, in which a `#` starts no comment."""
    ranges = []
    for node in iterate_nodes(root):
        if isinstance(node, TextScalar) and node.is_block:
            content_start = text.find("\n", node.inner, node.end)
            ranges.append((content_start if content_start >= 0 else node.end, node.end))
        elif isinstance(node, TextScalar | TextAlias):
            ranges.append((node.inner, node.end))
    return sorted(ranges)


def _find_in_gap(text: str, start: int, end: int) -> list[Comment]:
    comments = []
    place = start
    while place < end:
        place = text.find("#", place, end)
        if place < 0:
            break
        line_end = text.find("\n", place)
        line_end = len(text) if line_end < 0 else line_end
        if place == 0 or text[place - 1] in " \t\n" or text[place - 1] == BYTE_ORDER_MARK:
            comments.append(Comment(place, text[place:line_end].rstrip("\r")))
        place = line_end
    return comments
