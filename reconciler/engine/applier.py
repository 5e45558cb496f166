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
from reconciler.api.errors import ApiError, Exchange, Forbidden, NotFound, Unauthorized, Withdrawn
from reconciler.api.retry import is_outage
from reconciler.engine.creation import Created, Creation, SeveralFoundError
from reconciler.engine.crew import GLANCE, Crew, Finished, Grace
from reconciler.engine.failure import create_held, explain, explain_deletion, given_up, several_found
from reconciler.engine.graph import Board, Task, burials, makings
from reconciler.engine.looking import Looking
from reconciler.engine.planner import Step
from reconciler.engine.relay import Relay
from reconciler.engine.removal import Removal
from reconciler.engine.verification import Verifying, findings, not_run
from reconciler.kinds.base import Verification
from reconciler.kinds.registry import KINDS
from reconciler.model.address import GROUP, Address
from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.event import ChangeFinished, ChangeStarted, ChangeWritten, SetupTestsStarted
from reconciler.model.instant import Instant
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action, Connection, Unsettled
from reconciler.model.record import Record
from reconciler.model.removal import Removed

OUTAGES = 5
"""So many calls in a row without an answer, each after its repeats, end the run."""


@dataclass(slots=True)
class Deletion:
    """Everything that a worker needs to delete one object. `deleted` grows by each connection that is gone before it,
    and says so also where the deletion itself does not work."""

    client: Client
    removal: Removal
    deleted: list[Connection] = field(default_factory=list)

    def carry_out(self) -> None:
        """Delete it. Raises `ApiError`."""
        for connection in self.removal.connections:
            with suppress(NotFound):
                self.client.delete_connection(connection.id)
            self.deleted.append(connection)
        change = self.removal.change
        KINDS[change.address.kind].delete(self.client, change.id or "")


@dataclass(slots=True)
class _Flight:
    """A task that a worker is at. `id` is known once the write has worked; tests follow then."""

    task: Task
    began: float
    id: str | None = None
    found: bool = False
    tests: bool = False
    deletion: Deletion | None = None


@dataclass(slots=True)
class Applier:
    """Carries out one plan. `ids` are those of what exists, and grow as groups are made: address → id at Fivetran.

    `remember` keeps what is now in effect; it must be durable when it returns, and may raise OSError. After that
    nothing new is started, since the next crash could not be told from a success. `namesakes` gives the ids of
    the groups that had a name before the run. `intents` are what is to be kept of each address when the request leaves
    that makes its object, `now` is the time then, and `unsettled` says which creates have to wait at this moment.
    """

    client: Client
    clock: Clock
    relay: Relay
    cancelled: threading.Event
    remember: Callable[[Address, Record | Removed], None]
    namesakes: Callable[[str], Iterable[str]]
    intents: Mapping[Address, Record]
    now: Callable[[], Instant]
    unsettled: Callable[[Address], Unsettled | None]
    workers: int = 1
    fail_fast: bool = False
    ids: dict[Address, str] = field(default_factory=dict)
    unremembered: list[Diagnostic] = field(default_factory=list)
    _flights: dict[Address, _Flight] = field(default_factory=dict)
    _written: dict[Address, _Flight] = field(default_factory=dict)
    _outcomes: dict[Address, Outcome] = field(default_factory=dict)
    _stopped_by: str = ""
    _outages: int = 0
    _grace: Grace = field(init=False)
    _trouble: Outcome | None = None

    def __post_init__(self) -> None:
        self._grace = Grace(self.clock, self.cancelled)

    def run(self, steps: Mapping[Address, Step], removals: Iterable[Removal]) -> tuple[Outcome, ...]:
        """One outcome per change that does something, in the order of the plan."""
        made, buried = makings(steps.values()), burials(removals)
        with Crew(self.workers, self._mark) as crew:
            self._carry_out(crew, made)
            self._trouble = next((each for each in self._outcomes.values() if each.went_wrong), None)
            self._carry_out(crew, buried)
        return tuple(self._outcomes[task.address] for task in (*made, *buried))

    def _carry_out(self, crew: Crew, tasks: list[Task]) -> None:
        board = Board(tasks)
        while True:
            self._start(crew, board)
            if not self._flights:
                return
            finished = crew.next(GLANCE)
            self.relay.deliver()
            if finished is not None and finished.address in self._flights:
                self._take(finished, board)
            elif self._grace.is_over:
                self._give_up(board)

    def _start(self, crew: Crew, board: Board) -> None:
        """Start what can start; what will not be tried gets its outcome."""
        while (task := board.take()) is not None:
            outcome = self._why_not(task)
            if outcome is not None:
                self._finish(outcome, board)
            elif not crew.has_room:
                board.put_back(task.address)
                return
            elif task.address in self._written:
                self._start_tests(crew, self._written.pop(task.address))
            elif (held := self._held(task)) is not None:
                self._finish(held, board)
            else:
                flight = _Flight(task, self.clock.monotonic())
                self._flights[task.address] = flight
                self.relay(ChangeStarted(task.address, task.change.action))
                crew.start(task.address, self._write(flight, crew))

    def _start_tests(self, crew: Crew, flight: _Flight) -> None:
        step = flight.task.work
        assert isinstance(step, Step)  # noqa: S101 - only what is made is tested
        flight.tests = True
        self._flights[flight.task.address] = flight
        self.relay(SetupTestsStarted(flight.task.address))
        verifying = Verifying(self.client, step, flight.id or "", self._looking)
        crew.start(flight.task.address, verifying.carry_out)

    @property
    def _looking(self) -> Looking:
        return Looking(self.clock, self.cancelled)

    def _why_not(self, task: Task) -> Outcome | None:
        """The outcome of a task that is not started, if so."""
        if task.address in self._written:
            stopping = self.cancelled.is_set() or bool(self._stopped_by)
            return self._untested(self._written.pop(task.address), None) if stopping else None
        if self.cancelled.is_set():
            return _outcome(task, Status.CANCELLED)
        if isinstance(task.work, Removal) and self._trouble is not None:
            trouble = self._trouble
            why = f"{trouble.address} {trouble.how}"
            return self._not_tried(
                task, Status.HELD, "held", f"{task.address} was not deleted, because {why}"
            )
        for parent in task.after:
            ended = self._outcomes[parent]
            if ended.status not in _STANDS:
                what = f"{task.address} was not tried, because {parent} did not come about"
                return self._not_tried(task, Status.SKIPPED, "skipped", what)
        return self._not_after(task) if self._stopped_by else None

    def _held(self, task: Task) -> Outcome | None:
        """The outcome of a create that has to wait at this moment, if it has to."""
        waits_for = self.unsettled(task.address) if task.change.action is Action.CREATE else None
        if waits_for is None:
            return None
        reason = create_held(task.change, waits_for)
        return Outcome(
            task.address,
            task.change.action,
            Status.HELD,
            diagnostics=(reason,),
            held_until=waits_for.until,
        )

    def _not_after(self, task: Task) -> Outcome:
        what = f"{task.address} was not tried after `{self._stopped_by}`"
        return self._not_tried(task, Status.SKIPPED, "skipped", what)

    def _not_tried(self, task: Task, status: Status, code: str, what: str) -> Outcome:
        reason = Diagnostic(code, what, span=task.change.span, address=task.address)
        return replace(_outcome(task, status), diagnostics=(reason,))

    def _write(self, flight: _Flight, crew: Crew) -> Callable[[], Any]:
        """The work of one verb, with everything that it needs: workers look at nothing of ours."""
        task = flight.task
        if isinstance(task.work, Removal):
            flight.deletion = Deletion(self.client, task.work)
            return flight.deletion.carry_out
        step, change = task.work, task.change
        kind = KINDS[change.address.kind]
        mark = partial(_ask_to_leave, crew, change.address)
        match change.action:
            case Action.CREATE:
                parents = [self.ids[parent] for parent in change.depends_on if parent.kind == GROUP]
                others = {*self.namesakes(step.desired.name), *self.ids.values()}
                parent = next(iter(parents), None)
                creation = Creation(self.client, step, parent, others, self._looking, self.relay.post, mark)
                return creation.carry_out
            case Action.REPLACE:
                id = self.ids[change.address]
                creation = Creation(self.client, step, id, (), self._looking, self.relay.post, mark)
                return partial(_replace, creation, id)
            case Action.UPDATE:
                return partial(kind.update, self.client, self.ids[change.address], step.values)
        return _nothing

    def _mark(self, address: Address) -> bool:
        """Write down that the request leaves now that makes an object. Whether it may: a request that nobody
        remembers must not be on its way."""
        record = self.intents[address]
        if self.cancelled.is_set() or address not in self._flights or record.intent is None:
            return False
        marked = replace(record, intent=replace(record.intent, sent=self.now()))
        return self._write_down(
            address, marked, f"{address} was not sent, since", "correct the cause and apply again"
        )

    def _take(self, finished: Finished, board: Board) -> None:
        """Remember what became of a task, and decide how it goes on."""
        flight = self._flights.pop(finished.address)
        self._count_outages(finished.error)
        if finished.error is not None and not isinstance(finished.error, ApiError | SeveralFoundError):
            raise finished.error
        if flight.tests:
            self._finish(self._tested(flight, finished), board)
        elif finished.error is not None:
            self._finish(self._failed(flight, finished.error), board)
        elif isinstance(flight.task.work, Removal):
            removed = flight.task.work.removed
            self._write_down(finished.address, removed, f"{finished.address} is deleted, but")
            self._finish(self._ended(flight, Status.DONE), board)
        else:
            self._made(flight, flight.task.work, finished.result, board)

    def _made(self, flight: _Flight, step: Step, result: Any, board: Board) -> None:
        """A write has worked. Its tests come next, where there are any."""
        address = flight.task.address
        if isinstance(result, Created):
            self.ids[address], flight.found = result.id, result.found
        flight.id = self.ids[address]
        tested = step.desired.setup_tests.run
        self._keep(step, flight.id, unverified=tested)
        self.relay(ChangeWritten(address, step.change.action, flight.id))
        if tested:
            self._written[address] = flight
            board.put_back(address)
        else:
            self._finish(self._ended(flight, Status.DONE), board)

    def _tested(self, flight: _Flight, finished: Finished) -> Outcome:
        step = flight.task.work
        assert isinstance(step, Step)  # noqa: S101 - only what is made is tested
        if isinstance(finished.error, ApiError):
            return self._untested(flight, finished.error)
        runs: tuple[Verification, ...] = finished.result
        told = findings(runs[-1], step)
        if not told:
            self._keep(step, flight.id or "", unverified=False)
        return replace(
            self._ended(flight, Status.AWAITING_APPROVAL if runs[-1].pending else Status.DONE),
            checks=runs[-1].checks,
            earlier_checks=tuple(run.checks for run in runs[:-1]),
            diagnostics=told,
        )

    def _untested(self, flight: _Flight, error: ApiError | None) -> Outcome:
        """The write stands, and the next plan shows that its tests are outstanding."""
        step = flight.task.work
        assert isinstance(step, Step)  # noqa: S101 - only what is made is tested
        cause = None if isinstance(error, Withdrawn) else error
        return replace(self._ended(flight, Status.DONE), diagnostics=(not_run(step, cause),))

    def _failed(self, flight: _Flight, error: BaseException) -> Outcome:
        work, address = flight.task.work, flight.task.address
        if isinstance(error, SeveralFoundError) and isinstance(work, Step):
            return replace(self._ended(flight, Status.UNKNOWN), diagnostics=(several_found(error.ids, work),))
        assert isinstance(error, ApiError)  # noqa: S101 - `_take` raised everything else
        if isinstance(error, Withdrawn) and self.cancelled.is_set():
            return self._ended(flight, Status.CANCELLED)
        if isinstance(error, Withdrawn) and flight.task.change.action is Action.CREATE:
            return self._not_after(flight.task)
        told = explain_deletion(error, work.change) if isinstance(work, Removal) else explain(error, work)
        if isinstance(error, Unauthorized | Forbidden):
            self._stopped_by = told.code  # S-25: every further call would end the same way
        # A read in the middle of a verb comes after its write.
        unclear = error.may_have_taken_effect or not error.is_write
        status = Status.UNKNOWN if unclear else Status.FAILED
        return replace(
            self._ended(flight, status), id=self.ids.get(address, flight.task.change.id), diagnostics=(told,)
        )

    def _ended(self, flight: _Flight, status: Status) -> Outcome:
        return replace(
            _outcome(flight.task, status),
            id=flight.id or flight.task.change.id,
            found=flight.found,
            seconds=self.clock.monotonic() - flight.began,
            deleted_first=tuple(flight.deletion.deleted) if flight.deletion is not None else (),
        )

    def _finish(self, outcome: Outcome, board: Board) -> None:
        self._outcomes[outcome.address] = outcome
        if outcome.went_wrong and outcome.status not in _UNTRIED:
            if self.fail_fast and not self._stopped_by:
                self._stopped_by = outcome.diagnostics[0].code if outcome.diagnostics else outcome.status
            if outcome.action is Action.DELETE:
                self._trouble = self._trouble or outcome
        self.relay(ChangeFinished(outcome))
        board.done(outcome.address)

    def _count_outages(self, error: BaseException | None) -> None:
        """S-15: one object that fails starves nobody, and a Fivetran that is away is not asked a thousand times."""
        if isinstance(error, Withdrawn):
            return
        self._outages = self._outages + 1 if isinstance(error, ApiError) and is_outage(error) else 0
        if self._outages >= OUTAGES and not self._stopped_by:
            self._stopped_by = "outage"

    def _give_up(self, board: Board) -> None:
        """Leave what is in flight to itself. Its intent is remembered, so the next plan looks for it."""
        for flight in list(self._flights.values()):
            outcome = (
                self._untested(flight, None)
                if flight.tests
                else replace(self._ended(flight, Status.UNKNOWN), diagnostics=(given_up(flight.task.change),))
            )
            del self._flights[flight.task.address]
            self._finish(outcome, board)

    def _keep(self, step: Step, id: str, *, unverified: bool) -> None:
        """Remember what is in effect. A memory that fails must not make a written object look unwritten."""
        address = step.change.address
        record = Record(
            id=id,
            applied=step.applied,
            fingerprints=step.fingerprints,
            protected=step.protected,
            unverified=unverified,
            applied_at=self.clock.now().isoformat(timespec="seconds"),
            earlier=self.intents[address].earlier if address in self.intents else (),
        )
        self._write_down(address, record, f"{address} is written (id `{id}`), but")

    def _write_down(
        self,
        address: Address,
        entry: Record | Removed,
        what: str,
        advice: str = "correct the cause and apply again: it is found by its id or name",
    ) -> bool:
        """Whether it is remembered. Where it is not, nothing new is started."""
        try:
            self.remember(address, entry)
        except OSError as error:
            self._stopped_by = self._stopped_by or "not-remembered"
            self.unremembered.append(
                Diagnostic(
                    "not-remembered",
                    f"{what} that could not be remembered: {error.strerror or error}",
                    address=address,
                    help=advice,
                )
            )
            return False
        return True


_STANDS = frozenset({Status.DONE, Status.AWAITING_APPROVAL})
_UNTRIED = frozenset({Status.SKIPPED, Status.HELD, Status.CANCELLED})


def _nothing() -> None:
    """What is only tested needs no write."""


def _outcome(task: Task, status: Status) -> Outcome:
    change = task.change
    return Outcome(task.address, change.action, status, id=change.id, live=change.live)


def _replace(creation: Creation, id: str) -> Created:
    """Delete and make again in the same place."""
    KINDS[creation.step.change.address.kind].delete(creation.client, id)
    return creation.carry_out()


def _ask_to_leave(crew: Crew, address: Address) -> None:
    """Return once it is written down that a request leaves now. Raises `Withdrawn` where it must not leave."""
    if not crew.ask(address):
        raise Withdrawn(Exchange("POST", f"/{address.kind}s", message="nothing new leaves any more"))
