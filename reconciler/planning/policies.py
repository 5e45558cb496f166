"""Evaluate the policies of a project, on its specs and on a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import Action, Plan
from reconciler.model.policy import PolicyResult
from reconciler.model.resource import Desired, Observed
from reconciler.planning.planner import PlannedOperation
from reconciler.policy.base import EntryView, PlanView
from reconciler.policy.entry import after, removed_entry
from reconciler.policy.evaluate import evaluate_plan, evaluate_specs
from reconciler.workspace.specs import Specs, build_entries


def evaluate_spec_policies(specs: Specs) -> tuple[PolicyResult, ...]:
    """Evaluate the policies on the specs alone."""
    if not specs.policies:
        return ()
    return evaluate_specs(specs.policies, _build_entries(specs, {}).values())


def evaluate_plan_policies(
    specs: Specs,
    plan: Plan,
    *,
    operations: Mapping[Address, PlannedOperation],
    observed: Mapping[str, Observed],
    existing: Iterable[Address],
    overridden: Collection[str],
    has_real_values: bool,
) -> tuple[PolicyResult, ...]:
    """Evaluate the policies on a plan.

    `observed` are the destinations that were read, by id; `existing` are all managed addresses that exist, in scope or
    not. Without `has_real_values` the values of references count as unknown. Raises `ReconcilerError` for an override
    that names no soft policy.
    """
    if not (specs.policies or overridden):
        return ()
    entries = _build_entries(specs, operations if has_real_values else {})
    destinations = {destination.address.key: destination for destination in specs.destinations}
    planned = {
        key: _build_planned_entry(
            entry, destinations.get(key), operations.get(Address(DESTINATION, key)), observed
        )
        for key, entry in entries.items()
        if Address(GROUP, key) in operations or Address(DESTINATION, key) in operations
    }
    keys = {address.key for address in existing}
    managed = {key: planned.get(key) or entries.get(key) or removed_entry(key) for key in sorted(keys)}
    return evaluate_plan(specs.policies, PlanView(plan, planned, managed), overridden)


def add_policy_results(plan: Plan, results: tuple[PolicyResult, ...]) -> Plan:
    """Add the results of policies to a plan: their warnings, and their errors as blockers."""
    warnings, blockers = split_by_severity(results)
    return replace(
        plan,
        warnings=(*plan.warnings, *warnings),
        blockers=(*plan.blockers, *blockers),
        judgements=results,
    )


def split_by_severity(
    judgements: Iterable[PolicyResult],
) -> tuple[tuple[Diagnostic, ...], tuple[Diagnostic, ...]]:
    """Split the findings of policies into warnings and errors, in this order."""
    findings = [finding for judgement in judgements for finding in judgement.findings]
    return (
        tuple(finding for finding in findings if finding.severity is Severity.WARNING),
        tuple(finding for finding in findings if finding.severity is Severity.ERROR),
    )


def _build_entries(specs: Specs, operations: Mapping[Address, PlannedOperation]) -> dict[str, EntryView]:
    """Build all entries by key, with the values that the operations of a plan have resolved."""
    resolved = {
        address.key: operation.declared
        for address, operation in operations.items()
        if address.kind == DESTINATION
    }
    return build_entries(specs.groups, specs.destinations, specs.project, resolved)


def _build_planned_entry(
    entry: EntryView,
    destination: Desired | None,
    operation: PlannedOperation | None,
    observed: Mapping[str, Observed],
) -> EntryView:
    if operation is None:
        return after(entry, destination, None)
    is_replaced = operation.change.action is Action.REPLACE
    return after(entry, destination, observed.get(operation.change.id or ""), is_replaced=is_replaced)
