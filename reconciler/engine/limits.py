"""How much one apply may do. Judged over the whole plan, before the first write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Action, Plan

COUNTED_FROM = 10
"""Managed objects from which on a fraction of them means something."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Entries that may be deleted or replaced, and the part of all managed objects that may change."""

    deletes: int = 1
    replacements: int = 1
    changed_fraction: float = 0.3


def exceeded(plan: Plan, managed: int, limits: Limits, allowed: Mapping[str, float]) -> Iterator[Diagnostic]:
    """The limits that a plan is beyond. `allowed` replaces limits by name, for this run only.

    `managed` counts all objects that exist and that the specs declare or remove, also those that the plan is not
    about: a plan of a few entries is no larger part of them than the same changes in a plan of all.
    """
    deleted = {change.address.key for change in plan.changes if change.action is Action.DELETE}
    most = allowed.get("deletes", limits.deletes)
    if len(deleted) > most:
        yield _beyond("deletes", f"{len(deleted)} entries would be deleted", f"{most:g}", len(deleted))
    replaced = plan.count(Action.REPLACE)
    most = allowed.get("replacements", limits.replacements)
    if replaced > most:
        yield _beyond("replacements", f"{replaced} destinations would be replaced", f"{most:g}", replaced)
    changed = sum(plan.count(action) for action in (Action.UPDATE, Action.REPLACE, Action.DELETE))
    fraction = allowed.get("changed_fraction", limits.changed_fraction)
    if managed >= COUNTED_FROM and changed > fraction * managed:
        share = changed / managed
        what = f"{changed:,} of {managed:,} managed objects would change"
        yield _beyond("changed_fraction", what, f"{fraction:g}", round(share + 0.005, 2))


def _beyond(limit: str, what: str, most: str, needed: float) -> Diagnostic:
    return Diagnostic(
        "limit-exceeded",
        f"{what}, and the limit `{limit}` is {most}",
        notes=("a plan that does more than usual is often a mistake in one line",),
        help=f'if it is meant, apply with `--allow {limit}={needed:g} --reason "…"`',
    )
