"""Render drift, the changes outside the specs, as text and as JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from rich.text import Text

from reconciler.kinds.destination import HEALTHY_STATUS
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Plan
from reconciler.model.sanitize import escape
from reconciler.report.diagnostics import serialize_diagnostics
from reconciler.report.drift_text import render_drift_blocks
from reconciler.report.ignored_warnings import serialize_ignored
from reconciler.report.plan_json import (
    serialize_change,
    serialize_scope,
    serialize_snapshot_origin,
    serialize_unplanned,
)
from reconciler.report.plan_summary import format_unplanned
from reconciler.report.plan_text import render_heading
from reconciler.report.read_coverage import render_coverage, serialize_plan_coverage
from reconciler.report.style import BAD, QUIET, STRONG, WARN, format_count, join_lines
from reconciler.report.unmanaged_objects import (
    choose_status_style,
    render_unmanaged_objects,
    serialize_unmanaged,
)


class UnmanagedGroups(StrEnum):
    """Listing of groups without a spec."""

    LISTED = "listed"
    OMITTED = "left-out"


def render_drift_text(
    plan: Plan,
    unmanaged_groups: UnmanagedGroups,
    width: int | None = None,
    *,
    is_verbose: bool = False,
    is_full: bool = False,
) -> Text:
    """Render a header, the drifted objects, the destinations that are not connected, the objects without an entry, and
    a count.

    `width` is the number of cells of the terminal, or None. If `is_full`, each object is a block.
    """
    blocks = [render_heading(plan)]
    blocks += render_drift_blocks(plan.drifted, width, names_all=is_verbose, is_full=is_full)
    blocks += _render_statuses(plan, is_verbose=is_verbose)
    if unmanaged_groups is UnmanagedGroups.LISTED:
        blocks += render_unmanaged_objects(plan, is_verbose=is_verbose)
    blocks.append(_render_summary(plan))
    return Text("\n\n").join(blocks)


def _render_statuses(plan: Plan, *, is_verbose: bool) -> list[Text]:
    """Render the destinations that are not connected on a line each; if `is_verbose`, all destinations."""
    statuses = list_statuses(plan)
    shown = {
        address: status for address, status in statuses.items() if is_verbose or status != HEALTHY_STATUS
    }
    if not shown:
        return []
    width = max(map(len, shown))
    rows = [
        Text.assemble(f"  {address:<{width}}  ", (escape(status), choose_status_style(status)))
        for address, status in shown.items()
    ]
    return [join_lines([Text("Status of destinations:" if is_verbose else "Not connected:"), *rows])]


def select_unlisted_warnings(plan: Plan) -> list[Diagnostic]:
    """Select the warnings of a plan without the warnings of destinations whose status the text lists."""
    listed = list_statuses(plan)
    return [
        warning
        for warning in plan.warnings
        if not (warning.code_facts.shows_status and str(warning.address) in listed)
    ]


def list_statuses(plan: Plan) -> dict[str, str]:
    """List the status of each existing destination of a plan, by address. A destination that a run with a budget has
    not read has the status that the list of destinations shows."""
    statuses = {
        str(change.address): change.facts.setup_status for change in plan.changes if change.facts.setup_status
    }
    return statuses if plan.coverage is None else dict(sorted({**plan.coverage.statuses, **statuses}.items()))


def _render_summary(plan: Plan) -> Text:
    missing = sum(change.is_missing for change in plan.drifted)
    headline = f"Drift: {len(plan.drifted) - missing} changed, {missing} gone"
    headline += f", {len(plan.gone_or_hidden)} gone or hidden." if plan.gone_or_hidden else "."
    if not (plan.drifted or plan.omissions):
        headline = "No drift in what was read." if plan.unread else "No drift."
    parts = [Text(headline, STRONG)]
    parts += render_coverage(plan.coverage) if plan.coverage is not None else []
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
    may be drift, the status of each destination, findings about objects that these credentials cannot see, and findings
    about all omitted entries."""
    return {
        "account": {"id": plan.account_id, "name": plan.account_name},
        **serialize_snapshot_origin(plan.snapshot),
        "narrowed_to": serialize_scope(plan.narrowing),
        **serialize_plan_coverage(plan),
        "changes": [serialize_change(change) for change in plan.drifted],
        "other_changes": len(plan.effective) - len(plan.drifted),
        "undecided": [str(change.address) for change in plan.possibly_drifted],
        "setup_statuses": list_statuses(plan),
        **serialize_unmanaged(plan),
        "unseen": serialize_diagnostics(plan.gone_or_hidden),
        "unplanned": serialize_unplanned(plan),
        "blockers": serialize_diagnostics(plan.omissions),
        "warnings": serialize_diagnostics(plan.warnings),
        **serialize_ignored(plan.ignored),
        "requests": plan.requests,
        "seconds": round(plan.seconds, 3),
    }
