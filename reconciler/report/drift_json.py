"""What happened outside the specs, for programs."""

from __future__ import annotations

from typing import Any

from reconciler.model.plan import Plan
from reconciler.report.diagnostics import as_data
from reconciler.report.plan_json import change_data, narrowing_data


def drift_data(plan: Plan) -> dict[str, Any]:
    """The changes that would undo a drift, as in a plan, how many others it has, which of those may be drift, and
    findings about what could not be seen."""
    return {
        "account": {"id": plan.account_id, "name": plan.account_name},
        "narrowed_to": narrowing_data(plan.narrowing),
        "changes": [change_data(change) for change in plan.drifted],
        "other_changes": len(plan.effective) - len(plan.drifted),
        "undecided": [str(change.address) for change in plan.undecided],
        "unmanaged": [{"id": group.id, "name": group.name} for group in plan.unmanaged],
        "unseen": as_data(plan.unseen),
        "warnings": as_data(plan.warnings),
        "requests": plan.requests,
        "seconds": round(plan.seconds, 3),
    }
