"""Drop and add the elements of block mappings and block lists, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.spec.data_pairs import Addition
from reconciler.spec.edit_buffer import EditBuffer, ValuePlace
from reconciler.spec.text_changes import keeps_empty_lines
from reconciler.spec.text_nodes import TextElement, TextParent
from reconciler.spec.value_text import render_items, render_pairs


@dataclass(frozen=True, slots=True)
class BlockEditor:
    """Editor of the elements of blocks. One element stays at least."""

    buffer: EditBuffer

    def edit(
        self,
        node: TextParent,
        dropped: Sequence[TextElement],
        additions: Sequence[Addition],
        place: ValuePlace,
        column: int,
    ) -> None:
        """Drop and add elements, whose keys or dashes stand in `column`."""
        self._drop_from_block(node, dropped, column)
        for addition in additions:
            self._add_to_block(node, addition, place, column)

    def _drop_from_block(self, node: TextParent, dropped: Sequence[TextElement], column: int) -> None:
        gone = {id(element) for element in dropped}
        elements = list(node.elements)
        if elements and id(elements[0]) in gone and not self.buffer.lines.is_first_on_line(elements[0].start):
            first_kept = next(element for element in elements if id(element) not in gone)
            self.buffer.change(elements[0].start, first_kept.start, "")
            elements = elements[elements.index(first_kept) :]
        for element in elements:
            if id(element) not in gone:
                continue
            start = self.buffer.lines.find_start(element.start)
            end = self.buffer.lines.find_end(self.buffer.find_element_end(element))
            comments = self.buffer.indent_comments(start, end, column)
            if start == 0:
                end = self.buffer.lines.find_next(end)
                self.buffer.change(
                    start, end, "".join(f"{line}{self.buffer.lines.get_break(0)}" for line in comments)
                )
            else:
                self.buffer.replace_lines(self.buffer.find_previous_end(start), end, comments)

    def _add_to_block(self, node: TextParent, addition: Addition, place: ValuePlace, column: int) -> None:
        path = place.path
        if addition.key is None:
            lines = render_items([addition.value], column, self.buffer.style, path)
        else:
            lines = render_pairs({addition.key: addition.value}, column, self.buffer.style, path)
        if addition.after is None:
            first = node.elements[0]
            if (
                place.mark_end is not None
                and self.buffer.lines.is_first_on_line(first.start)
                and addition.key
            ):
                self.buffer.insert_lines(self.buffer.lines.find_end(place.mark_end), lines)
            else:
                start = self.buffer.lines.find_start(first.start)
                line_break = self.buffer.lines.get_break(start)
                self.buffer.change(start, start, "".join(f"{line}{line_break}" for line in lines))
            return
        end = self.buffer.find_element_end(addition.after)
        position = self.buffer.lines.find_end(end)
        if addition.after is node.elements[-1]:
            position = self._skip_comments(position, max(column, 1))
        is_spaced = path in self.buffer.style.spaced or (place.is_root and "\n" in self.buffer.text.rstrip())
        if is_spaced and not keeps_empty_lines(self.buffer.text, addition.after.value):
            lines = ["", *lines]
        self.buffer.insert_lines(position, lines)

    def _skip_comments(self, line_end: int, column: int) -> int:
        """Return the end of the last of the comments directly below a line that are indented by `column` or more."""
        end = line_end
        while end < len(self.buffer.text):
            start = self.buffer.lines.find_next(end)
            line = self.buffer.text[start : self.buffer.lines.find_end(start)]
            stripped = line.lstrip(" ")
            if not stripped.startswith("#") or len(line) - len(stripped) < column:
                break
            end = self.buffer.lines.find_end(start)
        return end
