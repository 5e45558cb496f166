"""Render drifted objects as text: the changes that were made outside the specs, not the changes that undo them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

from rich.text import Text

from reconciler.model.plan import Action, Change, FieldChange, Origin, Visibility
from reconciler.report.change_groups import ChangeGroup, group_changes, identify_field
from reconciler.report.change_rows import ChangeRow, format_name, render_names
from reconciler.report.plan_text import (
    choose_location_column,
    join_parts,
    measure_names,
    render_first_line,
    render_group_line,
)
from reconciler.report.style import WARN, join_lines
from reconciler.report.trust import list_revoked
from reconciler.report.values import render_before_and_after, render_change

_CONFLICT = "   conflict: changed in the specs too"


def render_drift_blocks(
    changes: Sequence[Change], width: int | None = None, *, names_all: bool = False, is_full: bool = False
) -> Iterator[Text]:
    """Render drifted objects, deleted objects first: the same drift of many objects as one block, drift of one field as
    one line. With `names_all` a block names every object with its place; if `is_full`, each object is a block."""
    ordered = sorted(changes, key=lambda change: not change.is_missing)
    groups = _group_drift(ordered, groups_equal=not is_full)
    column = choose_location_column([group[0] for group in groups if len(group) == 1], width)
    parts: list[ChangeRow | Text] = []
    for group in groups:
        row = None if is_full else _build_row(group[0])
        if len(group) > 1:
            parts.append(_render_group(group, row, width, names_all=names_all))
        else:
            parts.append(row or _render_block(group[0], column))
    yield from join_parts(parts, width)


def _group_drift(changes: Iterable[Change], *, groups_equal: bool) -> list[ChangeGroup]:
    shown = {id(change): _identify_drift(change) for change in changes}
    return group_changes(changes, lambda change: shown[id(change)], groups_equal=groups_equal)


def _identify_drift(change: Change) -> Hashable | None:
    """Return what a reader sees of a drifted object beside its address; None for a deleted object."""
    if change.is_missing:
        return None
    fields = tuple(
        (identify_field(change, field), _render_field(change, field))
        for field in _list_drifted_fields(change)
    )
    return (change.address.kind, fields, tuple(list_revoked(change)))


def _build_row(change: Change) -> ChangeRow | None:
    """Build the row of drift of one field; None for any other drift."""
    fields = list(_list_drifted_fields(change))
    if change.is_missing or len(fields) != 1 or list_revoked(change):
        return None
    [field] = fields
    return ChangeRow(change, Action.UPDATE, format_name(field), _render_field(change, field))


def _render_group(group: ChangeGroup, row: ChangeRow | None, width: int | None, *, names_all: bool) -> Text:
    line = render_group_line(group, Action.UPDATE)
    names = render_names(group, width, names_all=names_all)
    if row is not None:
        return join_lines([line.append(f"  {row.name}  {row.value}"), *names])
    return join_lines([line, *_render_details(group[0]), *names])


def _render_block(change: Change, column: int) -> Text:
    """Render a drifted object: its first line, then each changed field as `last applied value -> live value`.

    Edits of the specs, the risks of an apply and the fields that a create would send are left out.
    """
    if change.is_missing:
        gone = Text("    gone from Fivetran since it was applied", WARN)
        return join_lines([render_first_line(change, Action.DELETE, column), gone])
    return join_lines([render_first_line(change, Action.UPDATE, column), *_render_details(change)])


def _render_details(change: Change) -> list[Text]:
    fields = list(_list_drifted_fields(change))
    width = measure_names(field.path for field in fields)
    rows = [Text(f"    {format_name(field):<{width}}  {_render_field(change, field)}") for field in fields]
    return [*rows, *(Text(f"    {'revoked':<{width}}  {server}") for server in list_revoked(change))]


def _list_drifted_fields(change: Change) -> Iterator[FieldChange]:
    """List the fields that changed at Fivetran, with the last applied value before and the live value after.

    A field that only drifted is declared as it was applied.
    """
    applied = {value.path: value.value for value in change.applied if value.shown is Visibility.CLEAR}
    for field in change.fields:
        if field.origin is Origin.SPEC:
            continue
        if field.shown is not Visibility.CLEAR:
            yield field
            continue
        last = applied.get(field.path, field.after) if field.origin is Origin.CONFLICT else field.after
        yield replace(field, before=last, after=field.before)


def _render_field(change: Change, field: FieldChange) -> str:
    remark = _CONFLICT if field.origin is Origin.CONFLICT else ""
    if field.shown is Visibility.CLEAR:
        return " -> ".join(render_before_and_after(field)) + remark
    if field.after is None:  # the specs clear the field, and Fivetran has a value
        return f"(hidden, set){remark}"
    return (
        render_change(replace(field, origin=Origin.SPEC, sent_by_replacement=False), change.secrets) + remark
    )
