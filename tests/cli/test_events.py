"""`--events`: what a run leaves for whoever asks later who did what, also when it was killed."""

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
from git_repo import set_variables, trust, write_distrusting_git

from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.setup_tests import SetupTest

pytestmark = pytest.mark.sampled(every=6)

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


def logged(project: Project, *names: str) -> list[dict[str, Any]]:
    """All lines of the log, or those of some events."""
    lines = (project.folder / "events.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return [entry for entry in entries if not names or entry["event"] in names]


def ends(project: Project) -> list[tuple[int, str]]:
    return [(end["exit"]["code"], end["exit"]["reason"]) for end in logged(project, "run-finished")]


def in_order(wanted: list[str], happened: list[str]) -> bool:
    """Whether these happened one after the other, whatever else happened."""
    rest = iter(happened)
    return all(name in rest for name in wanted)


def committed(folder: Path) -> str:
    """Make a repository of a folder and commit it; the hash."""
    git = ("git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.com")
    for command in (("init", "-q"), ("add", "specs"), ("commit", "-q", "-m", "specs")):
        subprocess.run([*git, *command], check=True, capture_output=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_an_apply_tells_who_what_and_how_it_went(orders: Project, server: EmulatedFivetran) -> None:
    commit = committed(orders.folder)
    warned = [
        SetupTest("Permission Test", "WARNING", "may not create schemas"),
        SetupTest("Connect", "PASSED", ""),
    ]
    server.app.dashboard.script_setup_tests(group_name="orders", finally_always=warned)
    result = orders.run_against(server, *APPLY, environ=SECRET)
    assert result.exit == 0, result.stdout + result.stderr
    entries = logged(orders)
    assert len({entry["run"] for entry in entries}) == 1
    assert all(datetime.fromisoformat(entry["at"]).utcoffset() is not None for entry in entries)
    names = [entry["event"] for entry in entries]
    assert (names[0], names[-1]) == ("run-started", "run-finished")
    done = ["change-started", "change-finished"]
    assert in_order(["run-started", "planned", *done, *done, "checking", "run-finished"], names)

    started, planned, end = entries[0], *logged(orders, "planned"), entries[-1]
    assert (started["command"], started["commit"], started["pid"]) == ("apply", commit, os.getpid())
    assert started["project"] == str(orders.folder / "specs" / "reconciler.yaml")
    assert planned["account_id"] == server.account_id
    assert planned["changes"] == [
        {"address": "group.orders", "action": "create"},
        {"address": "destination.orders", "action": "create"},
    ]
    again = orders.run_against(server, "plan", "--format", "json", environ=SECRET).document
    assert len(planned["digest"]) == len(again["digest"])
    [group, destination] = logged(orders, "change-finished")
    assert group["id"] == destination["id"] == server.list_ids("groups")[0]
    assert destination["setup_tests"] == {"PASSED": 1, "WARNING": 1}
    assert end["exit"] == {"code": 0, "reason": "ok"}
    assert (end["counts"]["done"], end["remaining"], end["interrupted"]) == (2, [], False)


def test_the_digest_is_the_one_that_was_reviewed(orders: Project, server: EmulatedFivetran) -> None:
    reviewed = orders.run_against(server, "plan", "--format", "json", environ=SECRET).document["digest"]
    orders.run_against(server, *APPLY, environ=SECRET)
    assert [entry["digest"] for entry in logged(orders, "planned")] == [reviewed]


def test_the_log_is_for_its_owner_and_runs_add_to_it(orders: Project, server: EmulatedFivetran) -> None:
    orders.run_against(server, *APPLY, environ=SECRET)
    file = orders.folder / "events.jsonl"
    before = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    for command in ("plan", "drift"):
        result = orders.run_against(server, command, "--events", "events.jsonl", environ=SECRET)
        assert result.exit == 0, result.stderr
    assert file.read_bytes().startswith(before)
    assert [entry["command"] for entry in logged(orders, "run-started")] == ["apply", "plan", "drift"]
    assert [entry["commit"] for entry in logged(orders, "run-started")] == [None] * 3
    assert len(logged(orders, "planned")) == 3
    assert ends(orders) == [(0, "ok")] * 3


def test_the_commit_of_a_checkout_that_the_environment_trusts_is_logged(
    orders: Project,
    server: EmulatedFivetran,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    commit = committed(orders.folder)
    distrusting = write_distrusting_git(tmp_path_factory.mktemp("git") / "bin")
    for variables in (distrusting, trust(orders.folder)):
        set_variables(monkeypatch, variables)
        result = orders.run_against(server, "plan", "--events", "events.jsonl", environ=SECRET)
        assert result.exit == 0, result.stderr
    assert [entry["commit"] for entry in logged(orders, "run-started")] == [None, commit]


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
    ids=["a secret is missing", "a filter matches nothing", "there are changes"],
)
def test_however_a_plan_ends_the_log_says_it(
    orders: Project,
    server: EmulatedFivetran,
    options: tuple[str, ...],
    environ: Mapping[str, str],
    end: tuple[int, str],
) -> None:
    result = orders.run_against(server, "plan", "--events", "events.jsonl", *options, environ=environ)
    assert (result.exit, ends(orders)) == (end[0], [end])
    told = {each["code"] for entry in logged(orders, "run-finished") for each in entry["diagnostics"]}
    assert all(f"error[{code}]" in result.stderr for code in told)
    assert bool(told) is (end[0] == 1)


def test_a_failed_change_is_told_with_its_reason(orders: Project, server: EmulatedFivetran) -> None:
    server.app.faults.add(parse_fault("POST /v1/groups #1 status 403"))
    assert orders.run_against(server, *APPLY, environ=SECRET).exit == 6
    [group, destination] = logged(orders, "change-finished")
    assert (group["status"], destination["status"]) == ("failed", "skipped")
    assert [each["severity"] for each in group["diagnostics"]] == ["error"]
    [end] = logged(orders, "run-finished")
    assert (end["counts"]["failed"], end["counts"]["skipped"]) == (1, 1)
    assert ends(orders) == [(6, "incomplete")]


def test_a_run_that_meets_the_lock_says_so(orders: Project, server: EmulatedFivetran) -> None:
    orders.run_against(server, *APPLY, environ=SECRET)
    with FileLock(orders.folder / "specs" / ".reconciler" / "state.json.lock"):
        assert orders.run_against(server, *APPLY, environ=SECRET).exit == 5
    assert ends(orders) == [(0, "ok"), (5, "locked")]


def test_a_raised_limit_is_recorded_with_its_reason(orders: Project, server: EmulatedFivetran) -> None:
    raised = ("--allow", "deletes=3", "--reason", "as agreed on Monday")
    assert orders.run_against(server, *APPLY, *raised, environ=SECRET).exit == 0
    assert orders.run_against(server, *APPLY, environ=SECRET).exit == 0
    assert [(entry["allowed"], entry["reason"]) for entry in logged(orders, "planned")] == [
        ({"deletes": 3.0}, "as agreed on Monday"),
        ({}, None),
    ]
    assert "--allow" not in (orders.folder / "events.jsonl").read_text(), "arguments are not logged"


def test_what_blocks_a_plan_is_in_the_log(orders: Project, server: EmulatedFivetran) -> None:
    orders.run_against(server, *APPLY, environ=SECRET)
    [id] = server.list_ids("groups")
    orders.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\nprotected: ['orders']\n",
    )
    orders.write("specs/groups/main.yaml", f"version: 1\nremoved:\n  - {{group: orders, id: {id}}}\n")
    assert orders.run_against(server, *APPLY, environ=SECRET).exit == 3
    assert {each["code"] for each in logged(orders, "planned")[-1]["blockers"]} == {"protected"}
    assert ends(orders)[-1] == (3, "refused")


@pytest.mark.parametrize("content", ['{"some": "state"}\n', None])
@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_starts_with_a_log_that_cannot_be_kept(
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
def test_a_log_that_fails_in_the_middle_stops_nothing_and_is_told(
    form: str, orders: Project, server: EmulatedFivetran, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, file = os.write, orders.folder / "events.jsonl"

    def full(descriptor: int, data: bytes) -> int:
        if server.writes and os.path.sameopenfile(descriptor, log):
            raise OSError(errno.ENOSPC, "No space left on device")
        return really(descriptor, data)

    orders.run_against(server, "plan", "--events", "events.jsonl", environ=SECRET)
    log = os.open(file, os.O_RDONLY)
    monkeypatch.setattr(os, "write", full)
    result = orders.run_against(server, *APPLY, "--format", form, environ=SECRET)
    assert result.exit == 0
    assert result.stderr.startswith("warning[events-lost]: the log `events.jsonl` is incomplete")
    assert "No space left on device" in result.stderr
    if form == "json":
        assert result.document["exit"]["code"] == 0
    assert len(server.list_ids("destinations")) == 1
    assert ends(orders) == [(0, "ok")], "that of the plan"

    again = orders.run_against(server, *APPLY, environ=SECRET)
    os.close(log)
    assert again.exit == 1
    assert "error[events-unusable]" in again.stderr
    assert "events-lost" not in again.stderr


def test_the_successor_of_a_killed_apply_writes_down_what_is_unknown(
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
    [killed] = logged(orders, "run-started")
    file = orders.folder / "events.jsonl"
    torn = '{"at": "2026-03-01T12:00:00.000+00:00", "run": "' + killed["run"]
    with file.open("a") as log:
        log.write(torn)

    plan = orders.run_against(server, "plan", "--events", "events.jsonl", environ=SECRET)
    assert plan.exit == 0, plan.stderr
    lines = file.read_text().splitlines()
    assert torn in lines
    file.write_text("".join(f"{line}\n" for line in lines if line != torn))
    assert logged(orders, "run-abandoned") == [], "a plan does not hold the lock"

    assert orders.run_against(server, *APPLY, environ=SECRET).exit == 0
    [end] = logged(orders, "run-abandoned")
    assert (end["run"], end["pid"], end["started_at"]) == (killed["run"], first.pid, killed["at"])
    assert (end["unknown"], end["written"]) == (["group.orders"], [])
    assert orders.run_against(server, *APPLY, environ=SECRET).exit == 0
    assert len(logged(orders, "run-abandoned")) == 1


def test_two_runs_at_once_may_share_the_file(orders: Project, server: EmulatedFivetran) -> None:
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
    runs = [entry["run"] for entry in logged(orders, "run-started")]
    assert len(set(runs)) == 5
    assert [entry["run"] for entry in logged(orders, "run-finished")] == [*runs[1:], runs[0]]
    assert logged(orders, "run-abandoned") == []


def test_a_run_in_the_sandbox_is_logged_as_such(project: Project) -> None:
    project.write_groups("  orders: {}\n")
    assert project.run(*APPLY, "--sandbox").exit == 0
    [started] = logged(project, "run-started")
    assert started["sandbox"] is True
