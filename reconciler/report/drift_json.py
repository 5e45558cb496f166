"""What happened outside the specs, for programs."""

from __future__ import annotations

from typing import Any

from reconciler.model.plan import Plan
from reconciler.report.diagnostics import serialize_diagnostics
from reconciler.report.plan_json import serialize_change, serialize_scope


def serialize_drift(plan: Plan) -> dict[str, Any]:
    """The changes that would undo a drift, as in a plan, how many others it has, which of those may be drift, and
    findings about what could not be seen."""
    return {
        "account": {"id": plan.account_id, "name": plan.account_name},
        "narrowed_to": serialize_scope(plan.narrowing),
        "changes": [serialize_change(change) for change in plan.drifted],
        "other_changes": len(plan.effective) - len(plan.drifted),
        "undecided": [str(change.address) for change in plan.possibly_drifted],
        "unmanaged": [{"id": group.id, "name": group.name} for group in plan.unmanaged],
        "unseen": serialize_diagnostics(plan.gone_or_hidden),
        "warnings": serialize_diagnostics(plan.warnings),
        "requests": plan.requests,
        "seconds": round(plan.seconds, 3),
    }
