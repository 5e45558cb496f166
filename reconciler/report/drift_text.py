"""Render one drifted object as text: the change that was made outside the specs, not the change that undoes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rich.text import Text

from reconciler.model.plan import Action, Change, FieldChange, Origin, Visibility
from reconciler.model.sanitize import escape
from reconciler.model.value import format_path
from reconciler.report.plan_text import measure_names, render_first_line
from reconciler.report.style import WARN, join_lines
from reconciler.report.trust import list_revoked
from reconciler.report.values import render_before_and_after, render_change

_CONFLICT = "   conflict: changed in the specs too"


def render_drift_block(change: Change, column: int) -> Text:
    """Render a drifted object: its first line, then each changed field as `last applied value -> live value`.

    Edits of the specs, the risks of an apply and the fields that a create would send are left out.
    """
    if change.is_missing:
        gone = Text("    gone from Fivetran since it was applied", WARN)
        return join_lines([render_first_line(change, Action.DELETE, column), gone])
    fields = list(_list_drifted_fields(change))
    width = measure_names(field.path for field in fields)
    rows = [
        Text(f"    {escape(format_path(field.path)):<{width}}  {_render_field(change, field)}")
        for field in fields
    ]
    rows += [Text(f"    {'revoked':<{width}}  {server}") for server in list_revoked(change)]
    return join_lines([render_first_line(change, Action.UPDATE, column), *rows])


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
