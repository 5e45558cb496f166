"""Check the bounds of one apply over the whole plan, before the first write.

The limits of the project block a plan that changes more than usual. The quota of the API only warns: an apply waits
for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.address import DESTINATION
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS, Action, Plan
from reconciler.planning.deletions import PlannedDeletion
from reconciler.planning.planner import PlannedOperation
from reconciler.spec.project import Limits

MIN_MANAGED = 10
"""Fewest managed objects for which `changed_fraction` holds: a change of one object among three is no mass change."""


_CHECK_REQUESTS = 3  # the account and the two lists of the plan that checks the result
_REQUESTS_BY_ACTION = {
    Action.CREATE: 1,
    Action.UPDATE: 1,
    Action.REPLACE: 2,
    Action.VERIFY: 0,
    Action.APPROVE: 0,
    Action.REVOKE: 0,
    Action.DELETE: 1,
}


def find_limit_violations(
    plan: Plan, managed: int, limits: Limits, allowed: Mapping[str, float]
) -> Iterator[Diagnostic]:
    """Yield a blocker for each limit that a plan exceeds. `allowed` replaces limits by name, for this run only.

    `managed` counts all existing objects that the specs declare or remove, in scope or not: the changes of a narrowed
    plan are the same fraction of the managed objects as the same changes in a plan of everything.
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
    revoked = sum(bool(change.revocations) for change in plan.changes)
    maximum = allowed.get("revokes", limits.revokes)
    if revoked > maximum:
        yield _explain_violation(
            "revokes", f"approvals of {revoked} destinations would be revoked", f"{maximum:g}", revoked
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


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of an apply without retries: its requests, and the runs of setup tests among them."""

    requests: int
    tests: int


def estimate_cost(
    operations: Iterable[PlannedOperation], planned_deletions: Iterable[PlannedDeletion]
) -> Cost:
    """Estimate the cost of changes: their writes, each setup test with the read after it, and the convergence check."""
    effective = [
        operation for operation in operations if operation.change.action not in ACTIONS_WITHOUT_REQUESTS
    ]
    tests = sum(operation.change.runs_tests for operation in effective)
    writes = sum(len(operation.change.trust) for operation in effective)
    writes += sum(_REQUESTS_BY_ACTION[operation.change.action] for operation in effective)
    writes += sum(
        len(operation.change.live.connections_deleted_first)
        for operation in effective
        if operation.change.live is not None
    )
    reads = sum(operation.change.address.kind == DESTINATION for operation in effective)
    reads += sum(None in operation.carried.values() for operation in effective)
    reads += sum(len(operation.unread_parts) for operation in effective)
    deletions = [deletion for deletion in planned_deletions if deletion.change.action is Action.DELETE]
    writes += sum(1 + len(deletion.connections) for deletion in deletions)
    # One read per pair confirms its deletion.
    reads += len({deletion.change.address.key for deletion in deletions})
    if not (effective or deletions):
        return Cost(0, 0)
    return Cost(requests=writes + 2 * tests + reads + _CHECK_REQUESTS, tests=tests)


@dataclass(frozen=True, slots=True)
class RemainingQuota:
    """Requests and runs of setup tests that the account has left within the hour."""

    requests: int
    tests: int


def warn_low_quota(cost: Cost, remaining: RemainingQuota) -> list[Diagnostic]:
    """Warn of costs above the remaining quota. Blocks nothing: an apply pauses for quota and can be resumed."""
    needs = (
        ("requests", cost.requests, remaining.requests),
        ("runs of setup tests", cost.tests, remaining.tests),
    )
    return [
        Diagnostic(
            "budget-short",
            f"this plan needs about {needed:,} {resource}, and {available:,} are left this hour",
            severity=Severity.WARNING,
            notes=(
                "an apply pauses when they are used up, and can be interrupted and applied again at any time",
            ),
            help="apply a part with `--target`, or later; a limit of your own is `budget:` in the project file",
        )
        for resource, needed, available in needs
        if needed > available
    ]
