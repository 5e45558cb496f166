"""Warnings of a plan about the remaining quota and about unfinished work out of scope."""

from __future__ import annotations

from typing import Any

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project, serve_fivetran

from reconciler.emulator.quota import QuotaProfile
from reconciler.emulator.setup_tests import SetupTest

PAIR = """\
  {0}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {{project_id: acme, data_set_location: US}}
"""
NAMES = ("first", "second", "third")


def write_pairs(project: Project, server: EmulatedFivetran, budget: str = "") -> None:
    """Write three pairs into a project for the account of a server."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n{budget}",
    )
    project.write_groups("".join(PAIR.format(name) for name in NAMES))


def list_warning_messages(result: CommandResult, code: str) -> list[str]:
    """List the messages of all warnings with a code in a document."""
    warnings: list[dict[str, Any]] = result.document.get("plan", result.document)["warnings"]
    return [each["message"] for each in warnings if each["code"] == code]


REQUESTS = "this plan needs about 21 requests, and {} are left this hour"
TESTS = "this plan needs about 3 runs of setup tests, and 2 are left this hour"


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ("", []),
        ("budget: {requests_per_hour: 24, setup_tests_per_hour: 3}\n", []),
        ("budget: {requests_per_hour: 23}\n", [REQUESTS.format(20)]),
        ("budget: {setup_tests_per_hour: 2}\n", [TESTS]),
        ("budget: {requests_per_hour: 12, setup_tests_per_hour: 2}\n", [REQUESTS.format(9), TESTS]),
        ("budget: {setup_tests_per_minute: 1}\n", []),
    ],
)
def test_a_plan_beyond_the_quota_warns_with_numbers(
    budget: str, expected: list[str], project: Project, server: EmulatedFivetran
) -> None:
    write_pairs(project, server, budget)
    result = project.run_against(server, "plan", "--format", "json")
    assert (result.exit, list_warning_messages(result, "budget-short")) == (0, expected)
    shown = project.run_against(server, "plan").stderr
    assert all(f"warning[budget-short]: {message}\n" in shown for message in expected)
    assert ("budget-short" in shown) is bool(expected)
    assert ("`budget:` in the project file" in shown) is bool(expected)


def test_the_estimate_equals_the_requests_of_an_apply(project: Project, server: EmulatedFivetran) -> None:
    write_pairs(project, server)
    result = project.run_against(server, "apply", "--auto-approve", "--format", "json")
    assert result.exit == 0
    assert result.document["applied"]["requests"] == 21


def test_an_apply_beyond_the_quota_warns_before_its_first_write_and_pauses(
    project: Project, server: EmulatedFivetran
) -> None:
    write_pairs(project, server, "budget: {requests_per_hour: 12}\n")
    # One worker: the fake clock skips the pause, also for a request in flight.
    result = project.run_against(server, "apply", "--auto-approve", "--parallelism", "1")
    assert result.exit == 0, result.stdout + result.stderr
    warned, paused = (result.stderr.index(text) for text in (REQUESTS.format(9), "no requests left for now"))
    assert warned < paused
    assert len(server.list_ids("destinations")) == 3


@pytest.mark.parametrize("hourly", [23, 24])
def test_a_lower_remaining_quota_from_fivetran_is_used(project: Project, hourly: int) -> None:
    with serve_fivetran(quota=QuotaProfile(hourly=hourly)) as server:
        write_pairs(project, server)
        result = project.run_against(server, "plan", "--format", "json")
    assert list_warning_messages(result, "budget-short") == ([REQUESTS.format(20)] if hourly == 23 else [])


def test_requests_of_other_clients_count_against_the_quota(project: Project) -> None:
    with serve_fivetran(quota=QuotaProfile(hourly=50)) as server:
        write_pairs(project, server)
        for _ in range(30):
            server.get("/account/info")
        result = project.run_against(server, "plan", "--format", "json")
    assert list_warning_messages(result, "budget-short") == [REQUESTS.format(17)]


@pytest.mark.parametrize("command", [("plan",), ("apply", "--auto-approve")])
@pytest.mark.parametrize("scope", [("--target", "second"), ("--exclude", "first")], ids=["target", "exclude"])
def test_a_scoped_plan_reports_unfinished_work_out_of_scope(
    command: tuple[str, ...], scope: tuple[str, ...], project: Project, server: EmulatedFivetran
) -> None:
    write_pairs(project, server)
    failure = SetupTest("Permission Test", "FAILED", "no access")
    server.app.dashboard.script_setup_tests(group_name="first", finally_always=[failure])
    assert project.run_against(server, "apply", "--auto-approve").exit == 6
    before = len(server.calls)

    result = project.run_against(server, *command, *scope)
    assert result.exit == 0
    message = "destination.first was written and has not passed its setup tests; this plan leaves it out"
    assert f"warning[unfinished]: {message}\n" in result.stderr
    assert "  --> specs/groups/main.yaml:4:5\n" in result.stderr
    assert "`--target destination.first`" in result.stderr
    assert "No changes." in result.stdout.splitlines()
    [unfinished] = server.app.dashboard.find_group_ids("first")
    assert not any(unfinished in call for call in server.calls[before:]), "it is not read for that"
    document = project.run_against(server, *command, *scope, "--format", "json")
    assert list_warning_messages(document, "unfinished") == [message]

    server.app.dashboard.script_setup_tests(group_name="first")
    assert "unfinished" not in project.run_against(server, "plan").stderr, (
        "a plan of everything shows it itself"
    )
    assert project.run_against(server, "apply", "--auto-approve", "--target", "first").exit == 0
    assert "unfinished" not in project.run_against(server, *command, *scope).stderr
