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

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import Any

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.spec.formatter import KEY_ORDER
from reconciler.spec.nodes import MappingNode, find_key_span, to_plain
from reconciler.spec.source import parse
from reconciler.spec.text_changes import (
    OverlapError,
    TextChange,
    TextLines,
    apply_changes,
    find_comments,
    find_content_end,
    keeps_empty_lines,
    select_comments,
)
from reconciler.spec.text_nodes import (
    AnyTextNode,
    TextAlias,
    TextElement,
    TextParent,
    TextScalar,
    iterate_nodes,
    parse_nodes,
)
from reconciler.spec.value_text import (
    BlockStyle,
    Path,
    ValueText,
    render_comments,
    render_flow,
    render_items,
    render_pairs,
    render_scalar,
    render_value,
)

_BYTE_ORDER_MARK = "\ufeff"
_COLON = re.compile(r"\s*:")
_BLOCK_SIGN = re.compile(r"[|>][-+0-9]*")
_ANCHOR_SIGN = re.compile(r"&\S+[ \t]*")
_ENTRY_DEPTH = 2


def reshape(
    text: str, wanted: Mapping[str, Any], shown: str, comments: Mapping[Path, Sequence[str]] | None = None
) -> str:
    """Change a file so that its raw data is `wanted`. `comments` stand above new keys, by path.

    Raises ReconcilerError if the file cannot be parsed, has text that cannot be changed piece by piece, or cannot have
    the data.
    """
    mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
    body = text[len(mark) :]
    root = parse(body, shown)
    nodes = parse_nodes(body)
    style = BlockStyle(_find_step(body, nodes), comments or {}, _find_spaced(body, nodes))
    for changed in _list_attempts(body, nodes, wanted, style):
        if _has_data(changed, wanted, shown) and _keeps_comments(body, changed, style):
            return mark + changed
    raise ReconcilerError([_explain_not_editable(root, wanted)])


def are_same(data: Any, other: Any) -> bool:
    """Return whether raw data is the same, types included. The order of keys does not count."""
    return _dump(data) == _dump(other)


def _dump(data: Any) -> str:
    return json.dumps(data, sort_keys=True)


def _list_attempts(
    text: str, nodes: TextParent, wanted: Mapping[str, Any], style: BlockStyle
) -> Iterator[str]:
    """List changed texts, the best first. In a file without a line end at its end, a block text at the end has none
    either, which is another value than the same text above other lines."""
    for allows_blocks, strips_last in ((True, False), (False, False), (False, True)):
        reshaper = _Reshaper(text, nodes, replace(style, allows_blocks=allows_blocks))
        if strips_last:
            reshaper.strip_last_text()
        reshaper.move_anchors(wanted)
        reshaper.visit(nodes, wanted, _ValuePlace(0, (), is_root=True))
        with suppress(OverlapError):
            changed = apply_changes(text, reshaper.changes)
            yield changed
            if not changed.endswith("\n"):
                yield changed + TextLines(text).get_break(len(text))


def _has_data(changed: str, wanted: Mapping[str, Any], shown: str) -> bool:
    try:
        return are_same(to_plain(parse(changed, shown)), wanted)
    except ReconcilerError:
        return False


def _keeps_comments(text: str, changed: str, style: BlockStyle) -> bool:
    """Return whether a change loses no comment, and adds only the comments of new keys."""
    before = _count_comments(text)
    after = _count_comments(changed)
    new = Counter(line for lines in style.comments.values() for line in render_comments(lines, 0))
    return not (before - after) and not (after - before - new)


def _count_comments(text: str) -> Counter[str]:
    return Counter(comment.text.rstrip() for comment in find_comments(text, parse_nodes(text)))


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


@dataclass(frozen=True, slots=True)
class _ValuePlace:
    """Place of a value: the column of its parent's keys, its path, and the end of the `:` or `-` before it."""

    column: int
    path: Path
    mark_end: int | None = None
    in_flow: bool = False
    is_root: bool = False


@dataclass(frozen=True, slots=True)
class _Addition:
    """New key or item of a parent. `after` is the element before it, None for the first place."""

    after: TextElement | None
    key: str | None
    value: Any


@dataclass(slots=True, eq=False)
class _Reshaper:
    text: str
    root: TextParent
    style: BlockStyle
    changes: list[TextChange] = field(default_factory=list)
    lines: TextLines = field(init=False)
    released: set[int] = field(default_factory=set)
    """Anchored nodes whose anchors move, by identity."""
    carriers: dict[int, str] = field(default_factory=dict)
    """Aliases that become the anchored copy, by identity, with the name of the anchor."""
    _comments: Any = None

    def __post_init__(self) -> None:
        self.lines = TextLines(self.text)

    # Anchors

    def move_anchors(self, wanted: Any) -> None:
        """Find the anchors whose data changes, and the first alias of each that stays."""
        changed: dict[int, AnyTextNode] = {}
        staying: list[TextAlias] = []
        self._compare(self.root, wanted, changed, staying)
        for alias in staying:
            target = alias.target
            if id(target) in changed and id(target) not in self.released and target.anchor is not None:
                self.released.add(id(target))
                self.carriers[id(alias)] = target.anchor

    def _compare(
        self, node: AnyTextNode, wanted: Any, changed: dict[int, AnyTextNode], staying: list[TextAlias]
    ) -> None:
        is_same = are_same(node.data, wanted)
        if isinstance(node, TextAlias):
            if is_same:
                staying.append(node)
            return
        if not is_same and node.anchor is not None:
            changed[id(node)] = node
        if not isinstance(node, TextParent):
            return
        if not _is_same_kind(node, wanted):
            self._mark_below(node, changed)
            return
        for element, below in _pair_elements(node, wanted):
            if below is _GONE:
                self._mark_below(element.value, changed)
                if element.value.anchor is not None:
                    changed[id(element.value)] = element.value
            else:
                self._compare(element.value, below, changed, staying)

    def _mark_below(self, node: AnyTextNode, changed: dict[int, AnyTextNode]) -> None:
        for below in iterate_nodes(node):
            if below is not node and below.anchor is not None:
                changed[id(below)] = below

    def strip_last_text(self) -> None:
        """Let a block text at the end of the file, which has no line end there, have none below another line too."""
        for node in iterate_nodes(self.root):
            if isinstance(node, TextScalar) and node.is_block and node.end == len(self.text):
                sign = _BLOCK_SIGN.match(self.text, node.inner)
                assert sign is not None  # noqa: S101 - the style of the node says so
                self._change(sign.start(), sign.end(), f"{sign.group().rstrip('+-')}-")

    # Values

    def visit(self, node: AnyTextNode, wanted: Any, place: _ValuePlace) -> None:
        """Change the text of a node whose data is to be `wanted`."""
        if isinstance(node, TextAlias):
            anchor = self.carriers.get(id(node))
            if anchor is not None or not are_same(node.data, wanted):
                self._replace(node, wanted, place, f"&{anchor}" if anchor else "")
            return
        if id(node) in self.released:
            self._remove_anchor(node)
        if isinstance(node, TextParent) and _is_same_kind(node, wanted):
            self._visit_parent(node, wanted, place)
        elif not are_same(node.data, wanted):
            self._replace(node, wanted, place)

    def _remove_anchor(self, node: AnyTextNode) -> None:
        match = _ANCHOR_SIGN.match(self.text, node.start)
        assert match is not None  # noqa: S101 - an anchored node starts with its anchor
        start, end = match.span()
        if self.text[end : end + 1] in {"\n", "\r", ""}:
            start = self._skip_blanks_back(start)
        self._change(start, end, "")

    def _visit_parent(self, node: TextParent, wanted: Any, place: _ValuePlace) -> None:
        """Visit the elements that stay, then drop and add elements."""
        column = self._find_column(node)
        dropped: list[TextElement] = []
        kept: list[tuple[TextElement, Any]] = []
        for element, below in _pair_elements(node, wanted):
            if below is _GONE:
                dropped.append(element)
            else:
                kept.append((element, below))
        additions = list(_find_additions(node, wanted, [element for element, _ in kept], place.path))
        if not kept and (dropped or additions):
            self._replace(node, wanted, place)
            return
        for number, (element, below) in enumerate(kept):
            step: str | int = number if element.key is None else element.key.data
            is_flow = node.is_flow or place.in_flow
            child_place = _ValuePlace(column, (*place.path, step), self._find_mark_end(element), is_flow)
            self.visit(element.value, below, child_place)
        if not (dropped or additions):
            return
        if node.is_flow:
            self._edit_flow(node, dropped, additions, place)
        else:
            self._edit_block(node, dropped, additions, place, column)

    def _find_column(self, node: TextParent) -> int:
        return self.lines.get_column(node.elements[0].start) if node.elements else 0

    def _find_mark_end(self, element: TextElement) -> int | None:
        """Find the end of the `:` behind a key, or of the dash before an item; None in `{key}` and `[item]`."""
        if element.key is None:
            is_dash = self.text[element.start] == "-" and element.start < element.value.start
            return element.start + 1 if is_dash else None
        match = _COLON.match(self.text, element.key.end)
        return match.end() if match else None

    # Replacements

    def _replace(self, node: AnyTextNode, wanted: Any, place: _ValuePlace, anchor: str = "") -> None:
        if place.in_flow or (place.is_root and isinstance(node, TextParent) and node.is_flow):
            self._replace_in_flow(node, wanted, place, anchor)
        elif isinstance(node, TextScalar) and node.is_block:
            self._replace_block_text(node, self._render(node, wanted, place, anchor))
        elif isinstance(node, TextParent) and not node.is_flow:
            self._replace_block(node, wanted, place, anchor)
        elif place.mark_end is not None and "\n" in self.text[place.mark_end : node.inner]:
            self._replace_on_own_line(node, wanted, place, anchor)
        else:
            self._replace_inline(node, self._render(node, wanted, place, anchor), place)

    def _render(self, node: AnyTextNode, wanted: Any, place: _ValuePlace, anchor: str) -> ValueText:
        quote = node.style if isinstance(node, TextScalar) else ""
        if isinstance(wanted, str) and quote in {"'", '"'} and "\n" not in wanted:
            rendered = ValueText(render_scalar(wanted, quote))
        elif place.path and isinstance(place.path[-1], int):
            rendered = ValueText(render_flow(wanted))
        else:
            rendered = render_value(wanted, place.column + self.style.step, self.style, place.path)
        return replace(rendered, head=f"{anchor} {rendered.head}".strip()) if anchor else rendered

    def _replace_in_flow(self, node: AnyTextNode, wanted: Any, place: _ValuePlace, anchor: str) -> None:
        quote = node.style if isinstance(node, TextScalar) and node.style in {"'", '"'} else ""
        text = (
            render_scalar(wanted, quote, in_flow=True)
            if isinstance(wanted, str) and quote
            else render_flow(wanted)
        )
        text = f"{anchor} {text}".strip()
        comments = self._select_comments(node.inner, node.end)
        if comments:
            indent = self._get_indent(node.inner) + self.style.step
            parts = [f"{text} {comments[0]}", *comments[1:], ""]
            text = (self.lines.get_break(node.inner) + " " * indent).join(parts)
        self._put_value(node, text, place)

    def _put_value(self, node: AnyTextNode, text: str, place: _ValuePlace) -> None:
        """Put a text in the place of a value, which may be empty."""
        if node.inner == node.end:
            before = self.text[node.inner - 1 : node.inner]
            if place.mark_end is None and place.path and isinstance(place.path[-1], str):
                text = f": {text}"
            elif before not in {" ", "\t", "\n"}:
                text = f" {text}"
        self._change(node.inner, node.end, text)

    def _replace_inline(self, node: AnyTextNode, rendered: ValueText, place: _ValuePlace) -> None:
        """Replace a value behind its key. A comment behind the value stays on the line of the key."""
        column = place.column if rendered.head.startswith("|") else place.column + self.style.step
        comments = self._indent_comments(node.inner, node.end, column)
        if rendered.head:
            self._put_value(node, rendered.head, place)
        elif node.end > node.inner:
            self._change(self._skip_blanks_back(node.inner), node.end, "")
        self._insert_lines(self.lines.find_end(node.end), [*rendered.lines, *comments])

    def _replace_on_own_line(self, node: AnyTextNode, wanted: Any, place: _ValuePlace, anchor: str) -> None:
        """Replace a value that stands on a line below its key."""
        column = self.lines.get_column(node.inner)
        comments = self._indent_comments(node.inner, node.end, column)
        if isinstance(wanted, dict) and wanted and not anchor:
            lines = render_pairs(wanted, column, self.style, place.path)
        else:
            lines = [f"{' ' * column}{f'{anchor} {render_flow(wanted)}'.strip()}"]
        first, *rest = lines
        self._change(node.inner, node.end, first[column:])
        self._insert_lines(self.lines.find_end(node.end), [*rest, *comments])

    def _replace_block_text(self, node: TextScalar, rendered: ValueText) -> None:
        sign = _BLOCK_SIGN.match(self.text, node.inner)
        assert sign is not None  # noqa: S101 - the style of the node says so
        start = sign.start() if rendered.head else self._skip_blanks_back(sign.start())
        self._change(start, sign.end(), rendered.head)
        line_end = self.lines.find_end(node.inner)
        content_end = self.lines.find_end(max(line_end, find_content_end(self.text, node)))
        self._replace_lines(line_end, content_end, rendered.lines)

    def _replace_block(self, node: TextParent, wanted: Any, place: _ValuePlace, anchor: str) -> None:
        first = node.elements[0]
        content_end = self.lines.find_end(find_content_end(self.text, node))
        if place.mark_end is None or not self.lines.is_first_on_line(first.start):
            comments = self._indent_comments(node.inner, content_end, place.column + self.style.step)
            self._change(node.inner, find_content_end(self.text, node), render_flow(wanted))
            self._insert_lines(content_end, comments)
            return
        head_place = place.mark_end
        if node.anchor is not None and id(node) not in self.released:
            head_place = node.start + len(node.anchor) + 1
        rendered = self._render(node, wanted, place, anchor)
        line_end = self.lines.find_end(head_place)
        # Below a block text, a comment in the column of the text would belong to it.
        column = place.column if rendered.head.startswith("|") else place.column + self.style.step
        comments = self._indent_comments(line_end, content_end, column)
        if rendered.head:
            self._change(head_place, head_place, f" {rendered.head}")
        self._replace_lines(line_end, content_end, [*rendered.lines, *comments])

    # Blocks

    def _edit_block(
        self,
        node: TextParent,
        dropped: Sequence[TextElement],
        additions: Sequence[_Addition],
        place: _ValuePlace,
        column: int,
    ) -> None:
        self._drop_from_block(node, dropped, column)
        for addition in additions:
            self._add_to_block(node, addition, place, column)

    def _drop_from_block(self, node: TextParent, dropped: Sequence[TextElement], column: int) -> None:
        gone = {id(element) for element in dropped}
        elements = list(node.elements)
        if elements and id(elements[0]) in gone and not self.lines.is_first_on_line(elements[0].start):
            first_kept = next(element for element in elements if id(element) not in gone)
            self._change(elements[0].start, first_kept.start, "")
            elements = elements[elements.index(first_kept) :]
        for element in elements:
            if id(element) not in gone:
                continue
            start = self.lines.find_start(element.start)
            end = self.lines.find_end(self._find_element_end(element))
            comments = self._indent_comments(start, end, column)
            if start == 0:
                end = self.lines.find_next(end)
                self._change(start, end, "".join(f"{line}{self.lines.get_break(0)}" for line in comments))
            else:
                self._replace_lines(self._find_previous_end(start), end, comments)

    def _add_to_block(self, node: TextParent, addition: _Addition, place: _ValuePlace, column: int) -> None:
        path = place.path
        if addition.key is None:
            lines = render_items([addition.value], column, self.style, path)
        else:
            lines = render_pairs({addition.key: addition.value}, column, self.style, path)
        if addition.after is None:
            first = node.elements[0]
            if place.mark_end is not None and self.lines.is_first_on_line(first.start) and addition.key:
                self._insert_lines(self.lines.find_end(place.mark_end), lines)
            else:
                start = self.lines.find_start(first.start)
                line_break = self.lines.get_break(start)
                self._change(start, start, "".join(f"{line}{line_break}" for line in lines))
            return
        end = self._find_element_end(addition.after)
        position = self.lines.find_end(end)
        if addition.after is node.elements[-1]:
            position = self._skip_comments(position, max(column, 1))
        is_spaced = path in self.style.spaced or (place.is_root and "\n" in self.text.rstrip())
        if is_spaced and not keeps_empty_lines(self.text, addition.after.value):
            lines = ["", *lines]
        self._insert_lines(position, lines)

    def _find_element_end(self, element: TextElement) -> int:
        end = find_content_end(self.text, element.value)
        return max(end, element.key.end) if element.key is not None else end

    def _skip_comments(self, line_end: int, column: int) -> int:
        """Return the end of the last of the comments directly below a line that are indented by `column` or more."""
        end = line_end
        while end < len(self.text):
            start = self.lines.find_next(end)
            line = self.text[start : self.lines.find_end(start)]
            stripped = line.lstrip(" ")
            if not stripped.startswith("#") or len(line) - len(stripped) < column:
                break
            end = self.lines.find_end(start)
        return end

    # Flow

    def _edit_flow(
        self,
        node: TextParent,
        dropped: Sequence[TextElement],
        additions: Sequence[_Addition],
        place: _ValuePlace,
    ) -> None:
        gone = {id(element) for element in dropped}
        for number, element in enumerate(node.elements):
            if id(element) in gone:
                self._drop_from_flow(node, number)
        if id(node.elements[-1]) in gone and self._find_comma(node, len(node.elements) - 1) is None:
            last_kept = max(number for number, element in enumerate(node.elements) if id(element) not in gone)
            comma = self._find_comma(node, last_kept)
            if comma is not None:
                self._change(comma, comma + 1, "")
        for addition in additions:
            self._add_to_flow(node, addition, place)

    def _drop_from_flow(self, node: TextParent, number: int) -> None:
        """Drop an element with the comma behind it, and with its line if nothing else stands there."""
        element = node.elements[number]
        comma = self._find_comma(node, number)
        end = element.end
        ranges = [(element.start, end)]
        if comma is not None and not self.text[end:comma].strip():
            ranges = [(element.start, comma + 1)]
        elif comma is not None:
            ranges.append((comma, comma + 1))
        start, end = ranges[0]
        comments = self._select_comments(start, end)
        line_start, line_end = self.lines.find_start(start), self.lines.find_end(end)
        if not self.text[line_start:start].strip() and not self.text[end:line_end].strip():
            start, end = line_start, self.lines.find_next(end)
        else:
            rest = self.text[end:line_end].lstrip(" \t")
            is_last = comma is None
            end = end if is_last or rest.startswith("#") else line_end - len(rest)
            start = self._skip_blanks_back(start) if is_last else start
        indent = " " * self._get_indent(start)
        line_break = self.lines.get_break(start)
        self._change(start, end, "".join(f"{indent}{comment}{line_break}" for comment in comments))
        for comma_start, comma_end in ranges[1:]:
            self._change(comma_start, comma_end, "")

    def _find_comma(self, node: TextParent, number: int) -> int | None:
        """Find the comma behind an element of a flow mapping or list."""
        start = node.elements[number].end
        is_last = number == len(node.elements) - 1
        end = node.end - 1 if is_last else node.elements[number + 1].start
        for line in re.finditer(r"[^\n]+", self.text[start:end]):
            code = re.split(r"(?:^|(?<=\s))#", line.group(), maxsplit=1)[0]
            if "," in code:
                return start + line.start() + code.index(",")
        return None

    def _add_to_flow(self, node: TextParent, addition: _Addition, place: _ValuePlace) -> None:
        if addition.key is None:
            text, comments = render_flow(addition.value), []
        else:
            key = render_scalar(addition.key, in_flow=True)
            text = f"{key}: {render_flow(addition.value)}"
            comments = render_comments(self.style.comments.get((*place.path, addition.key), ()), 0)
        after = addition.after
        if after is None:
            first = node.elements[0].start
            self._change(first, first, f"{text}, ")
            return
        column = self.lines.get_column(after.start)
        is_own_line = self.lines.is_first_on_line(after.start)
        separator = " "
        if comments or is_own_line:
            indent = " " * (column if is_own_line else self._get_indent(node.start) + self.style.step)
            separator = self.lines.get_break(after.end) + indent
        self._change(after.end, after.end, "," + separator + separator.join([*comments, text]))

    # Text

    def _change(self, start: int, end: int, text: str) -> None:
        if start < end or text:
            self.changes.append(TextChange(start, end, text))

    def _insert_lines(self, line_end: int, lines: Sequence[str]) -> None:
        self._replace_lines(line_end, line_end, lines)

    def _replace_lines(self, line_end: int, content_end: int, lines: Sequence[str]) -> None:
        """Replace the text between the ends of two lines by other lines."""
        line_break = self.lines.get_break(line_end)
        self._change(line_end, content_end, "".join(f"{line_break}{line}" for line in lines))

    def _find_previous_end(self, line_start: int) -> int:
        """Return the end of the line above."""
        return line_start - (2 if self.text[line_start - 2 : line_start] == "\r\n" else 1)

    def _skip_blanks_back(self, index: int) -> int:
        while index > 0 and self.text[index - 1] in " \t":
            index -= 1
        return index

    def _get_indent(self, index: int) -> int:
        line = self.text[self.lines.find_start(index) : self.lines.find_end(index)]
        return len(line) - len(line.lstrip(" "))

    def _select_comments(self, start: int, end: int) -> list[str]:
        if self._comments is None:
            self._comments = find_comments(self.text, self.root)
        return select_comments(self._comments, start, end)

    def _indent_comments(self, start: int, end: int, column: int) -> list[str]:
        return [f"{' ' * column}{comment}" for comment in self._select_comments(start, end)]


_GONE = object()


def _is_same_kind(node: TextParent, wanted: Any) -> bool:
    return isinstance(wanted, dict) if node.is_mapping else isinstance(wanted, list)


def _pair_elements(node: TextParent, wanted: Any) -> Iterator[tuple[TextElement, Any]]:
    """Pair each element of a parent with its data wanted, `_GONE` if it is to go."""
    if node.is_mapping:
        expands = _must_expand(node, wanted)
        for element in node.elements:
            if element.is_merge:
                yield element, _GONE if expands else element.value.data
            else:
                assert element.key is not None  # noqa: S101 - elements of mappings have keys
                yield element, wanted.get(element.key.data, _GONE)
        return
    targets = _align_items(node, wanted)
    for element, target in zip(node.elements, targets, strict=True):
        yield element, _GONE if target is None else wanted[target]


def _must_expand(node: TextParent, wanted: Mapping[str, Any]) -> bool:
    """Return whether a `<<` brings keys that are not wanted."""
    return any(element.is_merge for element in node.elements) and any(
        key not in wanted for key in _list_merged(node)
    )


def _list_merged(node: TextParent) -> dict[str, Any]:
    """List the keys that `<<` brings, own keys included."""
    merged: dict[str, Any] = {}
    for element in node.elements:
        if element.is_merge:
            sources = element.value.data if isinstance(element.value.data, list) else [element.value.data]
            for source in sources:
                merged = {**source, **merged}
    return merged


def _align_items(node: TextParent, wanted: Sequence[Any]) -> list[int | None]:
    """Align the items of a list with the items wanted: the index of each, None for an item that goes."""
    before = [_dump(element.value.data) for element in node.elements]
    after = [_dump(item) for item in wanted]
    targets: list[int | None] = [None] * len(before)
    for _, first, last, start, stop in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        for offset in range(min(last - first, stop - start)):
            targets[first + offset] = start + offset
    return targets


def _find_additions(
    node: TextParent, wanted: Any, kept: Sequence[TextElement], path: Path
) -> Iterator[_Addition]:
    if not node.is_mapping:
        targets = _align_items(node, wanted)
        by_target = {
            target: node.elements[number] for number, target in enumerate(targets) if target is not None
        }
        after = None
        for number, item in enumerate(wanted):
            if number in by_target:
                after = by_target[number]
            else:
                yield _Addition(after, None, item)
        return
    own = {element.key.data for element in kept if element.key is not None and not element.is_merge}
    merged = {} if _must_expand(node, wanted) else _list_merged(node)
    for key, value in wanted.items():
        if key in own or (key in merged and are_same(merged[key], value)):
            continue
        yield _Addition(_find_predecessor(kept, key, path), key, value)


def _find_predecessor(kept: Sequence[TextElement], key: str, path: Path) -> TextElement | None:
    """Find the element behind which a new key stands: the last one, but keys of a group have an order."""
    if len(path) != _ENTRY_DEPTH or path[0] != "groups" or key not in KEY_ORDER:
        return kept[-1] if kept else None
    rank = KEY_ORDER.index(key)
    after = None
    for element in kept:
        name = element.key.data if element.key is not None else None
        if name in KEY_ORDER and KEY_ORDER.index(name) > rank:
            break
        after = element
    return after


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
