"""The normal form of a spec file, reached by edits of single lines.

Nothing is parsed and written anew, so that comments, quotes, anchors and flow style stay as they
are. What is changed:

1. lines end with LF, a byte order mark goes;
2. no blanks at the end of a line, no line that is only blanks;
3. no empty line at the top, at most one in a row, one line end at the end of the file;
4. block mappings are indented by two spaces for each level;
5. `id`, `name`, `was` and `destination` of a group stand in this order.

Lines inside a text that spans several lines are left alone, but for their common indentation. Each
step is checked: if the file would mean anything else afterwards, or lost a comment, the step is not
taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain, pairwise

from ruamel.yaml import CParser
from ruamel.yaml.events import ScalarEvent, StreamEndEvent

from reconciler.model.diagnostic import ReconcilerError
from reconciler.spec.source import parse
from reconciler.spec.tree import Entry, Table, plain

KEY_ORDER = ("id", "name", "was", "destination")
_STEP = 2
_BYTE_ORDER_MARK = "\ufeff"
_MERGE = re.compile(r" *(?=<<\s*:)")
_FLOW = re.compile(r"(?:&\S+\s+)?\{")


def normalised(text: str, path: str) -> str:
    """`text` in normal form, which may be `text` itself. Raises ReconcilerError where it cannot be read."""
    meaning = _meaning(text, path)
    steps: tuple[Callable[[str, str], str], ...] = (
        _unix_lines,
        _ended_at_all,
        _reordered,
        _indented,
        _trimmed,
        _ended,
    )
    for step in steps:
        changed = step(text, path)
        if (
            changed != text
            and _meaning_if_any(changed, path) == meaning
            and _comments(changed) == _comments(text)
        ):
            text = changed
    return text


def _meaning(text: str, path: str) -> str:
    return json.dumps(plain(parse(text, path)), sort_keys=True)


def _meaning_if_any(text: str, path: str) -> str | None:
    try:
        return _meaning(text, path)
    except ReconcilerError:
        return None


def _comments(text: str) -> list[str]:
    """All comments of a file, sorted, since entries may change places."""
    inside = _inside_scalars(text)
    found = []
    for number, line in enumerate(text.split("\n")):
        place = _comment_in(line)
        if number not in inside and place is not None:
            found.append(line[place:].strip())
    return sorted(found)


def _comment_in(line: str) -> int | None:
    """Where a comment starts in a line of YAML. A `#` in quotes that comes first may be taken for one: it is
    compared with itself then, which does no harm."""
    if line.lstrip().startswith("#"):
        return line.index("#")
    place = line.find(" #")
    return place + 1 if place >= 0 else None


def _unix_lines(text: str, path: str) -> str:
    return text.removeprefix(_BYTE_ORDER_MARK).replace("\r\n", "\n")


def _ended_at_all(text: str, path: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _trimmed(text: str, path: str) -> str:
    inside = _inside_scalars(text)
    lines: list[str] = []
    for number, line in enumerate(text.split("\n")):
        kept = line if number in inside else line.rstrip(" \t")
        if kept or number in inside or (lines and lines[-1]):
            lines.append(kept)
    return "\n".join(lines)


def _ended(text: str, path: str) -> str:
    """One line end at the end. A `|+` text there keeps its own, since without them it would be another."""
    return text.rstrip("\n") + "\n"


def _reordered(text: str, path: str) -> str:
    """Entries of groups in one order, each with the comments above it."""
    groups = parse(text, path).get("groups")
    if not isinstance(groups, Table):
        return text
    lines = text.split("\n")
    for entry in groups.entries.values():
        if isinstance(entry.node, Table):
            lines = _with_order(lines, entry.node)
    return "\n".join(lines)


def _with_order(lines: list[str], group: Table) -> list[str]:
    entries = list(group.entries.values())
    rank = {key: position for position, key in enumerate(KEY_ORDER)}
    wanted = sorted(entries, key=lambda each: rank.get(str(each.key.value), len(rank)))
    if wanted == entries or not _has_lines_of_its_own(lines, entries):
        return lines
    starts = [_with_comments_above(lines, each.key.span.line - 1) for each in entries]
    end = max(each.node.span.end_line for each in entries)
    blocks = {
        id(each): lines[start:stop]
        for each, start, stop in zip(entries, starts, [*starts[1:], end], strict=True)
    }
    moved = list(chain.from_iterable(blocks[id(each)] for each in wanted))
    return [*lines[: starts[0]], *moved, *lines[end:]]


def _has_lines_of_its_own(lines: list[str], entries: list[Entry]) -> bool:
    """Whether every entry starts a line and none comes from elsewhere through an alias."""
    places = [each.key.span for each in entries]
    if any(lines[place.line - 1][: place.column - 1].strip() for place in places):
        return False
    return all(one.line < other.line for one, other in pairwise(places))


def _with_comments_above(lines: list[str], number: int) -> int:
    column = len(lines[number]) - len(lines[number].lstrip())
    while number > 0 and lines[number - 1].startswith(" " * column + "#"):
        number -= 1
    return number


def _indented(text: str, path: str) -> str:
    """Every line moved by as much as the key that it belongs to."""
    lines = text.split("\n")
    shifts = _shifts(parse(text, path), lines)
    inside = _inside_scalars(text)
    shift, moved = 0, []
    by_column: dict[int, int] = {}
    for number, line in enumerate(lines):
        if line.lstrip().startswith("#") and number - 1 not in inside:
            above = by_column.get(_column(line), shift)
            moved.append(_moved(line, _shift_of_comment(lines, shifts, number, above)))
            continue
        if number in shifts:
            shift = by_column[_column(line)] = shifts[number]
        moved.append(_moved(line, shift))
    return "\n".join(moved)


def _shifts(root: Table, lines: list[str]) -> dict[int, int]:
    """For each line on which a key of a block mapping stands first, by how much it has to move.

    A line that belongs to no other key moves with the last one before it.
    """
    shifts: dict[int, int] = {}
    todo: list[tuple[Table, int]] = [(root, 0)]
    while todo:
        table, column = todo.pop()
        own = range(table.span.line, table.span.end_line + 1)
        columns: set[int] = set()
        for entry in table.entries.values():
            place = entry.key.span
            # Keys that came through `<<` stand elsewhere, and so does a value that came through an alias.
            if place.line not in own or lines[place.line - 1][: place.column - 1].strip():
                continue
            columns.add(place.column - 1)
            shifts[place.line - 1] = column - (place.column - 1)
            if (
                isinstance(entry.node, Table)
                and _is_block_below(entry, lines)
                and entry.node.span.line in own
            ):
                todo.append((entry.node, column + _STEP))
        for number in own:
            merge = _MERGE.match(lines[number - 1])
            if merge and merge.end() in columns and number - 1 not in shifts:
                shifts[number - 1] = column - merge.end()
    return shifts


def _is_block_below(entry: Entry, lines: list[str]) -> bool:
    """Whether the value of a key is a block mapping that starts below it."""
    span = entry.node.span
    return span.line >= entry.key.span.line and not _FLOW.match(lines[span.line - 1], span.column - 1)


def _shift_of_comment(lines: list[str], shifts: dict[int, int], number: int, above: int) -> int:
    """A comment moves with the key below it where it stands in the same column, else as the last key above it
    in this column did."""
    column = _column(lines[number])
    for below in range(number + 1, len(lines)):
        if lines[below].strip() and not lines[below].lstrip().startswith("#"):
            same = _column(lines[below]) == column
            return shifts.get(below, above) if same else above
    return above


def _column(line: str) -> int:
    return len(line) - len(line.lstrip())


def _moved(line: str, shift: int) -> str:
    if not line.strip() or shift == 0:
        return line
    return " " * shift + line if shift > 0 else line[min(-shift, _column(line)) :]


def _inside_scalars(text: str) -> set[int]:
    """Numbers of the lines (from 0) whose end lies within a text of several lines."""
    return set(chain.from_iterable(range(first, last) for first, last in _long_scalars(text)))


def _long_scalars(text: str) -> Iterator[tuple[int, int]]:
    following = CParser(text).get_event
    while type(event := following()) is not StreamEndEvent:
        if type(event) is ScalarEvent and event.end_mark.line > event.start_mark.line:
            yield event.start_mark.line, event.end_mark.line
