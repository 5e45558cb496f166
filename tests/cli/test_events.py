"""`--events`: the audit log of a run, also of a killed run."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from background_process import BackgroundProcess
from blocking_server import serve_blocking
from cli_harness import EmulatedFivetran, Project, build_credentials
from command_line import COMMAND, PROCESS_TIMEOUT, build_environment
from filelock import FileLock
from git_repo import run_git, set_variables, trust, write_distrusting_git

from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.setup_tests import SetupTest

pytestmark = pytest.mark.sampled(every=6, tests=3)

PAIR = """\
  orders:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {project_id: acme, data_set_location: US, secret_key: {secret: "env:ORDERS_KEY"}}
"""
SECRET = {"ORDERS_KEY": "a-key-that-nobody-sees"}
APPLY = ("apply", "--auto-approve", "--events", "events.jsonl")


@pytest.fixture
def orders(project: Project, server: EmulatedFivetran) -> Project:
    """A project with one pair, for the account of the server."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    project.write_groups(PAIR)
    return project


def read_log(project: Project, *names: str) -> list[dict[str, Any]]:
    """Read all entries of the log, or the entries of some events."""
    lines = (project.folder / "events.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return [entry for entry in entries if not names or entry["event"] in names]


def list_exits(project: Project) -> list[tuple[int, str]]:
    return [(end["exit"]["code"], end["exit"]["reason"]) for end in read_log(project, "run-finished")]


def is_subsequence(wanted: list[str], occurred: list[str]) -> bool:
    """Check that the wanted events occurred in this order, with any others between."""
    rest = iter(occurred)
    return all(name in rest for name in wanted)


def commit_folder(folder: Path) -> str:
    """Commit a folder as a new repository; return the hash."""
    git = ("git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.com")
    for command in (("init", "-q"), ("add", "specs"), ("commit", "-q", "-m", "specs")):
        subprocess.run([*git, *command], check=True, capture_output=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_an_apply_logs_its_user_changes_and_results(orders: Project, server: EmulatedFivetran) -> None:
    commit = commit_folder(orders.folder)
    warned = [
        SetupTest("Permission Test", "WARNING", "may not create schemas"),
        SetupTest("Connect", "PASSED", ""),
    ]
    server.app.dashboard.script_setup_tests(group_name="orders", finally_always=warned)
    result = orders.run_against(server, *APPLY, environ=SECRET)
    assert result.exit == 0, result.stdout + result.stderr
    entries = read_log(orders)
    assert len({entry["run"] for entry in entries}) == 1
    assert all(datetime.fromisoformat(entry["at"]).utcoffset() is not None for entry in entries)
    names = [entry["event"] for entry in entries]
    assert (names[0], names[-1]) == ("run-started", "run-finished")
    done = ["change-started", "change-finished"]
    assert is_subsequence(["run-started", "planned", *done, *done, "checking", "run-finished"], names)

    started, planned, end = entries[0], *read_log(orders, "planned"), entries[-1]
    assert (started["command"], started["commit"], started["pid"]) == ("apply", commit, os.getpid())
    assert started["project"] == str(orders.folder / "specs" / "reconciler.yaml")
    assert planned["account_id"] == server.account_id
    assert planned["changes"] == [
        {"address": "group.orders", "action": "create"},
        {"address": "destination.orders", "action": "create"},
    ]
    again = orders.run_against(server, "plan", "--format", "json", environ=SECRET).document
    assert len(planned["digest"]) == len(again["digest"])
    [group, destination] = read_log(orders, "change-finished")
    assert group["id"] == destination["id"] == server.list_ids("groups")[0]
    assert destination["setup_tests"] == {"PASSED": 1, "WARNING": 1}
    assert end["exit"] == {"code": 0, "reason": "ok"}
    assert (end["counts"]["done"], end["remaining"], end["interrupted"]) == (2, [], False)


def test_the_logged_digest_is_the_digest_of_the_plan(orders: Project, server: EmulatedFivetran) -> None:
    reviewed = orders.run_against(server, "plan", "--format", "json", environ=SECRET).document["digest"]
    orders.run_against(server, *APPLY, environ=SECRET)
    assert [entry["digest"] for entry in read_log(orders, "planned")] == [reviewed]


def test_the_log_is_private_and_runs_append_to_it(orders: Project, server: EmulatedFivetran) -> None:
    orders.run_against(server, *APPLY, environ=SECRET)
    file = orders.folder / "events.jsonl"
    before = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    for command in ("plan", "drift"):
        result = orders.run_against(server, command, "--events", "events.jsonl", environ=SECRET)
        assert result.exit == 0, result.stderr
    assert file.read_bytes().startswith(before)
    assert [entry["command"] for entry in read_log(orders, "run-started")] == ["apply", "plan", "drift"]
    assert [entry["commit"] for entry in read_log(orders, "run-started")] == [None] * 3
    assert len(read_log(orders, "planned")) == 3
    assert list_exits(orders) == [(0, "ok")] * 3


def test_the_commit_of_a_checkout_trusted_by_the_environment_is_logged(
    orders: Project,
    server: EmulatedFivetran,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    commit = commit_folder(orders.folder)
    distrusting = write_distrusting_git(tmp_path_factory.mktemp("git") / "bin")
    for variables in (distrusting, trust(orders.folder)):
        set_variables(monkeypatch, variables)
        result = orders.run_against(server, "plan", "--events", "events.jsonl", environ=SECRET)
        assert result.exit == 0, result.stderr
    assert [entry["commit"] for entry in read_log(orders, "run-started")] == [None, commit]


def test_a_checkout_that_git_distrusts_is_a_warning_with_the_words_of_git(
    orders: Project,
    server: EmulatedFivetran,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    commit_folder(orders.folder)
    set_variables(monkeypatch, write_distrusting_git(tmp_path_factory.mktemp("git") / "bin"))
    result = orders.run_against(server, *APPLY, environ=SECRET)
    assert result.exit == 0, result.stderr
    assert result.stderr.count("warning[events-without-commit]: the log has no commit for this run\n") == 1
    assert "= note: git says: fatal: detected dubious ownership in repository at" in result.stderr
    assert (
        "= help: let git trust that folder: `git config --global --add safe.directory FOLDER`"
        in result.stderr
    )


def test_a_repository_without_a_commit_is_a_warning_with_the_words_of_git(
    orders: Project, server: EmulatedFivetran
) -> None:
    run_git(orders.folder, "init", "-q")
    result = orders.run_against(server, "plan", "--events", "events.jsonl", environ=SECRET)
    assert result.exit == 0, result.stderr
    assert result.stderr.count("warning[events-without-commit]") == 1
    assert "= note: git says: fatal: Needed a single revision" in result.stderr
    assert [entry["commit"] for entry in read_log(orders, "run-started")] == [None]
    assert "events-without-commit" not in orders.run_against(server, "plan", environ=SECRET).stderr


def test_a_repository_without_git_on_the_machine_is_a_warning(
    orders: Project, server: EmulatedFivetran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_git(orders.folder, "init", "-q")
    monkeypatch.setenv("PATH", str(tmp_path))
    result = orders.run_against(server, "plan", "--events", "events.jsonl", environ=SECRET)
    assert result.exit == 0, result.stderr
    assert "= note: git is not installed" in result.stderr


def test_without_the_option_nothing_is_written(orders: Project, server: EmulatedFivetran) -> None:
    orders.run_against(server, "apply", "--auto-approve", environ=SECRET)
    assert sorted(file.name for file in orders.folder.iterdir()) == ["specs"]


@pytest.mark.parametrize(
    ("options", "environ", "end"),
    [
        ((), {}, (1, "failed")),
        (("--target", "nothing"), SECRET, (1, "failed")),
        (("--detailed-exitcode",), SECRET, (2, "changes")),
    ],
    ids=["a missing secret", "a filter without a match", "a plan with changes"],
)
def test_the_log_records_every_end_of_a_plan(
    orders: Project,
    server: EmulatedFivetran,
    options: tuple[str, ...],
    environ: Mapping[str, str],
    end: tuple[int, str],
) -> None:
    result = orders.run_against(server, "plan", "--events", "events.jsonl", *options, environ=environ)
    assert (result.exit, list_exits(orders)) == (end[0], [end])
    findings = [each for entry in read_log(orders, "run-finished") for each in entry["diagnostics"]]
    findings += [each for entry in read_log(orders, "planned") for each in entry["blockers"]]
    codes = {each["code"] for each in findings}
    assert all(f"error[{code}]" in result.stderr for code in codes)
    assert bool(codes) is (end[0] == 1)


def test_a_failed_change_is_logged_with_its_cause(orders: Project, server: EmulatedFivetran) -> None:
    server.app.faults.add(parse_fault("POST /v1/groups #1 status 403"))
    assert orders.run_against(server, *APPLY, environ=SECRET).exit == 6
    [group, destination] = read_log(orders, "change-finished")
    assert (group["status"], destination["status"]) == ("failed", "skipped")
    assert [each["severity"] for each in group["diagnostics"]] == ["error"]
    [end] = read_log(orders, "run-finished")
    assert (end["counts"]["failed"], end["counts"]["skipped"]) == (1, 1)
    assert list_exits(orders) == [(6, "incomplete")]


def test_a_locked_run_is_logged(orders: Project, server: EmulatedFivetran) -> None:
    orders.run_against(server, *APPLY, environ=SECRET)
    with FileLock(orders.folder / "specs" / ".reconciler" / "state.json.lock"):
        assert orders.run_against(server, *APPLY, environ=SECRET).exit == 5
    assert list_exits(orders) == [(0, "ok"), (5, "locked")]


def test_a_raised_limit_is_logged_with_its_reason(orders: Project, server: EmulatedFivetran) -> None:
    raised = ("--allow", "deletes=3", "--reason", "as agreed on Monday")
    assert orders.run_against(server, *APPLY, *raised, environ=SECRET).exit == 0
    assert orders.run_against(server, *APPLY, environ=SECRET).exit == 0
    assert [(entry["allowed"], entry["reason"]) for entry in read_log(orders, "planned")] == [
        ({"deletes": 3.0}, "as agreed on Monday"),
        ({}, None),
    ]
    assert "--allow" not in (orders.folder / "events.jsonl").read_text(), "arguments are not logged"


def test_blockers_of_a_plan_are_logged(orders: Project, server: EmulatedFivetran) -> None:
    orders.run_against(server, *APPLY, environ=SECRET)
    [id] = server.list_ids("groups")
    orders.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\nprotected: ['orders']\n",
    )
    orders.write("specs/groups/main.yaml", f"version: 1\nremoved:\n  - {{group: orders, id: {id}}}\n")
    assert orders.run_against(server, *APPLY, environ=SECRET).exit == 3
    assert {each["code"] for each in read_log(orders, "planned")[-1]["blockers"]} == {"protected"}
    assert list_exits(orders)[-1] == (3, "refused")


@pytest.mark.parametrize("content", ['{"some": "state"}\n', None])
@pytest.mark.parametrize("form", ["text", "json"])
def test_an_unusable_log_stops_a_run_before_its_start(
    orders: Project, server: EmulatedFivetran, content: str | None, form: str
) -> None:
    place = orders.folder / "events.jsonl"
    if content is None:
        place.mkdir()
    else:
        place.write_text(content)
    result = orders.run_against(server, *APPLY, "--format", form, environ=SECRET)
    assert result.exit == 1
    if form == "text":
        assert "error[events-unusable]: `events.jsonl` cannot be used as the log of events" in result.stderr
    else:
        assert [each["code"] for each in result.document["diagnostics"]] == ["events-unusable"]
    assert server.calls == []
    if content is not None:
        assert place.read_text() == content


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_log_failure_during_apply_is_reported_and_stops_nothing(
    form: str, orders: Project, server: EmulatedFivetran, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, file = os.write, orders.folder / "events.jsonl"

    def raise_disk_full(descriptor: int, data: bytes) -> int:
        if server.writes and os.path.sameopenfile(descriptor, log):
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(descriptor, data)

    orders.run_against(server, "plan", "--events", "events.jsonl", environ=SECRET)
    log = os.open(file, os.O_RDONLY)
    monkeypatch.setattr(os, "write", raise_disk_full)
    result = orders.run_against(server, *APPLY, "--format", form, environ=SECRET)
    assert result.exit == 0
    assert result.stderr.startswith("warning[events-lost]: the log `events.jsonl` is incomplete")
    assert "No space left on device" in result.stderr
    if form == "json":
        assert result.document["exit"]["code"] == 0
    assert len(server.list_ids("destinations")) == 1
    assert list_exits(orders) == [(0, "ok")], "that of the plan"

    again = orders.run_against(server, *APPLY, environ=SECRET)
    os.close(log)
    assert again.exit == 1
    assert "error[events-unusable]" in again.stderr
    assert "events-lost" not in again.stderr


def test_the_next_run_logs_unknown_outcomes_of_a_killed_apply(
    orders: Project, server: EmulatedFivetran
) -> None:
    command = [*COMMAND, *APPLY]
    with serve_blocking(server) as (gate, url):
        environ = build_environment(**build_credentials(url), **SECRET)
        with subprocess.Popen(
            command, cwd=orders.folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as first:
            assert gate.reached.wait(PROCESS_TIMEOUT)
            first.send_signal(signal.SIGKILL)
            first.wait(PROCESS_TIMEOUT)
    [killed] = read_log(orders, "run-started")
    file = orders.folder / "events.jsonl"
    torn = '{"at": "2026-03-01T12:00:00.000+00:00", "run": "' + killed["run"]
    with file.open("a") as log:
        log.write(torn)

    plan = orders.run_against(server, "plan", "--events", "events.jsonl", environ=SECRET)
    assert plan.exit == 0, plan.stderr
    lines = file.read_text().splitlines()
    assert torn in lines
    file.write_text("".join(f"{line}\n" for line in lines if line != torn))
    assert read_log(orders, "run-abandoned") == [], "a plan does not hold the lock"

    assert orders.run_against(server, *APPLY, environ=SECRET).exit == 0
    [end] = read_log(orders, "run-abandoned")
    assert (end["run"], end["pid"], end["started_at"]) == (killed["run"], first.pid, killed["at"])
    assert (end["unknown"], end["written"]) == (["group.orders"], [])
    assert orders.run_against(server, *APPLY, environ=SECRET).exit == 0
    assert len(read_log(orders, "run-abandoned")) == 1


def test_two_concurrent_runs_share_the_log(orders: Project, server: EmulatedFivetran) -> None:
    with (
        serve_blocking(server) as (gate, url),
        BackgroundProcess(*APPLY, directory=orders.folder, **build_credentials(url), **SECRET) as first,
    ):
        gate.await_arrivals(1)
        for _ in range(3):
            assert orders.run_against(server, "plan", "--events", "events.jsonl", environ=SECRET).exit == 0
        assert orders.run_against(server, *APPLY, environ=SECRET).exit == 5
        gate.released.set()
        assert first.wait_for_exit().code == 0
    runs = [entry["run"] for entry in read_log(orders, "run-started")]
    assert len(set(runs)) == 5
    assert [entry["run"] for entry in read_log(orders, "run-finished")] == [*runs[1:], runs[0]]
    assert read_log(orders, "run-abandoned") == []


def test_a_sandbox_run_is_logged_as_sandbox(project: Project) -> None:
    project.write_groups("  orders: {}\n")
    assert project.run(*APPLY, "--sandbox").exit == 0
    [started] = read_log(project, "run-started")
    assert started["sandbox"] is True
