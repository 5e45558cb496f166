"""Add items to lists in spec files, each with a comment for the reviewers of the change.

The comment stands behind the item if nothing else does, or on a line of its own above. Every other character stays as
`reshape` keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.model.diagnostic import ReconcilerError
from reconciler.spec.data_pairs import are_same
from reconciler.spec.field_edits import put_raw
from reconciler.spec.nodes import to_plain
from reconciler.spec.reshape import EditableText, has_comments_of, reshape
from reconciler.spec.text_changes import TextChange, TextLines, apply_changes
from reconciler.spec.text_nodes import TextElement, TextParent, TextScalar
from reconciler.spec.value_text import render_comments, to_raw

_MAX_WIDTH = 120
"""Columns of a line behind which a comment is seen. A longer item has its comment above."""


@dataclass(frozen=True, slots=True)
class ItemAddition:
    """New last item of a list: the path of the keys to the list, the literal item, and a comment without `#`, or none.

    Where the file has no list, a new list begins with `inherited`, in place of a single value if there is one.
    """

    path: tuple[str, ...]
    item: Any
    comment: str = ""
    inherited: tuple[Any, ...] = ()


def append_item(text: str, addition: ItemAddition, shown: str) -> str:
    """Append an item to a list of a file. Everything else stays, character by character. Returns the text.

    Raises ReconcilerError if the file cannot be parsed, or cannot be changed piece by piece.
    """
    parsed = EditableText.parse(text, shown)
    data = parsed.data
    path = tuple(map(str, map(to_raw, addition.path)))
    present = _find_value(data, path)
    before = present if isinstance(present, list) else to_raw(addition.inherited)
    put_raw(data, path, [*before, to_raw(addition.item)])
    changed = reshape(parsed, data, shown, block_lists=[path])
    return _add_comment(changed, path, addition.comment, shown) if addition.comment else changed


def _find_value(data: Any, path: Sequence[str]) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _add_comment(text: str, path: Sequence[str], comment: str, shown: str) -> str:
    """Add a comment to the last item of a list, at the nearest place where it is a comment and nothing else changes."""
    before = EditableText.parse(text, shown)
    [line] = render_comments([comment], 0)
    for change in _list_places(before, path, line):
        changed = before.mark + apply_changes(before.body, [change])
        try:
            after = EditableText.parse(changed, shown)
        except ReconcilerError:
            continue
        if are_same(to_plain(after.root), to_plain(before.root)) and has_comments_of(after, before, [line]):
            return changed
    return text


def _list_places(text: EditableText, path: Sequence[str], line: str) -> Iterator[TextChange]:
    """List the places of a comment: behind the item, and above the lines of the item and of the keys to it."""
    elements = _find_elements(text.nodes, path)
    item, lines = elements[-1], TextLines(text.body)
    rest = text.body[item.value.end : lines.find_end(item.value.end)].rstrip()
    is_single_line = not (isinstance(item.value, TextScalar) and item.value.is_block)
    end = item.value.end + len(rest)
    is_short = lines.get_column(end) <= _MAX_WIDTH
    if is_single_line and is_short and lines.is_first_on_line(item.start) and rest in {"", ","}:
        yield TextChange(end, end, f"  {line}")
    for element in reversed(elements):
        start = lines.find_start(element.start)
        code = text.body[start : lines.find_end(start)]
        indent = " " * (len(code) - len(code.lstrip(" ")))
        yield TextChange(start, start, f"{indent}{line}{lines.get_break(start)}")


def _find_elements(root: TextParent, path: Sequence[str]) -> list[TextElement]:
    """Find the elements on the way to the last item of a list, the item last."""
    elements: list[TextElement] = []
    node: Any = root
    for key in path:
        own = [each for each in node.elements if each.key is not None and not each.is_merge]
        elements.append(next(each for each in own if each.key is not None and each.key.data == key))
        node = elements[-1].value
    return [*elements, node.elements[-1]]
