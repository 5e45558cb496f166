"""Run a project against an emulated account with faults, and check the invariants.

Everything runs in this process and on a clock that only moves when a caller waits; specs, state, transport, retries and
planning are the real ones. `ApplyRun` is the result of one apply; `check_run` holds it against the invariants of
`tests/README.md`.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from fake_clock import FakeClock
from requests.adapters import BaseAdapter
from secret_leak_detector import get_detector
from werkzeug.test import Client as Caller

from reconciler.api.client import Client
from reconciler.api.retrying import RetryingSender
from reconciler.api.transport import Request, Response, Transport
from reconciler.api.wsgi_adapter import WsgiAdapter
from reconciler.applying.pipeline import adopt_only, apply_plan
from reconciler.cli.exit import ExitCode, get_apply_exit_code, get_exit_code
from reconciler.emulator.app import Emulator, create_app
from reconciler.emulator.history import Effect, HistoryEntry
from reconciler.emulator.switches import AS_DOCUMENTED, Behaviour
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import Event
from reconciler.model.lock_info import LockInfo
from reconciler.model.outcome import ApplyResult, Outcome, Status
from reconciler.model.plan import Action, Change
from reconciler.model.record import State
from reconciler.model.value import FieldPath, Secret
from reconciler.planning.pipeline import PlanResult, make_plan
from reconciler.report.apply import render_summary, serialize_apply_result
from reconciler.report.diagnostics import serialize_diagnostics
from reconciler.report.plan_json import serialize_plan
from reconciler.runtime.events import EventQueue
from reconciler.runtime.http import get_current_deadline
from reconciler.secrets.base import Registry
from reconciler.secrets.env import Environment
from reconciler.state.file import StateFile
from reconciler.workspace.baseline import load_baseline, merge_specs
from reconciler.workspace.project_state import ProjectState
from reconciler.workspace.settings import Settings
from reconciler.workspace.specs import Specs, load_specs
from reconciler.workspace.workspace import Workspace

MAX_RESPONSE_BYTES = 256 * 1024
"""Bytes. Small, so that a compressed body of a MiB exceeds it."""

ENDED_STATUSES = frozenset({Status.DONE, Status.AWAITING_APPROVAL})
UNTRIED_STATUSES = frozenset({Status.SKIPPED, Status.HELD, Status.CANCELLED})


class ProcessKilled(BaseException):
    """Death of the process, after which no code of the product runs."""


class FaultyConnection(BaseAdapter):
    """Network to an emulator, with deadlines on the clock and a process that can die at a request.

    `dies_at` is the number of the last request, from 1 and among requests whose method `counts`: it never arrives, or
    (if it `arrives`) takes effect without an answer. At the request `jump_at` the computer was asleep for `jump`
    seconds. `wait_until_idle` waits for the requests of a dead process that are still on their way.
    """

    def __init__(
        self,
        app: Emulator,
        clock: FakeClock,
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
        self._in_flight = 0
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
                self._clock.advance(self._jump[1])
            if self._is_dead:
                raise ProcessKilled
            self._counted += request.method in self._counts
            if self._is_dead and not self._arrives:
                raise ProcessKilled
            self._in_flight += 1
        try:
            response = self._send_with_timeout(request, timeout)
        finally:
            with self._lock:
                self._in_flight -= 1
                self._lock.notify_all()
        if self._is_dead:
            raise ProcessKilled
        return response

    @property
    def _is_dead(self) -> bool:
        return 0 < self._dies_at <= self._counted

    def _send_with_timeout(self, request: requests.PreparedRequest, timeout: Any) -> requests.Response:
        """Send a request. An answer behind the deadline of the call is lost."""
        began = self._clock.seconds
        time_limit = get_current_deadline().ends_at - began
        try:
            response = self._inner.send(request, timeout=timeout)
        except requests.ConnectionError:
            self._check_timeout(began, time_limit)
            raise
        if not _is_complete(response):
            self._check_timeout(began, time_limit)
        return response

    def _check_timeout(self, began: float, time_limit: float) -> None:
        if self._clock.seconds - began > time_limit:
            self._clock.seconds = began + time_limit
            raise requests.ReadTimeout("too late") from TimeoutError("too late")

    def wait_until_idle(self) -> None:
        """Wait until no request is on its way."""
        with self._lock:
            assert self._lock.wait_for(lambda: self._in_flight == 0, timeout=20)

    def close(self) -> None:
        """Do nothing: there is no connection to close."""


def _is_complete(response: requests.Response) -> bool:
    body = response.raw._fp.getvalue()  # held by WsgiAdapter; a read of the answer would use it up
    return len(body) >= int(response.headers.get("Content-Length", 0))


@dataclass(frozen=True)
class ClientCall:
    """Call of the client, with all its attempts."""

    method: str
    path: str
    attempts: int
    seconds: float


@dataclass
class MeasuringSender:
    """Sender that measures calls. The number of attempts is only right if one thread sends."""

    sender: RetryingSender
    clock: FakeClock
    calls: list[ClientCall] = field(default_factory=list)

    def send(self, request: Request) -> Response:
        sent, began = self.sender.requests_sent, self.clock.monotonic()
        try:
            return self.sender.send(request)
        finally:
            attempts = self.sender.requests_sent - sent
            seconds = self.clock.monotonic() - began
            self.calls.append(ClientCall(request.method, request.path, attempts, seconds))


@dataclass(frozen=True)
class ApplyRun:
    """Result of one apply. `refused` is the reason of an end before the first change, `killed` means an end in the
    middle; `exchanges` are the arrived requests of this run alone."""

    planned: PlanResult | None = None
    applied: ApplyResult | None = None
    refused: tuple[Diagnostic, ...] = ()
    killed: bool = False
    exchanges: tuple[HistoryEntry, ...] = ()
    calls: tuple[ClientCall, ...] = ()
    seconds: float = 0.0
    events: tuple[Event, ...] = ()

    @property
    def exit(self) -> ExitCode:
        """Return the exit code, by the function that the command line uses."""
        if self.applied is not None:
            return get_apply_exit_code(self.applied)
        return get_exit_code(self.refused) if self.refused else ExitCode.OK

    @property
    def has_held(self) -> bool:
        """Return whether a create was held for an earlier request."""
        return self.applied is not None and any(outcome.held_until for outcome in self.applied.outcomes)

    @property
    def writes(self) -> list[HistoryEntry]:
        return [entry for entry in self.exchanges if entry.is_mutating]

    @property
    def effects(self) -> list[Effect]:
        return [effect for entry in self.exchanges for effect in entry.effects]

    @property
    def statuses(self) -> dict[str, Status]:
        outcomes = self.applied.outcomes if self.applied else ()
        return {str(outcome.address): outcome.status for outcome in outcomes}


class FaultyAccount:
    """Emulated account with a separate clock."""

    def __init__(self) -> None:
        self.clock = FakeClock(max_waits=math.inf)
        self.app = create_app(clock=self.clock.now, wait=self.clock.sleep)
        self._last_sequence = 0

    def reset(self, seed: Mapping[str, Any] | None = None, behaviour: Behaviour = AS_DOCUMENTED) -> None:
        """Reset the account to new or to a seed, to the beginning of time, and without faults."""
        assert Caller(self.app).post("/_emulator/reset", json=seed).status_code == 200
        self.app.behaviour = behaviour
        self.clock.seconds = 0.0
        self._last_sequence = 0
        for group in (seed or {}).get("groups", ())[:1]:
            # A stale read must not undo the last write before a test.
            self.app.dashboard.rename_group(group["id"], group["name"])

    def read_last_sequence(self) -> int:
        """Return the sequence number of the latest request."""
        entries = self.app.read_history(self._last_sequence)
        self._last_sequence = entries[-1].sequence if entries else self._last_sequence
        return self._last_sequence

    @property
    def contents(self) -> dict[str, Any]:
        """Return groups by id with all their objects, secrets in clear."""
        content: dict[str, Any] = self.app.dump(show_secrets=True)
        return {group["id"]: group for group in content.get("groups", ())}


class FaultyProject:
    """Project folder with specs and a state."""

    def __init__(self, folder: Path, account: FaultyAccount) -> None:
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
        get_detector().add_folder(folder)
        self._write("reconciler.yaml", json.dumps({"version": 1, "specs": ["main.yaml"]}))

    def declare(self, groups: Mapping[str, Any], **more: Any) -> None:
        """Write specs with these group entries. JSON is YAML too."""
        content = {"version": 1, "groups": groups, **more}
        self._write("main.yaml", json.dumps(content, ensure_ascii=False))
        self._specs = None

    @property
    def state(self) -> State | None:
        """Read the state, which must be readable at any time (O8)."""
        return self.file.read()

    def lose_state(self) -> None:
        """Delete the state, and the key of the fingerprints with it."""
        for file in (self.folder / "state").glob("*"):
            file.unlink()

    def read_state_files(self) -> dict[str, bytes]:
        """Read all files of the state."""
        return {file.name: file.read_bytes() for file in (self.folder / "state").glob("*")}

    def restore_state_files(self, state_files: Mapping[str, bytes]) -> None:
        """Restore exactly these files of the state."""
        self.lose_state()
        (self.folder / "state").mkdir(exist_ok=True)
        for name, content in state_files.items():
            (self.folder / "state" / name).write_bytes(content)

    def plan(self) -> PlanResult:
        """Make a plan, which writes neither files nor objects. Raises `ReconcilerError`."""
        before, state_files = self.account.read_last_sequence(), self.read_state_files()
        try:
            with self._open(FaultyConnection(self.account.app, self.account.clock), []) as workspace:
                return make_plan(workspace)
        finally:
            assert {entry.method for entry in self.account.app.read_history(before)} <= {"GET"}
            assert self.read_state_files() == state_files

    def apply(self, connection: FaultyConnection | None = None) -> ApplyRun:
        """Plan and apply as the command does, until the end or the death of the process."""
        before, began = self.account.read_last_sequence(), self.account.clock.seconds
        connection = connection or FaultyConnection(self.account.app, self.account.clock)
        events: list[Event] = []
        planned: PlanResult | None = None
        applied: ApplyResult | None = None
        refused: tuple[Diagnostic, ...] = ()
        killed = False
        with self._open(connection, events) as workspace:
            try:
                workspace.state.ensure_key()
                planned = make_plan(workspace)
                if planned.plan.blockers:
                    refused = planned.plan.blockers
                elif planned.plan.effective:
                    applied = apply_plan(workspace, planned)
                else:
                    adopt_only(workspace, planned)
            except ReconcilerError as error:
                refused = error.diagnostics
            except ProcessKilled:
                killed = True
                connection.wait_until_idle()
                _close_files(workspace.state)
        run = ApplyRun(
            planned=planned,
            applied=applied,
            refused=tuple(refused),
            killed=killed,
            exchanges=tuple(self.account.app.read_history(before)),
            calls=tuple(workspace.client._sender.calls),  # type: ignore[attr-defined]
            seconds=self.account.clock.seconds - began,
            events=tuple(events),
        )
        _record_artefacts(run)
        return run

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")
        get_detector().add_written_file(self.folder / name, text)

    @contextmanager
    def _open(self, connection: FaultyConnection, events: list[Event]) -> Iterator[Workspace]:
        clock = self.account.clock
        for name, value in self.secrets.items():
            get_detector().add_secret(name, value)
        settings = Settings(
            project=self.folder / "reconciler.yaml",
            directory=self.folder,
            environ={},
            clock=clock,
            entropy=lambda count: bytes(range(count)),
            holder=LockInfo(1, "host", "user", "", "test"),
            allowed={"changed_fraction": 1.0, "deletes": 100, "replacements": 100},
            parallelism=self.workers,
            fail_fast=self.fail_fast,
            changed_since=self.changed_since,
            recreate=self.recreate,
        )
        self._specs = self._specs or load_specs(settings)
        baseline = load_baseline(settings, self._specs)
        with Transport(
            "https://in-process.invalid/v1",
            (Secret("key-of-the-api"), Secret("secret-of-the-api")),
            clock=clock,
            environ={},
            adapter=connection,
            max_response_bytes=MAX_RESPONSE_BYTES,
        ) as transport:
            cancelled, relay = threading.Event(), EventQueue(events.append)
            sender = RetryingSender(transport, clock, cancelled=cancelled, listener=relay.put)
            yield Workspace(
                settings=settings,
                specs=merge_specs(self._specs, baseline),
                sender=sender,
                client=Client(MeasuringSender(sender, clock)),
                registry=Registry({"env": Environment(self.secrets)}),
                state=ProjectState(self.file, settings.entropy),
                events=relay,
                listener=relay,
                cancelled=cancelled,
                baseline=baseline,
            )


def _close_files(project_state: ProjectState) -> None:
    """Close the files of the state, as the kernel does for a dead process."""
    session = project_state._session
    if session is not None:
        session.release()


def _record_artefacts(run: ApplyRun) -> None:
    """Record all output of a run, which is searched for secrets when the test is over."""
    documents: list[Any] = [serialize_diagnostics(run.refused)]
    if run.planned is not None:
        documents.append(serialize_plan(run.planned.plan))
    if run.applied is not None:
        documents += [serialize_apply_result(run.applied), render_summary(run.applied).plain]
    get_detector().add_artefact("output of a run", json.dumps([*documents, repr(run.events)], default=str))


def check_run(run: ApplyRun, *, false_refusals: Collection[str] = ()) -> None:
    """Check O2, O3, O4 and O7 for one run.

    `false_refusals` are texts of faults that refuse a request after its effect.
    """
    if run.planned is None or run.killed or run.applied is None:
        assert run.killed or not run.writes, "O2: nothing is sent without a plan"
    check_writes(run)
    check_order(run)
    if run.applied is not None:
        check_outcomes(run, false_refusals)


def check_writes(run: ApplyRun) -> None:
    """Check O2 and O3: every write is in the plan, with exactly the planned content."""
    changes = {change.address: change for change in run.planned.plan.effective} if run.planned else {}
    for entry in run.writes:
        assert any(_matches_change(entry, change, run) for change in changes.values()), (
            f"not planned: {entry}"
        )


def _matches_change(entry: HistoryEntry, change: Change, run: ApplyRun) -> bool:
    assert run.planned is not None
    address, group_ids = change.address, _map_group_ids(run)
    id = change.id or group_ids.get(address.key)
    path = f"/v1/{address.kind}s/{id}"
    match change.action:
        case Action.DELETE:
            return (entry.method, entry.path) == ("DELETE", path) or _is_own_connection(entry, change, run)
        case Action.REPLACE if (entry.method, entry.path) == ("DELETE", path):
            return True
        case Action.CREATE | Action.REPLACE if (entry.method, entry.path) == ("POST", f"/v1/{address.kind}s"):
            values = _get_sent_values(run, address)
            if address.kind == GROUP:
                return bool(entry.body == {"name": values["name",]})
            known = {path: value for path, value in values.items() if value is not None}
            return (
                entry.body["group_id"] in _list_possible_ids(run, address.key)
                and _flatten_body(entry.body) == known
            )
        case Action.UPDATE if (entry.method, entry.path) == ("PATCH", path):
            carried = run.planned.operations[address].carried
            return _flatten_body(entry.body) == {**carried, **_get_sent_values(run, address)}
    is_test = (entry.method, entry.path) == ("POST", f"/v1/{DESTINATION}s/{id}/test")
    return is_test and address.kind == DESTINATION


def _is_own_connection(entry: HistoryEntry, change: Change, run: ApplyRun) -> bool:
    assert run.planned is not None
    connection_ids = [
        connection.id
        for removal in run.planned.deletions
        if removal.change is change
        for connection in removal.connections
    ]
    return entry.method == "DELETE" and entry.path in {f"/v1/connections/{id}" for id in connection_ids}


def _map_group_ids(run: ApplyRun) -> dict[str, str]:
    """Map each key to the id of its group, as this run knew or created it."""
    assert run.planned is not None
    group_ids = {change.address.key: change.id for change in run.planned.plan.changes if change.id}
    names = {
        step.desired.name: address.key
        for address, step in run.planned.operations.items()
        if address.kind == GROUP
    }
    for entry in run.exchanges:
        for effect in entry.effects:
            if (effect.verb, effect.kind) == ("created", GROUP):
                group_ids[names[entry.body["name"]]] = effect.id
    return group_ids


def _list_possible_ids(run: ApplyRun, key: str) -> set[str]:
    """List the ids that Fivetran has answered for the group of a key, in errors too."""
    reported_ids = (
        {outcome.id for outcome in run.applied.outcomes if outcome.address.key == key}
        if run.applied
        else set()
    )
    return {id for id in (*reported_ids, _map_group_ids(run).get(key)) if id is not None}


def _get_sent_values(run: ApplyRun, address: Address) -> dict[FieldPath, Any]:
    assert run.planned is not None
    values = run.planned.operations[address].values
    return {path: value.reveal() if isinstance(value, Secret) else value for path, value in values.items()}


def _flatten_body(body: Mapping[str, Any]) -> dict[FieldPath, Any]:
    """Flatten the facts of a destination in a body, without the options of the call."""
    call_options = {"group_id", "run_setup_tests", "trust_certificates", "trust_fingerprints", "config"}
    top: dict[FieldPath, Any] = {(key,): value for key, value in body.items() if key not in call_options}
    return top | {("config", key): value for key, value in body.get("config", {}).items()}


def check_order(run: ApplyRun) -> None:
    """Check O4: a group is created before its destination, and deleted after it; deletions come last."""
    created_ids: list[str] = []
    effects = run.effects
    deleted = [number for number, effect in enumerate(effects) if effect.verb == "deleted"]
    for number, effect in enumerate(effects):
        if effect.verb == "created":
            if effect.kind == DESTINATION and effect.id not in created_ids:
                assert effect.id in {change.id for change in run.planned.plan.changes}  # type: ignore[union-attr]
            created_ids.append(effect.id)
        if effect.verb == "tested":
            assert effect.kind == DESTINATION
        if effect.verb in {"created", "updated", "renamed", "tested"} and deleted:
            is_replacement = effect.kind == DESTINATION and any(
                (earlier.verb, earlier.id) == ("deleted", effect.id) for earlier in effects[:number]
            )
            assert number < deleted[0] or is_replacement, "deletions come last"
    deleted_objects = [(effect.kind, effect.id) for effect in effects if effect.verb == "deleted"]
    for kind, id in deleted_objects:
        if kind == GROUP and (DESTINATION, id) in deleted_objects:
            assert deleted_objects.index((DESTINATION, id)) < deleted_objects.index((GROUP, id))


def check_outcomes(run: ApplyRun, false_refusals: Collection[str] = ()) -> None:
    """Check O7: each effective change has an outcome in plan order; outcomes and exit code match the history."""
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
        _check_outcome(run, outcome, false_refusals)
    other_outcomes = [outcome for outcome in outcomes if outcome.action is not Action.DELETE]
    if any(outcome.is_unsuccessful for outcome in other_outcomes):
        delete_statuses = {outcome.status for outcome in outcomes if outcome.action is Action.DELETE}
        assert delete_statuses <= UNTRIED_STATUSES, "O3: deletions are held back"
        assert not [
            effect for effect in run.effects if effect.verb == "deleted" and not _is_replaced(run, effect)
        ]
    if run.exit is ExitCode.OK:
        assert {outcome.status for outcome in outcomes} <= {Status.DONE}
        assert not any(outcome.has_failed_tests for outcome in outcomes)
        assert run.applied.remaining == ()
    if any(outcome.status not in ENDED_STATUSES or outcome.has_failed_tests for outcome in outcomes):
        assert run.exit is ExitCode.INCOMPLETE


def _is_replaced(run: ApplyRun, effect: Effect) -> bool:
    assert run.planned is not None
    replaced_ids = {change.id for change in run.planned.plan.effective if change.action is Action.REPLACE}
    return effect.kind == DESTINATION and effect.id in replaced_ids


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


def _check_outcome(run: ApplyRun, outcome: Outcome, false_refusals: Collection[str]) -> None:
    assert run.applied is not None
    assert run.planned is not None
    address = outcome.address
    change = next(each for each in run.planned.plan.effective if each.address == address)
    id = change.id or _map_group_ids(run).get(address.key)
    verb = _VERBS[outcome.action, address.kind]
    matching_effects = [
        effect for effect in run.effects if (effect.verb, effect.kind, effect.id) == (verb, address.kind, id)
    ]
    is_false_refusal = any(
        each.fault in false_refusals
        and any((effect.verb, effect.id) == (verb, id) for effect in each.effects)
        for each in run.exchanges
    )
    label = f"{outcome.address} {outcome.action} {outcome.status}"
    if outcome.status in ENDED_STATUSES and outcome.action is Action.DELETE:
        is_reported_gone = any(
            each.method == "DELETE" and each.path == f"/v1/{address.kind}s/{id}" and each.status == 404
            for each in run.exchanges
        )
        assert matching_effects or is_reported_gone, label
    elif outcome.status in ENDED_STATUSES and outcome.action is not Action.VERIFY:
        assert matching_effects, label
    elif outcome.status is Status.FAILED:
        assert not matching_effects or is_false_refusal, label
    elif outcome.status in UNTRIED_STATUSES:
        assert not matching_effects, label
        assert not [each for each in run.writes if each.path.startswith(f"/v1/{address.kind}s/{id}")], label
    if outcome.action is Action.CREATE and outcome.status in ENDED_STATUSES and not false_refusals:
        assert len(matching_effects) == 1, f"O1: {label}"
