"""Set aside the warnings of a plan that the project ignores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.model.address import DESTINATION, Address
from reconciler.model.plan import Plan
from reconciler.planning.planner import PlannedOperation
from reconciler.policy.ignored_warnings import ignore_warnings
from reconciler.workspace.specs import Specs, build_entries


def ignore_plan_warnings(specs: Specs, plan: Plan, operations: Mapping[Address, PlannedOperation]) -> Plan:
    """Move the warnings that the project ignores out of the warnings of a plan. They change nothing else."""
    if not specs.ignores:
        return plan
    resolved = {
        address.key: operation.declared
        for address, operation in operations.items()
        if address.kind == DESTINATION
    }
    entries = build_entries(specs.groups, specs.destinations, specs.project, resolved)
    kept, ignored = ignore_warnings(specs.ignores, entries, plan.warnings)
    return replace(plan, warnings=tuple(kept), ignored=(*specs.ignored, *ignored))
