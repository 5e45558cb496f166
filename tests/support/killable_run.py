"""Run the program in this process, and kill the run at a chosen moment.

The whole run dies: every later request and every later file operation of any of its threads raises `RunKilled`, and no
cleanup happens. Bytes that the run had handed to the network or to the disk by then stay.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import requests
from in_process_harness import InProcessProject
from requests.adapters import BaseAdapter
from scenarios import ScenarioSetup
from urllib3 import HTTPResponse

from reconciler.api.wsgi_adapter import WsgiAdapter
from reconciler.emulator.app import Emulator
from reconciler.emulator.fault_kinds import EFFECT_AFTER, FaultKind, Phase
from reconciler.emulator.faults import Fault
from reconciler.emulator.history import HistoryEntry
from reconciler.model.plan import Action
from reconciler.model.record import State
from reconciler.state.codec import decode_state
from reconciler.state.file import FileStateWriter, StateFile
from reconciler.state.journal import JournalWriter, replay

READ_METHODS = frozenset({"GET", "HEAD"})


class RunKilled(BaseException):
    """End of a run. No handler of errors catches it."""


@dataclass
class KillSwitch:
    """Counter of writes. The run dies before the write after `allowed` writes, and does nothing after that."""

    allowed: int
    steps: list[str] = field(default_factory=list)

    def wrap(self, name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        """Count each call of `write`. A dead run writes no journal any more: the system closes its files."""

        def write_or_die(*arguments: Any, **options: Any) -> Any:
            self.steps.append(name)
            if len(self.steps) > self.allowed:
                if isinstance(arguments[0], JournalWriter):
                    arguments[0].close()
                raise RunKilled
            return write(*arguments, **options)

        return write_or_die


class KillPoint(StrEnum):
    """Moment of a call at which a run is killed."""

    BEFORE_SENDING = "before the request"
    BEFORE_EFFECT = "after the request, before its effect"
    LATE_EFFECT = "before its late effect"
    AFTER_EFFECT = "after its effect, before its answer"
    MID_ANSWER = "within its answer"
    BEFORE_RECORD = "after its answer, before its record"
    MID_RECORD = "within its record"
    AFTER_RECORD = "after its record"


RECORD_POINTS = (KillPoint.MID_RECORD, KillPoint.AFTER_RECORD)


ANY_CALL = "*"


@dataclass(frozen=True)
class KillTrigger:
    """Trigger of a death: a point of the call of this name after `earlier` calls of that name, or with `ANY_CALL` after
    so many calls of any name. A late effect comes `effect_delay` seconds later."""

    call: str
    point: KillPoint
    earlier: int = 0
    effect_delay: float = 8.0


class CallNames:
    """Names of requests, by ids and names alone: `create group.finance`. Safe to share between threads.

    `before` is the sequence number of the last request of the preparation.
    """

    def __init__(self, setup: ScenarioSetup) -> None:
        self._app = setup.host.app
        self._keys = {entry.get("name", key): key for key, entry in setup.groups.items()}
        self._addresses = dict(setup.connections)
        self._ids: dict[str, str] = {}
        for group in self._app.dump().get("groups", []):
            if group["name"] in self._keys:
                self._ids[group["id"]] = self._keys[group["name"]]
        self._ids |= {entry["id"]: key for key, entry in setup.groups.items() if "id" in entry}
        self._ids |= {removal["id"]: removal["group"] for removal in setup.removed}
        self.last_prepared = self._last_sequence = max(
            (past_entry.sequence for past_entry in self._app.read_history()), default=0
        )

    def name_request(self, method: str, path: str, body: Any) -> str:
        """Name a request that writes, with its address: `?` if the address is unknown."""
        _, _, collection, *segments = path.split("/")
        verb = {"POST": "create", "PATCH": "update", "DELETE": "delete"}[method]
        trust_verb = {"POST": "approve", "DELETE": "revoke"}.get(method, "?")
        match collection, segments:
            case "groups", []:
                return f"{verb} group.{self._keys.get(body['name'], '?')}"
            case "destinations", []:
                return f"{verb} destination.{self._find_key(body['group_id'])}"
            case "groups", [id]:
                return f"{verb} group.{self._find_key(id)}"
            case "destinations", [id]:
                return f"{verb} destination.{self._find_key(id)}"
            case "destinations", [id, "test"]:
                return f"test destination.{self._find_key(id)}"
            case "destinations", [id, "certificates" | "fingerprints", *_]:
                return f"{trust_verb} destination.{self._find_key(id)}"
            case "connections", [id]:
                return f"{verb} {self._addresses.get(id, '?')}"
        return f"{verb} ?"

    def name_entry(self, entry: HistoryEntry) -> str:
        """Name an exchange of the history."""
        return self.name_request(entry.method, entry.path, entry.body)

    def _find_key(self, id: str) -> str:
        self._update_ids()
        return self._ids.get(id, "?")

    def _update_ids(self) -> None:
        """Add the ids of groups that were created meanwhile."""
        for entry in self._app.read_history(self._last_sequence):
            self._last_sequence = entry.sequence
            for effect in entry.effects:
                if (effect.verb, effect.kind) == ("created", "group") and entry.body:
                    self._ids[effect.id] = self._keys.get(entry.body["name"], "?")


def parse_address(call: str) -> str:
    """Parse the address of a call. Fivetran's own connection belongs to the destination beside it."""
    return call.partition(" ")[2].replace("connection.", "destination.")


class KillableRun:
    """One run over an account. It dies at its `trigger`, if the trigger occurs, or with the file operation number
    `kill_step` on its state.

    `calls` are the writes that were handed to the network, `steps` the file operations, `unannounced` calls without an
    intent on the disk, and `writes_after_death` the file operations after the end.
    """

    def __init__(
        self,
        account: InProcessProject,
        names: CallNames,
        trigger: KillTrigger | None = None,
        kill_step: int | None = None,
    ) -> None:
        self.trigger = trigger
        self.kill_step = kill_step
        self.steps: list[str] = []
        self.is_dead = False
        self.calls: list[str] = []
        self.unannounced: list[str] = []
        self.writes_after_death: list[str] = []
        self.files: list[IO[bytes]] = []
        self._account = account
        self._names = names
        self._lock = threading.RLock()
        self._state = account.folder / "state" / "state.json"
        self._synced: dict[int, int] = {}
        self._target_call = ""
        self._answered_thread: int | None = None
        self._kill_after_sync: int | None = None

    @property
    def folder(self) -> Path:
        """Return the folder of the state."""
        return self._state.parent

    def build_adapter(self, app: Emulator) -> BaseAdapter:
        """Build the stand-in for the network."""
        return _KillableAdapter(app, self)

    def build_state_file(self, path: Path, shown_as: str) -> StateFile:
        """Build the state file."""
        return _KillableStateFile(path, shown_as, self)

    def kill(self) -> None:
        """End the run in all its threads."""
        self.is_dead = True
        raise RunKilled

    def check_alive(self) -> None:
        """Raise `RunKilled` in a dead run."""
        if self.is_dead:
            raise RunKilled

    def send(self, inner: WsgiAdapter, request: requests.PreparedRequest, options: Any) -> requests.Response:
        """Hand a request to Fivetran."""
        self.check_alive()
        if self._answered_thread == threading.get_ident() and self._kill_point is KillPoint.BEFORE_RECORD:
            self.kill()
        if request.method in READ_METHODS:
            response = inner.send(request, **options)
            self.check_alive()
            return response
        with self._lock:
            return self._send_write(inner, request, options)

    def _send_write(
        self, inner: WsgiAdapter, request: requests.PreparedRequest, options: Any
    ) -> requests.Response:
        self.check_alive()
        body = json.loads(request.body) if request.body else None
        call = self._names.name_request(request.method or "", request.path_url, body)
        self._check_announced(call)
        is_target = self._is_target(call)
        if is_target:
            self._target_call = call
        self.calls.append(call)
        point = self._kill_point if is_target else None
        if point is KillPoint.BEFORE_SENDING:
            self.kill()
        if self.trigger is not None and point in {KillPoint.BEFORE_EFFECT, KillPoint.LATE_EFFECT}:
            fault_options = (
                {EFFECT_AFTER: str(self.trigger.effect_delay)} if point is KillPoint.LATE_EFFECT else {}
            )
            self._account.app.faults.add(
                Fault(
                    FaultKind.RESET,
                    request.method or "",
                    request.path_url,
                    Phase.BEFORE_EFFECT,
                    last=1,
                    options=fault_options,
                )
            )
            try:
                inner.send(request, **options)
            except requests.ConnectionError:
                self.kill()
            raise AssertionError("the fault was not triggered")
        response = inner.send(request, **options)
        if point is KillPoint.AFTER_EFFECT:
            self.kill()
        if point is KillPoint.MID_ANSWER:
            return _truncate_response(response, self)
        if point is not None:
            self._answered_thread = threading.get_ident()
        return response

    def _is_target(self, call: str) -> bool:
        if self.trigger is None:
            return False
        if self.trigger.call == ANY_CALL:
            return len(self.calls) == self.trigger.earlier
        return (call, self.calls.count(call)) == (self.trigger.call, self.trigger.earlier)

    @property
    def _kill_point(self) -> KillPoint | None:
        return self.trigger.point if self.trigger is not None else None

    def write_journal(self, file: IO[bytes], content: memoryview) -> int:
        """Write bytes into the journal."""
        self.check_alive()
        self.steps.append("write")
        if len(self.steps) == self.kill_step:
            file.write(content[: len(content) // 2])
            self.kill()
        if self._answered_thread is not None:
            address_bytes = f'"address": "{parse_address(self._target_call)}"'.encode()
            if address_bytes in bytes(content):
                if self._kill_point is KillPoint.BEFORE_RECORD:
                    self.kill()
                if self._kill_point is KillPoint.MID_RECORD:
                    file.write(content[: len(content) // 2])
                    self.kill()
                self._kill_after_sync = file.fileno()
        return file.write(content)

    def record_sync(self, descriptor: int) -> None:
        """Record the number of durable bytes of a file."""
        status = os.fstat(descriptor)
        self._synced[status.st_ino] = status.st_size
        if descriptor == self._kill_after_sync:
            self.kill()

    def record_file_event(self, event: str, path: str) -> None:
        """Record a file operation on the state."""
        if self.is_dead:
            if (event, path[-4:]) != ("os.remove", ".new"):  # a handler may remove an unfinished file
                self.writes_after_death.append(f"{event} {path}")
            raise RunKilled
        self.steps.append(event)
        if len(self.steps) == self.kill_step:
            self.kill()

    def _check_announced(self, call: str) -> None:
        """Check S-01: the durable state announces the call."""
        if not is_announced(call, self._read_durable_state()):
            self.unannounced.append(call)

    def _read_durable_state(self) -> State:
        """Read the state that would survive a loss of power now."""
        state = decode_state(self._state.read_bytes())
        journal = self._state.with_name("state.json.journal")
        content = journal.read_bytes()[: self._synced.get(journal.stat().st_ino, 0)]
        return replay(state, content)


def is_announced(call: str, state: State) -> bool:
    """Return whether a state has an intent for a call: with the sent time if it creates an object. A test, an approval
    or a revocation may also follow a write that is recorded as done."""
    verb, _, _ = call.partition(" ")
    records = {str(address): record for address, record in state.records.items()}
    record = records.get(parse_address(call))
    if record is None:
        return False
    if record.intent is not None:
        is_marked = record.intent.sent is not None or verb != "create"
        return is_marked and record.intent.action in _ANNOUNCING_ACTIONS[verb]
    return verb in {"test", "approve", "revoke"} and record.id is not None and record.unverified


_ANNOUNCING_ACTIONS: Mapping[str, frozenset[Action]] = {
    "create": frozenset({Action.CREATE, Action.REPLACE}),
    "update": frozenset({Action.UPDATE}),
    "delete": frozenset({Action.DELETE, Action.REPLACE}),
    # After any other write the intent is gone.
    "test": frozenset({Action.VERIFY}),
    "approve": frozenset({Action.APPROVE, Action.UPDATE}),
    "revoke": frozenset(),
}


class _KillableAdapter(BaseAdapter):
    def __init__(self, app: Emulator, run: KillableRun) -> None:
        super().__init__()
        self._inner = WsgiAdapter(app)
        self._run = run

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        return self._run.send(self._inner, request, options)

    def close(self) -> None:
        pass


class _KillableStateFile(StateFile):
    """State whose journal can be cut off."""

    def __init__(self, path: Path, shown_as: str, run: KillableRun) -> None:
        super().__init__(path, shown_as)
        self._run = run

    def open(self, state: State) -> FileStateWriter:
        session = super().open(state)
        journal = session._journal
        self._run.files.append(journal._file)
        journal._file = _KillableJournal(journal._file, self._run)  # type: ignore[assignment]
        return session


class _KillableJournal:
    def __init__(self, file: IO[bytes], run: KillableRun) -> None:
        self._file, self._run = file, run

    def write(self, content: memoryview) -> int:
        return self._run.write_journal(self._file, content)

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        if self._run.is_dead:
            self._run.record_file_event("close", "the journal")
        self._file.close()


class _TruncatedBody(io.RawIOBase):
    """Half of a body, after which the reader is killed."""

    def __init__(self, half: bytes, run: KillableRun) -> None:
        self._half, self._run = half, run

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._half:
            self._run.kill()
        size = min(len(buffer), len(self._half))
        buffer[:size], self._half = self._half[:size], self._half[size:]
        return size


def _truncate_response(response: requests.Response, run: KillableRun) -> requests.Response:
    body = response.raw.read()
    response.raw = HTTPResponse(
        body=_TruncatedBody(body[: len(body) // 2], run),
        headers=response.raw.headers,
        status=response.status_code,
        preload_content=False,
        decode_content=False,
    )
    return response


_current_run: KillableRun | None = None


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    run = _current_run
    if run is None or event not in ("open", "os.rename", "os.remove"):
        return
    path = os.fspath(arguments[0]) if isinstance(arguments[0], str | Path) else ""
    reading = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if not reading and path.startswith(str(run.folder)):
        run.record_file_event(event, path)


sys.addaudithook(_audit)


@contextmanager
def run_killable(run: KillableRun) -> Iterator[None]:
    """Track the threads and files of a killable run, until its last thread has ended."""
    global _current_run
    account, before, sync = run._account, set(threading.enumerate()), os.fsync

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        run.record_sync(descriptor)

    account.adapter_factory, account.state_file_factory = run.build_adapter, run.build_state_file
    os.fsync, _current_run = fsync, run
    try:
        yield
    finally:
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
            assert not thread.is_alive()
        os.fsync, _current_run = sync, None
        for file in run.files:
            file.close()  # the system closes the files of a dead process
        account.adapter_factory, account.state_file_factory = WsgiAdapter, StateFile
