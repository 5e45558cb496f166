"""One writer at a time: who waits, who is told what, and how a lock is freed whose holder is gone."""

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

pytestmark = pytest.mark.sampled(every=6)

HERE = platform.node()
HOLD = """\
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
GONE = 2**22 + 1
"""A number that no process has."""


@pytest.fixture
def team(project: Project, server: EmulatedFivetran) -> Project:
    """A project of one group, for the account of the server."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    project.write_groups("  orders: {}\n")
    return project


def lock_of(project: Project) -> Path:
    return project.folder / "specs" / ".reconciler" / "state.json.lock"


def sidecar_of(project: Project) -> Path:
    return lock_of(project).with_name("state.json.lock.holder")


@contextmanager
def somebody(project: Project, host: str = HERE, pid: int = 0) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock, and says that it is on `host` with this `pid` (0: the true one)."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock_of(project)), host, str(pid)],
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


def the_error(result: CommandResult) -> str:
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error[")]
    return line.removeprefix("error[").partition("]")[0]


def apply(project: Project, server: EmulatedFivetran) -> CommandResult:
    return project.run_against(server, "apply", "--auto-approve")


@contextmanager
def waiting_apply(
    project: Project, server: EmulatedFivetran, *options: str
) -> Iterator[tuple[subprocess.Popen[bytes], BlockingServer]]:
    """A real apply that holds the lock and waits for the answer to its first write."""
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


def test_of_two_applies_one_goes_on_and_the_other_is_told_who_is_first(
    team: Project, server: EmulatedFivetran
) -> None:
    with waiting_apply(team, server) as (first, gate):
        before = len(server.calls)
        second = apply(team, server)
        assert (second.exit, the_error(second)) == (5, "locked")
        assert (
            f"`reconciler apply` by {json.loads(sidecar_of(team).read_text())['user']} on {HERE}"
            in second.stderr
        )
        assert f"(process {first.pid})" in second.stderr
        assert "state unlock" not in second.stderr, "its process is alive"
        assert server.calls[before:] == []
        gate.released.set()
        assert first.wait(PROCESS_TIMEOUT) == 0
    assert server.writes == ["POST /v1/groups"]
    assert apply(team, server).exit == 0


def test_an_apply_whose_lock_was_broken_starts_nothing_new_and_says_so(
    team: Project, server: EmulatedFivetran
) -> None:
    team.write_groups("  alpha: {}\n  beta: {}\n  gamma: {}\n")
    with waiting_apply(team, server, "--parallelism", "1", "--format", "json") as (first, gate):
        lock_of(team).unlink()
        with FileLock(lock_of(team)):
            gate.released.set()
            told, _ = first.communicate(timeout=PROCESS_TIMEOUT)
    assert first.returncode == 6
    applied = json.loads(told)["applied"]
    assert [each["status"] for each in applied["outcomes"]] == ["done", "cancelled", "cancelled"]
    assert "lease-lost" in {each["code"] for each in applied["problems"]}
    assert server.writes == ["POST /v1/groups"]
    # The one that was made is found by its name.
    assert apply(team, server).exit == 0
    assert len(server.list_ids("groups")) == 3


def test_the_lock_of_a_killed_apply_is_free_at_once_and_its_name_confuses_nobody(
    team: Project, server: EmulatedFivetran
) -> None:
    with waiting_apply(team, server) as (first, _):
        first.send_signal(signal.SIGKILL)
        first.wait(PROCESS_TIMEOUT)
        assert json.loads(sidecar_of(team).read_text())["pid"] == first.pid
    result = apply(team, server)
    assert result.exit == 0, result.stderr
    assert not sidecar_of(team).exists()
    assert len(server.list_ids("groups")) == 1


def test_whoever_holds_the_lock_behind_the_name_of_a_dead_process_is_not_called_by_it(
    team: Project, server: EmulatedFivetran
) -> None:
    dead = LockInfo(GONE, HERE, "ci", "2026-11-23T10:00:00+00:00", "reconciler apply")
    with somebody(team):
        sidecar_of(team).write_text(json.dumps(asdict(dead)))
        result = apply(team, server)
    assert (result.exit, the_error(result)) == (5, "locked")
    assert str(GONE) not in result.stderr
    assert "has not said yet who it is" in result.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_lock_that_nobody_holds_needs_no_breaking(team: Project, form: str) -> None:
    result = team.run("state", "unlock", "--format", form)
    assert result.exit == 0
    if form == "text":
        assert result.stdout == "Nobody holds the lock of specs/.reconciler/state.json.\n"
    else:
        assert result.document["lock"] == {
            "place": "specs/.reconciler/state.json",
            "broken": False,
            "holder": None,
        }
    assert not lock_of(team).parent.exists(), "nothing is made only to be looked at"


def test_what_a_killed_holder_left_is_told_and_removed(team: Project) -> None:
    with somebody(team) as process:
        process.kill()
        process.wait(PROCESS_TIMEOUT)
        assert sidecar_of(team).exists()
        result = team.run("state", "unlock")
        assert result.exit == 0
        assert "Nobody holds the lock" in result.stdout
        assert f"(process {process.pid})" in result.stdout
        assert not sidecar_of(team).exists()
    assert "ended without" not in team.run("state", "unlock").stdout


@pytest.mark.parametrize("options", [(), ("--auto-approve",)])
def test_the_lock_of_a_process_that_runs_here_is_never_broken(
    team: Project, options: tuple[str, ...]
) -> None:
    with somebody(team) as process:
        result = team.run("state", "unlock", *options)
        assert (result.exit, the_error(result)) == (5, "locked")
        assert (
            f"`reconciler apply` by ci on {HERE} (process {process.pid}), since 2026-11-23" in result.stderr
        )
        assert f"stop process {process.pid}" in result.stderr
        assert team.run("state", "unlock", *options, "--format", "json").exit == 5
        assert lock_of(team).exists()
        assert sidecar_of(team).exists()


@pytest.mark.parametrize(
    ("host", "pid", "doubt"),
    [
        (
            "runner-7",
            4711,
            "the holder is on another host: check whether process 4711 of runner-7 still runs",
        ),
        (HERE, GONE, f"this host has no process {GONE}"),
    ],
    ids=["another host", "no such process"],
)
def test_a_lock_of_doubt_is_broken_when_somebody_says_so(
    team: Project, server: EmulatedFivetran, host: str, pid: int, doubt: str
) -> None:
    with somebody(team, host, pid) as holder:
        refused = team.run("state", "unlock")
        assert (refused.exit, the_error(refused)) == (64, "no-terminal")
        assert team.run("state", "unlock", "--format", "json").exit == 64
        locked = apply(team, server)
        assert locked.exit == 5
        assert "`reconciler state unlock` breaks the lock" in locked.stderr
        broken = team.run("state", "unlock", "--auto-approve")
        assert broken.exit == 0, broken.stderr
        assert (
            f"`reconciler apply` by ci on {host} (process {pid}), since 2026-11-23T10:00:00" in broken.stdout
        )
        assert f"  ! {doubt}" in broken.stdout
        assert "is broken." in broken.stdout
        assert not lock_of(team).exists()
        assert apply(team, server).exit == 0
        with FileLock(lock_of(team)):
            sidecar_of(team).write_text("{}")  # of a next one, whose name the first must not take away
            assert holder.stdin is not None
            holder.stdin.close()
            assert holder.wait(PROCESS_TIMEOUT) == 0
            assert sidecar_of(team).exists()


def test_a_lock_without_a_name_can_be_broken_too(team: Project) -> None:
    with somebody(team):
        sidecar_of(team).write_text('{"pid": "x"')
        result = team.run("state", "unlock", "--auto-approve", "--format", "json")
    assert result.exit == 0
    assert result.document["lock"] == {
        "place": "specs/.reconciler/state.json",
        "broken": True,
        "holder": None,
    }
    assert not lock_of(team).exists()


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("y\n", 1), ("\x04", 1)])
def test_a_person_is_shown_who_holds_it_and_is_asked(team: Project, answer: str, code: int) -> None:
    with (
        somebody(team, "runner-7", 4711),
        TerminalProcess("state", "unlock", directory=team.folder) as terminal,
    ):
        terminal.wait_for('Only "yes" is accepted: ')
        shown = " ".join(terminal.text.split())
        assert "on runner-7 (process 4711), since 2026-11-23T10:00:00+00:00." in shown
        assert "Break this lock?" in terminal.text
        terminal.type(answer)
        assert terminal.wait_for_exit() == code
        assert ("The lock was not changed." in terminal.text) is (code == 1)
        assert lock_of(team).exists() is (code == 1)


def test_a_lock_that_changed_hands_during_the_question_is_not_broken(team: Project) -> None:
    with (
        somebody(team, "runner-7", 4711),
        TerminalProcess("state", "unlock", directory=team.folder) as terminal,
    ):
        terminal.wait_for('Only "yes" is accepted: ')
        other = LockInfo(os.getpid(), "runner-8", "ci", "2026-11-23T11:00:00+00:00", "reconciler apply")
        sidecar_of(team).write_text(json.dumps(asdict(other)))
        terminal.type("yes\n")
        assert terminal.wait_for_exit() == 5
        assert "runner-8" in terminal.text
        assert lock_of(team).exists()


def test_a_lock_that_became_free_during_the_question_stays_where_it_is(team: Project) -> None:
    with (
        somebody(team, "runner-7", 4711) as process,
        TerminalProcess("state", "unlock", directory=team.folder) as terminal,
    ):
        terminal.wait_for('Only "yes" is accepted: ')
        process.kill()
        process.wait(PROCESS_TIMEOUT)
        terminal.type("yes\n")
        assert terminal.wait_for_exit() == 0
        assert lock_of(team).exists()
        assert not sidecar_of(team).exists()


def test_the_sandbox_has_a_lock_of_its_own(team: Project) -> None:
    with somebody(team):
        assert team.run("state", "unlock", "--sandbox").exit == 0
        assert team.run("state", "unlock").exit == 5


def test_the_number_of_a_lock_may_be_that_of_whoever_looks(team: Project) -> None:
    """In containers the first process has the same number each time."""
    with somebody(team, HERE, os.getpid()):
        result = team.run("state", "unlock", "--auto-approve")
        assert result.exit == 0, result.stderr
        told = " ".join(result.stdout.split())
        assert f"process {os.getpid()} is this process, so the holder ran in another container" in told
        assert not lock_of(team).exists()


def test_whoever_breaks_a_lock_is_told_what_that_means(team: Project) -> None:
    with somebody(team, "runner-7", 4711):
        result = team.run("state", "unlock", "--auto-approve")
    told = " ".join(result.stdout.split())
    assert "it starts nothing new some seconds after another one got the lock at the latest" in told
    assert "unless it is cut off from the state; until then two may work at once" in told


def test_a_plan_beside_an_apply_on_this_host_says_so(team: Project, server: EmulatedFivetran) -> None:
    with waiting_apply(team, server) as (first, gate):
        plan = team.run_against(server, "plan")
        assert plan.exit == 0
        assert "warning[state-in-use]" in plan.stderr
        assert f"(process {first.pid})" in plan.stderr
        gate.released.set()
        assert first.wait(PROCESS_TIMEOUT) == 0
    assert "state-in-use" not in team.run_against(server, "plan").stderr
