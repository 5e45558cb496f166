"""Execute a plan with several workers and one main thread.

Workers make one call each and know only the API. The main thread owns everything else:

1. it starts the tasks whose predecessors have ended: groups before their destinations, deletions at the end;
2. it records each result before anything relies on it;
3. it starts what follows a successful write: approvals of its servers, setup tests, revocations;
4. it gives each task exactly one outcome, and reports it.

A failure skips only its dependants, and holds all deletions. The circuit breaker decides when no further call starts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from reconciler.api.client import Client
from reconciler.api.errors import ApiError, Cancelled, Forbidden, Unauthorized
from reconciler.applying.calls import DeletionCall, WriteCall, require_permission
from reconciler.applying.circuit_breaker import CircuitBreaker
from reconciler.applying.create import AmbiguousCreateError, CreateResult, RecoverableCreate
from reconciler.applying.outcomes import (
    InFlight,
    abandon,
    create_outcome,
    fail_ambiguous_create,
    fail_call,
    finish_tests,
    finish_untested,
    hold_create,
    hold_deletion,
    skip_after_stop,
    skip_without_parent,
)
from reconciler.applying.record_writer import RecordWriter
from reconciler.applying.schedule import ReadyQueue, Task, delete_tasks, write_tasks
from reconciler.applying.verify import SetupTestRun, TestedTrust, has_follow_up, needs_completion
from reconciler.model.address import GROUP, Address
from reconciler.model.clock import Clock
from reconciler.model.event import ChangeFinished, ChangeStarted, ChangeWritten, SetupTestsStarted
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action, UnsettledRequest
from reconciler.planning.deletions import PlannedDeletion
from reconciler.planning.planner import PlannedOperation
from reconciler.runtime.deadline import SIGNAL_POLL_INTERVAL, ShutdownDeadline
from reconciler.runtime.events import EventQueue
from reconciler.runtime.polling import Poller
from reconciler.runtime.workers import WorkerPool, WorkResult


@dataclass(slots=True)
class PlanExecutor:
    """Executor of one plan.

    `ids` are the ids of existing objects by address, and grow by each create. `known_ids` are the ids of all groups
    that existed before the run, and of every object of `ids`. `find_unsettled` gives the open request that a create
    has to wait for at this moment. With `fail_fast` no task starts after the first failure.
    """

    client: Client
    clock: Clock
    events: EventQueue
    cancelled: threading.Event
    records: RecordWriter
    breaker: CircuitBreaker
    find_unsettled: Callable[[Address], UnsettledRequest | None]
    workers: int = 1
    fail_fast: bool = False
    ids: dict[Address, str] = field(default_factory=dict)
    known_ids: set[str] = field(default_factory=set)
    _in_flight: dict[Address, InFlight] = field(default_factory=dict)
    _awaiting_tests: dict[Address, InFlight] = field(default_factory=dict)
    _outcomes: dict[Address, Outcome] = field(default_factory=dict)
    _deadline: ShutdownDeadline = field(init=False)
    _first_failure: Outcome | None = None

    def __post_init__(self) -> None:
        self._deadline = ShutdownDeadline(self.clock, self.cancelled)

    def run(
        self, operations: Mapping[Address, PlannedOperation], deletions: Iterable[PlannedDeletion]
    ) -> tuple[Outcome, ...]:
        """Execute all writes, then all deletions. Returns one outcome per change with an effect, in plan order."""
        writes, deletes = write_tasks(operations.values()), delete_tasks(deletions)
        with WorkerPool(self.workers, self._may_send) as pool:
            self._execute_tasks(pool, writes)
            self._first_failure = next(
                (outcome for outcome in self._outcomes.values() if outcome.is_unsuccessful), None
            )
            self._execute_tasks(pool, deletes)
        return tuple(self._outcomes[task.address] for task in (*writes, *deletes))

    def _execute_tasks(self, pool: WorkerPool[Address], tasks: list[Task]) -> None:
        ready = ReadyQueue(tasks)
        while True:
            self._start_ready(pool, ready)
            if not self._in_flight:
                return
            work_result = pool.next_result(SIGNAL_POLL_INTERVAL)
            self.events.flush()
            if work_result is not None and work_result.key in self._in_flight:
                self._handle_result(work_result, ready)
            elif self._deadline.is_over:
                self._abandon_all(ready)

    # Starting tasks

    def _start_ready(self, pool: WorkerPool[Address], ready: ReadyQueue) -> None:
        """Start the tasks that can start, and finish the tasks that will never start."""
        while (task := ready.pop()) is not None:
            is_awaiting_tests = task.address in self._awaiting_tests
            outcome = self._end_untested(task) if is_awaiting_tests else self._skip_reason(task)
            if outcome is not None:
                self._finish(outcome, ready)
            elif not pool.has_capacity:
                ready.requeue(task.address)
                return
            elif is_awaiting_tests:
                self._start_tests(pool, self._awaiting_tests.pop(task.address))
            elif (unsettled := self._find_unsettled(task)) is not None:
                self._finish(hold_create(task, unsettled), ready)
            else:
                self._start_call(pool, task)

    def _end_untested(self, task: Task) -> Outcome | None:
        """Build the outcome of a write whose setup tests do not start, since the run stops; else None."""
        if not (self.cancelled.is_set() or self.breaker.is_tripped):
            return None
        return finish_untested(self._awaiting_tests.pop(task.address), None, self.clock.monotonic())

    def _skip_reason(self, task: Task) -> Outcome | None:
        """Build the outcome of a task that does not start; None if the task can start."""
        if self.cancelled.is_set():
            return create_outcome(task, Status.CANCELLED)
        if isinstance(task.operation, PlannedDeletion) and self._first_failure is not None:
            return hold_deletion(task, self._first_failure)
        for parent in task.depends_on:
            if not self._outcomes[parent].status.is_in_effect:
                return skip_without_parent(task, parent)
        refusal = self.breaker.get_refusal()
        return skip_after_stop(task, refusal) if refusal else None

    def _find_unsettled(self, task: Task) -> UnsettledRequest | None:
        """Find the open request that the task has to wait for. Only a second create can create a second object."""
        return self.find_unsettled(task.address) if task.change.action is Action.CREATE else None

    def _start_call(self, pool: WorkerPool[Address], task: Task) -> None:
        flight = InFlight(task, self.clock.monotonic())
        self._in_flight[task.address] = flight
        self.events(ChangeStarted(task.address, task.change.action))
        pool.start(task.address, self._build_call(flight, pool))

    def _start_tests(self, pool: WorkerPool[Address], flight: InFlight) -> None:
        address = flight.task.address
        flight.is_testing = True
        self._in_flight[address] = flight
        if needs_completion(flight.operation):
            self.events(SetupTestsStarted(address))
        test_run = SetupTestRun(
            self.client, flight.operation, flight.id or "", self._poller, flight.trust, flight.identity
        )
        pool.start(address, test_run.execute)

    def _build_call(self, flight: InFlight, pool: WorkerPool[Address]) -> Callable[[], Any]:
        operation = flight.task.operation
        if isinstance(operation, PlannedDeletion):
            return DeletionCall(self.client, operation, flight.deleted_connections).execute
        return WriteCall(
            self._prepare_create(operation, pool),
            self.ids.get(operation.change.address),
            flight.deleted_connections,
            flight.trust,
        ).build()

    def _prepare_create(self, operation: PlannedOperation, pool: WorkerPool[Address]) -> RecoverableCreate:
        change = operation.change
        if change.action is Action.CREATE:
            groups = (self.ids[parent] for parent in change.depends_on if parent.kind == GROUP)
            parent = next(groups, None)
        else:  # a replacement stays in its group
            parent = self.ids[change.address]
        return RecoverableCreate(
            self.client,
            operation,
            parent,
            self.known_ids,
            self._poller,
            self.events.put,
            before_send=partial(require_permission, pool.request_permission, change.address),
        )

    @property
    def _poller(self) -> Poller:
        return Poller(self.clock, self.cancelled)

    def _may_send(self, address: Address) -> bool:
        """Return whether a request that creates an object may be sent, and record that it is sent.

        An abandoned worker may still ask; its request must not be sent after the end of the run.
        """
        if self.cancelled.is_set() or address not in self._in_flight:
            return False
        return self.records.mark_sent(address)

    # Handling results

    def _handle_result(self, work_result: WorkResult[Address], ready: ReadyQueue) -> None:
        """Record the result of a call, and finish its task or requeue it for its setup tests."""
        flight, error = self._in_flight.pop(work_result.key), work_result.error
        self.breaker.count_outage(error)
        if error is not None and not isinstance(error, ApiError | AmbiguousCreateError):
            raise error
        if flight.is_testing:
            self._finish(self._end_tests(flight, work_result), ready)
        elif error is not None:
            self._finish(self._end_failed(flight, error), ready)
        elif isinstance(flight.task.operation, PlannedDeletion):
            self.records.save_removal(work_result.key, flight.task.operation.removed)
            self._finish(self._end_done(flight), ready)
        else:
            self._handle_written(flight, work_result.result, ready)

    def _handle_written(self, flight: InFlight, result: Any, ready: ReadyQueue) -> None:
        """Record a successful write. Its setup tests come next, if it has any."""
        address, operation = flight.task.address, flight.operation
        if isinstance(result, CreateResult):
            self.ids[address], flight.recovered = result.id, result.recovered
            self.known_ids.add(result.id)
        flight.id = self.ids[address]
        flight.known_identity = self.records.get_needed_identity(operation, flight.id)
        self.records.save_success(operation, flight.id)
        self.events(ChangeWritten(address, operation.change.action, flight.id))
        if has_follow_up(operation):
            self._awaiting_tests[address] = flight
            # The tests take a worker like any other task, so they go through the queue. The task stays open meanwhile:
            # its dependants start only once the tests have ended.
            ready.requeue(address)
        else:
            self._finish(self._end_done(flight), ready)

    def _end_done(self, flight: InFlight) -> Outcome:
        return flight.build_outcome(Status.DONE, self.clock.monotonic())

    def _end_tests(self, flight: InFlight, work_result: WorkResult[Address]) -> Outcome:
        if isinstance(work_result.error, ApiError):
            self._save_identity(flight)
            return finish_untested(flight, work_result.error, self.clock.monotonic())
        result: TestedTrust = work_result.result
        outcome = finish_tests(flight, result, self.clock.monotonic())
        if result.runs:
            self.records.save_tests(
                flight.operation, flight.id or "", result.runs[-1], flight.trust, flight.identity
            )
        else:
            self._save_identity(flight)
        return outcome

    def _save_identity(self, flight: InFlight) -> None:
        """Record what was read of the identity of the group, of a write whose setup tests have no result."""
        if flight.identity:
            self.records.save_success(flight.operation, flight.id or "", flight.identity)

    def _end_failed(self, flight: InFlight, error: ApiError | AmbiguousCreateError) -> Outcome:
        task, now = flight.task, self.clock.monotonic()
        if isinstance(error, AmbiguousCreateError):
            return fail_ambiguous_create(flight, error, now)
        if isinstance(error, Cancelled) and self.cancelled.is_set():
            return flight.build_outcome(Status.CANCELLED, now)
        # Without a cancelled run, `_may_send` refused the create because its record could not be written.
        if isinstance(error, Cancelled) and task.change.action is Action.CREATE:
            return skip_after_stop(task, self.breaker.reason)
        outcome = fail_call(flight, error, self.ids.get(task.address, task.change.id), now)
        if isinstance(error, Unauthorized | Forbidden):  # every further call would end the same way
            self.breaker.trip_without_permission(outcome.diagnostics[0].code)
        return outcome

    def _abandon_all(self, ready: ReadyQueue) -> None:
        """Abandon all running calls, and finish their tasks."""
        for flight in list(self._in_flight.values()):
            del self._in_flight[flight.task.address]
            self._finish(abandon(flight, self.clock.monotonic()), ready)

    def _finish(self, outcome: Outcome, ready: ReadyQueue) -> None:
        self._outcomes[outcome.address] = outcome
        if outcome.is_unsuccessful and not outcome.status.is_untried:
            if self.fail_fast:
                self.breaker.trip(outcome.diagnostics[0].code if outcome.diagnostics else str(outcome.status))
            if outcome.action is Action.DELETE:
                self._first_failure = self._first_failure or outcome
        self.events(ChangeFinished(outcome))
        ready.mark_done(outcome.address)
