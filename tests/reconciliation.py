"""Specs and an emulated account in one process, without a socket: thousands of plans and applies in a minute.

Everything else is the real thing: specs are files, the transport encodes and decodes, the memory is a file.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from canaries import Watch
from canaries import check as check_for_leaks
from requests.adapters import BaseAdapter
from werkzeug.test import Client as Caller

from reconciler.api.client import Client
from reconciler.api.courier import Courier
from reconciler.api.inprocess import WsgiAdapter
from reconciler.api.transport import Transport
from reconciler.emulator.app import Emulator, create_app
from reconciler.emulator.behaviour import Behaviour
from reconciler.emulator.history import Exchange
from reconciler.engine.planfile import decoded_plan, encoded_plan
from reconciler.engine.relay import Relay
from reconciler.model.diagnostic import errors_among
from reconciler.model.event import ignore
from reconciler.model.holder import Holder
from reconciler.model.outcome import Applied, Status
from reconciler.model.plan import Action
from reconciler.model.record import State
from reconciler.model.value import Secret
from reconciler.operations.apply import adopt_only, apply_plan
from reconciler.operations.memory import Memory
from reconciler.operations.plan import Planned, make_plan
from reconciler.operations.reviewed import plan_again, saved_plan
from reconciler.operations.settings import Settings
from reconciler.operations.specs import Specs, load_declared
from reconciler.operations.workspace import Workspace
from reconciler.secrets.base import Registry
from reconciler.secrets.env import Environment
from reconciler.state.file import StateFile

_IN_MEMORY = Path("/dev/shm")  # nothing to sync there
SPECS: Mapping[str, Any] = {"version": 1, "specs": ["main.yaml"]}


class PatientClock:
    """A clock that is as late as it was told to be, for the client and for Fivetran."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.seconds += 0 if event.is_set() else seconds
        return event.is_set()


class _CurrentClock:
    """The clock of the account that is being worked on."""

    def __init__(self) -> None:
        self.clock = PatientClock()

    def now(self) -> datetime:
        return self.clock.now()


_current = _CurrentClock()


@cache
def _emulator() -> Emulator:
    """One for all, since a new one costs more than a plan."""
    return create_app(clock=_current.now)


class Reconciliation:
    """A project in `folder` and an account that behaves as told.

    `adapter` makes what stands in place of the network, `keeper` what keeps the memory. `options` are those of the
    command line, by their names in `Settings`. `planned` and `applied` are
    what the last apply has come to so far.
    """

    adapter: Callable[[Emulator], BaseAdapter] = WsgiAdapter
    keeper: Callable[[Path, str], StateFile] = StateFile
    parallelism = 8
    has_key = True

    def __init__(self, folder: Path, behaviour: Mapping[str, Any]) -> None:
        self.folder = folder
        self.clock = _current.clock = PatientClock()
        self.app = _emulator()
        assert Caller(self.app).post("/_emulator/reset").status_code == 200
        self.app.behaviour = Behaviour(**behaviour)
        self.secrets: dict[str, str] = {}
        self.options: dict[str, Any] = {}
        self._confidential: set[str] = set()
        self.planned: Planned | None = None
        self.applied: Applied | None = None
        self._seen = 0
        self._specs: Specs | None = None
        self._state = folder / "state" / "state.json"
        self.canaries = Watch()
        self.canaries.folder(folder)
        self.set_up()

    def set_up(self, **more: Any) -> None:
        """Another project file, with these settings."""
        self._write("reconciler.yaml", json.dumps({**SPECS, **more}))
        self._specs = None

    def declare(self, groups: Mapping[str, Any], **more: Any) -> None:
        """Specs with these group entries. JSON is YAML too."""
        text = json.dumps({"version": 1, "groups": groups, **more}, ensure_ascii=False)
        self._write("main.yaml", text)
        self._specs = None
        self._confidential = set(_confidential(groups))

    def plan(self) -> Planned:
        """A plan, which must not write anything, neither here nor there."""
        self.news()
        files = sorted(self.folder.rglob("*"))
        with self._open() as workspace:
            planned = make_plan(workspace)
        assert {each.method for each in self.news()} <= {"GET"}
        assert sorted(self.folder.rglob("*")) == files
        return planned

    def apply(self) -> list[Exchange]:
        """Plan and apply, as the command does; the writes that were sent. Everything must work, and a plan
        after it must be empty."""
        self.news()
        applied = self.attempt()
        assert self.planned is not None
        assert self.planned.plan.blockers == ()
        if applied is not None:
            check(applied)
        return [each for each in self.news() if each.method != "GET"]

    def attempt(self) -> Applied | None:
        """Plan and apply, as the command does, whatever comes of it: None where nothing was to be done, or where
        the plan is refused."""
        self.planned, self.applied = None, None
        with self._open() as workspace:
            self._prepare(workspace)
            self.planned = make_plan(workspace)
            if self.planned.plan.blockers:
                return None
            if self.planned.plan.effective:
                self.applied = apply_plan(workspace, self.planned)
            else:
                adopt_only(workspace, self.planned)
        return self.applied

    def edited(self) -> None:
        """The test has written specs by itself: they are read again."""
        self._specs = None

    def save(self) -> bytes:
        """A saved plan, as `plan --out` writes it."""
        with self._open() as workspace:
            workspace.memory.prepare()
            self.planned = make_plan(workspace)
            content = encoded_plan(saved_plan(workspace, self.planned))
        (self.folder / "plan.json").write_bytes(content)
        return content

    def apply_saved(self, content: bytes) -> list[Exchange]:
        """Apply a saved plan, as the command does; the writes that were sent. Everything must work."""
        self.news()
        with self._open() as workspace:
            workspace.memory.prepare()
            self.planned = plan_again(workspace, decoded_plan(content))
            assert self.planned.plan.blockers == ()
            if self.planned.plan.effective:
                self.applied = apply_plan(workspace, self.planned)
                check(self.applied)
            else:
                adopt_only(workspace, self.planned)
        return [each for each in self.news() if each.method != "GET"]

    def forget(self) -> None:
        """Lose the memory, but not the key of the fingerprints."""
        self._state.unlink(missing_ok=True)
        self._state.with_name("state.json.journal").unlink(missing_ok=True)

    def lose_key(self) -> None:
        """Lose the key of the fingerprints. Nothing makes another one."""
        self._state.with_name("state.json.key").unlink()
        self.has_key = False

    @property
    def state(self) -> State | None:
        """What is remembered."""
        return StateFile(self._state, "state.json").read()

    @property
    def history(self) -> tuple[Exchange, ...]:
        """Every request so far."""
        return tuple(self.app.history())

    def news(self) -> list[Exchange]:
        """The requests since this was asked last. A long history is not read again and again."""
        news = self.app.history(self._seen)
        self._seen = news[-1].sequence if news else self._seen
        return news

    @property
    def kept(self) -> str:
        """Everything that lies in the memory's folder, the key apart."""
        files = sorted(self._state.parent.glob("state.json*"))
        return "".join(file.read_text() for file in files if not file.name.endswith(".key"))

    def _prepare(self, workspace: Workspace) -> None:
        if self.has_key:
            workspace.memory.prepare()

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")
        self.canaries.wrote(self.folder / name, text)

    @contextmanager
    def _open(self) -> Iterator[Workspace]:
        for name in self._confidential & self.secrets.keys():
            self.canaries.secret(name, self.secrets[name])
        settings = Settings(
            project=self.folder / "reconciler.yaml",
            directory=self.folder,
            environ={},
            clock=self.clock,
            entropy=lambda count: bytes(range(count)),
            holder=Holder(1, "host", "user", "", "test"),
            allowed={"changed_fraction": 1.0},
            parallelism=self.parallelism,
            **self.options,
        )
        if self._specs is None:
            self._specs = load_declared(settings)
        with Transport(
            "https://in-process.invalid/v1",
            (Secret("key"), Secret("secret")),
            clock=self.clock,
            environ={},
            adapter=self.adapter(self.app),
        ) as transport:
            cancelled, relay = threading.Event(), Relay(ignore)
            courier = Courier(transport, self.clock, cancelled=cancelled, told=relay.post)
            yield Workspace(
                settings=settings,
                specs=self._specs,
                courier=courier,
                client=Client(courier),
                registry=Registry({"env": Environment(self.secrets)}),
                memory=Memory(
                    self.keeper(self._state, "state.json"),
                    settings.entropy,
                    destinations=self._specs.destinations,
                ),
                relay=relay,
                listener=relay,
                cancelled=cancelled,
            )


@contextmanager
def reconciliation(**behaviour: Any) -> Iterator[Reconciliation]:
    """An empty project, and an empty account with these switches."""
    with TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as folder:
        account = Reconciliation(Path(folder), behaviour)
        yield account
        check_for_leaks(account.canaries.findings())


def _confidential(declared: Any) -> Iterator[str]:
    """Variables that specs refer to by `{secret: …}`, and not by its visible twin."""
    match declared:
        case {"secret": str(reference)}:
            yield reference.removeprefix("env:")
        case {}:
            for each in declared.values():
                yield from _confidential(each)
        case [*each]:
            for one in each:
                yield from _confidential(one)


def check(applied: Applied) -> None:
    """An apply in which everything worked, and after which nothing is left to do."""
    told = [each for outcome in applied.outcomes for each in outcome.diagnostics]
    assert errors_among([*told, *applied.problems]) == [], told
    assert {outcome.status for outcome in applied.outcomes} <= {Status.DONE}
    assert applied.remaining == ()


def actions(planned: Planned) -> dict[str, Action]:
    """What a plan would do, by address."""
    return {str(change.address): change.action for change in planned.plan.changes}
