"""Check that the next `reconciler apply` completes a process killed by SIGKILL (S-02, S-03)."""

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
from scenarios import SCENARIOS, Scenario, ScenarioSetup

from reconciler.emulator.app import Emulator
from reconciler.emulator.serve import serve_in_thread
from reconciler.state.file import StateFile

pytestmark = pytest.mark.sampled(every=6)

Kill = tuple[str, str]
"""Scenario and call of a kill."""

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
STATE_LOST: tuple[Kill, ...] = (
    ("one pair", "create group.finance"),
    ("one pair", "create destination.finance"),
    ("replaced", "create destination.lake"),
    ("removed", "delete group.finance"),
)
MAY_STILL_TAKE_EFFECT = (HoldPoint.BEFORE_EFFECT, HoldPoint.LATE_EFFECT)
KILLED_BEFORE_LOSS = (HoldPoint.AFTER_EFFECT, HoldPoint.AFTER_ANSWER)
DOUBLE_KILLS: tuple[tuple[Kill, str], ...] = (
    (("one pair", "create group.finance"), "create destination.finance"),
    (("one pair", "create destination.finance"), "test destination.finance"),
    (("replaced", "delete destination.lake"), "create destination.lake"),
    (("removed", "delete destination.finance"), "delete group.finance"),
    (("mixed", "create group.fresh"), "create destination.fresh"),
)


class CommandLineProject:
    """Project whose applies run through the command line, in this process or in another process."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server
        self.secrets: dict[str, str] = {}
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
        )

    @property
    def app(self) -> Emulator:
        """Return the emulator of the account."""
        return self.server.app

    @property
    def state(self) -> Path:
        """Return the state file."""
        return self.project.folder / "specs" / ".reconciler" / "state.json"

    def declare(self, groups: Mapping[str, Any], **more: Any) -> None:
        """Write the specs. JSON is YAML too."""
        self.project.write("specs/groups/main.yaml", json.dumps({"version": 1, "groups": groups, **more}))

    def attempt(self) -> CommandResult:
        """Plan and apply, whatever the result."""
        return self.project.run_against(self.server, "apply", "--auto-approve", environ=self.secrets)

    def is_done(self) -> bool:
        """Return whether a plan is empty."""
        code = self.project.run_against(self.server, "plan", "--detailed-exitcode", environ=self.secrets).exit
        assert code in (0, 2)
        return code == 0

    @contextmanager
    def start_apply(self, url: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start an apply in another process, and kill the process at the end."""
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

    def kill_apply(self, names: CallNames, call: str, at: HoldPoint) -> None:
        """Kill an apply while the server holds its request at this point."""
        holder = RequestHolder(self.app, names, call, at)
        with serve_in_thread(holder) as url:
            with self.start_apply(url) as process:
                while not holder.reached.wait(0.05):
                    assert process.poll() is None, (
                        f"the process ended by itself: {process.communicate()[1].decode()}"
                    )
                state = StateFile(self.state, "the state").read()
                assert at is HoldPoint.AFTER_ANSWER or (
                    state is not None and is_announced(call, state)
                )  # S-01
                process.kill()
                assert process.wait(PROCESS_TIMEOUT) == -9
            holder.released.set()
        self.app.faults.clear()


class KilledScenario:
    """Scenario whose applies are real processes to kill."""

    def __init__(self, scenario: Scenario, host: CommandLineProject) -> None:
        self.scenario, self.host = scenario, host
        self.setup = ScenarioSetup(host)
        scenario.prepare(self.setup)
        self.names = CallNames(self.setup)

    def lose_state(self) -> None:
        """Delete the state, and the completed removals, whose ids the new state does not know."""
        for file in (self.host.state, self.host.state.with_name("state.json.journal")):
            file.unlink(missing_ok=True)
        if "error[removal-unknown-id]" in self.host.attempt().stderr:
            self.setup.delete_removals()

    def converge(self) -> bool:
        """Check O5: after at most two applies a plan is empty, and a further apply writes nothing.

        The applies are counted after the settle time of held creates. Returns whether a create was held.
        """
        waited = self.host.attempt().exit == 6
        if waited:
            assert self.host.attempt().exit == 6, "a second apply waits too"
            self.host.project.advance_time()
        for _ in range(MAX_APPLIES):
            if self.host.is_done():
                break
            assert self.host.attempt().exit == 0
        else:
            raise AssertionError("two applies were not enough")
        before = len(self.host.server.writes)
        assert self.host.attempt().exit == 0
        assert self.host.server.writes[before:] == []
        return waited

    def check_invariants(self, *, lost: bool = False) -> None:
        """Check history, state and account. `lost`: the state was lost."""
        check_history(self.scenario, self.host.app.read_history(self.names.last_prepared), self.names)
        check_state(self.host.state, self.host.app, is_settled=True)
        assert take_snapshot(self.host.app, with_health=not lost) == get_undisturbed(
            self.scenario, with_health=not lost
        )


@pytest.fixture
def prepare_killed_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[[str], Any]:
    """Return a function that prepares a scenario by its name, in a new folder and account."""
    number = 0

    @contextmanager
    def prepare_in_folder(name: str) -> Iterator[KilledScenario]:
        nonlocal number
        number += 1
        [scenario] = [each for each in SCENARIOS if each.name == name]
        get_undisturbed(scenario, with_health=True)  # before this account is served: both share a process
        folder = tmp_path / str(number)
        folder.mkdir()
        with serve_fivetran() as server:
            yield KilledScenario(scenario, CommandLineProject(Project(folder, monkeypatch, capfd), server))

    return prepare_in_folder


def test_the_matrix_covers_at_least_sixty_kills() -> None:
    kept, lost = len(KILLS) * len(HoldPoint), len(STATE_LOST) * len(KILLED_BEFORE_LOSS)
    assert kept + lost + 2 * len(DOUBLE_KILLS) >= 60


@pytest.mark.long
@pytest.mark.parametrize("kill", KILLS, ids=": ".join)
def test_the_next_run_completes_a_killed_apply(
    kill: Kill, prepare_killed_scenario: Callable[[str], Any]
) -> None:
    name, call = kill
    for at in HoldPoint:
        with prepare_killed_scenario(name) as run:
            run.host.kill_apply(run.names, call, at)
            waited = run.converge()
            # Another worker may have had a create in flight; after an answer, the run may have sent the next create.
            may_have_sent_another = name == "mixed" or at is HoldPoint.AFTER_ANSWER
            was_in_flight = call.startswith("create") and at in MAY_STILL_TAKE_EFFECT
            assert may_have_sent_another or waited == was_in_flight
            run.check_invariants()


@pytest.mark.sampled(every=4)
@pytest.mark.parametrize("kill", STATE_LOST, ids=": ".join)
def test_the_next_run_completes_a_killed_apply_without_the_state(
    kill: Kill, prepare_killed_scenario: Callable[[str], Any]
) -> None:
    name, call = kill
    for at in KILLED_BEFORE_LOSS:
        with prepare_killed_scenario(name) as run:
            run.host.kill_apply(run.names, call, at)
            run.lose_state()
            run.converge()
            run.check_invariants(lost=True)


@pytest.mark.long
@pytest.mark.sampled(every=4)
@pytest.mark.parametrize(("kill", "again"), DOUBLE_KILLS, ids=str)
def test_a_recovering_apply_may_be_killed(
    kill: Kill, again: str, prepare_killed_scenario: Callable[[str], Any]
) -> None:
    name, call = kill
    with prepare_killed_scenario(name) as run:
        run.host.kill_apply(run.names, call, HoldPoint.AFTER_EFFECT)
        run.host.kill_apply(run.names, again, HoldPoint.AFTER_EFFECT)
        run.converge()
        run.check_invariants()
