"""A project against an emulated account where things go wrong, and what must hold all the same.

Everything runs in this process and on a clock that only moves where somebody waits; specs, memory, transport, courier
and engine are the real ones. `Run` is what one apply came to; `judge` holds the oracles of safety.md against it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from canaries import watch
from reconciliation import PatientClock
from requests.adapters import BaseAdapter
from werkzeug.test import Client as Caller

from reconciler.api.client import Client
from reconciler.api.courier import Courier
from reconciler.api.inprocess import WsgiAdapter
from reconciler.api.transport import Answer, Deadlines, Request, Transport
from reconciler.cli.exit import Exit, exit_after, exit_for
from reconciler.emulator.app import Emulator, create_app
from reconciler.emulator.behaviour import AS_DOCUMENTED, Behaviour
from reconciler.emulator.history import Effect, Exchange
from reconciler.engine.relay import Relay
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import Event
from reconciler.model.holder import Holder
from reconciler.model.outcome import Applied, Outcome, Status
from reconciler.model.plan import Action, Change
from reconciler.model.record import State
from reconciler.model.value import FieldPath, Secret
from reconciler.operations.apply import adopt_only, apply_plan
from reconciler.operations.baseline import load_baseline, merge_specs
from reconciler.operations.memory import Memory
from reconciler.operations.plan import Planned, make_plan
from reconciler.operations.settings import Settings
from reconciler.operations.specs import Specs, load_declared
from reconciler.operations.workspace import Workspace
from reconciler.report.apply_json import applied_data
from reconciler.report.apply_text import summary
from reconciler.report.diagnostics import as_data
from reconciler.report.plan_json import plan_data
from reconciler.secrets.base import Registry
from reconciler.secrets.env import Environment
from reconciler.state.file import StateFile

DEADLINES = Deadlines()
LARGEST_ANSWER = 256 * 1024
"""Bytes. Small, so that a bomb of a MiB is one."""

ENDED = frozenset({Status.DONE, Status.AWAITING_APPROVAL})
UNTRIED = frozenset({Status.SKIPPED, Status.HELD, Status.CANCELLED})


class CommonClock(PatientClock):
    """A clock for many threads: those who wait at the same time wait together."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        self._pass(self.seconds + seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if not event.is_set():
            self._pass(self.seconds + seconds)
        return event.is_set()

    def jump(self, seconds: float) -> None:
        """What the real world does to clocks, backwards too."""
        with self._lock:
            self.seconds += seconds

    def _pass(self, until: float) -> None:
        with self._lock:
            self.seconds = max(self.seconds, until)


class Dead(BaseException):
    """The process was killed: nothing of ours runs any more."""


class Line(BaseAdapter):
    """The network to an emulator: with deadlines on the clock, and with a process that can die at it.

    `dies_at` is the number of the request, from 1 and among those whose method `counts`, that is the last one: it never
    arrives, or it is carried out and nobody is there for its answer. At the request `jump_at` the computer was asleep
    for `jump` seconds. `idle` waits for the requests of a dead process that are still on their way.
    """

    def __init__(
        self,
        app: Emulator,
        clock: CommonClock,
        *,
        dies_at: int = 0,
        arrives: bool = True,
        counts: Collection[str] = ("GET", "POST", "PATCH", "DELETE"),
        jump_at: int = 0,
        jump: float = 0.0,
    ) -> None:
        super().__init__()
        self._jump = (jump_at, jump)
        self._inner = WsgiAdapter(app)
        self._clock = clock
        self._dies_at = dies_at
        self._arrives = arrives
        self._counts = counts
        self._counted = 0
        self._sent = 0
        self._under_way = 0
        self._lock = threading.Condition()

    def send(  # noqa: PLR0917 - the signature is that of requests
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        with self._lock:
            self._sent += 1
            if self._sent == self._jump[0]:
                self._clock.jump(self._jump[1])
            if self._is_dead:
                raise Dead
            self._counted += request.method in self._counts
            if self._is_dead and not self._arrives:
                raise Dead
            self._under_way += 1
        try:
            response = self._answered(request, timeout)
        finally:
            with self._lock:
                self._under_way -= 1
                self._lock.notify_all()
        if self._is_dead:
            raise Dead
        return response

    @property
    def _is_dead(self) -> bool:
        return 0 < self._dies_at <= self._counted

    def _answered(self, request: requests.PreparedRequest, timeout: Any) -> requests.Response:
        """An answer that comes behind the deadline of the call as a whole comes to nobody."""
        began, longest = self._clock.seconds, _longest(timeout[1])
        try:
            response = self._inner.send(request, timeout=timeout)
        except requests.ConnectionError:
            self._check(began, longest)
            raise
        if not _is_whole(response):
            self._check(began, longest)
        return response

    def _check(self, began: float, longest: float) -> None:
        if self._clock.seconds - began > longest:
            self._clock.seconds = began + longest
            raise requests.ReadTimeout("too late") from TimeoutError("too late")

    def idle(self) -> None:
        """Wait until nothing is on its way."""
        with self._lock:
            assert self._lock.wait_for(lambda: self._under_way == 0, timeout=20)

    def close(self) -> None:
        """There is nothing to close."""


def _longest(read: float) -> float:
    return DEADLINES.total if read == DEADLINES.read else DEADLINES.setup_tests


def _is_whole(response: requests.Response) -> bool:
    body = response.raw._fp.getvalue()  # what WsgiAdapter has in hand; reading it would use it up
    return len(body) >= int(response.headers.get("Content-Length", 0))


@dataclass(frozen=True)
class Called:
    """One call of the client, with all its attempts."""

    method: str
    path: str
    attempts: int
    seconds: float


@dataclass
class Watched:
    """A sender that measures what goes through it. Attempts are only right where one thread sends."""

    courier: Courier
    clock: PatientClock
    calls: list[Called] = field(default_factory=list)

    def send(self, request: Request) -> Answer:
        sent, began = self.courier.requests_sent, self.clock.monotonic()
        try:
            return self.courier.send(request)
        finally:
            attempts = self.courier.requests_sent - sent
            seconds = self.clock.monotonic() - began
            self.calls.append(Called(request.method, request.path, attempts, seconds))


@dataclass(frozen=True)
class Run:
    """What one apply came to. `refused` is why it ended before a plan was carried out, `killed` that it ended in the
    middle; `exchanges` are the requests that arrived, of this run alone."""

    planned: Planned | None = None
    applied: Applied | None = None
    refused: tuple[Diagnostic, ...] = ()
    killed: bool = False
    exchanges: tuple[Exchange, ...] = ()
    calls: tuple[Called, ...] = ()
    seconds: float = 0.0
    events: tuple[Event, ...] = ()

    @property
    def exit(self) -> Exit:
        """What the command line says to the shell, by the function that it uses."""
        if self.applied is not None:
            return exit_after(self.applied)
        return exit_for(self.refused) if self.refused else Exit.OK

    @property
    def waits(self) -> bool:
        """Whether a create had to wait for an earlier request."""
        return self.applied is not None and any(each.held_until for each in self.applied.outcomes)

    @property
    def writes(self) -> list[Exchange]:
        return [each for each in self.exchanges if each.mutating]

    @property
    def effects(self) -> list[Effect]:
        return [effect for each in self.exchanges for effect in each.effects]

    @property
    def statuses(self) -> dict[str, Status]:
        outcomes = self.applied.outcomes if self.applied else ()
        return {str(outcome.address): outcome.status for outcome in outcomes}


class Account:
    """An emulated account on a clock of its own."""

    def __init__(self) -> None:
        self.clock = CommonClock()
        self.app = create_app(clock=self.clock.now, wait=self.clock.sleep)
        self._last = 0

    def renew(self, seed: Mapping[str, Any] | None = None, behaviour: Behaviour = AS_DOCUMENTED) -> None:
        """As new, or as a seed has it, at the beginning of time, and without faults."""
        assert Caller(self.app).post("/_emulator/reset", json=seed).status_code == 200
        self.app.behaviour = behaviour
        self.clock.seconds = 0.0
        self._last = 0
        for group in (seed or {}).get("groups", ())[:1]:
            # The last write before a test is none that a stale read could undo.
            self.app.dashboard.rename_group(group["id"], group["name"])

    def mark(self) -> int:
        """The number of the latest request."""
        new = self.app.history(self._last)
        self._last = new[-1].sequence if new else self._last
        return self._last

    @property
    def contents(self) -> dict[str, Any]:
        """Groups by id with everything in them, secrets in clear."""
        found: dict[str, Any] = self.app.written_down(show_secrets=True)
        return {group["id"]: group for group in found.get("groups", ())}


class Project:
    """A folder with specs and a memory, in which the command would be run."""

    def __init__(self, folder: Path, account: Account) -> None:
        self.folder = folder
        self.account = account
        self.secrets: dict[str, str] = {}
        self.workers = 1
        self.fail_fast = False
        self.changed_since: str | None = None
        self.recreate: tuple[str, ...] = ()
        self.file = StateFile(folder / "state" / "state.json", "state.json")
        self._specs: Specs | None = None
        folder.mkdir(parents=True, exist_ok=True)
        watch().folder(folder)
        self._write("reconciler.yaml", json.dumps({"version": 1, "specs": ["main.yaml"]}))

    def declare(self, groups: Mapping[str, Any], **more: Any) -> None:
        """Specs with these group entries. JSON is YAML too."""
        content = {"version": 1, "groups": groups, **more}
        self._write("main.yaml", json.dumps(content, ensure_ascii=False))
        self._specs = None

    @property
    def memory(self) -> State | None:
        """O8: what is remembered; it can be read at any time."""
        return self.file.read()

    def forget(self) -> None:
        """Lose the memory, and the key of the fingerprints with it."""
        for each in (self.folder / "state").glob("*"):
            each.unlink()

    def kept(self) -> dict[str, bytes]:
        """All files of the memory."""
        return {each.name: each.read_bytes() for each in (self.folder / "state").glob("*")}

    def put_back(self, kept: Mapping[str, bytes]) -> None:
        """Have exactly these files of the memory."""
        self.forget()
        (self.folder / "state").mkdir(exist_ok=True)
        for name, content in kept.items():
            (self.folder / "state" / name).write_bytes(content)

    def plan(self) -> Planned:
        """A plan, which writes nothing, neither here nor there. Raises `ReconcilerError`."""
        before, kept = self.account.mark(), self.kept()
        try:
            with self._open(Line(self.account.app, self.account.clock), []) as workspace:
                return make_plan(workspace)
        finally:
            assert {each.method for each in self.account.app.history(before)} <= {"GET"}
            assert self.kept() == kept

    def apply(self, line: Line | None = None) -> Run:
        """Plan and apply as the command does, up to the end or to the death of the process."""
        before, began = self.account.mark(), self.account.clock.seconds
        line = line or Line(self.account.app, self.account.clock)
        events: list[Event] = []
        planned: Planned | None = None
        applied: Applied | None = None
        refused: tuple[Diagnostic, ...] = ()
        killed = False
        with self._open(line, events) as workspace:
            try:
                workspace.memory.prepare()
                planned = make_plan(workspace)
                if planned.plan.blockers:
                    refused = planned.plan.blockers
                elif planned.plan.effective:
                    applied = apply_plan(workspace, planned)
                else:
                    adopt_only(workspace, planned)
            except ReconcilerError as error:
                refused = error.diagnostics
            except Dead:
                killed = True
                line.idle()
                _close_files(workspace.memory)
        run = Run(
            planned=planned,
            applied=applied,
            refused=tuple(refused),
            killed=killed,
            exchanges=tuple(self.account.app.history(before)),
            calls=tuple(workspace.client._sender.calls),  # type: ignore[attr-defined]
            seconds=self.account.clock.seconds - began,
            events=tuple(events),
        )
        _told(run)
        return run

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")
        watch().wrote(self.folder / name, text)

    @contextmanager
    def _open(self, line: Line, events: list[Event]) -> Iterator[Workspace]:
        clock = self.account.clock
        for name, value in self.secrets.items():
            watch().secret(name, value)
        settings = Settings(
            project=self.folder / "reconciler.yaml",
            directory=self.folder,
            environ={},
            clock=clock,
            entropy=lambda count: bytes(range(count)),
            holder=Holder(1, "host", "user", "", "test"),
            allowed={"changed_fraction": 1.0, "deletes": 100, "replacements": 100},
            parallelism=self.workers,
            fail_fast=self.fail_fast,
            changed_since=self.changed_since,
            recreate=self.recreate,
        )
        self._specs = self._specs or load_declared(settings)
        baseline = load_baseline(settings, self._specs)
        with Transport(
            "https://in-process.invalid/v1",
            (Secret("key-of-the-api"), Secret("secret-of-the-api")),
            clock=clock,
            environ={},
            adapter=line,
            deadlines=DEADLINES,
            largest_answer=LARGEST_ANSWER,
        ) as transport:
            cancelled, relay = threading.Event(), Relay(events.append)
            courier = Courier(transport, clock, cancelled=cancelled, told=relay.post)
            yield Workspace(
                settings=settings,
                specs=merge_specs(self._specs, baseline),
                courier=courier,
                client=Client(Watched(courier, clock)),
                registry=Registry({"env": Environment(self.secrets)}),
                memory=Memory(self.file, settings.entropy),
                relay=relay,
                listener=relay,
                cancelled=cancelled,
                baseline=baseline,
            )


def _close_files(memory: Memory) -> None:
    """What the kernel does for the dead."""
    session = memory._session
    if session is not None:
        session.release()


def _told(run: Run) -> None:
    """All that a run shows to people and machines is looked through for secrets when the test is over."""
    told: list[Any] = [as_data(run.refused)]
    if run.planned is not None:
        told.append(plan_data(run.planned.plan))
    if run.applied is not None:
        told += [applied_data(run.applied), summary(run.applied).plain]
    watch().artefact("what a run told", json.dumps([*told, repr(run.events)], default=str))


def judge(run: Run, *, liars: Collection[str] = ()) -> None:
    """O2, O3, O4 and O7 for one run. `liars` are texts of faults that answer a refusal to what they carried out."""
    if run.planned is None or run.killed or run.applied is None:
        assert run.killed or not run.writes, "O2: nothing is sent without a plan"
    check_writes(run)
    check_order(run)
    if run.applied is not None:
        check_outcomes(run, liars)


def check_writes(run: Run) -> None:
    """O2 and O3: every write is one that the plan has, with exactly what the plan sends."""
    changes = {change.address: change for change in run.planned.plan.effective} if run.planned else {}
    for write in run.writes:
        assert any(_is_of(write, change, run) for change in changes.values()), f"not planned: {write}"


def _is_of(write: Exchange, change: Change, run: Run) -> bool:
    assert run.planned is not None
    address, made = change.address, _ids_of_groups(run)
    id = change.id or made.get(address.key)
    path = f"/v1/{address.kind}s/{id}"
    match change.action:
        case Action.DELETE:
            return (write.method, write.path) == ("DELETE", path) or _is_own_connection(write, change, run)
        case Action.REPLACE if (write.method, write.path) == ("DELETE", path):
            return True
        case Action.CREATE | Action.REPLACE if (write.method, write.path) == ("POST", f"/v1/{address.kind}s"):
            values = _sent(run, address)
            if address.kind == GROUP:
                return bool(write.body == {"name": values["name",]})
            known = {path: value for path, value in values.items() if value is not None}
            return write.body["group_id"] in _possible(run, address.key) and _leaves(write.body) == known
        case Action.UPDATE if (write.method, write.path) == ("PATCH", path):
            return _leaves(write.body) == _sent(run, address)
    is_test = (write.method, write.path) == ("POST", f"/v1/{DESTINATION}s/{id}/test")
    return is_test and address.kind == DESTINATION


def _is_own_connection(write: Exchange, change: Change, run: Run) -> bool:
    assert run.planned is not None
    own = [
        each.id
        for removal in run.planned.removals
        if removal.change is change
        for each in removal.connections
    ]
    return write.method == "DELETE" and write.path in {f"/v1/connections/{id}" for id in own}


def _ids_of_groups(run: Run) -> dict[str, str]:
    """Key → id of its group, as this run knows or has made it."""
    assert run.planned is not None
    known = {change.address.key: change.id for change in run.planned.plan.changes if change.id}
    names = {
        step.desired.name: address.key for address, step in run.planned.steps.items() if address.kind == GROUP
    }
    for each in run.exchanges:
        for effect in each.effects:
            if (effect.verb, effect.kind) == ("created", GROUP):
                known[names[each.body["name"]]] = effect.id
    return known


def _possible(run: Run, key: str) -> set[str]:
    """Ids that Fivetran has told for the group of a key, be it by a slip."""
    told = (
        {outcome.id for outcome in run.applied.outcomes if outcome.address.key == key}
        if run.applied
        else set()
    )
    return {id for id in (*told, _ids_of_groups(run).get(key)) if id is not None}


def _sent(run: Run, address: Address) -> dict[FieldPath, Any]:
    assert run.planned is not None
    values = run.planned.steps[address].values
    return {path: value.reveal() if isinstance(value, Secret) else value for path, value in values.items()}


def _leaves(body: Mapping[str, Any]) -> dict[FieldPath, Any]:
    """What a body says of a destination, without the circumstances of the call."""
    circumstances = {"group_id", "run_setup_tests", "trust_certificates", "trust_fingerprints", "config"}
    top: dict[FieldPath, Any] = {(key,): value for key, value in body.items() if key not in circumstances}
    return top | {("config", key): value for key, value in body.get("config", {}).items()}


def check_order(run: Run) -> None:
    """O4: a group is made before its destination, and deleted behind it; deletions come last."""
    made: list[str] = []
    effects = run.effects
    deleted = [number for number, effect in enumerate(effects) if effect.verb == "deleted"]
    for number, effect in enumerate(effects):
        if effect.verb == "created":
            if effect.kind == DESTINATION and effect.id not in made:
                assert effect.id in {change.id for change in run.planned.plan.changes}  # type: ignore[union-attr]
            made.append(effect.id)
        if effect.verb == "tested":
            assert effect.kind == DESTINATION
        if effect.verb in {"created", "updated", "renamed", "tested"} and deleted:
            replaced = effect.kind == DESTINATION and any(
                (each.verb, each.id) == ("deleted", effect.id) for each in effects[:number]
            )
            assert number < deleted[0] or replaced, "deletions come last"
    gone = [(effect.kind, effect.id) for effect in effects if effect.verb == "deleted"]
    for kind, id in gone:
        if kind == GROUP and (DESTINATION, id) in gone:
            assert gone.index((DESTINATION, id)) < gone.index((GROUP, id))


def check_outcomes(run: Run, liars: Collection[str] = ()) -> None:
    """O7: one outcome per effective change in plan order; each says what the history says; so does the exit code."""
    assert run.planned is not None
    assert run.applied is not None
    outcomes = run.applied.outcomes
    assert [outcome.address for outcome in outcomes] == [
        change.address for change in run.planned.plan.effective
    ]
    assert [outcome.action for outcome in outcomes] == [
        change.action for change in run.planned.plan.effective
    ]
    for outcome in outcomes:
        _check_outcome(run, outcome, liars)
    made = [outcome for outcome in outcomes if outcome.action is not Action.DELETE]
    if any(outcome.went_wrong for outcome in made):
        held = {outcome.status for outcome in outcomes if outcome.action is Action.DELETE}
        assert held <= UNTRIED, "O3: deletions are held back"
        assert not [each for each in run.effects if each.verb == "deleted" and not _is_replaced(run, each)]
    if run.exit is Exit.OK:
        assert {outcome.status for outcome in outcomes} <= {Status.DONE}
        assert not any(outcome.failed_tests for outcome in outcomes)
        assert run.applied.remaining == ()
    if any(outcome.status not in ENDED or outcome.failed_tests for outcome in outcomes):
        assert run.exit is Exit.INCOMPLETE


def _is_replaced(run: Run, effect: Effect) -> bool:
    assert run.planned is not None
    replaced = {each.id for each in run.planned.plan.effective if each.action is Action.REPLACE}
    return effect.kind == DESTINATION and effect.id in replaced


_VERBS = {
    (Action.CREATE, GROUP): "created",
    (Action.CREATE, DESTINATION): "created",
    (Action.UPDATE, GROUP): "renamed",
    (Action.UPDATE, DESTINATION): "updated",
    (Action.REPLACE, DESTINATION): "created",
    (Action.DELETE, GROUP): "deleted",
    (Action.DELETE, DESTINATION): "deleted",
    (Action.VERIFY, DESTINATION): "tested",
}


def _check_outcome(run: Run, outcome: Outcome, liars: Collection[str]) -> None:
    assert run.applied is not None
    assert run.planned is not None
    address = outcome.address
    change = next(each for each in run.planned.plan.effective if each.address == address)
    id = change.id or _ids_of_groups(run).get(address.key)
    verb = _VERBS[outcome.action, address.kind]
    done = [
        effect for effect in run.effects if (effect.verb, effect.kind, effect.id) == (verb, address.kind, id)
    ]
    lied = any(
        each.fault in liars and any((effect.verb, effect.id) == (verb, id) for effect in each.effects)
        for each in run.exchanges
    )
    about = f"{outcome.address} {outcome.action} {outcome.status}"
    if outcome.status in ENDED and outcome.action is Action.DELETE:
        told_gone = any(
            each.method == "DELETE" and each.path == f"/v1/{address.kind}s/{id}" and each.status == 404
            for each in run.exchanges
        )
        assert done or told_gone, about
    elif outcome.status in ENDED and outcome.action is not Action.VERIFY:
        assert done, about
    elif outcome.status is Status.FAILED:
        assert not done or lied, about
    elif outcome.status in UNTRIED:
        assert not done, about
        assert not [each for each in run.writes if each.path.startswith(f"/v1/{address.kind}s/{id}")], about
    if outcome.action is Action.CREATE and outcome.status in ENDED and not liars:
        assert len(done) == 1, f"O1: {about}"
