"""Locking: one writer at a time, messages for waiting runs, and `state unlock` of abandoned locks."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
from blocking_server import BlockingServer, serve_blocking
from cli_harness import CommandResult, EmulatedFivetran, Project, build_credentials
from command_line import COMMAND, PROCESS_TIMEOUT, TerminalProcess, build_environment
from filelock import FileLock

from reconciler.model.lock_info import LockInfo

pytestmark = pytest.mark.sampled(every=6, tests=3)

THIS_HOST = platform.node()
HOLD_PROGRAM = """\
import sys
from pathlib import Path
from reconciler.model.lock_info import LockInfo
from reconciler.state.lock import LocalLock
path, host, pid = sys.argv[1:]
import os
holder = LockInfo(int(pid) or os.getpid(), host, "ci", "2026-11-23T10:00:00+00:00", "reconciler apply")
with LocalLock(Path(path), "the state").hold(holder):
    print("held", flush=True)
    sys.stdin.read()
"""
DEAD_PID = 2**22 + 1
"""A number that no process has."""


@pytest.fixture
def group_project(project: Project, server: EmulatedFivetran) -> Project:
    """A project of one group, for the account of the server."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    project.write_groups("  orders: {}\n")
    return project


def get_lock_file(project: Project) -> Path:
    return project.folder / "specs" / ".reconciler" / "state.json.lock"


def get_lock_info_file(project: Project) -> Path:
    return get_lock_file(project).with_name("state.json.lock.holder")


@contextmanager
def hold_lock(project: Project, host: str = THIS_HOST, pid: int = 0) -> Iterator[subprocess.Popen[str]]:
    """Hold the lock in a process that reports this `host` and `pid` (0: the real pid)."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_PROGRAM, str(get_lock_file(project)), host, str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=build_environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait(PROCESS_TIMEOUT)
        process.stdin.close()
        process.stdout.close()


def get_error_code(result: CommandResult) -> str:
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error[")]
    return line.removeprefix("error[").partition("]")[0]


def apply(project: Project, server: EmulatedFivetran) -> CommandResult:
    return project.run_against(server, "apply", "--auto-approve")


@contextmanager
def start_waiting_apply(
    project: Project, server: EmulatedFivetran, *options: str
) -> Iterator[tuple[subprocess.Popen[bytes], BlockingServer]]:
    """Start an apply that holds the lock and waits for the answer to its first write."""
    with serve_blocking(server) as (gate, url):
        process = subprocess.Popen(
            [*COMMAND, "apply", "--auto-approve", *options],
            cwd=project.folder,
            env=build_environment(**build_credentials(url)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert gate.reached.wait(PROCESS_TIMEOUT)
            yield process, gate
        finally:
            gate.released.set()
            process.kill()
            process.communicate()


def test_of_two_applies_one_continues_and_the_other_names_the_lock_holder(
    group_project: Project, server: EmulatedFivetran
) -> None:
    with start_waiting_apply(group_project, server) as (first, gate):
        before = len(server.calls)
        second = apply(group_project, server)
        assert (second.exit, get_error_code(second)) == (5, "locked")
        assert (
            f"`reconciler apply` by {json.loads(get_lock_info_file(group_project).read_text())['user']} on {THIS_HOST}"
            in second.stderr
        )
        assert f"(process {first.pid})" in second.stderr
        assert "state unlock" not in second.stderr, "its process is alive"
        assert server.calls[before:] == []
        gate.released.set()
        assert first.wait(PROCESS_TIMEOUT) == 0
    assert server.writes == ["POST /v1/groups"]
    assert apply(group_project, server).exit == 0


def test_an_apply_with_a_broken_lock_starts_nothing_new_and_reports_it(
    group_project: Project, server: EmulatedFivetran
) -> None:
    group_project.write_groups("  alpha: {}\n  beta: {}\n  gamma: {}\n")
    with start_waiting_apply(group_project, server, "--parallelism", "1", "--format", "json") as (
        first,
        gate,
    ):
        get_lock_file(group_project).unlink()
        with FileLock(get_lock_file(group_project)):
            gate.released.set()
            output, _ = first.communicate(timeout=PROCESS_TIMEOUT)
    assert first.returncode == 6
    applied = json.loads(output)["applied"]
    assert [each["status"] for each in applied["outcomes"]] == ["done", "cancelled", "cancelled"]
    assert "lease-lost" in {each["code"] for each in applied["problems"]}
    assert server.writes == ["POST /v1/groups"]
    # The created group is found by its name.
    assert apply(group_project, server).exit == 0
    assert len(server.list_ids("groups")) == 3


def test_the_lock_of_a_killed_apply_is_free_at_once(group_project: Project, server: EmulatedFivetran) -> None:
    with start_waiting_apply(group_project, server) as (first, _):
        first.send_signal(signal.SIGKILL)
        first.wait(PROCESS_TIMEOUT)
        assert json.loads(get_lock_info_file(group_project).read_text())["pid"] == first.pid
    result = apply(group_project, server)
    assert result.exit == 0, result.stderr
    assert not get_lock_info_file(group_project).exists()
    assert len(server.list_ids("groups")) == 1


def test_a_lock_holder_is_not_reported_under_the_name_of_a_dead_process(
    group_project: Project, server: EmulatedFivetran
) -> None:
    dead = LockInfo(DEAD_PID, THIS_HOST, "ci", "2026-11-23T10:00:00+00:00", "reconciler apply")
    with hold_lock(group_project):
        get_lock_info_file(group_project).write_text(json.dumps(asdict(dead)))
        result = apply(group_project, server)
    assert (result.exit, get_error_code(result)) == (5, "locked")
    assert str(DEAD_PID) not in result.stderr
    assert "the holder of the lock is not known yet" in result.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_free_lock_needs_no_unlock(group_project: Project, form: str) -> None:
    result = group_project.run("state", "unlock", "--format", form)
    assert result.exit == 0
    if form == "text":
        assert result.stdout == "The lock of specs/.reconciler/state.json is free.\n"
    else:
        assert result.document["lock"] == {
            "place": "specs/.reconciler/state.json",
            "broken": False,
            "holder": None,
        }
    assert not get_lock_file(group_project).parent.exists(), "nothing is made only to be looked at"


def test_unlock_reports_and_removes_the_lock_info_of_a_killed_holder(group_project: Project) -> None:
    with hold_lock(group_project) as process:
        process.kill()
        process.wait(PROCESS_TIMEOUT)
        assert get_lock_info_file(group_project).exists()
        result = group_project.run("state", "unlock")
        assert result.exit == 0
        assert "The lock of" in result.stdout and " is free." in result.stdout
        assert f"(process {process.pid})" in result.stdout
        assert not get_lock_info_file(group_project).exists()
    assert "ended without" not in group_project.run("state", "unlock").stdout


@pytest.mark.parametrize("options", [(), ("--auto-approve",)])
def test_the_lock_of_a_live_local_process_is_never_broken(
    group_project: Project, options: tuple[str, ...]
) -> None:
    with hold_lock(group_project) as process:
        result = group_project.run("state", "unlock", *options)
        assert (result.exit, get_error_code(result)) == (5, "locked")
        assert (
            f"`reconciler apply` by ci on {THIS_HOST} (process {process.pid}), since 2026-11-23"
            in result.stderr
        )
        assert f"stop process {process.pid}" in result.stderr
        assert group_project.run("state", "unlock", *options, "--format", "json").exit == 5
        assert get_lock_file(group_project).exists()
        assert get_lock_info_file(group_project).exists()


@pytest.mark.parametrize(
    ("host", "pid", "doubt"),
    [
        (
            "runner-7",
            4711,
            "the holder is on another host: check whether process 4711 of runner-7 still runs",
        ),
        (THIS_HOST, DEAD_PID, f"this host has no process {DEAD_PID}"),
    ],
    ids=["another host", "no such process"],
)
def test_a_lock_of_an_unverifiable_holder_is_broken_on_request(
    group_project: Project, server: EmulatedFivetran, host: str, pid: int, doubt: str
) -> None:
    with hold_lock(group_project, host, pid) as holder:
        refused = group_project.run("state", "unlock")
        assert (refused.exit, get_error_code(refused)) == (64, "no-terminal")
        assert group_project.run("state", "unlock", "--format", "json").exit == 64
        locked = apply(group_project, server)
        assert locked.exit == 5
        assert "`reconciler state unlock` breaks the lock" in locked.stderr
        broken = group_project.run("state", "unlock", "--auto-approve")
        assert broken.exit == 0, broken.stderr
        assert (
            f"`reconciler apply` by ci on {host} (process {pid}), since 2026-11-23T10:00:00" in broken.stdout
        )
        assert f"  ! {doubt}" in broken.stdout
        assert "is broken." in broken.stdout
        assert not get_lock_file(group_project).exists()
        assert apply(group_project, server).exit == 0
        with FileLock(get_lock_file(group_project)):
            get_lock_info_file(group_project).write_text(
                "{}"
            )  # the next holder, whose lock info the first holder must not remove
            assert holder.stdin is not None
            holder.stdin.close()
            assert holder.wait(PROCESS_TIMEOUT) == 0
            assert get_lock_info_file(group_project).exists()


def test_a_lock_without_lock_info_can_be_broken(group_project: Project) -> None:
    with hold_lock(group_project):
        get_lock_info_file(group_project).write_text('{"pid": "x"')
        result = group_project.run("state", "unlock", "--auto-approve", "--format", "json")
    assert result.exit == 0
    assert result.document["lock"] == {
        "place": "specs/.reconciler/state.json",
        "broken": True,
        "holder": None,
    }
    assert not get_lock_file(group_project).exists()


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("y\n", 1), ("\x04", 1)])
def test_unlock_shows_the_lock_holder_and_prompts(group_project: Project, answer: str, code: int) -> None:
    with (
        hold_lock(group_project, "runner-7", 4711),
        TerminalProcess("state", "unlock", directory=group_project.folder) as terminal,
    ):
        terminal.wait_for('Only "yes" is accepted: ')
        shown = " ".join(terminal.text.split())
        assert "on runner-7 (process 4711), since 2026-11-23T10:00:00+00:00." in shown
        assert "Break this lock?" in terminal.text
        terminal.type(answer)
        assert terminal.wait_for_exit() == code
        assert ("The lock was not changed." in terminal.text) is (code == 1)
        assert get_lock_file(group_project).exists() is (code == 1)


def test_a_lock_taken_over_during_the_prompt_is_not_broken(group_project: Project) -> None:
    with (
        hold_lock(group_project, "runner-7", 4711),
        TerminalProcess("state", "unlock", directory=group_project.folder) as terminal,
    ):
        terminal.wait_for('Only "yes" is accepted: ')
        other = LockInfo(os.getpid(), "runner-8", "ci", "2026-11-23T11:00:00+00:00", "reconciler apply")
        get_lock_info_file(group_project).write_text(json.dumps(asdict(other)))
        terminal.type("yes\n")
        assert terminal.wait_for_exit() == 5
        assert "runner-8" in terminal.text
        assert get_lock_file(group_project).exists()


def test_a_lock_released_during_the_prompt_is_left_alone(group_project: Project) -> None:
    with (
        hold_lock(group_project, "runner-7", 4711) as process,
        TerminalProcess("state", "unlock", directory=group_project.folder) as terminal,
    ):
        terminal.wait_for('Only "yes" is accepted: ')
        process.kill()
        process.wait(PROCESS_TIMEOUT)
        terminal.type("yes\n")
        assert terminal.wait_for_exit() == 0
        assert get_lock_file(group_project).exists()
        assert not get_lock_info_file(group_project).exists()


def test_the_sandbox_has_its_own_lock(group_project: Project) -> None:
    with hold_lock(group_project):
        assert group_project.run("state", "unlock", "--sandbox").exit == 0
        assert group_project.run("state", "unlock").exit == 5


def test_a_lock_with_the_pid_of_this_process_belongs_to_another_container(group_project: Project) -> None:
    """In containers the first process always has the same pid."""
    with hold_lock(group_project, THIS_HOST, os.getpid()):
        result = group_project.run("state", "unlock", "--auto-approve")
        assert result.exit == 0, result.stderr
        output = " ".join(result.stdout.split())
        assert f"process {os.getpid()} is this process, so the holder ran in another container" in output
        assert not get_lock_file(group_project).exists()


def test_the_unlock_prompt_explains_the_consequences(group_project: Project) -> None:
    with hold_lock(group_project, "runner-7", 4711):
        result = group_project.run("state", "unlock", "--auto-approve")
    output = " ".join(result.stdout.split())
    assert "two runs may work at once until it notices the loss of its lock: within some seconds" in output
    assert "unless it cannot reach the state" in output


def test_a_plan_beside_a_local_apply_warns(group_project: Project, server: EmulatedFivetran) -> None:
    with start_waiting_apply(group_project, server) as (first, gate):
        plan = group_project.run_against(server, "plan")
        assert plan.exit == 0
        assert "warning[state-in-use]" in plan.stderr
        assert f"(process {first.pid})" in plan.stderr
        gate.released.set()
        assert first.wait(PROCESS_TIMEOUT) == 0
    assert "state-in-use" not in group_project.run_against(server, "plan").stderr
