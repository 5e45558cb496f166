"""Run the setup tests of destinations that exist, and nothing else.

1. Select the destinations to test (`select_tests`): outstanding tests first, then the least recently recorded.
2. Write the intent of each test, as an apply does: after a killed run, its tests count as outstanding.
3. Execute the tests with the workers, the breaker and the records of an apply. A test that waits for its budget beyond
   the deadline is not started.
4. Record each result: passed tests are no longer outstanding. A destination without a record gets none, and the record
   of an interrupted change stays as it is: only the next apply knows what that change has left to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from reconciler.api.limiter import Limiter
from reconciler.applying.circuit_breaker import CircuitBreaker
from reconciler.applying.pipeline import build_executor, close_state, save_entry
from reconciler.applying.record_writer import SaveEntry
from reconciler.applying.records import build_intents, settle_records
from reconciler.kinds.destination import HEALTHY_STATUS
from reconciler.model.address import DESTINATION, Address, get_entry_sort_key
from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic, select_errors
from reconciler.model.outcome import ApplyResult, Outcome, Status
from reconciler.model.plan import Action, Reason
from reconciler.model.record import Record
from reconciler.model.record_transitions import RecordUpdate
from reconciler.model.removal import CompletedRemoval
from reconciler.model.risk import Risk
from reconciler.planning.pipeline import PlanResult
from reconciler.planning.planner import PlannedOperation
from reconciler.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class SelectedTests:
    """Tests of one run, as a plan with nothing but tests.

    `left` are destinations that the budget leaves for another run; `missing` are entries without a live destination.
    `problems` are findings about entries that cannot be matched with a live destination.
    """

    planned: PlanResult
    left: tuple[Address, ...] = ()
    missing: tuple[Address, ...] = ()
    problems: tuple[Diagnostic, ...] = ()

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Return the addresses of the destinations to test."""
        return tuple(change.address for change in self.planned.plan.changes)


@dataclass(frozen=True, slots=True)
class SetupTestResult:
    """End of a test run. `left` are destinations that the budget or the deadline leaves for another run."""

    applied: ApplyResult
    left: tuple[Address, ...] = ()
    missing: tuple[Address, ...] = ()


def select_tests(planned: PlanResult, budget: int | None = None) -> SelectedTests:
    """Select the destinations of a plan whose setup tests run: all that exist, or the first `budget` of them."""
    candidates = [
        operation for address, operation in planned.operations.items() if address.kind == DESTINATION
    ]
    testable = [operation for operation in candidates if operation.change.id and not _is_create(operation)]
    ordered = sorted(testable, key=partial(_rank, planned.records))
    chosen = ordered if budget is None else ordered[:budget]
    operations = {
        operation.change.address: _build_test(operation, planned.records.get(operation.change.address))
        for operation in chosen
    }
    changes = [operations[address].change for address in sorted(operations, key=get_entry_sort_key)]
    plan = replace(planned.plan, changes=tuple(changes), blockers=(), unmanaged=())
    return SelectedTests(
        replace(planned, plan=plan, operations=operations, deletions=()),
        left=_sort(operation.change.address for operation in ordered[len(chosen) :]),
        missing=_sort(operation.change.address for operation in candidates if _is_create(operation)),
        problems=tuple(select_errors(planned.plan.omissions)),
    )


def _is_create(operation: PlannedOperation) -> bool:
    return operation.change.action is Action.CREATE


def _rank(records: Mapping[Address, Record], operation: PlannedOperation) -> tuple[bool, bool, str, str]:
    """Rank outstanding tests first, then unhealthy destinations, then the destinations without a recent result."""
    record = records.get(operation.change.address, Record())
    is_healthy = operation.change.facts.setup_status == HEALTHY_STATUS
    return (not record.unverified, is_healthy, record.applied_at, operation.change.address.key)


def _sort(addresses: Iterable[Address]) -> tuple[Address, ...]:
    return tuple(sorted(addresses, key=get_entry_sort_key))


def _build_test(operation: PlannedOperation, record: Record | None) -> PlannedOperation:
    """Build the operation that only tests. It sends no field, and records no field that another change would set."""
    desired = operation.desired
    change = replace(
        operation.change,
        action=Action.VERIFY,
        reasons=(Reason.TESTS_OUTSTANDING,),
        fields=(),
        depends_on=(),
        waits_for=(),
        risk=Risk.INTERRUPTS_SYNCS,
        live=None,
        trust=(),
        runs_tests=True,
    )
    return PlannedOperation(
        replace(desired, setup_tests=replace(desired.setup_tests, run=True)),
        change,
        values={},
        declared={},
        record_update=RecordUpdate.keep_values(record if record is not None else Record()),
        approves_met=False,
        identity_parts=operation.identity_parts,
    )


@dataclass(slots=True)
class DeadlineBreaker(CircuitBreaker):
    """Breaker that also refuses tests that could not start before `until`, in seconds of the monotonic clock.

    `ahead` is the number of tests that may be waiting for the same budget. `is_late` is true after such a refusal. A
    test that has started is never stopped by its deadline.
    """

    clock: Clock = field(kw_only=True)
    limiter: Limiter = field(kw_only=True)
    until: float = field(kw_only=True)
    ahead: int = field(kw_only=True)
    is_late: bool = False

    def get_refusal(self) -> str:
        """Return the reason why no further test may start; empty if the next test may start."""
        if not self.reason:
            start = max(self.clock.monotonic(), self.limiter.find_test_opening(self.ahead))
            self.is_late = self.is_late or start >= self.until
        return self.reason or ("deadline" if self.is_late else "")


def run_tests(
    workspace: Workspace, selected: SelectedTests, *, until: float | None = None, records: bool = True
) -> SetupTestResult:
    """Run the selected tests. `until` is the deadline in seconds of the monotonic clock.

    With `records` the workspace must be open for writing. A failed test never raises. Raises `ReconcilerError` only
    before the first test, if the state cannot be written.
    """
    planned, clock, sender = selected.planned, workspace.settings.clock, workspace.sender
    started, requests_before, retries_before = clock.monotonic(), sender.requests_sent, sender.retry_count
    known = _select_recorded(selected) if records else frozenset()
    intents = build_intents(planned, workspace.now())
    if known:
        workspace.state.begin(planned.plan.account_id, workspace.state.removals)
        workspace.state.persist([(address, intents[address]) for address in known])
    breaker = _build_breaker(workspace, until)
    executor = build_executor(workspace, planned, intents, _save_known(workspace, known), breaker)
    outcomes = executor.run(planned.operations, ())
    problems = [*selected.problems, *executor.records.errors]
    if known:
        settled = settle_records(planned, outcomes, workspace.state.records)
        workspace.state.stage([entry for entry in settled.items() if entry[0] in known])
        problems += close_state(workspace)
    left = [outcome.address for outcome in outcomes if _is_left(outcome, breaker)]
    result = ApplyResult(
        outcomes=tuple(outcome for outcome in outcomes if outcome.address not in left),
        requests=sender.requests_sent - requests_before,
        retry_count=sender.retry_count - retries_before,
        seconds=clock.monotonic() - started,
        interrupted=workspace.cancelled.is_set(),
        problems=tuple(problems),
    )
    return SetupTestResult(result, _sort([*selected.left, *left]), selected.missing)


def _select_recorded(selected: SelectedTests) -> frozenset[Address]:
    """Select the destinations whose results are recorded. The record of an interrupted change says which of its secrets
    were sent for certain; the record of a test would lose that."""
    records = selected.planned.records
    return frozenset(
        address
        for address in selected.addresses
        if (record := records.get(address)) is not None and record.intent is None
    )


def _build_breaker(workspace: Workspace, until: float | None) -> CircuitBreaker:
    if until is None:
        return CircuitBreaker()
    return DeadlineBreaker(
        clock=workspace.settings.clock,
        limiter=workspace.sender.limiter,
        until=until,
        ahead=workspace.settings.workers,
    )


def _save_known(workspace: Workspace, known: Collection[Address]) -> SaveEntry:
    """Build the function that writes the records of `known` addresses only."""

    def save(address: Address, entry: Record | CompletedRemoval) -> None:
        if address in known:
            save_entry(workspace, address, entry)

    return save


def _is_left(outcome: Outcome, breaker: CircuitBreaker) -> bool:
    is_late = isinstance(breaker, DeadlineBreaker) and breaker.is_late
    return is_late and outcome.status is Status.SKIPPED
