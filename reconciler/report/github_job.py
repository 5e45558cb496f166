"""What a step of GitHub Actions leaves behind for later ones: its outputs. Its summary is the Markdown of the plan."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.plan import Plan
from reconciler.report.neutral import neutral
from reconciler.report.plan_words import added_changed_destroyed

LARGEST_SUMMARY = 1_048_576
"""Bytes of the summary of one step; a larger one is not shown at all."""

_OF_A_PLAN = ("digest", "has-changes", "add", "change", "destroy")


def outputs_of_plan(plan: Plan) -> dict[str, str]:
    """What later steps decide by. Of a plan without what it could not see, nobody knows that it has no changes."""
    add, change, destroy = added_changed_destroyed(plan)
    return {
        "digest": plan.digest,
        "has-changes": _known_truth(plan, bool(plan.effective)),
        "refused": _truth(bool(plan.blockers)),
        "add": str(add),
        "change": str(change),
        "destroy": str(destroy),
    }


def outputs_of_drift(plan: Plan) -> dict[str, str]:
    """The same of a run that asks only for what was changed outside the specs, and applies nothing."""
    return {**outputs_of_failure(refused=False), "has-changes": _known_truth(plan, bool(plan.drifted))}


def outputs_of_failure(*, refused: bool) -> dict[str, str]:
    """Nothing is known of a plan that could not be made: `has-changes` is neither true nor false, but empty. Each has
    its line, so that none stays as an earlier command of the step has set it."""
    return {**dict.fromkeys(_OF_A_PLAN, ""), "refused": _truth(refused)}


def output_lines(outputs: Mapping[str, str]) -> str:
    """`NAME=value` lines. No value can begin a line of its own."""
    return "".join(f"{name}={neutral(value)}\n" for name, value in outputs.items())


def _known_truth(plan: Plan, holds: bool) -> str:
    return "" if plan.unseen and not holds else _truth(holds)


def _truth(holds: bool) -> str:
    return "true" if holds else "false"
