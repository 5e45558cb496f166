"""Test `timeouts:` of the project file, and the report of the call that a run waits for."""

from __future__ import annotations

import json
import time

import pytest
from applied_project import AppliedProject
from cli_harness import CommandResult
from fake_clock import HastyClock
from git_repo import commit

from reconciler.api import transport
from reconciler.api.transport import TimeoutClass

pytestmark = pytest.mark.sampled(every=3, tests=2)

HANG = "GET /v1/groups hang 20"


def check_unreachable(result: CommandResult) -> None:
    assert result.exit == 1
    assert "error[unreachable]: " in result.stderr
    assert "the call took longer than its deadline" in result.stderr


def plan_slowly(project: AppliedProject, *arguments: str) -> tuple[CommandResult, int]:
    """Plan while the list of groups hangs. Returns the result and the number of requests for the list."""
    project.add_faults(HANG)
    before, began = len(project.server.calls), time.monotonic()
    result = project.run("plan", *arguments)
    assert time.monotonic() - began < 15, "a hanging answer does not hold a run"
    return result, project.server.calls[before:].count("GET /v1/groups")


def test_all_repeats_of_a_call_end_with_its_timeout(applied_project: AppliedProject) -> None:
    applied_project.write_settings("timeouts: {call: 1}\n")
    result, count = plan_slowly(applied_project)
    check_unreachable(result)
    assert count == 1


@pytest.mark.sampled(every=2)
@pytest.mark.parametrize("command", ["plan", "drift"])
def test_a_run_names_the_call_that_it_waits_for_and_its_start(
    applied_project: AppliedProject, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(transport._NOTIFY_AFTER, TimeoutClass.ORDINARY, 0.3)
    applied_project.write_settings("timeouts: {call: 1}\n")
    applied_project.add_faults(HANG)
    events = applied_project.folder / "events.jsonl"
    today = HastyClock().now()
    result = applied_project.run(command, "--events", str(events))
    check_unreachable(result)
    [line] = [line for line in result.stderr.splitlines() if line.startswith("waiting for")]
    assert line.startswith("waiting for the answer to GET /v1/groups since ")
    assert line.endswith(" UTC")
    [waiting] = [
        entry for text in events.read_text().splitlines() if (entry := json.loads(text))["event"] == "waiting"
    ]
    assert (waiting["method"], waiting["path"]) == ("GET", "/v1/groups")
    assert waiting["since"].startswith(f"{today:%Y-%m-%dT}")
    assert waiting["seconds"] >= 0.3


def test_silence_within_a_call_ends_an_attempt_and_not_the_call(applied_project: AppliedProject) -> None:
    applied_project.write_settings("timeouts: {read: 1, call: 4}\n")
    applied_project.add_faults("GET /v1/groups #1 hang 20")
    assert applied_project.run("plan").exit == 0
    calls = applied_project.server.calls
    assert calls.count("GET /v1/groups") >= 2


def test_the_timeouts_are_settings_of_the_other_revision(applied_project: AppliedProject) -> None:
    applied_project.write_settings("timeouts: {call: 1}\n")
    commit(applied_project.folder, "base")
    applied_project.write_settings("timeouts: {read: 3600, call: 3600}\n")
    result, _ = plan_slowly(applied_project, "--settings-from", "base")
    check_unreachable(result)


def test_a_saved_plan_holds_under_other_timeouts(applied_project: AppliedProject) -> None:
    applied_project.declare("orders", "sales", "third")
    saved = applied_project.run("plan", "--out", "plan.json", "--format", "json")
    assert saved.exit == 0, saved.stderr
    applied_project.declare("orders", "sales", "third", settings="timeouts: {call: 77}\n")
    again = applied_project.run("plan", "--format", "json")
    assert again.document["digest"] == saved.document["digest"]
    assert applied_project.run("apply", "plan.json").exit == 0
