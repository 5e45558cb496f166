"""Format a spec file: bring it into normal form by edits of single lines.

The file is not written from its tree, so that comments, quotes, anchors and flow style stay as they are. The edits:

1. lines end with LF, and a byte order mark is removed;
2. no blanks at the end of a line, no line of blanks only;
3. no empty line at the top, at most one in a row, one line end at the end of the file;
4. block mappings are indented by two spaces for each level;
5. `id`, `name`, `was` and `destination` of a group stand in this order.

Lines inside a text of several lines keep everything but their common indentation. Each step is checked: a step that
would change the data of the file, or lose a comment, is skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain, pairwise

from ruamel.yaml import CParser
from ruamel.yaml.events import ScalarEvent, StreamEndEvent

from reconciler.model.diagnostic import ReconcilerError
from reconciler.spec.characters import BYTE_ORDER_MARK
from reconciler.spec.flow_text import replace_flow_marks
from reconciler.spec.nodes import KeyValue, MappingNode, to_plain
from reconciler.spec.source import parse

KEY_ORDER = ("id", "name", "was", "destination")
_INDENT = 2
_MERGE = re.compile(r" *(?=<<\s*:)")
_FLOW_MAPPING = re.compile(r"(?:&\S+\s+)?\{")


def format_spec(text: str, path: str) -> str:
    """Format a text. Raises ReconcilerError if the text cannot be parsed."""
    meaning = _parse_meaning(text, path)
    steps: tuple[Callable[[str, str], str], ...] = (
        _normalize_line_ends,
        _ensure_final_newline,
        _reorder_groups,
        _indent_mappings,
        _trim_blanks,
        _collapse_final_newlines,
    )
    for step in steps:
        changed = step(text, path)
        if (
            changed != text
            and _try_parse_meaning(changed, path) == meaning
            and _list_comments(changed) == _list_comments(text)
        ):
            text = changed
    return text


def _parse_meaning(text: str, path: str) -> str:
    return json.dumps(to_plain(parse(text, path)), sort_keys=True)


def _try_parse_meaning(text: str, path: str) -> str | None:
    try:
        return _parse_meaning(text, path)
    except ReconcilerError:
        return None


def _list_comments(text: str) -> list[str]:
    """List all comments of a file, sorted, since entries may change places."""
    inner_lines = _find_inner_lines(text)
    comments = []
    for number, line in enumerate(text.split("\n")):
        start = _find_comment(line)
        if number not in inner_lines and start is not None:
            comments.append(line[start:].strip())
    return sorted(comments)


def _find_comment(line: str) -> int | None:
    """Find the start of a comment in a line of YAML. A `#` in quotes may be mistaken for a comment. This is harmless:
    the same text is found before and after a step."""
    if line.lstrip().startswith("#"):
        return line.index("#")
    start = line.find(" #")
    return start + 1 if start >= 0 else None


def _normalize_line_ends(text: str, path: str) -> str:
    return text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")


def _ensure_final_newline(text: str, path: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _trim_blanks(text: str, path: str) -> str:
    inner_lines = _find_inner_lines(text)
    lines: list[str] = []
    for number, line in enumerate(text.split("\n")):
        trimmed = line if number in inner_lines else line.rstrip(" \t")
        if trimmed or number in inner_lines or (lines and lines[-1]):
            lines.append(trimmed)
    return "\n".join(lines)


def _collapse_final_newlines(text: str, path: str) -> str:
    """Collapse the line ends at the end to one. After a `|+` text the step is skipped: its line ends are part of the
    value."""
    return text.rstrip("\n") + "\n"


def _reorder_groups(text: str, path: str) -> str:
    """Reorder the keys of groups, each with the comments above it."""
    groups = parse(text, path).get("groups")
    if not isinstance(groups, MappingNode):
        return text
    lines = text.split("\n")
    for entry in groups.entries.values():
        if isinstance(entry.node, MappingNode):
            lines = _reorder_entries(lines, entry.node)
    return "\n".join(lines)


def _reorder_entries(lines: list[str], group: MappingNode) -> list[str]:
    entries = list(group.entries.values())
    rank = {key: position for position, key in enumerate(KEY_ORDER)}
    ordered = sorted(entries, key=lambda entry: rank.get(str(entry.key.value), len(rank)))
    if ordered == entries or not _has_own_lines(lines, entries):
        return lines
    starts = [_find_block_start(lines, entry.key.span.line - 1) for entry in entries]
    end = max(entry.node.span.end_line for entry in entries)
    blocks = {
        id(entry): lines[start:stop]
        for entry, start, stop in zip(entries, starts, [*starts[1:], end], strict=True)
    }
    reordered = list(chain.from_iterable(blocks[id(entry)] for entry in ordered))
    return [*lines[: starts[0]], *reordered, *lines[end:]]


def _has_own_lines(lines: list[str], entries: list[KeyValue]) -> bool:
    """Return whether every entry starts a line of this mapping, and no entry comes from an alias."""
    spans = [entry.key.span for entry in entries]
    if any(lines[span.line - 1][: span.column - 1].strip() for span in spans):
        return False
    return all(earlier.line < later.line for earlier, later in pairwise(spans))


def _find_block_start(lines: list[str], number: int) -> int:
    column = len(lines[number]) - len(lines[number].lstrip())
    while number > 0 and lines[number - 1].startswith(" " * column + "#"):
        number -= 1
    return number


def _indent_mappings(text: str, path: str) -> str:
    """Indent block mappings by two spaces for each level. Each line moves with its key."""
    lines = text.split("\n")
    shifts = _compute_shifts(parse(text, path), lines)
    inner_lines = _find_inner_lines(text)
    shift, shifted = 0, []
    by_column: dict[int, int] = {}
    for number, line in enumerate(lines):
        if line.lstrip().startswith("#") and number - 1 not in inner_lines:
            above = by_column.get(_get_indent(line), shift)
            shifted.append(_shift_line(line, _compute_comment_shift(lines, shifts, number, above)))
            continue
        if number in shifts:
            shift = by_column[_get_indent(line)] = shifts[number]
        shifted.append(_shift_line(line, shift))
    return "\n".join(shifted)


def _compute_shifts(root: MappingNode, lines: list[str]) -> dict[int, int]:
    """Compute the shift of each line that starts with a key of a block mapping.

    All other lines move with the last key before them.
    """
    shifts: dict[int, int] = {}
    pending: list[tuple[MappingNode, int]] = [(root, 0)]
    while pending:
        table, column = pending.pop()
        own_lines = range(table.span.line, table.span.end_line + 1)
        columns: set[int] = set()
        for entry in table.entries.values():
            key_span = entry.key.span
            # Keys from `<<` stand at another place, and so do values from an alias.
            if key_span.line not in own_lines or lines[key_span.line - 1][: key_span.column - 1].strip():
                continue
            columns.add(key_span.column - 1)
            shifts[key_span.line - 1] = column - (key_span.column - 1)
            if (
                isinstance(entry.node, MappingNode)
                and _is_block_below(entry, lines)
                and entry.node.span.line in own_lines
            ):
                pending.append((entry.node, column + _INDENT))
        for number in own_lines:
            merge_match = _MERGE.match(lines[number - 1])
            if merge_match and merge_match.end() in columns and number - 1 not in shifts:
                shifts[number - 1] = column - merge_match.end()
    return shifts


def _is_block_below(entry: KeyValue, lines: list[str]) -> bool:
    """Return whether the value of a key is a block mapping that starts below the key."""
    span = entry.node.span
    return span.line >= entry.key.span.line and not _FLOW_MAPPING.match(lines[span.line - 1], span.column - 1)


def _compute_comment_shift(lines: list[str], shifts: dict[int, int], number: int, above: int) -> int:
    """Compute the shift of a comment: the shift of the key below if both stand in the same column, else the shift of
    the last key above in this column."""
    column = _get_indent(lines[number])
    for next_number in range(number + 1, len(lines)):
        if lines[next_number].strip() and not lines[next_number].lstrip().startswith("#"):
            is_aligned = _get_indent(lines[next_number]) == column
            return shifts.get(next_number, above) if is_aligned else above
    return above


def _get_indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _shift_line(line: str, shift: int) -> str:
    if not line.strip() or shift == 0:
        return line
    return " " * shift + line if shift > 0 else line[min(-shift, _get_indent(line)) :]


def _find_inner_lines(text: str) -> set[int]:
    """Find the numbers of the lines (from 0) whose end lies within a text of several lines."""
    return set(chain.from_iterable(range(first, last) for first, last in _find_multiline_scalars(text)))


def _find_multiline_scalars(text: str) -> Iterator[tuple[int, int]]:
    parser_text = replace_flow_marks(text)  # places only, which stand-ins do not move
    next_event = CParser(text if parser_text is None else parser_text.text).get_event
    while type(event := next_event()) is not StreamEndEvent:
        if type(event) is ScalarEvent and event.end_mark.line > event.start_mark.line:
            yield event.start_mark.line, event.end_mark.line
