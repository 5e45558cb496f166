"""The policies of a project, held against its specs and against a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from reconciler.engine.planner import Step
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import Action, Plan
from reconciler.model.policy import Judgement
from reconciler.model.resource import Desired, Observed
from reconciler.operations.specs import Specs
from reconciler.policy.base import Entry, Proposal
from reconciler.policy.entry import as_planned, entry_of, gone
from reconciler.policy.judge import judged_plan, judged_specs


def judge_specs(specs: Specs) -> tuple[Judgement, ...]:
    """What policies say of the specs alone."""
    if not specs.policies:
        return ()
    return judged_specs(specs.policies, _entries(specs, {}).values())


def judge_plan(
    specs: Specs,
    plan: Plan,
    *,
    steps: Mapping[Address, Step],
    observed: Mapping[str, Observed],
    existing: Iterable[Address],
    overridden: Collection[str],
    resolves: bool,
) -> tuple[Judgement, ...]:
    """What policies say of a plan. `observed` are the destinations that were read, by id; `existing` what is managed
    and exists, whatever the plan is about. Where nothing `resolves` references truly, what they stand for is not known.
    Raises `ReconcilerError` for an override of what is no soft policy."""
    if not (specs.policies or overridden):
        return ()
    entries = _entries(specs, steps if resolves else {})
    destinations = {each.address.key: each for each in specs.destinations}
    planned = {
        key: _planned(entry, destinations.get(key), steps.get(Address(DESTINATION, key)), observed)
        for key, entry in entries.items()
        if Address(GROUP, key) in steps or Address(DESTINATION, key) in steps
    }
    keys = {address.key for address in existing}
    managed = {key: planned.get(key) or entries.get(key) or gone(key) for key in sorted(keys)}
    return judged_plan(specs.policies, Proposal(plan, planned, managed), overridden)


def weighed(judgements: Iterable[Judgement]) -> tuple[tuple[Diagnostic, ...], tuple[Diagnostic, ...]]:
    """What they found: first what does not stop a run, then what does."""
    findings = [finding for each in judgements for finding in each.findings]
    return (
        tuple(each for each in findings if each.severity is Severity.WARNING),
        tuple(each for each in findings if each.severity is Severity.ERROR),
    )


def _entries(specs: Specs, steps: Mapping[Address, Step]) -> dict[str, Entry]:
    """All entries by key; what a plan knows of their values is in `steps`."""
    destinations = {each.address.key: each for each in specs.destinations}
    return {
        group.address.key: entry_of(
            group,
            destinations.get(group.address.key),
            specs.project.protected,
            step.declared if (step := steps.get(Address(DESTINATION, group.address.key))) else {},
        )
        for group in specs.groups
    }


def _planned(
    entry: Entry, destination: Desired | None, step: Step | None, observed: Mapping[str, Observed]
) -> Entry:
    if step is None:
        return as_planned(entry, destination, None)
    made_again = step.change.action is Action.REPLACE
    return as_planned(entry, destination, observed.get(step.change.id or ""), made_again=made_again)
