"""Plan and apply against an emulated account in one process, without a socket.

Everything else is real: specs are files, the transport encodes and decodes, the state is a file.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from fake_clock import FakeClock
from requests.adapters import BaseAdapter
from secret_leak_detector import LeakDetector, check_findings
from werkzeug.test import Client as Caller

from reconciler.api.client import Client
from reconciler.api.limiter import PAID_ACCOUNT
from reconciler.api.retrying import RetryingSender
from reconciler.api.transport import Timeouts, Transport
from reconciler.api.wsgi_adapter import WsgiAdapter
from reconciler.applying.pipeline import adopt_only, apply_plan
from reconciler.emulator.app import Emulator, create_app
from reconciler.emulator.history import HistoryEntry
from reconciler.emulator.seed import Seed
from reconciler.emulator.switches import Behaviour
from reconciler.importing.draft import load_project
from reconciler.importing.options import ImportOptions
from reconciler.importing.pipeline import import_groups
from reconciler.importing.results import ImportResult
from reconciler.model.address import Address
from reconciler.model.diagnostic import select_errors
from reconciler.model.event import ignore_event
from reconciler.model.lock_info import LockInfo
from reconciler.model.outcome import ApplyResult, Status
from reconciler.model.plan import Action
from reconciler.model.record import State
from reconciler.model.redaction import Redactor
from reconciler.model.snapshot_origin import SnapshotOrigin
from reconciler.model.value import Secret
from reconciler.operations.account_reads import AccountReader
from reconciler.operations.extra_lists import ExtraList
from reconciler.operations.snapshot_content import describe_account
from reconciler.planning.pipeline import PlanResult, make_plan
from reconciler.planning.planner import PlannedOperation
from reconciler.planning.saved_plans import build_saved_plan, replan
from reconciler.runtime.events import EventQueue
from reconciler.secrets.base import Registry
from reconciler.secrets.env import Environment
from reconciler.state.file import StateFile
from reconciler.workspace.planfile import decode_plan, encode_plan
from reconciler.workspace.project_state import ProjectState
from reconciler.workspace.settings import Settings
from reconciler.workspace.snapshot import OpenSnapshot, open_snapshot
from reconciler.workspace.specs import Specs, load_specs
from reconciler.workspace.workspace import Workspace

_IN_MEMORY = Path("/dev/shm")  # files in memory need no sync
SPECS: Mapping[str, Any] = {"version": 1, "specs": ["main.yaml"]}


class _CurrentClock:
    """Clock of the account in use."""

    def __init__(self) -> None:
        self.clock = FakeClock()

    def now(self) -> datetime:
        return self.clock.now()


_current = _CurrentClock()


@cache
def _get_emulator() -> Emulator:
    """Return the only emulator, since a new emulator costs more time than a plan."""
    return create_app(clock=_current.now)


class InProcessProject:
    """Project in `folder` and an account with switches of the emulator (`behaviour`).

    `adapter_factory` makes the stand-in for the network, `state_file_factory` the state file. `options` are options of
    the command line, by their names in `Settings`. `planned` and `applied` are the results of the last apply so far.
    """

    adapter_factory: Callable[[Emulator], BaseAdapter] = WsgiAdapter
    state_file_factory: Callable[[Path, str], StateFile] = StateFile
    parallelism: int | None = 8
    has_key = True
    budget = PAID_ACCOUNT

    def __init__(self, folder: Path, behaviour: Mapping[str, Any]) -> None:
        self.folder = folder
        self.clock = _current.clock = FakeClock()
        self.app = _get_emulator()
        assert Caller(self.app).post("/_emulator/reset").status_code == 200
        self.app.behaviour = Behaviour(**behaviour)
        self.secrets: dict[str, str] = {}
        self.options: dict[str, Any] = {}
        self._secret_variables: set[str] = set()
        self.planned: PlanResult | None = None
        self.applied: ApplyResult | None = None
        self._last_sequence = 0
        self._specs: Specs | None = None
        self._state = folder / "state" / "state.json"
        self.leak_detector = LeakDetector()
        self.leak_detector.add_folder(folder)
        self.write_project_file()

    def write_project_file(self, **more: Any) -> None:
        """Write another project file, with these settings."""
        self._write("reconciler.yaml", json.dumps({**SPECS, **more}))
        self._specs = None

    def declare(self, groups: Mapping[str, Any], **more: Any) -> None:
        """Write specs with these group entries. JSON is YAML too."""
        text = json.dumps({"version": 1, "groups": groups, **more}, ensure_ascii=False)
        self._write("main.yaml", text)
        self._specs = None
        self._secret_variables = set(_list_secret_variables(groups))

    def write_file(self, name: str, text: str) -> None:
        """Write a file beside the specs, such as the PEM file of a pin."""
        self._write(name, text)
        self._specs = None

    def plan(self) -> PlanResult:
        """Make a plan, which must write neither files nor objects."""
        self.read_new_history()
        files = sorted(self.folder.rglob("*"))
        with self.open_workspace() as workspace:
            planned = make_plan(workspace)
        assert {entry.method for entry in self.read_new_history()} <= {"GET"}
        assert sorted(self.folder.rglob("*")) == files
        return planned

    def plan_operations(self) -> Mapping[Address, PlannedOperation]:
        """Make a plan, and return its operations by address."""
        return self.plan().operations

    def plan_against_snapshot(self) -> PlanResult:
        """Take a snapshot of the account, and make a plan against it."""
        with self.open_workspace() as workspace:
            content = AccountReader(workspace.client, ignore_event, readers=1).read(tuple(ExtraList))
            described = describe_account(content, tuple(ExtraList), self.clock.now(), Redactor())
            origin = SnapshotOrigin("account.yaml", has_connections=True)
            snapshot = OpenSnapshot(Seed.model_validate(described.seed), origin)
            with open_snapshot(snapshot, self.clock, Timeouts()) as transport:
                sender = RetryingSender(transport, self.clock, cancelled=workspace.cancelled)
                return make_plan(replace(workspace, client=Client(sender), sender=sender, snapshot=origin))

    def apply(self) -> list[HistoryEntry]:
        """Plan and apply, as the command does. Returns the sent writes. Everything must work, and a plan after it must
        be empty."""
        self.read_new_history()
        applied = self.attempt()
        assert self.planned is not None
        assert self.planned.plan.blockers == (), self.planned.plan.blockers
        if applied is not None:
            check_applied(applied)
        return [entry for entry in self.read_new_history() if entry.method != "GET"]

    def attempt(self) -> ApplyResult | None:
        """Plan and apply, as the command does, with any result: None if there was nothing to do, or if the plan is
        refused."""
        self.planned, self.applied = None, None
        with self.open_workspace() as workspace:
            self._prepare(workspace)
            self.planned = make_plan(workspace)
            if self.planned.plan.blockers:
                return None
            if self.planned.plan.effective:
                self.applied = apply_plan(workspace, self.planned)
            else:
                adopt_only(workspace, self.planned)
        return self.applied

    def import_groups(self, options: ImportOptions) -> ImportResult:
        """Import groups, as the command does. The specs are read again after that."""
        self.options = {**self.options, "compare_secrets": False}
        with self.open_workspace(load_project(self.build_settings(), options)) as workspace:
            return import_groups(workspace, options, is_dry_run=False)

    def reload_specs(self) -> None:
        """Read the specs again, which the test has written itself."""
        self._specs = None

    def save_plan(self) -> bytes:
        """Save a plan, as `plan --out` writes it."""
        with self.open_workspace() as workspace:
            workspace.state.ensure_key()
            self.planned = make_plan(workspace)
            content = encode_plan(build_saved_plan(workspace, self.planned))
        (self.folder / "plan.json").write_bytes(content)
        return content

    def apply_saved(self, content: bytes) -> list[HistoryEntry]:
        """Apply a saved plan, as the command does. Returns the sent writes. Everything must work."""
        self.read_new_history()
        with self.open_workspace() as workspace:
            workspace.state.ensure_key()
            self.planned = replan(workspace, decode_plan(content))
            assert self.planned.plan.blockers == ()
            if self.planned.plan.effective:
                self.applied = apply_plan(workspace, self.planned)
                check_applied(self.applied)
            else:
                adopt_only(workspace, self.planned)
        return [entry for entry in self.read_new_history() if entry.method != "GET"]

    def lose_state(self) -> None:
        """Delete the state, but not the key of the fingerprints."""
        self._state.unlink(missing_ok=True)
        self._state.with_name("state.json.journal").unlink(missing_ok=True)

    def lose_key(self) -> None:
        """Delete the key of the fingerprints. No run makes another key."""
        self._state.with_name("state.json.key").unlink()
        self.has_key = False

    @property
    def state(self) -> State | None:
        """Read the state."""
        return StateFile(self._state, "state.json").read()

    @property
    def history(self) -> tuple[HistoryEntry, ...]:
        """Return all requests."""
        return tuple(self.app.read_history())

    def read_new_history(self) -> list[HistoryEntry]:
        """Return the requests since the last call. A long history is not read again and again."""
        entries = self.app.read_history(self._last_sequence)
        self._last_sequence = entries[-1].sequence if entries else self._last_sequence
        return entries

    @property
    def state_text(self) -> str:
        """Read the text of all state files, without the key."""
        files = sorted(self._state.parent.glob("state.json*"))
        return "".join(file.read_text() for file in files if not file.name.endswith(".key"))

    def _prepare(self, workspace: Workspace) -> None:
        if self.has_key:
            workspace.state.ensure_key()

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")
        self.leak_detector.add_written_file(self.folder / name, text)

    def build_settings(self) -> Settings:
        """Build the settings of a run."""
        return Settings(
            project=self.folder / "reconciler.yaml",
            directory=self.folder,
            environ={},
            clock=self.clock,
            entropy=lambda count: bytes(range(count)),
            holder=LockInfo(1, "host", "user", "", "test"),
            allowed={"changed_fraction": 1.0},
            parallelism=self.parallelism,
            **self.options,
        )

    @contextmanager
    def open_workspace(self, specs: Specs | None = None) -> Iterator[Workspace]:
        """Open the project for one run, as a command does, or with specs that the test has loaded: later runs read the
        specs again then."""
        self._specs = specs or self._specs
        try:
            with self._connect() as workspace:
                yield workspace
        finally:
            self._specs = None if specs is not None else self._specs

    @contextmanager
    def _connect(self) -> Iterator[Workspace]:
        for name in self._secret_variables & self.secrets.keys():
            self.leak_detector.add_secret(name, self.secrets[name])
        settings = self.build_settings()
        if self._specs is None:
            self._specs = load_specs(settings)
        with Transport(
            "https://in-process.invalid/v1",
            (Secret("key"), Secret("secret")),
            clock=self.clock,
            environ={},
            adapter=self.adapter_factory(self.app),
        ) as transport:
            cancelled, relay = threading.Event(), EventQueue(ignore_event)
            sender = RetryingSender(
                transport,
                self.clock,
                cancelled=cancelled,
                listener=relay.put,
                budget=self.budget,
                max_requests=settings.max_requests,
            )
            yield Workspace(
                settings=settings,
                specs=self._specs,
                sender=sender,
                client=Client(sender),
                registry=Registry({"env": Environment(self.secrets)}),
                state=ProjectState(
                    self.state_file_factory(self._state, "state.json"),
                    settings.entropy,
                    destinations=self._specs.destinations,
                ),
                events=relay,
                listener=relay,
                cancelled=cancelled,
            )


_AnyProject = TypeVar("_AnyProject", bound=InProcessProject)


@contextmanager
def open_project(
    build: Callable[[Path, Mapping[str, Any]], _AnyProject] = InProcessProject, **behaviour: Any
) -> Iterator[_AnyProject]:
    """Open an empty project, and an empty account with these switches. `build` builds a project of another class."""
    with TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as folder:
        project = build(Path(folder), behaviour)
        yield project
        check_findings(project.leak_detector.collect_findings())


def _list_secret_variables(declared: Any) -> Iterator[str]:
    """List the variables that specs refer to by `{secret: …}`, and not by its visible twin."""
    match declared:
        case {"secret": str(reference)}:
            yield reference.removeprefix("env:")
        case {}:
            for children in declared.values():
                yield from _list_secret_variables(children)
        case [*children]:
            for child in children:
                yield from _list_secret_variables(child)


def check_applied(applied: ApplyResult) -> None:
    """Check that everything in an apply worked, and that no work is left."""
    diagnostics = [diagnostic for outcome in applied.outcomes for diagnostic in outcome.diagnostics]
    assert select_errors([*diagnostics, *applied.problems]) == [], diagnostics
    assert {outcome.status for outcome in applied.outcomes} <= {Status.DONE}
    assert applied.remaining == ()


def list_actions(planned: PlanResult) -> dict[str, Action]:
    """Map each address to its planned action."""
    return {str(change.address): change.action for change in planned.plan.changes}
