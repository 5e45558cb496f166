"""S-02 and S-03 with real processes: `reconciler apply` is killed by SIGKILL, and the next one finishes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project, build_credentials, serve_fivetran
from command_line import COMMAND, PROCESS_TIMEOUT, build_environment
from hold_request import HoldPoint, RequestHolder
from invariants import check_history, check_state, take_snapshot
from kill_scenarios import MAX_APPLIES, get_undisturbed
from killable_run import CallNames, is_announced
from scenarios import SCENARIOS, Scenario, Scene

from reconciler.emulator.app import Emulator
from reconciler.emulator.serve import serve_in_thread
from reconciler.state.file import StateFile

Kill = tuple[str, str]
"""A situation and one of its calls."""

KILLS: tuple[Kill, ...] = (
    ("one pair", "create group.finance"),
    ("one pair", "create destination.finance"),
    ("one pair", "test destination.finance"),
    ("renamed and updated", "update group.finance"),
    ("replaced", "delete destination.lake"),
    ("replaced", "create destination.lake"),
    ("removed with Fivetran's own connection", "delete connection.finance"),
    ("removed with Fivetran's own connection", "delete destination.finance"),
    ("removed with Fivetran's own connection", "delete group.finance"),
    ("mixed", "create destination.fresh"),
    ("mixed", "update destination.finance"),
)
WITH_THE_MEMORY: tuple[Kill, ...] = (
    ("one pair", "create group.finance"),
    ("one pair", "create destination.finance"),
    ("replaced", "create destination.lake"),
    ("removed", "delete group.finance"),
)
MAY_STILL_COME = (HoldPoint.BEFORE_EFFECT, HoldPoint.LATE_EFFECT)
AFTER_WHICH_IT_IS_LOST = (HoldPoint.AFTER_EFFECT, HoldPoint.AFTER_ANSWER)
TWICE: tuple[tuple[Kill, str], ...] = (
    (("one pair", "create group.finance"), "create destination.finance"),
    (("one pair", "create destination.finance"), "test destination.finance"),
    (("replaced", "delete destination.lake"), "create destination.lake"),
    (("removed", "delete destination.finance"), "delete group.finance"),
    (("mixed", "create group.fresh"), "create destination.fresh"),
)


class CommandLine:
    """A project whose applies are those of the command line: in this process, or in one of their own."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server
        self.secrets: dict[str, str] = {}
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
        )

    @property
    def app(self) -> Emulator:
        """The other side."""
        return self.server.app

    @property
    def state(self) -> Path:
        """The file of the memory."""
        return self.project.folder / "specs" / ".reconciler" / "state.json"

    def declare(self, groups: Mapping[str, Any], **more: Any) -> None:
        """Write the specs. JSON is YAML too."""
        self.project.write("specs/groups/main.yaml", json.dumps({"version": 1, "groups": groups, **more}))

    def attempt(self) -> CommandResult:
        """Plan and apply, whatever comes of it."""
        return self.project.run_against(self.server, "apply", "--auto-approve", environ=self.secrets)

    def is_done(self) -> bool:
        """Whether a plan is empty."""
        code = self.project.run_against(self.server, "plan", "--detailed-exitcode", environ=self.secrets).exit
        assert code in (0, 2)
        return code == 0

    @contextmanager
    def process(self, url: str) -> Iterator[subprocess.Popen[bytes]]:
        """An apply in a process of its own. It is dead at the end."""
        process = subprocess.Popen(
            [*COMMAND, "apply", "--auto-approve"],
            cwd=self.project.folder,
            env=build_environment(**build_credentials(url), **self.secrets),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=PROCESS_TIMEOUT)

    def killed(self, names: CallNames, call: str, at: HoldPoint) -> None:
        """Kill an apply while a request of it is held at this moment."""
        warden = RequestHolder(self.app, names, call, at)
        with serve_in_thread(warden) as url:
            with self.process(url) as process:
                while not warden.reached.wait(0.05):
                    assert process.poll() is None, f"it ended by itself: {process.communicate()[1].decode()}"
                state = StateFile(self.state, "the state").read()
                assert at is HoldPoint.AFTER_ANSWER or (
                    state is not None and is_announced(call, state)
                )  # S-01
                process.kill()
                assert process.wait(PROCESS_TIMEOUT) == -9
            warden.released.set()
        self.app.faults.clear()


class Drama:
    """A situation that is played with real processes."""

    def __init__(self, situation: Scenario, stage: CommandLine) -> None:
        self.scenario, self.stage = situation, stage
        self.scene = Scene(stage)
        situation.prepare(self.scene)
        self.names = CallNames(self.scene)

    def lose_the_memory(self) -> None:
        """Without it nobody can tell a removal that was carried out from a slip in an id: a person can."""
        for file in (self.stage.state, self.stage.state.with_name("state.json.journal")):
            file.unlink(missing_ok=True)
        if "error[removal-unknown-id]" in self.stage.attempt().stderr:
            self.scene.delete_lines()

    def go_on(self) -> bool:
        """O5: after at most two applies a plan is empty, and a further apply writes nothing. Where a create has to
        wait, that is so once the request before it is settled. Whether one had to."""
        waited = self.stage.attempt().exit == 6
        if waited:
            assert self.stage.attempt().exit == 6, "a second one waits as well"
            self.stage.project.advance_time()
        for _ in range(MAX_APPLIES):
            if self.stage.is_done():
                break
            assert self.stage.attempt().exit == 0
        else:
            raise AssertionError("two applies were not enough")
        before = len(self.stage.server.writes)
        assert self.stage.attempt().exit == 0
        assert self.stage.server.writes[before:] == []
        return waited

    def judge(self, *, lost: bool = False) -> None:
        """All oracles."""
        check_history(self.scenario, self.stage.app.read_history(self.names.last_prepared), self.names)
        check_state(self.stage.state, self.stage.app, is_settled=True)
        assert take_snapshot(self.stage.app, with_health=not lost) == get_undisturbed(
            self.scenario, with_health=not lost
        )


@pytest.fixture
def played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[[str], Any]:
    """Sets up a situation by its name, in a folder and an account of its own."""
    number = 0

    @contextmanager
    def play(name: str) -> Iterator[Drama]:
        nonlocal number
        number += 1
        [situation] = [each for each in SCENARIOS if each.name == name]
        get_undisturbed(situation, with_health=True)  # before the account of this one: they share a process
        folder = tmp_path / str(number)
        folder.mkdir()
        with serve_fivetran() as server:
            yield Drama(situation, CommandLine(Project(folder, monkeypatch, capfd), server))

    return play


def test_there_are_enough_of_them() -> None:
    kept, lost = len(KILLS) * len(HoldPoint), len(WITH_THE_MEMORY) * len(AFTER_WHICH_IT_IS_LOST)
    assert kept + lost + 2 * len(TWICE) >= 60


@pytest.mark.sampled(every=11)
@pytest.mark.parametrize("kill", KILLS, ids=": ".join)
def test_whoever_comes_after_finishes(kill: Kill, played: Callable[[str], Any]) -> None:
    name, call = kill
    for at in HoldPoint:
        with played(name) as drama:
            drama.stage.killed(drama.names, call, at)
            waited = drama.go_on()
            # Where several workers are at it, another create may have been on its way.
            assert name == "mixed" or waited == (call.startswith("create") and at in MAY_STILL_COME)
            drama.judge()


@pytest.mark.sampled(every=4)
@pytest.mark.parametrize("kill", WITH_THE_MEMORY, ids=": ".join)
def test_also_without_the_memory(kill: Kill, played: Callable[[str], Any]) -> None:
    name, call = kill
    for at in AFTER_WHICH_IT_IS_LOST:
        with played(name) as drama:
            drama.stage.killed(drama.names, call, at)
            drama.lose_the_memory()
            drama.go_on()
            drama.judge(lost=True)


@pytest.mark.sampled(every=4)
@pytest.mark.parametrize(("kill", "again"), TWICE, ids=str)
def test_a_recovery_may_be_killed_too(kill: Kill, again: str, played: Callable[[str], Any]) -> None:
    name, call = kill
    with played(name) as drama:
        drama.stage.killed(drama.names, call, HoldPoint.AFTER_EFFECT)
        drama.stage.killed(drama.names, again, HoldPoint.AFTER_EFFECT)
        drama.go_on()
        drama.judge()
