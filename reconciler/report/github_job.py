"""What a step of GitHub Actions leaves behind for later ones: its outputs. Its summary is the Markdown of the plan."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.plan import Plan
from reconciler.model.sanitize import escape
from reconciler.report.plan_summary import count_changes

MAX_SUMMARY_BYTES = 1_048_576
"""Bytes of the summary of one step; a larger one is not shown at all."""

_PLAN_OUTPUTS = ("digest", "has-changes", "add", "change", "destroy")


def build_plan_outputs(plan: Plan) -> dict[str, str]:
    """What later steps decide by. Of a plan without what it could not see, nobody knows that it has no changes."""
    add, change, destroy = count_changes(plan)
    return {
        "digest": plan.digest,
        "has-changes": _format_known_bool(plan, bool(plan.effective)),
        "refused": _format_bool(bool(plan.blockers)),
        "add": str(add),
        "change": str(change),
        "destroy": str(destroy),
    }


def build_drift_outputs(plan: Plan) -> dict[str, str]:
    """The same of a run that asks only for what was changed outside the specs, and applies nothing."""
    return {
        **build_failure_outputs(refused=False),
        "has-changes": _format_known_bool(plan, bool(plan.drifted)),
    }


def build_failure_outputs(*, refused: bool) -> dict[str, str]:
    """Nothing is known of a plan that could not be made: `has-changes` is neither true nor false, but empty. Each has
    its line, so that none stays as an earlier command of the step has set it."""
    return {**dict.fromkeys(_PLAN_OUTPUTS, ""), "refused": _format_bool(refused)}


def render_outputs(outputs: Mapping[str, str]) -> str:
    """`NAME=value` lines. No value can begin a line of its own."""
    return "".join(f"{name}={escape(value)}\n" for name, value in outputs.items())


def _format_known_bool(plan: Plan, value: bool) -> str:
    return "" if plan.gone_or_hidden and not value else _format_bool(value)


def _format_bool(value: bool) -> str:
    return "true" if value else "false"
