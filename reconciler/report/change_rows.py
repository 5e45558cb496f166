"""Render small changes as text: a change of one field on one line, and the entries of a group of equal changes.

A line has no room for a sentence, so it has marks, and a legend below explains those that are used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from reconciler.model.plan import Action, Change, FieldChange, Origin
from reconciler.model.risk import Risk
from reconciler.model.sanitize import escape
from reconciler.model.value import format_path
from reconciler.report.change_groups import MAX_NAMES, ChangeGroup, is_one_field
from reconciler.report.plan_summary import UNTESTED
from reconciler.report.risk import format_risk
from reconciler.report.style import ACTION_STYLES, BAD, QUIET, STRONG, SYMBOLS, WARN, fold_words, join_lines
from reconciler.report.values import ORIGIN_TEXTS, render_plain_change

DEFAULT_WIDTH = 120
"""Cells of a line of a file or of the log of a job, which have no width of their own."""
_RISK_MARK = "!"
_INDENT = " " * 4


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """Change on one line: `~ destination.lake  config.bucket  "a" -> "b"`, with its place at the end.

    `mark` is one word about the origin of the change, `value` may be a sentence of the program without a `name`. `risk`
    has the consequences for syncs; empty if there are none to tell.
    """

    change: Change
    action: Action
    name: str
    value: str
    mark: str = ""
    risk: str = ""
    notes: tuple[Text, ...] = ()

    @property
    def subject(self) -> str:
        """Return the address."""
        return str(self.change.address)

    @property
    def place(self) -> str:
        """Return the place in the specs; empty for a change without a place."""
        return format_place(self.change)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Widths of the columns in cells. `risk` is 0 if no row has a mark of a risk."""

    subject: int = 0
    risk: int = 0
    name: int = 0
    value: int = 0


def format_place(change: Change) -> str:
    """Format the place of a change: `specs/groups/lake.yaml:5`; empty for a change without a place."""
    return escape(change.span.line_place) if change.span else ""


def build_row(change: Change, notes: Iterable[Text] = ()) -> ChangeRow | None:
    """Build the row of an update of one field, or of outstanding tests; None for any other change."""
    if change.action is Action.VERIFY:
        return ChangeRow(change, change.action, "", UNTESTED, risk=format_risk(change), notes=tuple(notes))
    if not is_one_field(change):
        return None
    [field] = change.fields
    return ChangeRow(
        change,
        change.action,
        format_name(field),
        render_plain_change(field, change.secrets),
        _MARKS[field.origin],
        format_risk(change),
        tuple(notes),
    )


_MARKS = {Origin.SPEC: "", Origin.DRIFT: "drift", Origin.CONFLICT: "conflict"}
_LEGENDS = {_MARKS[origin]: text.strip() for origin, text in ORIGIN_TEXTS.items() if text}


def format_name(field: FieldChange) -> str:
    """Format the name of a field."""
    return escape(format_path(field.path))


@dataclass(frozen=True, slots=True)
class RowTable:
    """All rows of one action, which share columns and a legend. A row that is wider than `width` has two lines."""

    rows: Sequence[ChangeRow]
    width: int | None = None

    def render(self, run: Sequence[ChangeRow]) -> Text:
        """Render neighbouring rows; the legend of all rows stands below the last."""
        available = self.width or DEFAULT_WIDTH
        columns = self._choose_columns(available)
        lines = [line for row in run for line in _render_row(row, columns, available)]
        return join_lines([*lines, *(_render_legend(self.rows) if run[-1] is self.rows[-1] else ())])

    def _choose_columns(self, available: int) -> _Columns:
        """Choose columns for the rows that can stand on one line. Columns that are too wide for them are left out."""
        has_marks = len(self.rows) > 1 and any(row.risk for row in self.rows)
        bare = _Columns(risk=len(_RISK_MARK) + 1 if has_marks else 0)
        fitting = [row for row in self.rows if _measure(row, bare) <= available]
        aligned = _Columns(
            max((len(row.subject) for row in fitting), default=0),
            bare.risk,
            max((len(row.name) for row in fitting), default=0),
        )
        longest = max((cell_len(_format_value(row)) for row in fitting), default=0)
        for columns in (_Columns(aligned.subject, aligned.risk, aligned.name, longest), aligned):
            if all(_measure(row, columns) <= available for row in fitting):
                return columns
        return bare


def _measure(row: ChangeRow, columns: _Columns) -> int:
    return cell_len(_build_line(row, columns).plain)


def _build_line(row: ChangeRow, columns: _Columns) -> Text:
    line = Text.assemble(
        (f"{SYMBOLS[row.action]} ", ACTION_STYLES[row.action]), (f"{row.subject:<{columns.subject}}", STRONG)
    )
    line.append("  ")
    if columns.risk:
        line.append(f"{_RISK_MARK if row.risk else '':<{columns.risk}}", choose_risk_style(row.change.risk))
    if row.name:
        line.append(f"{row.name:<{columns.name}}  ")
    value = _format_value(row)
    line.append(value)
    if row.place:
        padding = " " * max(2, columns.value + 2 - cell_len(value))
        line.append(padding + row.place, QUIET)
    line.rstrip()
    return line


def _format_value(row: ChangeRow) -> str:
    return f"{row.value}   {row.mark}" if row.mark else row.value


def _render_row(row: ChangeRow, columns: _Columns, available: int) -> Iterator[Text]:
    line = _build_line(row, columns)
    if cell_len(line.plain) <= available:
        yield line
    else:
        yield Text.assemble(
            (f"{SYMBOLS[row.action]} ", ACTION_STYLES[row.action]),
            (row.subject, STRONG),
            (f"  {row.place}".rstrip(), QUIET),
        )
        mark = _RISK_MARK if columns.risk and row.risk else " "
        name = f"{row.name}  " if row.name else ""
        yield Text.assemble((f"  {mark} ", choose_risk_style(row.change.risk)), f"{name}{_format_value(row)}")
    yield from row.notes


def _render_legend(rows: Sequence[ChangeRow]) -> Iterator[Text]:
    yield from map(render_risk, {row.risk: row.change for row in rows if row.risk}.values())
    for mark in dict.fromkeys(row.mark for row in rows if row.mark in _LEGENDS):
        yield Text(f"{_INDENT}{_LEGENDS[mark]}")


def render_risk(change: Change) -> Text:
    """Render the line with the risk of a change, which must have one."""
    return Text(f"  {_RISK_MARK} {format_risk(change)}", choose_risk_style(change.risk))


def choose_risk_style(risk: Risk) -> str:
    """Choose the colour of a risk."""
    return BAD if risk in {Risk.REPLACES, Risk.DESTROYS} else WARN


def render_names(group: ChangeGroup, width: int | None, *, names_all: bool) -> list[Text]:
    """Render the keys of a group in lines of at most `width` cells; with `names_all` every entry with its place and
    status."""
    if names_all:
        longest = max(len(change.address.key) for change in group)
        place_width = max(len(format_place(change)) for change in group)
        return [
            Text(
                f"{_INDENT}{change.address.key:<{longest}}  {format_place(change):<{place_width}}"
                f"  {escape(change.facts.setup_status)}".rstrip()
            )
            for change in group
        ]
    names = [change.address.key for change in group[:MAX_NAMES]]
    left_out = len(group) - len(names)
    text = ", ".join(names) + (f" and {left_out:,} more; `--verbose` names all" if left_out else "")
    return [Text(f"{_INDENT}{line}") for line in fold_words(text, (width or DEFAULT_WIDTH) - len(_INDENT))]
