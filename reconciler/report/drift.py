"""Render drift, the changes outside the specs, as text and as JSON."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Any

from rich.text import Text

from reconciler.model.plan import Plan, UnmanagedGroup
from reconciler.model.sanitize import escape
from reconciler.report.diagnostics import serialize_diagnostics
from reconciler.report.plan_json import (
    serialize_change,
    serialize_scope,
    serialize_snapshot_origin,
    serialize_unplanned,
)
from reconciler.report.plan_summary import format_unplanned
from reconciler.report.plan_text import choose_location_column, render_change_block, render_heading
from reconciler.report.style import BAD, QUIET, STRONG, WARN, format_count, join_lines
from reconciler.report.values import format_value


class UnmanagedGroups(StrEnum):
    """Listing of groups without a spec."""

    LISTED = "listed"
    OMITTED = "left-out"


def render_drift_text(plan: Plan, unmanaged_groups: UnmanagedGroups, width: int | None = None) -> Text:
    """Render a header, one block for each drifted object, the unmanaged groups, and a count.

    A missing object is rendered without the fields that a create would send. `width` is the number of cells of the
    terminal, or None.
    """
    column = choose_location_column(plan.drifted, width)
    blocks = [render_heading(plan)]
    blocks += [
        render_change_block(replace(change, fields=()) if change.is_missing else change, column)
        for change in plan.drifted
    ]
    if unmanaged_groups is UnmanagedGroups.LISTED and plan.unmanaged:
        blocks.append(_render_unmanaged(plan.unmanaged))
    blocks.append(_render_summary(plan))
    return Text("\n\n").join(blocks)


def _render_unmanaged(groups: tuple[UnmanagedGroup, ...]) -> Text:
    width = max(len(escape(group.id)) for group in groups)
    rows = [Text(f"  {escape(group.id):<{width}}  {format_value(group.name)}") for group in groups]
    return join_lines([Text(f"Not managed: {format_count(len(groups), 'group')}. Left alone."), *rows])


def _render_summary(plan: Plan) -> Text:
    missing = sum(change.is_missing for change in plan.drifted)
    headline = f"Drift: {len(plan.drifted) - missing} changed, {missing} gone"
    headline += f", {len(plan.gone_or_hidden)} gone or hidden." if plan.gone_or_hidden else "."
    headline = headline if plan.drifted or plan.omissions else "No drift."
    parts = [Text(headline, STRONG)]
    if plan.unplanned:
        parts.append(Text(format_unplanned(plan), BAD))
    hidden = len(plan.effective) - len(plan.drifted)
    if hidden:
        hint = f"{format_count(hidden, 'other change')} not shown; `reconciler plan` shows all"
        parts.append(Text(hint, QUIET))
    if plan.possibly_drifted:
        warning = f"{len(plan.possibly_drifted)} of them may be drift too: their last applied values are not recorded"
        parts.append(Text(warning, WARN))
    return join_lines(parts)


def serialize_drift(plan: Plan) -> dict[str, Any]:
    """Serialize the changes that would undo a drift as in a plan, with the number of other changes, the changes that
    may be drift, and findings about objects that these credentials cannot see, and about all omitted entries."""
    return {
        "account": {"id": plan.account_id, "name": plan.account_name},
        **serialize_snapshot_origin(plan.snapshot),
        "narrowed_to": serialize_scope(plan.narrowing),
        "changes": [serialize_change(change) for change in plan.drifted],
        "other_changes": len(plan.effective) - len(plan.drifted),
        "undecided": [str(change.address) for change in plan.possibly_drifted],
        "unmanaged": [{"id": group.id, "name": group.name} for group in plan.unmanaged],
        "unseen": serialize_diagnostics(plan.gone_or_hidden),
        "unplanned": serialize_unplanned(plan),
        "blockers": serialize_diagnostics(plan.omissions),
        "warnings": serialize_diagnostics(plan.warnings),
        "requests": plan.requests,
        "seconds": round(plan.seconds, 3),
    }
