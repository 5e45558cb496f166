"""Drop and add the elements of mappings and lists between brackets, with their commas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.spec.data_pairs import Addition
from reconciler.spec.edit_buffer import EditBuffer, ValuePlace
from reconciler.spec.text_changes import TextChange
from reconciler.spec.text_nodes import TextElement, TextParent
from reconciler.spec.value_text import render_comments, render_flow, render_scalar


@dataclass(frozen=True, slots=True)
class FlowEditor:
    """Editor of the elements between brackets. One element stays at least."""

    buffer: EditBuffer

    def edit(
        self,
        node: TextParent,
        dropped: Sequence[TextElement],
        additions: Sequence[Addition],
        place: ValuePlace,
    ) -> None:
        """Drop and add elements. The commas between the remaining elements stay."""
        gone = {id(element) for element in dropped}
        for number, element in enumerate(node.elements):
            if id(element) in gone:
                self._drop_from_flow(node, number)
        if id(node.elements[-1]) in gone and self._find_comma(node, len(node.elements) - 1) is None:
            last_kept = max(number for number, element in enumerate(node.elements) if id(element) not in gone)
            comma = self._find_comma(node, last_kept)
            if comma is not None:
                self.buffer.change(comma, comma + 1, "")
        for addition in additions:
            self._add_to_flow(node, addition, place)

    def _drop_from_flow(self, node: TextParent, number: int) -> None:
        """Drop an element with the comma behind it, and with its line if nothing else stands there."""
        element = node.elements[number]
        comma = self._find_comma(node, number)
        end = element.end
        ranges = [(element.start, end)]
        if comma is not None and not self.buffer.text[end:comma].strip():
            ranges = [(element.start, comma + 1)]
        elif comma is not None:
            ranges.append((comma, comma + 1))
        start, end = ranges[0]
        comments = self.buffer.select_comments(start, end)
        line_start, line_end = self.buffer.lines.find_start(start), self.buffer.lines.find_end(end)
        if not self.buffer.text[line_start:start].strip() and not self.buffer.text[end:line_end].strip():
            start, end = line_start, self.buffer.lines.find_next(end)
        else:
            rest = self.buffer.text[end:line_end].lstrip(" \t")
            is_last = comma is None
            end = end if is_last or rest.startswith("#") else line_end - len(rest)
            start = self.buffer.skip_blanks_back(start) if is_last else start
        indent = " " * self.buffer.get_indent(start)
        line_break = self.buffer.lines.get_break(start)
        self.buffer.change(start, end, "".join(f"{indent}{comment}{line_break}" for comment in comments))
        for comma_start, comma_end in ranges[1:]:
            self.buffer.change(comma_start, comma_end, "")

    def _find_comma(self, node: TextParent, number: int) -> int | None:
        """Find the comma behind an element of a flow mapping or list."""
        start = node.elements[number].end
        is_last = number == len(node.elements) - 1
        end = node.end - 1 if is_last else node.elements[number + 1].start
        for line in re.finditer(r"[^\n]+", self.buffer.text[start:end]):
            code = re.split(r"(?:^|(?<=\s))#", line.group(), maxsplit=1)[0]
            if "," in code:
                return start + line.start() + code.index(",")
        return None

    def _add_to_flow(self, node: TextParent, addition: Addition, place: ValuePlace) -> None:
        if addition.key is None:
            text, comments = render_flow(addition.value), []
        else:
            key = render_scalar(addition.key, in_flow=True)
            text = f"{key}: {render_flow(addition.value)}"
            comments = render_comments(self.buffer.style.comments.get((*place.path, addition.key), ()), 0)
        after = addition.after
        if after is None:
            first = node.elements[0].start
            self.buffer.change(first, first, f"{text}, ")
            return
        column = self.buffer.lines.get_column(after.start)
        is_own_line = self.buffer.lines.is_first_on_line(after.start)
        if is_own_line and self._has_comment_behind(after):
            self._add_below_comment(after, [*comments, text], column)
            return
        separator = " "
        if comments or is_own_line:
            indent = " " * (
                column if is_own_line else self.buffer.get_indent(node.start) + self.buffer.style.step
            )
            separator = self.buffer.lines.get_break(after.end) + indent
        self.buffer.change(after.end, after.end, "," + separator + separator.join([*comments, text]))

    def _has_comment_behind(self, element: TextElement) -> bool:
        """Return whether the line of an element ends with a comment, which stays with the element."""
        line = self.buffer.text[element.end : self.buffer.lines.find_end(element.end)]
        return re.fullmatch(r"\s*,?\s+#.*", line) is not None

    def _add_below_comment(self, element: TextElement, lines: Sequence[str], column: int) -> None:
        """Add lines below an element and its comment. The comma of the element stays, or is added."""
        line_end = self.buffer.lines.find_end(element.end)
        comma = TextChange(element.end, element.end, ",")
        has_comma = "," in self.buffer.text[element.end : line_end].split("#", maxsplit=1)[0]
        is_first = comma not in self.buffer.changes
        if not has_comma and is_first:
            self.buffer.changes.append(comma)
        *above, last = (" " * column + line for line in lines)
        last += "," if has_comma else ""
        if not has_comma and not is_first:
            self.buffer.change(line_end, line_end, ",")
        self.buffer.insert_lines(line_end, [*above, last])
