"""S-09 and R47: a stopped run reports its outcomes, and the next run continues."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from applied_project import PAIR, AppliedProject
from background_process import BackgroundProcess
from blocking_server import BlockingServer, serve_blocking
from cli_harness import EmulatedFivetran, Project, build_credentials
from command_line import COMMAND, ProcessResult

from reconciler.workspace.audit import EventLog

pytestmark = pytest.mark.sampled(every=6, tests=3)

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
APPLY = ("apply", "--auto-approve")
BARE = "  {key}: {{}}\n"


class InterruptedProject(AppliedProject):
    """A project without entries, applied by a real process."""

    def declare_groups(self, *names: str, form: str = BARE) -> None:
        self.project.write_groups("".join(form.format(key=name) for name in names))

    @contextmanager
    def start(
        self,
        *options: str,
        should_block: Callable[[str, str], bool] = lambda method, path: method != "GET",
        is_released: bool = True,
        command: tuple[str, ...] = APPLY,
    ) -> Iterator[tuple[BackgroundProcess, BlockingServer]]:
        """Start a command behind a server that holds the chosen requests."""
        with (
            serve_blocking(self.server, should_block, is_released=is_released) as (gate, url),
            BackgroundProcess(*command, *options, directory=self.folder, **build_credentials(url)) as process,
        ):
            yield process, gate

    def check_next_apply(self, *, waits: bool = False) -> None:
        """Assert that the next apply starts at once, succeeds, converges and duplicates nothing. If a create may still
        take effect, the next apply `waits` with it."""
        self.server.app.faults.clear()
        if waits:
            held = self.run(*APPLY)
            assert held.exit == 6
            assert "may still take effect" in held.stdout
            self.project.advance_time()
        self.must_apply()
        names = [self.server.get(f"/groups/{id}")["name"] for id in self.server.list_ids("groups")]
        assert sorted(names) == sorted(set(names))
        done = self.plan("--detailed-exitcode")
        assert done.exit == 0, done.stdout


@pytest.fixture
def interrupted_project(project: Project, server: EmulatedFivetran) -> InterruptedProject:
    """A project without entries, for the account of the server."""
    interrupted_project = InterruptedProject(project, server)
    interrupted_project.write_settings()
    return interrupted_project


def parse_results(finished: ProcessResult) -> dict[str, str]:
    """Parse the result words by address."""
    lines = finished.out.partition("digest ")[2].splitlines()
    found = (line.split() for line in lines if line.startswith(("  + ", "  ~ ", "  ? ", "  - ")))
    return {parts[1]: parts[2] for parts in found}


def list_summary(finished: ProcessResult) -> list[str]:
    """List the lines of the summary, from `Applied:` on."""
    return ("Applied:" + finished.out.rpartition("\nApplied:")[2]).splitlines()


INTERRUPTED = "Interrupted. Run apply again to continue: finished changes are not repeated."


@pytest.mark.parametrize(
    ("number", "phase"), [(signal.SIGINT, "before-effect"), (signal.SIGTERM, "after-effect")]
)
def test_a_hanging_write_is_abandoned_in_time_and_reported_as_unknown(
    number: int, phase: str, interrupted_project: InterruptedProject
) -> None:
    interrupted_project.declare_groups("first", "second", form=PAIR)
    interrupted_project.add_faults(f"POST /v1/groups {phase} hang 60")
    with interrupted_project.start("--parallelism", "1") as (process, gate):
        gate.await_arrivals(1)
        process.signal(number)
        ended = process.wait_for_exit()
    assert process.seconds_since_signal < 20, "the run does not wait for the answer"
    assert ended.code == 6
    assert "Stopping: calls in flight have a few seconds to end." in ended.err
    assert parse_results(ended) == {
        "group.first": "unknown",
        "destination.first": "cancelled",
        "group.second": "cancelled",
        "destination.second": "cancelled",
    }
    applied, *rest = list_summary(ended)
    assert applied.startswith("Applied: nothing in ")
    assert rest == ["Not applied: 3 cancelled, 1 unknown.", INTERRUPTED]
    assert "error[outcome-unknown]: group.first: the run was stopped before an answer came" in ended.out
    assert interrupted_project.server.writes == ["POST /v1/groups"], "nothing new was started"
    assert not interrupted_project.state_file.with_name("state.json.lock.holder").exists()
    assert not interrupted_project.state_file.read_text().count("second"), (
        "what was not begun is not looked for"
    )
    interrupted_project.check_next_apply(waits=phase == "before-effect")
    assert len(interrupted_project.server.list_ids("groups")) == 2
    assert interrupted_project.server.writes.count("POST /v1/groups") == (2 if phase == "after-effect" else 3)


@SIGNALS
def test_requests_in_flight_finish_and_waiting_changes_do_not_start(
    number: int, interrupted_project: InterruptedProject
) -> None:
    interrupted_project.declare_groups("east", "north", "south", "west")
    with interrupted_project.start("--parallelism", "2", is_released=False) as (process, gate):
        gate.await_arrivals(2)
        process.signal(number)
        process.wait_for("Stopping: ")
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 6
    assert parse_results(ended) == {
        "group.east": "created",
        "group.north": "created",
        "group.south": "cancelled",
        "group.west": "cancelled",
    }
    assert list_summary(ended)[1:] == ["Not applied: 2 cancelled.", INTERRUPTED]
    assert len(interrupted_project.server.list_ids("groups")) == 2
    interrupted_project.check_next_apply()
    assert interrupted_project.server.writes == ["POST /v1/groups"] * 4


def test_an_interrupted_apply_reports_outcomes_in_json(interrupted_project: InterruptedProject) -> None:
    interrupted_project.declare_groups("first", "second")
    with interrupted_project.start("--parallelism", "1", "--format", "json", is_released=False) as (
        process,
        gate,
    ):
        gate.await_arrivals(1)
        process.signal(signal.SIGTERM)
        process.wait_for("Stopping: ")
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 6
    document = json.loads(ended.out)
    assert document["exit"] == {"code": 6, "reason": "incomplete"}
    applied = document["applied"]
    assert [each["status"] for each in applied["outcomes"]] == ["done", "cancelled"]
    assert (applied["interrupted"], applied["remaining"]) == (True, None)


@pytest.mark.long
def test_hanging_setup_tests_keep_the_destination_and_are_repeated_by_the_next_plan(
    interrupted_project: InterruptedProject,
) -> None:
    interrupted_project.declare_groups("first", form=PAIR)
    interrupted_project.add_faults("POST /v1/destinations/*/test #1 hang 60")
    with interrupted_project.start(should_block=lambda method, path: path.endswith("/test")) as (
        process,
        gate,
    ):
        gate.await_arrivals(1)
        process.signal(signal.SIGINT)
        ended = process.wait_for_exit()
    assert process.seconds_since_signal < 20
    assert ended.code == 6
    assert parse_results(ended) == {"group.first": "created", "destination.first": "created"}
    assert "destination.first is written, but its setup tests have no result: the run was stopped" in (
        ended.out
    )
    assert list_summary(ended)[1:] == ["Not finished: 1 without passed setup tests.", INTERRUPTED]
    plan = interrupted_project.run("plan", "--detailed-exitcode")
    assert plan.exit == 2
    assert "? destination.first" in plan.stdout
    assert "setup tests have not passed; apply runs them" in plan.stdout
    interrupted_project.check_next_apply()
    [id] = interrupted_project.server.list_ids("destinations")
    assert interrupted_project.server.writes[2:] == [f"POST /v1/destinations/{id}/test"] * 2


@pytest.mark.long
def test_a_hanging_convergence_check_delays_no_exit(interrupted_project: InterruptedProject) -> None:
    interrupted_project.declare_groups("first")
    interrupted_project.add_faults("GET /v1/account/info #2 hang 60")
    with interrupted_project.start(should_block=lambda method, path: path.endswith("/info")) as (
        process,
        gate,
    ):
        gate.await_arrivals(2)
        process.signal(signal.SIGTERM)
        ended = process.wait_for_exit()
    assert process.seconds_since_signal < 20
    assert ended.code == 6
    assert list_summary(ended)[1:] == [
        "Interrupted. All changes were applied; run plan to see whether any are left."
    ]
    assert interrupted_project.server.writes == ["POST /v1/groups"]
    interrupted_project.check_next_apply()
    assert interrupted_project.server.writes == ["POST /v1/groups"]


@pytest.mark.parametrize(
    "faults",
    [
        ("POST /v1/groups status 429 retry-after=300",),
        ("POST /v1/groups before-effect reset", "GET /v1/groups #2.. status 503"),
    ],
    ids=["a pause", "a retry"],
)
def test_a_waiting_run_ends_at_once(faults: tuple[str, ...], interrupted_project: InterruptedProject) -> None:
    interrupted_project.declare_groups("first", "second")
    interrupted_project.add_faults(*faults)
    with interrupted_project.start("--parallelism", "1", "-v") as (process, gate):
        gate.await_arrivals(1)
        process.wait_for(": trying again in ")
        process.signal(signal.SIGINT)
        ended = process.wait_for_exit()
    assert process.seconds_since_signal < 20
    assert ended.code == 6
    assert parse_results(ended)["group.second"] == "cancelled"
    assert interrupted_project.server.writes == ["POST /v1/groups"]
    interrupted_project.check_next_apply(waits=len(faults) > 1)
    assert len(interrupted_project.server.list_ids("groups")) == 2


@pytest.mark.long
def test_a_signal_ends_the_wait_for_a_spent_quota(interrupted_project: InterruptedProject) -> None:
    settings = interrupted_project.folder / "specs" / "reconciler.yaml"
    interrupted_project.project.write(
        "specs/reconciler.yaml", settings.read_text() + "budget: {setup_tests_per_minute: 1}\n"
    )
    interrupted_project.declare_groups("first", "second", form=PAIR)
    with interrupted_project.start("--parallelism", "1") as (process, _):
        process.wait_for("no setup tests left for now: continuing in ")
        process.signal(signal.SIGINT)
        ended = process.wait_for_exit()
    assert process.seconds_since_signal < 20
    assert ended.code == 6
    assert "Not finished: 1 without passed setup tests." in list_summary(ended)
    assert "destination.second is written, but its setup tests have no result: the run was stopped" in (
        ended.out
    )
    interrupted_project.check_next_apply()


@SIGNALS
def test_a_second_signal_exits_at_once_with_the_state_on_disk(
    number: int, interrupted_project: InterruptedProject
) -> None:
    interrupted_project.declare_groups("first", "second", "third")
    interrupted_project.add_faults("POST /v1/groups after-effect hang 60")
    with interrupted_project.start("--parallelism", "2") as (process, gate):
        gate.await_arrivals(2)
        process.signal(number)
        process.wait_for("Ctrl-C again stops at once.")
        process.signal(number)
        ended = process.wait_for_exit()
    assert process.seconds_since_signal < 20
    assert ended.code == 6
    assert "Stopped at once: changes in flight may or may not be in effect." in ended.err
    journal = interrupted_project.state_file.with_name("state.json.journal").read_text()
    assert all(f"group.{name}" in journal for name in ("first", "second", "third"))
    listed = interrupted_project.project.run("state", "list").stdout
    assert listed.count("interrupted") == 3
    interrupted_project.check_next_apply()
    assert interrupted_project.server.writes == ["POST /v1/groups"] * 3


@pytest.mark.parametrize(
    ("number", "command", "form"),
    [
        (signal.SIGINT, APPLY, "text"),
        (signal.SIGTERM, APPLY, "text"),
        (signal.SIGTERM, APPLY, "json"),
        (signal.SIGTERM, ("plan",), "json"),
        (signal.SIGINT, ("drift",), "text"),
    ],
)
def test_a_signal_before_the_first_write_has_its_own_exit_code(
    number: int, command: tuple[str, ...], form: str, interrupted_project: InterruptedProject
) -> None:
    interrupted_project.declare_groups("first")
    interrupted_project.add_faults("GET /v1/groups hang 60")
    with interrupted_project.start(
        "--format",
        form,
        "--events",
        "log",
        command=command,
        should_block=lambda method, path: "groups" in path,
    ) as (process, gate):
        gate.await_arrivals(1)
        process.signal(number)
        ended = process.wait_for_exit()
    assert process.seconds_since_signal < 20
    assert ended.code == 130
    if form == "text":
        assert (ended.out, ended.err) == ("", "Interrupted before anything was changed.\n")
    else:
        assert json.loads(ended.out)["exit"] == {"code": 130, "reason": "interrupted"}
    assert interrupted_project.server.writes == []
    assert not interrupted_project.state_file.with_name("state.json.lock.holder").exists()
    [*_, last] = (interrupted_project.folder / "log").read_text().splitlines()
    assert json.loads(last)["exit"] == {"code": 130, "reason": "interrupted"}
    interrupted_project.check_next_apply()


def test_a_signal_after_the_last_change_is_not_reported_as_no_changes(
    interrupted_project: InterruptedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = EventLog.close

    def signal_afterwards(log: EventLog) -> None:
        original(log)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(EventLog, "close", signal_afterwards)
    interrupted_project.declare_groups("first")
    result = interrupted_project.run(*APPLY)
    assert result.exit == 0
    assert "Checked: a new plan is empty." in result.stdout
    assert "before anything was changed" not in result.stderr


def test_emulate_forwards_sigterm_and_exits_with_the_code_of_its_command(
    interrupted_project: InterruptedProject,
) -> None:
    interrupted_project.declare_groups("first")
    ready = "import signal; signal.alarm(30); print('ready', flush=True); signal.pause()"
    command = (*COMMAND, "emulate", "--", COMMAND[0], "-c", ready)
    with BackgroundProcess(command=command, directory=interrupted_project.folder) as process:
        process.wait_for("ready")
        process.signal(signal.SIGTERM)
        ended = process.wait_for_exit()
    assert process.seconds_since_signal < 20
    assert ended.code == 128 + signal.SIGTERM


def test_sigterm_shuts_an_emulator_down_cleanly(interrupted_project: InterruptedProject) -> None:
    with BackgroundProcess("emulate", "--port", "0", directory=interrupted_project.folder) as process:
        process.wait_for("export FIVETRAN_APIKEY")
        process.signal(signal.SIGTERM)
        ended = process.wait_for_exit()
    assert ended.code == 0
    assert ended.err.endswith("Ended.\n")
