"""Change a file so that it has other data: every character that the change does not concern stays.

The nodes of the text are compared with the data wanted, and only ranges that differ are replaced:

1. an own key or item with other data is visited, and its text is replaced if it is no mapping or list of the same kind;
2. keys and items that are no longer wanted leave with their lines or their commas; their comments stay;
3. new keys stand behind the last key (`id`, `name` and `was` of a group before its `destination`), new items behind the
   item before them;
4. an alias with other data becomes a copy; a `<<` whose keys are no longer all wanted becomes copies of the others;
5. an anchor whose data changes moves to its first alias that stays, which then has a copy of the former data.

The result is parsed again: its data must be the wanted data, and all comments must be there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.spec.anchor_moves import AnchorMoves, find_anchor_moves
from reconciler.spec.block_edits import BlockEditor
from reconciler.spec.characters import BYTE_ORDER_MARK
from reconciler.spec.data_pairs import GONE, are_same, find_additions, is_same_kind, pair_elements
from reconciler.spec.edit_buffer import EditBuffer, ValuePlace
from reconciler.spec.flow_edits import FlowEditor
from reconciler.spec.nodes import MappingNode, find_key_span, to_plain
from reconciler.spec.source import parse
from reconciler.spec.text_changes import OverlapError, TextLines, apply_changes, find_comments
from reconciler.spec.text_nodes import (
    AnyTextNode,
    TextAlias,
    TextElement,
    TextParent,
    TextScalar,
    iterate_nodes,
    parse_nodes,
)
from reconciler.spec.value_edits import BLOCK_SIGN, ValueEditor
from reconciler.spec.value_text import BlockStyle, Path, render_comments

_COLON = re.compile(r"\s*:")
_ANCHOR_SIGN = re.compile(r"&\S+[ \t]*")


@dataclass(frozen=True, slots=True)
class EditableText:
    """Text of a file: its byte order mark or none, the text behind, the tree, the nodes, and its raw data."""

    mark: str
    body: str
    root: MappingNode
    nodes: TextParent

    @classmethod
    def parse(cls, text: str, shown: str) -> EditableText:
        """Parse the text of a whole file. Raises ReconcilerError."""
        mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
        body = text[len(mark) :]
        return cls(mark, body, parse(body, shown), parse_nodes(body))

    @property
    def data(self) -> dict[str, Any]:
        """The raw data, which may share nodes behind aliases."""
        return dict(self.nodes.data)


def reshape(
    text: EditableText,
    wanted: Mapping[str, Any],
    shown: str,
    comments: Mapping[Path, Sequence[str]] | None = None,
    block_lists: Iterable[Path] = (),
) -> str:
    """Change a file so that its raw data is `wanted`. `comments` stand above new keys, by path; new lists at the paths
    of `block_lists` have a line for each item. Returns the text.

    Raises ReconcilerError if the file has text that cannot be changed piece by piece, or cannot have the data.
    """
    style = BlockStyle(
        _find_step(text.body, text.nodes),
        comments or {},
        _find_spaced(text.body, text.nodes),
        block_lists=frozenset(block_lists),
    )
    for changed in _list_attempts(text.body, text.nodes, wanted, style):
        if _is_proven(text, changed, wanted, shown, style):
            return text.mark + changed
    raise ReconcilerError([_explain_not_editable(text.root, wanted)])


def _is_proven(
    before: EditableText, changed: str, wanted: Mapping[str, Any], shown: str, style: BlockStyle
) -> bool:
    """Prove a change: the data is the data wanted, no comment is lost, and only the comments of new keys are added."""
    try:
        after = EditableText.parse(changed, shown)
    except ReconcilerError:
        return False
    new = [line for lines in style.comments.values() for line in render_comments(lines, 0)]
    return are_same(to_plain(after.root), wanted) and has_comments_of(after, before, new)


def has_comments_of(after: EditableText, before: EditableText, added: Iterable[str]) -> bool:
    """Check that a changed text has all comments of the text before, and no other comments but the `added`."""
    old, now = _count_comments(before), _count_comments(after)
    return not (old - now) and not (now - old - Counter(added))


def _count_comments(text: EditableText) -> Counter[str]:
    return Counter(comment.text.rstrip() for comment in find_comments(text.body, text.nodes))


def _list_attempts(
    text: str, nodes: TextParent, wanted: Mapping[str, Any], style: BlockStyle
) -> Iterator[str]:
    """List changed texts, the best first. In a file without a line end at its end, a block text at the end has none
    either, which is another value than the same text above other lines."""
    for allows_blocks, strips_last in ((True, False), (False, False), (False, True)):
        buffer = EditBuffer(text, nodes, replace(style, allows_blocks=allows_blocks))
        reshaper = _Reshaper(buffer, find_anchor_moves(nodes, wanted))
        if strips_last:
            reshaper.strip_last_text()
        reshaper.visit(nodes, wanted, ValuePlace(0, (), is_root=True))
        with suppress(OverlapError):
            changed = apply_changes(text, buffer.changes)
            yield changed
            if not changed.endswith("\n"):
                yield changed + TextLines(text).get_break(len(text))


def _find_step(text: str, nodes: TextParent) -> int:
    """Find the number of blanks by which the first block below a key is indented."""
    lines = TextLines(text)
    for node in iterate_nodes(nodes):
        if isinstance(node, TextParent) and node.is_mapping and not node.is_flow:
            for element in node.elements:
                value = element.value
                if (
                    isinstance(value, TextParent)
                    and value.is_mapping
                    and not value.is_flow
                    and value.elements
                ):
                    step = lines.get_column(value.elements[0].start) - lines.get_column(element.start)
                    if step > 0:
                        return step
    return 2


def _find_spaced(text: str, nodes: TextParent) -> frozenset[Path]:
    """Find the sections whose entries are set apart by empty lines. A section with less than two entries counts too."""
    spaced: set[Path] = {("groups",), ("profiles",)}
    for element in nodes.elements:
        section = element.value
        if element.key is None or not isinstance(section, TextParent) or not section.is_mapping:
            continue
        pairs = list(zip(section.elements, section.elements[1:], strict=False))
        if pairs and not all(
            re.search(r"\n[ \t]*\r?\n", text[first.end : second.start]) for first, second in pairs
        ):
            spaced.discard((element.key.data,))
    return frozenset(spaced)


class _Reshaper:
    """Visitor of the nodes of a text, which collects the changes in a buffer."""

    def __init__(self, buffer: EditBuffer, moves: AnchorMoves) -> None:
        self.buffer, self.moves = buffer, moves
        self._values = ValueEditor(buffer, moves.released)
        self._blocks, self._flows = BlockEditor(buffer), FlowEditor(buffer)

    def strip_last_text(self) -> None:
        """Let a block text at the end of the file, which has no line end there, have none below another line too."""
        for node in iterate_nodes(self.buffer.root):
            if isinstance(node, TextScalar) and node.is_block and node.end == len(self.buffer.text):
                sign = BLOCK_SIGN.match(self.buffer.text, node.inner)
                assert sign is not None  # noqa: S101 - the style of the node says so
                self.buffer.change(sign.start(), sign.end(), f"{sign.group().rstrip('+-')}-")

    def visit(self, node: AnyTextNode, wanted: Any, place: ValuePlace) -> None:
        """Change the text of a node whose data is to be `wanted`."""
        if isinstance(node, TextAlias):
            anchor = self.moves.carriers.get(id(node))
            if anchor is not None or not are_same(node.data, wanted):
                self._values.replace(node, wanted, place, f"&{anchor}" if anchor else "")
            return
        if id(node) in self.moves.released:
            self._remove_anchor(node)
        if isinstance(node, TextParent) and is_same_kind(node, wanted):
            self._visit_parent(node, wanted, place)
        elif not are_same(node.data, wanted):
            self._values.replace(node, wanted, place)

    def _remove_anchor(self, node: AnyTextNode) -> None:
        match = _ANCHOR_SIGN.match(self.buffer.text, node.start)
        assert match is not None  # noqa: S101 - an anchored node starts with its anchor
        start, end = match.span()
        if self.buffer.text[end : end + 1] in {"\n", "\r", ""}:
            start = self.buffer.skip_blanks_back(start)
        self.buffer.change(start, end, "")

    def _visit_parent(self, node: TextParent, wanted: Any, place: ValuePlace) -> None:
        """Visit the elements that stay, then drop and add elements."""
        column = self._find_column(node)
        dropped: list[TextElement] = []
        kept: list[tuple[TextElement, Any]] = []
        for element, below in pair_elements(node, wanted):
            if below is GONE:
                dropped.append(element)
            else:
                kept.append((element, below))
        additions = list(find_additions(node, wanted, [element for element, _ in kept], place.path))
        if not kept and (dropped or additions):
            self._values.replace(node, wanted, place)
            return
        for number, (element, below) in enumerate(kept):
            step: str | int = number if element.key is None else element.key.data
            is_flow = node.is_flow or place.in_flow
            child_place = ValuePlace(column, (*place.path, step), self._find_mark_end(element), is_flow)
            self.visit(element.value, below, child_place)
        if not (dropped or additions):
            return
        if node.is_flow:
            self._flows.edit(node, dropped, additions, place)
        else:
            self._blocks.edit(node, dropped, additions, place, column)

    def _find_column(self, node: TextParent) -> int:
        return self.buffer.lines.get_column(node.elements[0].start) if node.elements else 0

    def _find_mark_end(self, element: TextElement) -> int | None:
        """Find the end of the `:` behind a key, or of the dash before an item; None in `{key}` and `[item]`."""
        if element.key is None:
            is_dash = self.buffer.text[element.start] == "-" and element.start < element.value.start
            return element.start + 1 if is_dash else None
        match = _COLON.match(self.buffer.text, element.key.end)
        return match.end() if match else None


def _explain_not_editable(root: MappingNode, wanted: Mapping[str, Any]) -> Diagnostic:
    location = _find_difference(to_plain(root), wanted)
    return Diagnostic(
        "not-editable",
        "this text cannot be changed without a change of something else",
        find_key_span(root, location),
        help="change it by hand",
        secret=True,
    )


def _find_difference(data: Any, wanted: Any) -> Path:
    """Find the path of the first difference that exists in the data."""
    if isinstance(data, dict) and isinstance(wanted, dict):
        for key in data:
            if key not in wanted:
                return (key,)
            if not are_same(data[key], wanted[key]):
                return (key, *_find_difference(data[key], wanted[key]))
    return ()
