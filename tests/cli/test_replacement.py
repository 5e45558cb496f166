"""Replacement of a destination: only if the entry allows it and no connection uses the destination."""

from __future__ import annotations

import json

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project

pytestmark = pytest.mark.sampled(every=6, tests=3)

LAKE = """\
  lake:
    destination:
      service: managed_data_lake
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config: {storage_provider: AWS, bucket: BUCKET, prefix_path: fivetran, region: us-east-1,
        fivetran_role_arn: "arn:aws:iam::123456789012:role/lake"}
"""
ALLOWED = "      lifecycle: {allow_replace: true}\n"
WITH_CONNECTION = "      lifecycle: {allow_replace: true, with_platform_connection: true}\n"


@pytest.fixture
def lake_project(project: Project, server: EmulatedFivetran) -> Project:
    """A project with an applied lake in the bucket `first`."""
    write_settings(project, server)
    project.write_groups(LAKE.replace("BUCKET", "first"))
    assert project.run_against(server, "apply", "--auto-approve").exit == 0
    return project


def write_settings(project: Project, server: EmulatedFivetran, more: str = "") -> None:
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n{more}",
    )


def get_error_code(result: CommandResult) -> str:
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error[")]
    return line.removeprefix("error[").partition("]")[0]


def test_an_immutable_change_is_refused_and_names_the_field(
    lake_project: Project, server: EmulatedFivetran
) -> None:
    lake_project.write_groups(LAKE.replace("BUCKET", "second"))
    before = len(server.writes)
    result = lake_project.run_against(server, "apply", "--auto-approve")
    assert (result.exit, get_error_code(result)) == (3, "replace-refused")
    assert "`config.bucket`" in result.stderr
    assert "`first` in Fivetran" in result.stderr
    assert server.writes[before:] == []


def test_an_allowed_replacement_deletes_and_creates_within_the_same_group(
    lake_project: Project, server: EmulatedFivetran
) -> None:
    lake_project.write_groups(LAKE.replace("BUCKET", "second") + ALLOWED)
    plan = lake_project.run_against(server, "plan")
    assert "-/+ destination.lake" in plan.stdout
    assert '"first" -> "second"   forces the replacement' in plan.stdout
    assert "Plan: 1 to add, 0 to change, 1 to destroy." in plan.stdout.splitlines()
    before = len(server.writes)
    result = lake_project.run_against(server, "apply", "--auto-approve")
    assert result.exit == 0, result.stdout + result.stderr
    [id] = server.list_ids("groups")
    assert server.writes[before:] == [
        f"DELETE /v1/destinations/{id}",
        "POST /v1/destinations",
        f"POST /v1/destinations/{id}/test",
    ]
    assert server.get(f"/destinations/{id}")["config"]["bucket"] == "second"
    assert lake_project.run_against(server, "plan", "--detailed-exitcode").exit == 0


def test_another_service_is_a_replacement(lake_project: Project, server: EmulatedFivetran) -> None:
    lake_project.write_groups(
        "  lake:\n    destination:\n      service: big_query\n      time_zone_offset: '0'\n"
        "      config: {project_id: acme, data_set_location: US}\n" + ALLOWED
    )
    result = lake_project.run_against(server, "apply", "--auto-approve")
    assert result.exit == 0, result.stdout + result.stderr
    [id] = server.list_ids("destinations")
    assert server.get(f"/destinations/{id}")["service"] == "big_query"
    assert lake_project.run_against(server, "plan", "--detailed-exitcode").exit == 0


@pytest.mark.parametrize(
    ("service", "code"), [("salesforce", "has-connections"), ("fivetran_metadata", "platform-connection")]
)
def test_a_destination_in_use_is_never_replaced(
    lake_project: Project, server: EmulatedFivetran, service: str, code: str
) -> None:
    [id] = server.list_ids("groups")
    server.app.dashboard.add_connection(id, service, "s")
    lake_project.write_groups(LAKE.replace("BUCKET", "second") + ALLOWED)
    before = len(server.writes)
    result = lake_project.run_against(server, "apply", "--auto-approve")
    assert (result.exit, get_error_code(result)) == (3, code)
    assert service in result.stderr
    assert server.writes[before:] == []


def test_a_replacement_deletes_the_platform_connection_first_if_its_lifecycle_says_so(
    lake_project: Project, server: EmulatedFivetran
) -> None:
    """The connection is in the plan, its JSON and Markdown, the digest, the result and the events."""
    [id] = server.list_ids("groups")
    lake_project.write_groups(LAKE.replace("BUCKET", "second") + WITH_CONNECTION)
    without = lake_project.run_against(server, "plan", "--format", "json").document
    connection = server.app.dashboard.add_connection(id, "fivetran_metadata", "fivetran_metadata")
    document = lake_project.run_against(server, "plan", "--format", "json").document
    [change] = document["changes"]
    expected = [{"id": connection, "service": "fivetran_metadata", "deleted_first": True}]
    assert (change["live"]["connections"], change["blocked_by"]) == (expected, [])
    assert document["digest"] != without["digest"]
    text = lake_project.run_against(server, "plan").stdout
    assert f"fivetran_metadata {connection} (deleted first)" in text
    markdown = lake_project.run_against(server, "plan", "--format", "markdown").stdout
    assert f"with its connection `{connection}` of `fivetran_metadata`, which is deleted first" in markdown
    before = len(server.writes)
    result = lake_project.run_against(server, "apply", "--auto-approve", "--events", "events.jsonl")
    assert result.exit == 0, result.stdout + result.stderr
    assert server.writes[before:] == [
        f"DELETE /v1/connections/{connection}",
        f"DELETE /v1/destinations/{id}",
        "POST /v1/destinations",
        f"POST /v1/destinations/{id}/test",
    ]
    assert f"deleted first: connection fivetran_metadata {connection}" in result.stdout
    events = [json.loads(line) for line in (lake_project.folder / "events.jsonl").read_text().splitlines()]
    [finished] = [each for each in events if each.get("deleted_first")]
    assert finished["deleted_first"] == [{"id": connection, "service": "fivetran_metadata"}]
    assert lake_project.run_against(server, "plan", "--detailed-exitcode").exit == 0


def test_the_platform_connection_is_reported_as_deleted_if_the_replacement_fails(
    lake_project: Project, server: EmulatedFivetran
) -> None:
    from reconciler.emulator.fault_text import parse_fault

    [id] = server.list_ids("groups")
    connection = server.app.dashboard.add_connection(id, "fivetran_metadata", "fivetran_metadata")
    lake_project.write_groups(LAKE.replace("BUCKET", "second") + WITH_CONNECTION)
    saved = lake_project.run_against(server, "plan", "--out", "lake.plan")
    assert saved.exit == 0, saved.stderr
    server.app.faults.add(parse_fault("DELETE /v1/destinations/* times 1 status 400"))
    result = lake_project.run_against(server, "apply", "lake.plan")
    assert result.exit == 6
    assert f"deleted first: connection fivetran_metadata {connection}" in result.stdout
    server.app.faults.clear()
    assert lake_project.run_against(server, "apply", "lake.plan").exit == 0


def test_a_connection_of_a_user_blocks_a_replacement_with_the_platform_connection(
    lake_project: Project, server: EmulatedFivetran
) -> None:
    [id] = server.list_ids("groups")
    server.app.dashboard.add_connection(id, "fivetran_metadata", "fivetran_metadata")
    server.app.dashboard.add_connection(id, "salesforce", "s")
    lake_project.write_groups(LAKE.replace("BUCKET", "second") + WITH_CONNECTION)
    before = len(server.writes)
    result = lake_project.run_against(server, "apply", "--auto-approve")
    assert (result.exit, get_error_code(result)) == (3, "has-connections")
    assert "1 of its connections" in result.stderr
    assert server.writes[before:] == []


def test_a_protected_entry_is_never_replaced(lake_project: Project, server: EmulatedFivetran) -> None:
    write_settings(lake_project, server, "protected: [lake]\n")
    lake_project.write_groups(LAKE.replace("BUCKET", "second") + ALLOWED)
    result = lake_project.run_against(server, "apply", "--auto-approve")
    assert (result.exit, get_error_code(result)) == (3, "protected")


def test_a_create_that_fails_after_the_deletion_is_retried_by_the_next_run(
    lake_project: Project, server: EmulatedFivetran
) -> None:
    from reconciler.emulator.fault_text import parse_fault

    lake_project.write_groups(LAKE.replace("BUCKET", "second") + ALLOWED)
    server.app.faults.add(parse_fault("POST /v1/destinations times 1 status 400"))
    assert lake_project.run_against(server, "apply", "--auto-approve").exit == 6
    server.app.faults.clear()
    assert lake_project.run_against(server, "apply", "--auto-approve").exit == 0
    [id] = server.list_ids("destinations")
    assert server.get(f"/destinations/{id}")["config"]["bucket"] == "second"


def test_a_refused_replacement_names_the_connections_of_the_destination(
    lake_project: Project, server: EmulatedFivetran
) -> None:
    [id] = server.list_ids("groups")
    connection = server.app.dashboard.add_connection(id, "salesforce", "s")
    lake_project.write_groups(LAKE.replace("BUCKET", "second"))
    result = lake_project.run_against(server, "plan")
    assert (result.exit, get_error_code(result)) == (3, "replace-refused")
    assert f"`{connection}` (salesforce)" in result.stderr
    assert f"GET /v1/groups/{id}/connections" in server.calls


def test_json_names_the_blockers_of_each_change(lake_project: Project, server: EmulatedFivetran) -> None:
    write_settings(lake_project, server, "protected: [lake]\n")
    lake_project.write_groups(LAKE.replace("BUCKET", "second") + ALLOWED)
    result = lake_project.run_against(server, "plan", "--format", "json")
    assert [change["blocked_by"] for change in result.document["changes"]] == [["protected"]]


@pytest.mark.parametrize("refused", ["DELETE /v1/destinations/*", "POST /v1/destinations"])
def test_a_failed_replacement_does_not_explain_a_later_absence(
    lake_project: Project, server: EmulatedFivetran, refused: str
) -> None:
    """After a failed replacement and a complete apply, a deleted destination is an error."""
    from reconciler.emulator.fault_text import parse_fault

    lake_project.write_groups(LAKE.replace("BUCKET", "second") + ALLOWED)
    server.app.faults.add(parse_fault(f"{refused} times 1 status 400"))
    assert lake_project.run_against(server, "apply", "--auto-approve").exit == 6
    server.app.faults.clear()
    bucket = "first" if refused.startswith("DELETE") else "second"
    lake_project.write_groups(LAKE.replace("BUCKET", bucket) + ALLOWED)
    assert lake_project.run_against(server, "apply", "--auto-approve").exit == 0
    [id] = server.list_ids("destinations")
    server.app.dashboard.remove("destination", id)
    result = lake_project.run_against(server, "plan")
    assert (result.exit, get_error_code(result)) == (1, "gone-or-hidden")
