"""What an apply will cost at the API, before its first write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.model.address import DESTINATION
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS, Action
from reconciler.planning.deletions import PlannedDeletion
from reconciler.planning.planner import PlannedOperation

_CHECK_REQUESTS = 3  # the account and the two lists of the plan that checks the result
_REQUESTS_BY_ACTION = {
    Action.CREATE: 1,
    Action.UPDATE: 1,
    Action.REPLACE: 2,
    Action.VERIFY: 0,
    Action.DELETE: 1,
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests of an apply where nothing has to be repeated, and the runs of setup tests among them."""

    requests: int
    tests: int


def estimate_cost(
    operations: Iterable[PlannedOperation], planned_deletions: Iterable[PlannedDeletion]
) -> Cost:
    """What these changes cost: their writes, each test with the read after it, and the check of the result."""
    effective = [
        operation for operation in operations if operation.change.action not in ACTIONS_WITHOUT_REQUESTS
    ]
    tests = sum(operation.desired.setup_tests.run for operation in effective)
    writes = sum(_REQUESTS_BY_ACTION[operation.change.action] for operation in effective)
    reads = sum(operation.change.address.kind == DESTINATION for operation in effective)
    deletions = [deletion for deletion in planned_deletions if deletion.change.action is Action.DELETE]
    writes += sum(1 + len(deletion.connections) for deletion in deletions)
    reads += len({deletion.change.address.key for deletion in deletions})  # whether they are gone
    if not (effective or deletions):
        return Cost(0, 0)
    return Cost(requests=writes + 2 * tests + reads + _CHECK_REQUESTS, tests=tests)


@dataclass(frozen=True, slots=True)
class RemainingQuota:
    """What the account may still be asked for: requests and runs of setup tests within the hour."""

    requests: int
    tests: int


def quota_warnings(cost: Cost, remaining: RemainingQuota) -> list[Diagnostic]:
    """What does not fit. That stops nothing: an apply waits for its budget, and one that ends early goes on later."""
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
