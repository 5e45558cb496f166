"""Replace the text of a value by the text of other data."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from reconciler.spec.edit_buffer import EditBuffer, ValuePlace
from reconciler.spec.text_changes import find_content_end
from reconciler.spec.text_nodes import AnyTextNode, TextParent, TextScalar
from reconciler.spec.value_text import ValueText, render_flow, render_pairs, render_scalar, render_value

BLOCK_SIGN = re.compile(r"[|>][-+0-9]*")


@dataclass(frozen=True, slots=True)
class ValueEditor:
    """Editor of values. `released` are the nodes that lose their anchors, by identity."""

    buffer: EditBuffer
    released: Collection[int]

    def replace(self, node: AnyTextNode, wanted: Any, place: ValuePlace, anchor: str = "") -> None:
        """Replace the text of a node, whose anchor stays. `anchor` stands before the new text."""
        if place.in_flow or (place.is_root and isinstance(node, TextParent) and node.is_flow):
            self._replace_in_flow(node, wanted, place, anchor)
        elif isinstance(node, TextScalar) and node.is_block:
            self._replace_block_text(node, self._render(node, wanted, place, anchor))
        elif isinstance(node, TextParent) and not node.is_flow:
            self._replace_block(node, wanted, place, anchor)
        elif place.mark_end is not None and "\n" in self.buffer.text[place.mark_end : node.inner]:
            self._replace_on_own_line(node, wanted, place, anchor)
        else:
            self._replace_inline(node, self._render(node, wanted, place, anchor), place)

    def _render(self, node: AnyTextNode, wanted: Any, place: ValuePlace, anchor: str) -> ValueText:
        quote = node.style if isinstance(node, TextScalar) else ""
        if isinstance(wanted, str) and quote in {"'", '"'} and "\n" not in wanted:
            rendered = ValueText(render_scalar(wanted, quote))
        elif place.path and isinstance(place.path[-1], int):
            rendered = ValueText(render_flow(wanted))
        else:
            rendered = render_value(
                wanted, place.column + self.buffer.style.step, self.buffer.style, place.path
            )
        return replace(rendered, head=f"{anchor} {rendered.head}".strip()) if anchor else rendered

    def _replace_in_flow(self, node: AnyTextNode, wanted: Any, place: ValuePlace, anchor: str) -> None:
        quote = node.style if isinstance(node, TextScalar) and node.style in {"'", '"'} else ""
        text = (
            render_scalar(wanted, quote, in_flow=True)
            if isinstance(wanted, str) and quote
            else render_flow(wanted)
        )
        text = f"{anchor} {text}".strip()
        comments = self.buffer.select_comments(node.inner, node.end)
        if comments:
            indent = self.buffer.get_indent(node.inner) + self.buffer.style.step
            parts = [f"{text} {comments[0]}", *comments[1:], ""]
            text = (self.buffer.lines.get_break(node.inner) + " " * indent).join(parts)
        self._put_value(node, text, place)

    def _put_value(self, node: AnyTextNode, text: str, place: ValuePlace) -> None:
        """Put a text in the place of a value, which may be empty."""
        if node.inner == node.end:
            before = self.buffer.text[node.inner - 1 : node.inner]
            if place.mark_end is None and place.path and isinstance(place.path[-1], str):
                text = f": {text}"
            elif before not in {" ", "\t", "\n"}:
                text = f" {text}"
        self.buffer.change(node.inner, node.end, text)

    def _replace_inline(self, node: AnyTextNode, rendered: ValueText, place: ValuePlace) -> None:
        """Replace a value behind its key. A comment behind the value stays on the line of the key."""
        column = place.column if rendered.head.startswith("|") else place.column + self.buffer.style.step
        comments = self.buffer.indent_comments(node.inner, node.end, column)
        if rendered.head:
            self._put_value(node, rendered.head, place)
        elif node.end > node.inner:
            self.buffer.change(self.buffer.skip_blanks_back(node.inner), node.end, "")
        self.buffer.insert_lines(self.buffer.lines.find_end(node.end), [*rendered.lines, *comments])

    def _replace_on_own_line(self, node: AnyTextNode, wanted: Any, place: ValuePlace, anchor: str) -> None:
        """Replace a value that stands on a line below its key."""
        column = self.buffer.lines.get_column(node.inner)
        comments = self.buffer.indent_comments(node.inner, node.end, column)
        if isinstance(wanted, dict) and wanted and not anchor:
            lines = render_pairs(wanted, column, self.buffer.style, place.path)
        else:
            lines = [f"{' ' * column}{f'{anchor} {render_flow(wanted)}'.strip()}"]
        first, *rest = lines
        self.buffer.change(node.inner, node.end, first[column:])
        self.buffer.insert_lines(self.buffer.lines.find_end(node.end), [*rest, *comments])

    def _replace_block_text(self, node: TextScalar, rendered: ValueText) -> None:
        sign = BLOCK_SIGN.match(self.buffer.text, node.inner)
        assert sign is not None  # noqa: S101 - the style of the node says so
        start = sign.start() if rendered.head else self.buffer.skip_blanks_back(sign.start())
        self.buffer.change(start, sign.end(), rendered.head)
        line_end = self.buffer.lines.find_end(node.inner)
        content_end = self.buffer.lines.find_end(max(line_end, find_content_end(self.buffer.text, node)))
        self.buffer.replace_lines(line_end, content_end, rendered.lines)

    def _replace_block(self, node: TextParent, wanted: Any, place: ValuePlace, anchor: str) -> None:
        first = node.elements[0]
        content_end = self.buffer.lines.find_end(find_content_end(self.buffer.text, node))
        if place.mark_end is None or not self.buffer.lines.is_first_on_line(first.start):
            comments = self.buffer.indent_comments(
                node.inner, content_end, place.column + self.buffer.style.step
            )
            self.buffer.change(node.inner, find_content_end(self.buffer.text, node), render_flow(wanted))
            self.buffer.insert_lines(content_end, comments)
            return
        head_place = place.mark_end
        if node.anchor is not None and id(node) not in self.released:
            head_place = node.start + len(node.anchor) + 1
        rendered = self._render(node, wanted, place, anchor)
        line_end = self.buffer.lines.find_end(head_place)
        # Below a block text, a comment in the column of the text would belong to it.
        column = place.column if rendered.head.startswith("|") else place.column + self.buffer.style.step
        comments = self.buffer.indent_comments(line_end, content_end, column)
        if rendered.head:
            self.buffer.change(head_place, head_place, f" {rendered.head}")
        self.buffer.replace_lines(line_end, content_end, [*rendered.lines, *comments])
