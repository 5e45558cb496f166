"""A run of the program that can die at a chosen moment, within this process.

What dies is the whole run: whatever any of its threads does next, toward Fivetran or toward the memory, raises
`Killed`, and nothing is tidied up. What it had handed to the network or to the disk by then stays.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import requests
from faults.canonical_plans import Scene
from reconciliation import Reconciliation
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from reconciler.api.inprocess import WsgiAdapter
from reconciler.emulator.app import Emulator
from reconciler.emulator.fault_kinds import EFFECT_AFTER, Kind, Phase
from reconciler.emulator.faults import Fault
from reconciler.emulator.history import Exchange
from reconciler.model.plan import Action
from reconciler.model.record import State
from reconciler.state.document import decoded_state
from reconciler.state.file import StateFile, StateSession
from reconciler.state.journal import replayed

READS = frozenset({"GET", "HEAD"})


class Killed(BaseException):
    """The end of a run. Nobody who catches errors catches it."""


class Point(StrEnum):
    """Where a run dies, as seen from one call of it."""

    BEFORE_SENDING = "before it is sent"
    BEFORE_EFFECT = "sent, before its effect"
    LATE_EFFECT = "sent, and its effect comes later"
    AFTER_EFFECT = "after its effect, before any answer"
    MID_ANSWER = "in the middle of its answer"
    BEFORE_RECORD = "after its answer, before it is remembered"
    MID_RECORD = "in the middle of remembering it"
    AFTER_RECORD = "after it is remembered"


ON_RECORD = (Point.MID_RECORD, Point.AFTER_RECORD)


ANY = "*"


@dataclass(frozen=True)
class Moment:
    """When to die: at a point of the call of this name that comes after `earlier` others of that name, or with
    `ANY` of the call that comes after so many others. An effect that comes later comes so many seconds `late`."""

    call: str
    point: Point
    earlier: int = 0
    late: float = 8.0


class Names:
    """Which call a request is, told by ids and names alone: `create group.finance`. Safe to share between threads.

    `before` is the sequence number of the last request of the preparation.
    """

    def __init__(self, scene: Scene) -> None:
        self._app = scene.stage.app
        self._keys = {entry.get("name", key): key for key, entry in scene.groups.items()}
        self._addresses = dict(scene.belongs)
        self._ids: dict[str, str] = {}
        for group in self._app.written_down().get("groups", []):
            if group["name"] in self._keys:
                self._ids[group["id"]] = self._keys[group["name"]]
        self._ids |= {entry["id"]: key for key, entry in scene.groups.items() if "id" in entry}
        self._ids |= {tombstone["id"]: tombstone["group"] for tombstone in scene.removed}
        self.before = self._seen = max((each.sequence for each in self._app.history()), default=0)

    def call(self, method: str, path: str, body: Any) -> str:
        """The name of a request that writes, with what it is about: `?` where that is nothing known."""
        _, _, collection, *rest = path.split("/")
        verb = {"POST": "create", "PATCH": "update", "DELETE": "delete"}[method]
        match collection, rest:
            case "groups", []:
                return f"{verb} group.{self._keys.get(body['name'], '?')}"
            case "destinations", []:
                return f"{verb} destination.{self._key(body['group_id'])}"
            case "groups", [id]:
                return f"{verb} group.{self._key(id)}"
            case "destinations", [id]:
                return f"{verb} destination.{self._key(id)}"
            case "destinations", [id, "test"]:
                return f"test destination.{self._key(id)}"
            case "connections", [id]:
                return f"{verb} {self._addresses.get(id, '?')}"
        return f"{verb} ?"

    def of(self, exchange: Exchange) -> str:
        """The name of an exchange of the history."""
        return self.call(exchange.method, exchange.path, exchange.body)

    def _key(self, id: str) -> str:
        self._learn()
        return self._ids.get(id, "?")

    def _learn(self) -> None:
        """Ids of groups that were made meanwhile."""
        for exchange in self._app.history(self._seen):
            self._seen = exchange.sequence
            for effect in exchange.effects:
                if (effect.verb, effect.kind) == ("created", "group") and exchange.body:
                    self._ids[effect.id] = self._keys.get(exchange.body["name"], "?")


def address_of(call: str) -> str:
    """What a call is about. Fivetran's own connection goes with the destination beside it."""
    return call.partition(" ")[2].replace("connection.", "destination.")


class Life:
    """One run over an account. It dies at its `moment`, if that comes, or with the step of that number that it takes
    in the files of its memory.

    `calls` are the writes that were handed to the network, `steps` those in files, `unannounced` calls that came
    although nothing on the disk said so, and `afterlife` is what was done to files after the end.
    """

    def __init__(
        self, account: Reconciliation, names: Names, moment: Moment | None = None, step: int | None = None
    ) -> None:
        self.moment = moment
        self.step = step
        self.steps: list[str] = []
        self.dead = False
        self.calls: list[str] = []
        self.unannounced: list[str] = []
        self.afterlife: list[str] = []
        self.files: list[IO[bytes]] = []
        self._account = account
        self._names = names
        self._turn = threading.RLock()
        self._state = account.folder / "state" / "state.json"
        self._synced: dict[int, int] = {}
        self._meant = ""
        self._answered_in: int | None = None
        self._dying_after_sync: int | None = None

    @property
    def folder(self) -> Path:
        """Where the memory is."""
        return self._state.parent

    def adapter(self, app: Emulator) -> BaseAdapter:
        """What stands in place of the network."""
        return _Adapter(app, self)

    def keeper(self, path: Path, shown_as: str) -> StateFile:
        """What keeps the memory."""
        return _Keeper(path, shown_as, self)

    def die(self) -> None:
        """End here and everywhere."""
        self.dead = True
        raise Killed

    def breathe(self) -> None:
        """Whoever is dead does nothing."""
        if self.dead:
            raise Killed

    def send(self, inner: WsgiAdapter, request: requests.PreparedRequest, options: Any) -> requests.Response:
        """Hand a request to Fivetran."""
        self.breathe()
        if self._answered_in == threading.get_ident() and self._at is Point.BEFORE_RECORD:
            self.die()
        if request.method in READS:
            response = inner.send(request, **options)
            self.breathe()
            return response
        with self._turn:
            return self._write(inner, request, options)

    def _write(
        self, inner: WsgiAdapter, request: requests.PreparedRequest, options: Any
    ) -> requests.Response:
        self.breathe()
        body = json.loads(request.body) if request.body else None
        call = self._names.call(request.method or "", request.path_url, body)
        self._check_announced(call)
        meant = self._is_meant(call)
        if meant:
            self._meant = call
        self.calls.append(call)
        point = self._at if meant else None
        if point is Point.BEFORE_SENDING:
            self.die()
        if self.moment is not None and point in {Point.BEFORE_EFFECT, Point.LATE_EFFECT}:
            late = {EFFECT_AFTER: str(self.moment.late)} if point is Point.LATE_EFFECT else {}
            self._account.app.faults.add(
                Fault(
                    Kind.RESET,
                    request.method or "",
                    request.path_url,
                    Phase.BEFORE_EFFECT,
                    last=1,
                    options=late,
                )
            )
            try:
                inner.send(request, **options)
            except requests.ConnectionError:
                self.die()
            raise AssertionError("the fault did not strike")
        response = inner.send(request, **options)
        if point is Point.AFTER_EFFECT:
            self.die()
        if point is Point.MID_ANSWER:
            return _cut(response, self)
        if point is not None:
            self._answered_in = threading.get_ident()
        return response

    def _is_meant(self, call: str) -> bool:
        if self.moment is None:
            return False
        if self.moment.call == ANY:
            return len(self.calls) == self.moment.earlier
        return (call, self.calls.count(call)) == (self.moment.call, self.moment.earlier)

    @property
    def _at(self) -> Point | None:
        return self.moment.point if self.moment is not None else None

    def write(self, file: IO[bytes], content: memoryview) -> int:
        """Put something into the journal."""
        self.breathe()
        self.steps.append("write")
        if len(self.steps) == self.step:
            file.write(content[: len(content) // 2])
            self.die()
        if self._answered_in is not None:
            about = f'"address": "{address_of(self._meant)}"'.encode()
            if about in bytes(content):
                if self._at is Point.BEFORE_RECORD:
                    self.die()
                if self._at is Point.MID_RECORD:
                    file.write(content[: len(content) // 2])
                    self.die()
                self._dying_after_sync = file.fileno()
        return file.write(content)

    def synced(self, descriptor: int) -> None:
        """So much of a file is durable now."""
        status = os.fstat(descriptor)
        self._synced[status.st_ino] = status.st_size
        if descriptor == self._dying_after_sync:
            self.die()

    def file_event(self, event: str, path: str) -> None:
        """Something happens to a file of the memory."""
        if self.dead:
            if (event, path[-4:]) != ("os.remove", ".new"):  # an unfinished file may be tidied up by who can
                self.afterlife.append(f"{event} {path}")
            raise Killed
        self.steps.append(event)
        if len(self.steps) == self.step:
            self.die()

    def _check_announced(self, call: str) -> None:
        """S-01: what is durable at this moment announces the call."""
        if not is_announced(call, self._durable()):
            self.unannounced.append(call)

    def _durable(self) -> State:
        """What a machine would still know if its power went off now."""
        state = decoded_state(self._state.read_bytes())
        journal = self._state.with_name("state.json.journal")
        content = journal.read_bytes()[: self._synced.get(journal.stat().st_ino, 0)]
        return replayed(state, content)


def is_announced(call: str, state: State) -> bool:
    """Whether a memory has an intent for a call, with a mark where it creates something, or says for a test that the
    write before it is done."""
    verb, _, _ = call.partition(" ")
    records = {str(address): record for address, record in state.records.items()}
    record = records.get(address_of(call))
    if record is None:
        return False
    if record.intent is not None:
        is_marked = record.intent.sent is not None or verb != "create"
        return is_marked and record.intent.action in _ANNOUNCED_BY[verb]
    return verb == "test" and record.id is not None and record.unverified


_ANNOUNCED_BY: Mapping[str, frozenset[Action]] = {
    "create": frozenset({Action.CREATE, Action.REPLACE}),
    "update": frozenset({Action.UPDATE}),
    "delete": frozenset({Action.DELETE, Action.REPLACE}),
    "test": frozenset({Action.VERIFY}),  # after any other write an intent is done with
}


class _Adapter(BaseAdapter):
    def __init__(self, app: Emulator, life: Life) -> None:
        super().__init__()
        self._inner = WsgiAdapter(app)
        self._life = life

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        return self._life.send(self._inner, request, options)

    def close(self) -> None:
        pass


class _Keeper(StateFile):
    """A memory whose journal can be cut off."""

    def __init__(self, path: Path, shown_as: str, life: Life) -> None:
        super().__init__(path, shown_as)
        self._life = life

    def open(self, state: State) -> StateSession:
        session = super().open(state)
        journal = session._journal
        self._life.files.append(journal._file)
        journal._file = _JournalFile(journal._file, self._life)  # type: ignore[assignment]
        return session


class _JournalFile:
    def __init__(self, file: IO[bytes], life: Life) -> None:
        self._file, self._life = file, life

    def write(self, content: memoryview) -> int:
        return self._life.write(self._file, content)

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        if self._life.dead:
            self._life.file_event("close", "the journal")
        self._file.close()


class _CutBody(io.RawIOBase):
    """Half a body, and then the end of whoever reads it."""

    def __init__(self, half: bytes, life: Life) -> None:
        self._half, self._life = half, life

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._half:
            self._life.die()
        size = min(len(buffer), len(self._half))
        buffer[:size], self._half = self._half[:size], self._half[size:]
        return size


def _cut(response: requests.Response, life: Life) -> requests.Response:
    whole = response.raw.read()
    response.raw = HTTPResponse(
        body=_CutBody(whole[: len(whole) // 2], life),
        headers=response.raw.headers,
        status=response.status_code,
        preload_content=False,
        decode_content=False,
    )
    return response


_living: Life | None = None


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    life = _living
    if life is None or event not in ("open", "os.rename", "os.remove"):
        return
    path = os.fspath(arguments[0]) if isinstance(arguments[0], str | Path) else ""
    reading = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if not reading and path.startswith(str(life.folder)):
        life.file_event(event, path)


sys.addaudithook(_audit)


@contextmanager
def living(life: Life) -> Iterator[None]:
    """The time of a life, until the last of its threads has ended."""
    global _living
    account, before, sync = life._account, set(threading.enumerate()), os.fsync

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        life.synced(descriptor)

    account.adapter, account.keeper = life.adapter, life.keeper
    os.fsync, _living = fsync, life
    try:
        yield
    finally:
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
            assert not thread.is_alive()
        os.fsync, _living = sync, None
        for file in life.files:
            file.close()  # the system does it for a process that is gone
        account.adapter, account.keeper = WsgiAdapter, StateFile
