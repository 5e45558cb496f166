"""Carrying out a plan with several hands and one head.

Workers perform one verb each and only talk to the API. The main thread owns everything else: it decides what
starts, remembers every result before anything relies on it, and tells what happens. Groups come before their
destinations, tests after the write, deletions last and only if all before them went well. A failure takes only its
dependants with it, and every change gets exactly one outcome.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from reconciler.api.client import Client
from reconciler.api.errors import ApiError, Cancelled, Exchange, Forbidden, NotFound, Unauthorized
from reconciler.api.retry import is_outage
from reconciler.applying.create import AmbiguousCreateError, CreateResult, RecoverableCreate
from reconciler.applying.schedule import ReadyQueue, Task, delete_tasks, write_tasks
from reconciler.applying.verify import SetupTestRun, explain_tests_not_run, explain_verification
from reconciler.kinds.base import Verification
from reconciler.kinds.registry import KINDS
from reconciler.model.address import GROUP, Address
from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.event import ChangeFinished, ChangeStarted, ChangeWritten, SetupTestsStarted
from reconciler.model.instant import Instant
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action, LiveConnection, UnsettledRequest
from reconciler.model.record import Record
from reconciler.model.record_transitions import after_passed_tests, after_success, before_send
from reconciler.model.removal import CompletedRemoval
from reconciler.planning.deletions import PlannedDeletion
from reconciler.planning.errors import (
    abandoned,
    explain_ambiguous_create,
    explain_deletion,
    explain_held_create,
    explain_operation,
)
from reconciler.planning.planner import PlannedOperation
from reconciler.runtime.events import EventQueue
from reconciler.runtime.polling import Poller
from reconciler.runtime.workers import POLL, ShutdownGrace, WorkerPool, WorkResult

MAX_OUTAGES = 5
"""So many calls in a row without an answer, each after its repeats, end the run."""


@dataclass(slots=True)
class DeletionRun:
    """Everything that a worker needs to delete one object. `deleted` grows by each connection that is gone before it,
    and says so also where the deletion itself does not work."""

    client: Client
    deletion: PlannedDeletion
    deleted_connections: list[LiveConnection] = field(default_factory=list)

    def execute(self) -> None:
        """Delete it. Raises `ApiError`."""
        for connection in self.deletion.connections:
            with suppress(NotFound):
                self.client.delete_connection(connection.id)
            self.deleted_connections.append(connection)
        change = self.deletion.change
        KINDS[change.address.kind].delete(self.client, change.id or "")


@dataclass(slots=True)
class _InFlight:
    """A task that a worker is at. `id` is known once the write has worked; tests follow then."""

    task: Task
    started_at: float
    id: str | None = None
    recovered: bool = False
    is_testing: bool = False
    deletion_run: DeletionRun | None = None


@dataclass(slots=True)
class PlanExecutor:
    """Carries out one plan. `ids` are those of what exists, and grow as groups are made: address → id at Fivetran.

    `remember` keeps what is now in effect; it must be durable when it returns, and may raise OSError. After that
    nothing new is started, since the next crash could not be told from a success. `namesakes` gives the ids of
    the groups that had a name before the run. `intents` are what is to be kept of each address when the request leaves
    that makes its object, `now` is the time then, and `unsettled` says which creates have to wait at this moment.
    """

    client: Client
    clock: Clock
    events: EventQueue
    cancelled: threading.Event
    save_record: Callable[[Address, Record | CompletedRemoval], None]
    namesakes: Callable[[str], Iterable[str]]
    intents: Mapping[Address, Record]
    now: Callable[[], Instant]
    find_unsettled: Callable[[Address], UnsettledRequest | None]
    workers: int = 1
    fail_fast: bool = False
    ids: dict[Address, str] = field(default_factory=dict)
    save_errors: list[Diagnostic] = field(default_factory=list)
    _in_flight: dict[Address, _InFlight] = field(default_factory=dict)
    _awaiting_tests: dict[Address, _InFlight] = field(default_factory=dict)
    _outcomes: dict[Address, Outcome] = field(default_factory=dict)
    _stopped_by: str = ""
    _outages: int = 0
    _grace: ShutdownGrace = field(init=False)
    _first_failure: Outcome | None = None

    def __post_init__(self) -> None:
        self._grace = ShutdownGrace(self.clock, self.cancelled)

    def run(
        self, operations: Mapping[Address, PlannedOperation], deletions: Iterable[PlannedDeletion]
    ) -> tuple[Outcome, ...]:
        """One outcome per change that does something, in the order of the plan."""
        writes, deletes = write_tasks(operations.values()), delete_tasks(deletions)
        with WorkerPool(self.workers, self._mark_sent) as pool:
            self._execute_tasks(pool, writes)
            self._first_failure = next(
                (outcome for outcome in self._outcomes.values() if outcome.is_unsuccessful), None
            )
            self._execute_tasks(pool, deletes)
        return tuple(self._outcomes[task.address] for task in (*writes, *deletes))

    def _execute_tasks(self, pool: WorkerPool, tasks: list[Task]) -> None:
        ready = ReadyQueue(tasks)
        while True:
            self._start_ready(pool, ready)
            if not self._in_flight:
                return
            work_result = pool.next_result(POLL)
            self.events.flush()
            if work_result is not None and work_result.address in self._in_flight:
                self._handle_result(work_result, ready)
            elif self._grace.is_over:
                self._abandon(ready)

    def _start_ready(self, pool: WorkerPool, ready: ReadyQueue) -> None:
        """Start what can start; what will not be tried gets its outcome."""
        while (task := ready.pop()) is not None:
            outcome = self._skip_reason(task)
            if outcome is not None:
                self._finish(outcome, ready)
            elif not pool.has_capacity:
                ready.requeue(task.address)
                return
            elif task.address in self._awaiting_tests:
                self._start_tests(pool, self._awaiting_tests.pop(task.address))
            elif (held := self._hold_if_unsettled(task)) is not None:
                self._finish(held, ready)
            else:
                flight = _InFlight(task, self.clock.monotonic())
                self._in_flight[task.address] = flight
                self.events(ChangeStarted(task.address, task.change.action))
                pool.start(task.address, self._build_call(flight, pool))

    def _start_tests(self, pool: WorkerPool, flight: _InFlight) -> None:
        operation = flight.task.operation
        assert isinstance(operation, PlannedOperation)  # noqa: S101 - only what is made is tested
        flight.is_testing = True
        self._in_flight[flight.task.address] = flight
        self.events(SetupTestsStarted(flight.task.address))
        test_run = SetupTestRun(self.client, operation, flight.id or "", self._poller)
        pool.start(flight.task.address, test_run.execute)

    @property
    def _poller(self) -> Poller:
        return Poller(self.clock, self.cancelled)

    def _skip_reason(self, task: Task) -> Outcome | None:
        """The outcome of a task that is not started, if so."""
        if task.address in self._awaiting_tests:
            is_stopping = self.cancelled.is_set() or bool(self._stopped_by)
            return (
                self._build_untested_outcome(self._awaiting_tests.pop(task.address), None)
                if is_stopping
                else None
            )
        if self.cancelled.is_set():
            return _new_outcome(task, Status.CANCELLED)
        if isinstance(task.operation, PlannedDeletion) and self._first_failure is not None:
            failure = self._first_failure
            reason = f"{failure.address} {failure.status_phrase}"
            return self._skip(task, Status.HELD, "held", f"{task.address} was not deleted, because {reason}")
        for parent in task.depends_on:
            parent_outcome = self._outcomes[parent]
            if not parent_outcome.status.is_in_effect:
                message = f"{task.address} was not tried, because {parent} did not come about"
                return self._skip(task, Status.SKIPPED, "skipped", message)
        return self._skip_after_stop(task) if self._stopped_by else None

    def _hold_if_unsettled(self, task: Task) -> Outcome | None:
        """The outcome of a create that has to wait at this moment, if it has to."""
        unsettled = self.find_unsettled(task.address) if task.change.action is Action.CREATE else None
        if unsettled is None:
            return None
        diagnostic = explain_held_create(task.change, unsettled)
        return Outcome(
            task.address,
            task.change.action,
            Status.HELD,
            diagnostics=(diagnostic,),
            held_until=unsettled.until,
        )

    def _skip_after_stop(self, task: Task) -> Outcome:
        message = f"{task.address} was not tried after `{self._stopped_by}`"
        return self._skip(task, Status.SKIPPED, "skipped", message)

    def _skip(self, task: Task, status: Status, code: str, message: str) -> Outcome:
        diagnostic = Diagnostic(code, message, span=task.change.span, address=task.address)
        return replace(_new_outcome(task, status), diagnostics=(diagnostic,))

    def _build_call(self, flight: _InFlight, pool: WorkerPool) -> Callable[[], Any]:
        """The work of one verb, with everything that it needs: workers look at nothing of ours."""
        task = flight.task
        if isinstance(task.operation, PlannedDeletion):
            flight.deletion_run = DeletionRun(self.client, task.operation)
            return flight.deletion_run.execute
        operation, change = task.operation, task.change
        kind = KINDS[change.address.kind]
        before_send = partial(_require_permission, pool, change.address)
        match change.action:
            case Action.CREATE:
                parents = [self.ids[parent] for parent in change.depends_on if parent.kind == GROUP]
                known_ids = {*self.namesakes(operation.desired.name), *self.ids.values()}
                parent = next(iter(parents), None)
                creation = RecoverableCreate(
                    self.client, operation, parent, known_ids, self._poller, self.events.put, before_send
                )
                return creation.execute
            case Action.REPLACE:
                id = self.ids[change.address]
                creation = RecoverableCreate(
                    self.client, operation, id, (), self._poller, self.events.put, before_send
                )
                return partial(_delete_and_create, creation, id)
            case Action.UPDATE:
                return partial(kind.update, self.client, self.ids[change.address], operation.values)
        return _do_nothing

    def _mark_sent(self, address: Address) -> bool:
        """Write down that the request leaves now that makes an object. Whether it may: a request that nobody
        remembers must not be on its way."""
        record = self.intents[address]
        if self.cancelled.is_set() or address not in self._in_flight or record.intent is None:
            return False
        return self._persist(
            address,
            before_send(record, self.now()),
            f"{address} was not sent, since",
            "correct the cause and apply again",
        )

    def _handle_result(self, work_result: WorkResult, ready: ReadyQueue) -> None:
        """Remember what became of a task, and decide how it goes on."""
        flight = self._in_flight.pop(work_result.address)
        self._count_outages(work_result.error)
        if work_result.error is not None and not isinstance(
            work_result.error, ApiError | AmbiguousCreateError
        ):
            raise work_result.error
        if flight.is_testing:
            self._finish(self._build_tested_outcome(flight, work_result), ready)
        elif work_result.error is not None:
            self._finish(self._build_failed_outcome(flight, work_result.error), ready)
        elif isinstance(flight.task.operation, PlannedDeletion):
            removed = flight.task.operation.removed
            self._persist(work_result.address, removed, f"{work_result.address} is deleted, but")
            self._finish(self._build_outcome(flight, Status.DONE), ready)
        else:
            self._handle_written(flight, flight.task.operation, work_result.result, ready)

    def _handle_written(
        self, flight: _InFlight, operation: PlannedOperation, result: Any, ready: ReadyQueue
    ) -> None:
        """A write has worked. Its tests come next, where there are any."""
        address = flight.task.address
        if isinstance(result, CreateResult):
            self.ids[address], flight.recovered = result.id, result.recovered
        flight.id = self.ids[address]
        has_tests = operation.desired.setup_tests.run
        self._save_written(operation, flight.id)
        self.events(ChangeWritten(address, operation.change.action, flight.id))
        if has_tests:
            self._awaiting_tests[address] = flight
            ready.requeue(address)
        else:
            self._finish(self._build_outcome(flight, Status.DONE), ready)

    def _build_tested_outcome(self, flight: _InFlight, work_result: WorkResult) -> Outcome:
        operation = flight.task.operation
        assert isinstance(operation, PlannedOperation)  # noqa: S101 - only what is made is tested
        if isinstance(work_result.error, ApiError):
            return self._build_untested_outcome(flight, work_result.error)
        runs: tuple[Verification, ...] = work_result.result
        diagnostics = explain_verification(runs[-1], operation)
        if not diagnostics:
            self._save_written(operation, flight.id or "", has_passed=True)
        return replace(
            self._build_outcome(flight, Status.AWAITING_APPROVAL if runs[-1].pending else Status.DONE),
            checks=runs[-1].checks,
            earlier_checks=tuple(run.checks for run in runs[:-1]),
            diagnostics=diagnostics,
        )

    def _build_untested_outcome(self, flight: _InFlight, error: ApiError | None) -> Outcome:
        """The write stands, and the next plan shows that its tests are outstanding."""
        operation = flight.task.operation
        assert isinstance(operation, PlannedOperation)  # noqa: S101 - only what is made is tested
        cause = None if isinstance(error, Cancelled) else error
        return replace(
            self._build_outcome(flight, Status.DONE), diagnostics=(explain_tests_not_run(operation, cause),)
        )

    def _build_failed_outcome(self, flight: _InFlight, error: BaseException) -> Outcome:
        operation, address = flight.task.operation, flight.task.address
        if isinstance(error, AmbiguousCreateError) and isinstance(operation, PlannedOperation):
            return replace(
                self._build_outcome(flight, Status.UNKNOWN),
                diagnostics=(explain_ambiguous_create(error.ids, operation),),
            )
        assert isinstance(error, ApiError)  # noqa: S101 - `_take` raised everything else
        if isinstance(error, Cancelled) and self.cancelled.is_set():
            return self._build_outcome(flight, Status.CANCELLED)
        if isinstance(error, Cancelled) and flight.task.change.action is Action.CREATE:
            return self._skip_after_stop(flight.task)
        diagnostic = (
            explain_deletion(error, operation.change)
            if isinstance(operation, PlannedDeletion)
            else explain_operation(error, operation)
        )
        if isinstance(error, Unauthorized | Forbidden):
            self._stopped_by = diagnostic.code  # S-25: every further call would end the same way
        # A read in the middle of a verb comes after its write.
        is_unclear = error.is_ambiguous or not error.is_write
        status = Status.UNKNOWN if is_unclear else Status.FAILED
        return replace(
            self._build_outcome(flight, status),
            id=self.ids.get(address, flight.task.change.id),
            diagnostics=(diagnostic,),
        )

    def _build_outcome(self, flight: _InFlight, status: Status) -> Outcome:
        return replace(
            _new_outcome(flight.task, status),
            id=flight.id or flight.task.change.id,
            recovered=flight.recovered,
            seconds=self.clock.monotonic() - flight.started_at,
            deleted_first=tuple(flight.deletion_run.deleted_connections)
            if flight.deletion_run is not None
            else (),
        )

    def _finish(self, outcome: Outcome, ready: ReadyQueue) -> None:
        self._outcomes[outcome.address] = outcome
        if outcome.is_unsuccessful and not outcome.status.is_untried:
            if self.fail_fast and not self._stopped_by:
                self._stopped_by = outcome.diagnostics[0].code if outcome.diagnostics else outcome.status
            if outcome.action is Action.DELETE:
                self._first_failure = self._first_failure or outcome
        self.events(ChangeFinished(outcome))
        ready.mark_done(outcome.address)

    def _count_outages(self, error: BaseException | None) -> None:
        """S-15: one object that fails starves nobody, and a Fivetran that is away is not asked a thousand times."""
        if isinstance(error, Cancelled):
            return
        self._outages = self._outages + 1 if isinstance(error, ApiError) and is_outage(error) else 0
        if self._outages >= MAX_OUTAGES and not self._stopped_by:
            self._stopped_by = "outage"

    def _abandon(self, ready: ReadyQueue) -> None:
        """Leave what is in flight to itself. Its intent is remembered, so the next plan looks for it."""
        for flight in list(self._in_flight.values()):
            outcome = (
                self._build_untested_outcome(flight, None)
                if flight.is_testing
                else replace(
                    self._build_outcome(flight, Status.UNKNOWN), diagnostics=(abandoned(flight.task.change),)
                )
            )
            del self._in_flight[flight.task.address]
            self._finish(outcome, ready)

    def _save_written(self, operation: PlannedOperation, id: str, *, has_passed: bool = False) -> None:
        """Record what is in effect. A state that cannot be written must not make a written object look unwritten."""
        address = operation.change.address
        build = after_passed_tests if has_passed else after_success
        at = self.clock.now().isoformat(timespec="seconds")
        record = build(self.intents.get(address), id, operation.record_update, at)
        self._persist(address, record, f"{address} is written (id `{id}`), but")

    def _persist(
        self,
        address: Address,
        entry: Record | CompletedRemoval,
        prefix: str,
        advice: str = "correct the cause and apply again: it is found by its id or name",
    ) -> bool:
        """Whether it is remembered. Where it is not, nothing new is started."""
        try:
            self.save_record(address, entry)
        except OSError as error:
            self._stopped_by = self._stopped_by or "not-remembered"
            self.save_errors.append(
                Diagnostic(
                    "not-remembered",
                    f"{prefix} that could not be remembered: {error.strerror or error}",
                    address=address,
                    help=advice,
                )
            )
            return False
        return True


def _do_nothing() -> None:
    """What is only tested needs no write."""


def _new_outcome(task: Task, status: Status) -> Outcome:
    change = task.change
    return Outcome(task.address, change.action, status, id=change.id, live=change.live)


def _delete_and_create(creation: RecoverableCreate, id: str) -> CreateResult:
    """Delete and make again in the same place."""
    KINDS[creation.operation.change.address.kind].delete(creation.client, id)
    return creation.execute()


def _require_permission(pool: WorkerPool, address: Address) -> None:
    """Return once it is written down that a request leaves now. Raises `Withdrawn` where it must not leave."""
    if not pool.request_permission(address):
        raise Cancelled(Exchange("POST", f"/{address.kind}s", message="nothing new leaves any more"))
