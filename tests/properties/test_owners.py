"""Laws of two projects with random specs over one account, whose states are at one place.

1. Nothing that a state has is written by a run of the other project, whatever its specs say.
2. No object is ever in both states, and no name is created twice, even if both projects plan at the same time.
3. A run that is refused for that is told which state has the object.

Runs race in each way: one is whole between the plan and the apply of the other, or at the first write of the other, or
both apply at once.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from cli_harness import Project, serve_fivetran
from long_runs import small_and_large
from owned_projects import BUCKET, FOLDER, GIT, A, B, OwnedProjects, open_place, set_environ

from reconciler.applying.pipeline import adopt_only, apply_plan
from reconciler.emulator.serve import serve_in_thread
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, select_errors
from reconciler.model.plan import Plan
from reconciler.operations.hand_over import hand_over
from reconciler.planning.pipeline import make_plan
from reconciler.workspace.workspace import Access, open_workspace, with_lock_renewal

NAMES = ("lake", "orders", "pay", "sales")
PAIR = """\
  {key}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      config: {{project_id: acme, data_set_location: US}}
"""
OTHER = {A: B, B: A}
REFUSED = "owned-elsewhere"
STEPS = 6


@dataclass
class Gateway:
    """Address of the account for one project. It records the writes, and acts once before the first of them.

    `list_foreign_ids` lists what the other project has at a moment; `trespasses` are writes of that.
    """

    app: Any
    list_foreign_ids: Callable[[], set[str]]
    url: str = ""
    trespasses: list[str] = field(default_factory=list)
    writes: list[tuple[str, str]] = field(default_factory=list)
    before_write: Callable[[], None] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET":
            act, self.before_write = self.before_write, None
            if act is not None:
                act()
            self.writes.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
            if find_id(environ["PATH_INFO"]) in self.list_foreign_ids():
                self.trespasses.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        response: Iterable[bytes] = self.app(environ, start_response)
        return response

    @property
    def written_ids(self) -> set[str]:
        """The ids of the groups and destinations that were changed, tested or deleted."""
        return {id for _, path in self.writes if (id := find_id(path)) is not None}


def find_id(path: str) -> str | None:
    """Find the id of the group or destination that a request is about."""
    match = re.search(r"/(?:groups|destinations)/([^/]+)", path)
    return match[1] if match is not None else None


@dataclass(frozen=True)
class RunResult:
    """End of an apply: its errors, and the names of the declared entries."""

    errors: tuple[Diagnostic, ...]
    was_applied: bool

    @property
    def told(self) -> tuple[Diagnostic, ...]:
        """The findings that name the other state."""
        return tuple(error for error in self.errors if error.code == REFUSED)


class RandomPair:
    """Two projects with random specs, and one step after the other."""

    def __init__(self, projects: OwnedProjects, gateways: dict[str, Gateway], chance: random.Random) -> None:
        self.projects, self.gateways, self.chance = projects, gateways, chance
        self.declared: dict[str, dict[str, str]] = {A: {}, B: {}}
        self.bare = set(
            chance.sample(NAMES, 2)
        )  # groups without a destination, which are adopted without a request
        self.races = self.told = 0
        for name in chance.sample(NAMES, chance.randint(0, 2)):
            projects.server.post("/groups", {"name": name})
        for name in (A, B):
            self.edit(name)

    def take_steps(self) -> None:
        for _ in range(STEPS):
            step = self.chance.choice([self.apply_one, self.edit_one, self.hand_one_over, *self.list_races()])
            for gateway in self.gateways.values():
                gateway.writes.clear()
            step()
            self.check_laws()

    def list_races(self) -> list[Callable[[], None]]:
        return [self.race_between, self.race_at_write, self.race_at_once]

    def check_laws(self) -> None:
        owned = {name: self.projects.list_owned_ids(name) for name in (A, B)}
        assert not owned[A] & owned[B]
        for name, other in OTHER.items():
            assert not self.gateways[name].written_ids & owned[other], f"{name} wrote what {other} has"
            assert self.gateways[name].trespasses == [], f"{name} wrote what {other} had"
        groups = self.projects.server.app.dashboard
        for group_name in NAMES:
            assert len(groups.find_group_ids(group_name)) <= 1, f"{group_name} was created twice"

    # Steps

    def apply_one(self) -> None:
        self.check_told(name := self.choose(), self.apply(name))

    def edit_one(self) -> None:
        self.edit(self.choose())

    def hand_one_over(self) -> None:
        giver = self.choose()
        keys = sorted({text.partition(".")[2] for text in self.projects.list_addresses(giver)})
        if not keys:
            return
        key = self.chance.choice(keys)
        settings = self.projects.build_settings(giver)
        try:
            hand_over(settings, self.projects.build_settings(OTHER[giver]).project, [key])
        except ReconcilerError as error:
            assert [each.code for each in error.diagnostics] == ["address-taken"]
            return
        if self.chance.random() < 0.7:
            self.declared[OTHER[giver]][key] = self.declared[giver].pop(key, "0")
            for name in (A, B):
                self.write_specs(name)

    def race_between(self) -> None:
        """Apply one project whole between the plan and the apply of the other."""
        name = self.choose()
        faster: list[RunResult] = []
        slower = self.apply(name, after_plan=lambda: faster.append(self.apply(OTHER[name])))
        self.check_race(name, slower, OTHER[name], faster)

    def race_at_write(self) -> None:
        """Apply one project whole at the first write of the other."""
        name = self.choose()
        slower: list[RunResult] = []
        self.gateways[name].before_write = lambda: slower.append(self.apply(OTHER[name]))
        faster = self.apply(name)
        self.gateways[name].before_write = None
        self.check_race(name, faster, OTHER[name], slower)

    def race_at_once(self) -> None:
        """Let both projects plan, and then apply at once."""
        barrier = threading.Barrier(2, timeout=60)

        def wait() -> None:
            barrier.wait()

        def apply(name: str) -> RunResult:
            try:
                return self.apply(name, after_plan=wait)
            finally:
                barrier.abort()  # the other run does not wait for a run that was refused

        with ThreadPoolExecutor(2) as pool:
            results = dict(zip((A, B), pool.map(apply, (A, B)), strict=True))
        # For a moment a run that is about to be refused had written its records, too.
        for gateway in self.gateways.values():
            gateway.trespasses.clear()
        self.check_race(A, results[A], B, [results[B]])

    def check_race(self, one: str, result: RunResult, other: str, results: list[RunResult]) -> None:
        """Check that a run of two that were to take the same object was told."""
        self.races += 1
        if not results:
            return
        contested = self.declared[one].keys() & self.declared[other].keys()
        if contested:
            assert any(each.told or not each.was_applied for each in (result, *results)), contested
        self.check_names(one, result)
        self.check_names(other, *results)

    # Runs

    def choose(self) -> str:
        return self.chance.choice((A, B))

    def edit(self, name: str) -> None:
        """Declare random pairs, each with a random time zone."""
        keys = self.chance.sample(NAMES, self.chance.randint(1, 3))
        self.declared[name] = {key: str(self.chance.choice((-5, 0, 3))) for key in keys}
        self.write_specs(name)

    def write_specs(self, name: str) -> None:
        """Write the declared pairs. What the state has beside them is removed, or only forgotten."""
        entries = "".join(
            f"  {key}: {{}}\n"
            if key in self.bare
            else f"{PAIR.format(key=key)}      time_zone_offset: '{zone}'\n"
            for key, zone in self.declared[name].items()
        )
        state = self.projects.read_state(name)
        records = state.records if state is not None else {}
        ids = {address.key: record.id for address, record in records.items() if record.id}
        removed = "".join(
            f"  - {{group: {key}, id: {id}{', forget: true' if self.chance.random() < 0.3 else ''}}}\n"
            for key, id in sorted(ids.items())
            if key not in self.declared[name]
        )
        self.projects.declare(name, groups=entries or "  spare: {}\n", removed=removed)

    def apply(self, name: str, after_plan: Callable[[], None] = lambda: None) -> RunResult:
        """Plan and apply, as the command does."""
        settings = self.projects.build_settings(name, self.gateways[name].url)
        try:
            with open_workspace(settings, access=Access.WRITE) as workspace:
                planned = with_lock_renewal(workspace, make_plan)
                if planned.plan.blockers:
                    return RunResult(planned.plan.blockers, was_applied=False)
                after_plan()
                return self.carry_out(workspace, planned)
        except ReconcilerError as error:
            return RunResult(error.diagnostics, was_applied=False)
        except threading.BrokenBarrierError:
            return RunResult((), was_applied=False)

    def carry_out(self, workspace: Any, planned: Any) -> RunResult:
        plan: Plan = planned.plan
        if not plan.effective:
            adopt_only(workspace, planned)
            return RunResult((), was_applied=True)
        applied = apply_plan(workspace, planned)
        problems = [each for outcome in applied.outcomes for each in outcome.diagnostics]
        errors = select_errors((*problems, *applied.problems))
        assert errors == [], errors
        return RunResult(tuple(errors), was_applied=True)

    # Laws about what is told

    def check_told(self, name: str, result: RunResult) -> None:
        """Check that a project is refused, and told, if it declares what the other state has."""
        theirs = self.projects.list_owned_ids(OTHER[name])
        dashboard = self.projects.server.app.dashboard
        claimed = [key for key in self.declared[name] if set(dashboard.find_group_ids(key)) & theirs]
        assert bool(claimed) == bool(result.told), (claimed, result.errors)
        assert {each.address.key for each in result.told if each.address} == set(claimed)
        self.check_names(name, result)

    def check_names(self, name: str, *results: RunResult) -> None:
        """Check that each finding names the state of the other project."""
        for result in results:
            self.told += len(result.told)
            for finding in result.told:
                assert self.projects.place.describe_state(OTHER[name]) in finding.message


@contextmanager
def open_pair(kind: str, number: int, opened: OwnedProjects) -> Iterator[RandomPair]:
    """Open two projects with an address of the account for each."""
    with ExitStack() as stack:
        gateways = {
            name: Gateway(opened.server.app, partial(opened.list_owned_ids, OTHER[name])) for name in (A, B)
        }
        for gateway in gateways.values():
            gateway.url = stack.enter_context(serve_in_thread(gateway))
        yield RandomPair(opened, gateways, random.Random(f"{kind} {number}"))


@pytest.mark.parametrize("kind", [FOLDER, GIT, pytest.param(BUCKET, marks=pytest.mark.long)])
@small_and_large("share", 1, 20)
def test_projects_at_one_place_never_write_what_the_other_has(
    kind: str,
    share: int,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pairs = {FOLDER: 8, GIT: 1, BUCKET: 1}[kind] * share
    races = told = 0
    for number in range(pairs):
        folder, server_folder = (tmp_path_factory.mktemp(name) for name in ("project", "server"))
        with (
            serve_fivetran() as server,
            open_place(kind, folder, server_folder) as place,
            set_environ(place.environ),
        ):
            projects = OwnedProjects(Project(folder, monkeypatch, capfd), server, place)
            with open_pair(kind, number, projects) as pair:
                pair.take_steps()
            races, told = races + pair.races, told + pair.told
    if pairs > 1:
        assert races and told, (races, told)
