"""A removal with `with_platform_connection: true` names the connection that is deleted first: in the plan, its digest,
its announced requests, the results and the events, also if the deletion that follows fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from applied_project import AppliedProject, apply_pairs
from cli_harness import CommandResult, EmulatedFivetran, Project

pytestmark = pytest.mark.sampled(every=3, tests=3)

SERVICE = "fivetran_log"


class Removal(AppliedProject):
    """The pair `orders` is to be removed with its platform connection, whose id is `connection`."""

    def __init__(self, applied: AppliedProject, options: str = "") -> None:
        super().__init__(applied.project, applied.server)
        self.orders = self.find_id("orders")
        self.connection = self.dashboard.add_connection(self.orders, SERVICE, "fivetran_metadata")
        entry = f"{{group: orders, id: {self.orders}, with_platform_connection: true{options}}}"
        applied.declare("sales", removed=f"  - {entry}\n")

    def apply_with(self, *options: str, **environ: str) -> CommandResult:
        return self.run("apply", "--auto-approve", *options, **environ)


@pytest.fixture
def removal(project: Project, server: EmulatedFivetran) -> Removal:
    return Removal(apply_pairs(project, server))


def list_requests(document: Any) -> list[tuple[str, str]]:
    return [
        (request["method"], request["object"])
        for change in document["changes"]
        for request in change["requests"]
    ]


FORMS = ("text", "markdown", "json", "github", "junit", "terraform", "terraform-json")


@pytest.mark.parametrize("command", ["plan", "show"])
@pytest.mark.parametrize("form", FORMS)
def test_every_plan_format_says_that_the_connection_is_deleted_first(
    form: str, command: str, removal: Removal, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    environ = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(tmp_path / "outputs")}
    result = removal.run("plan", "--out", "plan.json", "--format", form, **environ)
    if command == "show":
        result = removal.project.run("show", "plan.json", "--format", form, environ=environ)
    assert result.exit == 0, result.stderr
    text = summary.read_text() if form == "github" else result.stdout
    [line] = [line for line in text.splitlines() if removal.connection in line and "requests" not in line][:1]
    assert SERVICE in text
    assert "deleted first" in line or '"deleted_first": true' in text


def test_the_json_announces_the_deletions_in_their_order(removal: Removal) -> None:
    assert list_requests(removal.plan("--format", "json").document) == [
        ("DELETE", f"connection {removal.connection}"),
        ("DELETE", "destination.orders"),
        ("DELETE", "group.orders"),
    ]
    before = len(removal.server.writes)
    assert removal.apply_with().exit == 0
    assert removal.server.writes[before:] == [
        f"DELETE /v1/connections/{removal.connection}",
        f"DELETE /v1/destinations/{removal.orders}",
        f"DELETE /v1/groups/{removal.orders}",
    ]


def test_a_removal_of_the_destination_alone_names_the_connection(
    project: Project, server: EmulatedFivetran
) -> None:
    applied = apply_pairs(project, server)
    removal = Removal(applied, ", only: destination")
    applied.declare(
        "sales",
        extra="  orders: {}\n",
        removed=f"  - {{group: orders, id: {removal.orders}, with_platform_connection: true, only: destination}}\n",
    )
    assert list_requests(removal.plan("--format", "json").document) == [
        ("DELETE", f"connection {removal.connection}"),
        ("DELETE", "destination.orders"),
    ]


def test_the_digest_covers_the_connection(removal: Removal) -> None:
    first = removal.plan("--format", "json").document["digest"]
    removal.dashboard.add_connection(removal.orders, SERVICE, "fivetran_metadata_2")
    assert removal.plan("--format", "json").document["digest"] != first


FAULTS = {
    "done": (),
    "refused": ("DELETE /v1/destinations/* status 409",),
    "answer lost": ("DELETE /v1/destinations/* after-effect close",),
    "group refused": ("DELETE /v1/groups/* status 409",),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("form", ["text", "json", "github", "terraform"])
def test_every_result_names_the_deleted_connection_also_if_the_next_deletion_fails(
    form: str, fault: str, removal: Removal, tmp_path: Path
) -> None:
    if FAULTS[fault]:
        removal.add_faults(*FAULTS[fault])
    summary = tmp_path / "summary.md"
    environ = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(tmp_path / "outputs")}
    result = removal.apply_with("--format", form, "--events", "events.jsonl", **environ)
    assert result.exit == (0 if fault == "done" else 6), result.stdout + result.stderr
    assert f"DELETE /v1/connections/{removal.connection}" in removal.server.writes
    if form == "json":
        outcomes = {each["address"]: each for each in result.document["applied"]["outcomes"]}
        deleted = outcomes["destination.orders"]["deleted_first"]
        assert deleted == [{"id": removal.connection, "service": SERVICE}]
    else:
        text = summary.read_text() if form == "github" else result.stdout
        assert f"deleted first: connection {SERVICE} {removal.connection}" in text
    lines = map(json.loads, (removal.folder / "events.jsonl").read_text().splitlines())
    events = {(event["event"], event.get("address")): event for event in lines}
    planned = {change["address"]: change for change in events["planned", None]["changes"]}
    assert planned["destination.orders"]["live"]["connections"] == [
        {"id": removal.connection, "service": SERVICE, "deleted_first": True}
    ]
    finished = events["change-finished", "destination.orders"]
    assert finished["deleted_first"] == [{"id": removal.connection, "service": SERVICE}]


def test_the_next_plan_after_a_failed_deletion_announces_only_the_rest(removal: Removal) -> None:
    removal.add_faults("DELETE /v1/destinations/* #1 status 409")
    assert removal.apply_with().exit == 6
    assert list_requests(removal.plan("--format", "json").document) == [
        ("DELETE", "destination.orders"),
        ("DELETE", "group.orders"),
    ]
    assert removal.apply_with().exit == 0
