"""Test S-55 for a state in Google Cloud Storage, which takes one write per second of the same object."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import command_line
import pytest
from background_process import BackgroundProcess
from blocking_server import serve_blocking
from cli_harness import CommandResult, EmulatedFivetran, Project, build_credentials
from command_line import PROCESS_TIMEOUT
from emulated_objects import GoogleStorage, ObjectServer, Refusal, serve_objects
from long_runs import small_and_large

pytestmark = pytest.mark.sampled(every=6, tests=2)

APPLY = ("apply", "--auto-approve")
STATE, LOCK = "state.json", "state.json.lock"


@pytest.fixture
def google() -> Iterator[ObjectServer]:
    """Serve Google Cloud Storage with its limit."""
    with serve_objects(GoogleStorage()) as server:
        yield server


@pytest.fixture
def unhurried(google: ObjectServer) -> ObjectServer:
    """Serve Google Cloud Storage without its limit: no wait takes any time on the clock of commands in this process."""
    google.write_interval = 0.0
    return google


def build_environ(server: EmulatedFivetran, google: ObjectServer) -> Mapping[str, str]:
    return {**build_credentials(server.url), **google.environ}


def write_project(project: Project, server: EmulatedFivetran, *names: str) -> None:
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\nstate: gs://states/{STATE}\n",
    )
    project.write_groups("".join(f"  {name}: {{}}\n" for name in names))


def run(
    project: Project, server: EmulatedFivetran, google: ObjectServer, *arguments: str
) -> command_line.ProcessResult:
    """Run a command in a process of its own, with real time."""
    return command_line.run(*arguments, directory=project.folder, **build_environ(server, google))


def run_in_process(
    project: Project, server: EmulatedFivetran, google: ObjectServer, *arguments: str
) -> CommandResult:
    return project.run(*arguments, environ=build_environ(server, google))


def list_group_names(server: EmulatedFivetran) -> list[str]:
    return sorted(server.get(f"/groups/{id}")["name"] for id in server.list_ids("groups"))


def check_all_applied(
    project: Project, server: EmulatedFivetran, google: ObjectServer, names: list[str]
) -> None:
    """Check that each group is there once, that the state knows them all, and that the lock is free."""
    assert list_group_names(server) == names
    assert list(google.read_files()) == [STATE]
    records = json.loads(google.read_files()[STATE])["records"]
    assert sorted(records) == [f"group.{name}" for name in names]
    assert all(record["id"] and record["intent"] is None for record in records.values())
    plan = run_in_process(project, server, google, "plan", "--detailed-exitcode")
    assert plan.exit == 0, plan.stdout + plan.stderr


@pytest.mark.parametrize("counts_refused", [True, pytest.param(False, marks=pytest.mark.long)])
@small_and_large("count", 1, 8)
def test_of_many_applies_one_after_the_other_none_is_lost_and_no_lock_is_left(
    project: Project, server: EmulatedFivetran, google: ObjectServer, count: int, counts_refused: bool
) -> None:
    google.counts_refused = counts_refused
    names = [f"team_{number:02}" for number in range(count)]
    for number in range(count):
        write_project(project, server, *names[: number + 1])
        result = run(project, server, google, *APPLY)
        assert result.code == 0, result.out + result.err
        assert "warning" not in result.err
    assert google.count_writes(STATE) == 2 * count
    assert google.count_writes(LOCK) == 2 * count
    check_all_applied(project, server, google, names)


@pytest.mark.long
def test_of_many_applies_at_once_none_is_lost_and_no_lock_is_left(
    project: Project, server: EmulatedFivetran, google: ObjectServer
) -> None:
    names = [f"team_{number:02}" for number in range(8)]
    write_project(project, server, *names)
    start, few = threading.Barrier(len(names)), threading.Semaphore(3)

    def apply_until_done(name: str) -> None:
        start.wait(PROCESS_TIMEOUT)
        for _ in range(60):
            with few:
                result = run(project, server, google, *APPLY, "--target", name)
            assert result.code in (0, 5), result.out + result.err
            if result.code == 0:
                return
            assert "error[locked]" in result.err
        raise AssertionError(f"{name} never got its turn")

    with ThreadPoolExecutor(len(names)) as pool:
        for future in [pool.submit(apply_until_done, name) for name in names]:
            future.result(10 * PROCESS_TIMEOUT)
    check_all_applied(project, server, google, names)


def find_backups(project: Project) -> list[Path]:
    return list((project.folder / "specs" / ".reconciler").glob("state.json.rescued-*"))


def read_one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", [LOCK, STATE])
def test_a_limit_that_lasts_is_named_before_anything_is_sent_and_no_lock_is_left(
    project: Project, server: EmulatedFivetran, unhurried: ObjectServer, name: str
) -> None:
    write_project(project, server, "first")
    unhurried.refusals.append(Refusal(429, "SlowDown", method="PUT", name=name))
    result = run_in_process(project, server, unhurried, *APPLY)
    assert result.exit == 1
    message = read_one_line(result.stderr)
    assert "Google Cloud Storage limits the rate of requests (429 Too Many Requests, SlowDown)" in message
    assert "wait a minute, and let fewer runs use this state at the same time; then run again" in message
    assert "credentials" not in message
    assert server.writes == []
    assert unhurried.read_files() == {}
    unhurried.refusals.clear()
    assert run_in_process(project, server, unhurried, *APPLY).exit == 0


def test_a_limit_at_the_end_leaves_a_backup_and_no_lock(
    project: Project, server: EmulatedFivetran, unhurried: ObjectServer
) -> None:
    write_project(project, server, "first")
    with serve_blocking(server) as (blocking, url):

        def limit() -> None:
            blocking.await_arrivals(1)
            unhurried.refusals.append(Refusal(429, "SlowDown", method="PUT", name=STATE))
            blocking.released.set()

        thread = threading.Thread(target=limit)
        thread.start()
        result = project.run(*APPLY, environ={**build_environ(server, unhurried), **build_credentials(url)})
        thread.join()
    assert result.exit == 6
    message = read_one_line(result.stderr)
    assert "error[state-not-kept]" in message
    assert "limits the rate of requests" in message
    assert "let fewer runs use this state at the same time, and apply again" in message
    assert len(find_backups(project)) == 1
    assert list(unhurried.read_files()) == [STATE]
    unhurried.refusals.clear()
    again = run_in_process(project, server, unhurried, *APPLY)
    assert again.exit == 0, again.stdout + again.stderr
    assert server.writes == ["POST /v1/groups"]


def test_a_lock_that_a_limit_keeps_is_named_with_the_command_that_frees_it(
    project: Project, server: EmulatedFivetran, unhurried: ObjectServer
) -> None:
    write_project(project, server, "first")
    with serve_blocking(server) as (blocking, url):

        def limit() -> None:
            blocking.await_arrivals(1)
            unhurried.refusals.append(Refusal(429, "SlowDown", method="PUT", name=LOCK))
            blocking.released.set()

        thread = threading.Thread(target=limit)
        thread.start()
        result = project.run(*APPLY, environ={**build_environ(server, unhurried), **build_credentials(url)})
        thread.join()
    assert result.exit == 0, result.stdout + result.stderr
    assert "warning[lock-left]" in result.stderr
    message = read_one_line(result.stderr)
    assert "limits the rate of requests" in message
    assert "`reconciler state unlock` frees it earlier" in message
    unhurried.refusals.clear()
    assert run_in_process(project, server, unhurried, "state", "unlock", "--auto-approve").exit == 0
    assert list(unhurried.read_files()) == [STATE]


@pytest.mark.long
@pytest.mark.parametrize("lasts", [True, False])
def test_a_run_that_is_stopped_while_its_store_limits_it_ends_in_seconds(
    project: Project, server: EmulatedFivetran, google: ObjectServer, lasts: bool
) -> None:
    """S-09. The results are on this machine if they are not in the store."""
    write_project(project, server, "first", "second")
    environ = {**google.environ}
    with serve_blocking(server) as (blocking, url):
        environ |= build_credentials(url)
        with BackgroundProcess(*APPLY, "--parallelism", "1", directory=project.folder, **environ) as process:
            blocking.await_arrivals(1)
            google.refusals.append(
                Refusal(429, "SlowDown", method="PUT", name=STATE, count=float("inf") if lasts else 1)
            )
            process.signal(signal.SIGTERM)
            process.wait_for("Stopping: ")
            blocking.released.set()
            ended = process.wait_for_exit()
    assert process.seconds_since_signal < 20
    assert ended.code == 6
    assert LOCK not in google.read_files()
    backups = find_backups(project)
    records: Any = json.loads(backups[0].read_text() if lasts else google.read_files()[STATE])["records"]
    assert records["group.first"]["id"]
    assert len(backups) == lasts
    assert ("error[state-not-kept]" in ended.err) == lasts
