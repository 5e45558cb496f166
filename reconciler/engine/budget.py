"""What an apply will cost at the API, before its first write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.engine.planner import Step
from reconciler.engine.removal import Removal
from reconciler.model.address import DESTINATION
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import SILENT, Action

_CHECK = 3  # the account and the two lists of the plan that checks the result
_CALLS = {Action.CREATE: 1, Action.UPDATE: 1, Action.REPLACE: 2, Action.VERIFY: 0, Action.DELETE: 1}


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests of an apply where nothing has to be repeated, and the runs of setup tests among them."""

    requests: int
    tests: int


def cost_of(steps: Iterable[Step], removals: Iterable[Removal]) -> Cost:
    """What these changes cost: their writes, each test with the read after it, and the check of the result."""
    working = [step for step in steps if step.change.action not in SILENT]
    tests = sum(step.desired.setup_tests.run for step in working)
    writes = sum(_CALLS[step.change.action] for step in working)
    reads = sum(step.change.address.kind == DESTINATION for step in working)
    deletions = [removal for removal in removals if removal.change.action is Action.DELETE]
    writes += sum(1 + len(removal.connections) for removal in deletions)
    reads += len({removal.change.address.key for removal in deletions})  # whether they are gone
    if not (working or deletions):
        return Cost(0, 0)
    return Cost(requests=writes + 2 * tests + reads + _CHECK, tests=tests)


@dataclass(frozen=True, slots=True)
class Left:
    """What the account may still be asked for: requests and runs of setup tests within the hour."""

    requests: int
    tests: int


def shortfalls(cost: Cost, left: Left) -> list[Diagnostic]:
    """What does not fit. That stops nothing: an apply waits for its budget, and one that ends early goes on later."""
    wanted = (
        ("requests", cost.requests, left.requests),
        ("runs of setup tests", cost.tests, left.tests),
    )
    return [
        Diagnostic(
            "budget-short",
            f"this plan needs about {needed:,} {what}, and {rest:,} are left this hour",
            severity=Severity.WARNING,
            notes=(
                "an apply pauses when they are used up, and can be interrupted and applied again at any time",
            ),
            help="apply a part with `--target`, or later; a limit of your own is `budget:` in the project file",
        )
        for what, needed, rest in wanted
        if needed > rest
    ]
