"""Scope of a run: filters limit the planned entries and the number of reads."""

from __future__ import annotations

import json

import pytest
from cli_harness import EmulatedFivetran, Project
from git_repo import commit

pytestmark = pytest.mark.sampled(every=3, tests=2)

PAIR = """\
  {key}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {{project_id: {project}, data_set_location: US}}
"""
KEYS = ("orders", "sales_eu", "sales_us")


@pytest.fixture
def edited_project(project: Project, server: EmulatedFivetran) -> Project:
    """Three applied pairs, each with a spec edit since."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    project.write_groups("".join(PAIR.format(key=key, project="acme") for key in KEYS))
    assert project.run_against(server, "apply", "--auto-approve").exit == 0
    project.write_groups("".join(PAIR.format(key=key, project="acme-2") for key in KEYS))
    return project


def list_planned(edited_project: Project, server: EmulatedFivetran, *options: str) -> list[str]:
    """List the addresses of the changes in a plan."""
    document = edited_project.run_against(server, "plan", "--format", "json", *options).document
    return [change["address"] for change in document["changes"]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["destination.orders", "destination.sales_eu", "destination.sales_us"]),
        (("--target", "destination.orders"), ["destination.orders"]),
        (("--target", "orders"), ["destination.orders"]),
        (("--target", "sales_*"), ["destination.sales_eu", "destination.sales_us"]),
        (("--target", "group.orders"), []),
        (("--exclude", "orders"), ["destination.sales_eu", "destination.sales_us"]),
        (("--target", "sales_*", "--exclude", "group.sales_us"), ["destination.sales_eu"]),
    ],
)
def test_only_what_is_in_scope_is_planned(
    edited_project: Project, server: EmulatedFivetran, options: tuple[str, ...], expected: list[str]
) -> None:
    assert list_planned(edited_project, server, *options) == expected


def test_a_target_needs_one_read_whatever_the_size_of_the_account(
    edited_project: Project, server: EmulatedFivetran
) -> None:
    before = len(server.calls)
    list_planned(edited_project, server, "--target", "orders")
    [id] = server.app.dashboard.find_group_ids("orders")
    assert server.calls[before:] == [
        "GET /v1/account/info",
        "GET /v1/groups",
        "GET /v1/destinations",
        f"GET /v1/destinations/{id}",
    ]


def test_apply_leaves_entries_out_of_scope_unchanged(
    edited_project: Project, server: EmulatedFivetran
) -> None:
    before = len(server.writes)
    assert edited_project.run_against(server, "apply", "--auto-approve", "--target", "orders").exit == 0
    [id] = server.app.dashboard.find_group_ids("orders")
    assert server.writes[before:] == [f"PATCH /v1/destinations/{id}", f"POST /v1/destinations/{id}/test"]
    assert list_planned(edited_project, server) == ["destination.sales_eu", "destination.sales_us"]


@pytest.mark.parametrize("option", ["--target", "--exclude"])
def test_a_filter_that_matches_nothing_is_an_error(
    edited_project: Project, server: EmulatedFivetran, option: str
) -> None:
    before = len(server.calls)
    result = edited_project.run_against(server, "plan", option, "destination.order")
    assert result.exit == 1
    assert "error[unknown-target]" in result.stderr
    assert "did you mean `destination.orders`?" in result.stderr
    assert "No changes." not in result.stdout
    assert server.calls[before:] == []


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("command", ["plan", "apply", "drift", "graph"])
@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--exclude", "*"), "`--exclude '*'` excludes every entry of the specs"),
        (("--exclude", "group.*"), "`--exclude 'group.*'` excludes every entry of the specs"),
        (
            ("--exclude", "orders", "--exclude", "sales_*"),
            "`--exclude orders --exclude 'sales_*'` exclude every entry of the specs",
        ),
        (
            ("--target", "orders", "--exclude", "orders"),
            "`--exclude orders` excludes all that `--target orders` selects",
        ),
        (
            ("--target", "destination.orders", "--exclude", "group.orders"),
            "`--exclude group.orders` excludes all that `--target destination.orders` selects",
        ),
        (
            ("--target", "sales_*", "--exclude", "*_eu", "--exclude", "*_us"),
            "`--exclude '*_eu' --exclude '*_us'` exclude all that `--target 'sales_*'` selects",
        ),
        (
            ("--changed-since", "HEAD", "--exclude", "*"),
            "`--exclude '*'` excludes every entry of the specs",
        ),
    ],
)
def test_selectors_without_remaining_entries_are_wrong_usage(
    edited_project: Project, server: EmulatedFivetran, command: str, options: tuple[str, ...], what: str
) -> None:
    if "--changed-since" in options:
        commit(edited_project.folder, "here")
    before = len(server.calls)
    approved = ("--auto-approve",) if command == "apply" else ()
    result = edited_project.run_against(server, command, *approved, *options)
    assert (result.exit, result.stdout) == (64, "")
    assert f"error[nothing-selected]: {what}, so no entry is left" in " ".join(result.stderr.split())
    assert server.calls[before:] == []


def test_nothing_changed_since_a_revision_is_no_wrong_usage(
    edited_project: Project, server: EmulatedFivetran
) -> None:
    commit(edited_project.folder, "here")
    result = edited_project.run_against(server, "plan", "--changed-since", "HEAD", "--detailed-exitcode")
    assert result.exit == 0
    assert "No changes." in result.stdout


def test_wrong_usage_is_reported_in_json(edited_project: Project, server: EmulatedFivetran) -> None:
    result = edited_project.run_against(server, "plan", "--exclude", "*", "--format", "json")
    assert result.exit == 64
    assert result.document["exit"] == {"code": 64, "reason": "usage"}


def test_a_moved_key_out_of_scope_keeps_its_record(edited_project: Project, server: EmulatedFivetran) -> None:
    """Only a run with the entry in its scope follows its `was:`."""
    pairs = "".join(PAIR.format(key=key, project="acme") for key in KEYS[1:])
    edited_project.write_groups(
        pairs + PAIR.format(key="shop", project="acme").replace("shop:\n", "shop:\n    was: orders\n")
    )
    file = edited_project.folder / "specs/.reconciler/state.json"
    for options, key in ((("--target", "sales_*"), "orders"), (("--target", "shop"), "shop")):
        assert edited_project.run_against(server, "apply", "--auto-approve", *options).exit == 0
        assert f"destination.{key}" in json.loads(file.read_text())["records"]


def test_a_removal_out_of_scope_deletes_nothing(edited_project: Project, server: EmulatedFivetran) -> None:
    [id] = server.app.dashboard.find_group_ids("orders")
    pairs = "".join(PAIR.format(key=key, project="acme") for key in KEYS[1:])
    edited_project.write_groups(pairs + f"removed:\n  - {{group: orders, id: {id}}}\n")
    before = len(server.writes)
    assert edited_project.run_against(server, "apply", "--auto-approve", "--exclude", "orders").exit == 0
    assert server.writes[before:] == []
    assert edited_project.run_against(server, "apply", "--auto-approve", "--target", "orders").exit == 0
    assert server.writes[before:] == [f"DELETE /v1/destinations/{id}", f"DELETE /v1/groups/{id}"]
