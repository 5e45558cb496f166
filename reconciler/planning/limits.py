"""How much one apply may do. Judged over the whole plan, before the first write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Action, Plan
from reconciler.spec.project import Limits

MIN_MANAGED = 10
"""Managed objects from which on a fraction of them means something."""


def limit_violations(
    plan: Plan, managed: int, limits: Limits, allowed: Mapping[str, float]
) -> Iterator[Diagnostic]:
    """The limits that a plan is beyond. `allowed` replaces limits by name, for this run only.

    `managed` counts all objects that exist and that the specs declare or remove, also those that the plan is not
    about: a plan of a few entries is no larger part of them than the same changes in a plan of all.
    """
    deleted = {change.address.key for change in plan.changes if change.action is Action.DELETE}
    maximum = allowed.get("deletes", limits.deletes)
    if len(deleted) > maximum:
        yield _explain_violation(
            "deletes", f"{len(deleted)} entries would be deleted", f"{maximum:g}", len(deleted)
        )
    replaced = plan.count(Action.REPLACE)
    maximum = allowed.get("replacements", limits.replacements)
    if replaced > maximum:
        yield _explain_violation(
            "replacements", f"{replaced} destinations would be replaced", f"{maximum:g}", replaced
        )
    changed = sum(plan.count(action) for action in (Action.UPDATE, Action.REPLACE, Action.DELETE))
    fraction = allowed.get("changed_fraction", limits.changed_fraction)
    if managed >= MIN_MANAGED and changed > fraction * managed:
        share = changed / managed
        summary = f"{changed:,} of {managed:,} managed objects would change"
        yield _explain_violation("changed_fraction", summary, f"{fraction:g}", round(share + 0.005, 2))


def _explain_violation(limit: str, summary: str, maximum: str, needed: float) -> Diagnostic:
    return Diagnostic(
        "limit-exceeded",
        f"{summary}, and the limit `{limit}` is {maximum}",
        notes=("a plan that does more than usual is often a mistake in one line",),
        help=f'if it is meant, apply with `--allow {limit}={needed:g} --reason "…"`',
    )
