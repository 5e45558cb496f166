"""R12 to R15 and R38 to R41: groups and destinations keep their identity, and no object is deleted by accident."""

from __future__ import annotations

import pytest
from applied_project import AppliedProject
from cli_harness import EmulatedFivetran, Project

pytestmark = pytest.mark.sampled(every=6)

PAIR = """\
  orders:
    destination:
      service: big_query
      time_zone_offset: "0"
      config: {project_id: acme, data_set_location: US}
"""


def apply_pair(project: Project, server: EmulatedFivetran, groups: str = PAIR) -> AppliedProject:
    applied_pair = AppliedProject(project, server)
    applied_pair.apply_once(groups)
    return applied_pair


@pytest.fixture
def applied_pair(project: Project, server: EmulatedFivetran) -> AppliedProject:
    """One applied pair, `orders`."""
    return apply_pair(project, server)


def test_r12_a_new_name_is_one_patch_and_keeps_all_ids(applied_pair: AppliedProject) -> None:
    connection = applied_pair.dashboard.add_connection(applied_pair.id, "salesforce", "salesforce")
    applied_pair.project.write_groups(PAIR.replace("  orders:\n", "  orders:\n    name: Orders of today\n"))
    plan = applied_pair.run("plan")
    assert "Plan: 0 to add, 1 to change, 0 to destroy." in plan.stdout.splitlines()
    result, writes = applied_pair.run_and_list_writes("apply", "--auto-approve")
    assert result.exit == 0
    assert writes == [f"PATCH /v1/groups/{applied_pair.id}"]
    assert applied_pair.server.list_bodies("PATCH", f"/v1/groups/{applied_pair.id}") == [
        {"name": "Orders of today"}
    ]
    assert (
        applied_pair.server.list_ids("groups")
        == applied_pair.server.list_ids("destinations")
        == [applied_pair.id]
    )
    assert applied_pair.server.get(f"/groups/{applied_pair.id}/connections")["items"][0]["id"] == connection


@pytest.mark.parametrize("command", [["plan"], ["apply", "--auto-approve"]])
def test_r13_another_service_is_refused_and_names_the_field(
    applied_pair: AppliedProject, command: list[str]
) -> None:
    applied_pair.project.write_groups(
        PAIR.replace("big_query", "clickhouse").replace("{project_id: acme, data_set_location: US}", "{}")
    )
    result, writes = applied_pair.run_and_list_writes(*command)
    assert (result.exit, writes) == (3, [])
    assert "service" in result.stdout + result.stderr
    assert "destination.orders" in result.stderr


def test_r13_a_change_of_an_immutable_field_is_refused_and_named(
    project: Project, server: EmulatedFivetran
) -> None:
    lake = PAIR.replace("big_query", "managed_data_lake").replace(
        "{project_id: acme, data_set_location: US}",
        "{storage_provider: AWS, bucket: acme-lake, prefix_path: raw}",
    )
    group = server.app.dashboard.add_group("orders")
    server.app.dashboard.add_destination(
        group,
        "managed_data_lake",
        config={"storage_provider": "AWS", "bucket": "acme-lake", "prefix_path": "raw"},
    )
    applied_pair = apply_pair(project, server, lake)
    project.write_groups(lake.replace("acme-lake", "acme-lake-2026"))
    result, writes = applied_pair.run_and_list_writes("apply", "--auto-approve")
    assert (result.exit, writes) == (3, [])
    assert "`config.bucket`" in result.stderr


def test_r15_a_group_without_a_destination_is_completed(project: Project, server: EmulatedFivetran) -> None:
    group = server.app.dashboard.add_group("orders")
    applied_pair = apply_pair(project, server)
    assert applied_pair.id == group
    assert server.writes == ["POST /v1/destinations", f"POST /v1/destinations/{group}/test"]


def test_r15_a_manually_created_pair_is_adopted(project: Project, server: EmulatedFivetran) -> None:
    group = server.app.dashboard.add_group("orders")
    server.app.dashboard.add_destination(
        group, "big_query", config={"project_id": "acme", "data_set_location": "US"}
    )
    applied_pair = apply_pair(project, server)
    assert applied_pair.id == group
    assert server.writes == []


def write_removal(applied_pair: AppliedProject, more: str = "") -> None:
    """Write a removal in place of the entry."""
    applied_pair.project.write(
        "specs/groups/main.yaml",
        f"version: 1\ngroups:\n  spare: {{}}\nremoved:\n  - {{group: orders, id: {applied_pair.id}{more}}}\n",
    )


@pytest.mark.parametrize("service", ["fivetran_log", "fivetran_metadata", "fivetran_platform"])
def test_r38_a_plan_reports_the_platform_connection_as_blocker(
    applied_pair: AppliedProject, service: str
) -> None:
    applied_pair.dashboard.add_connection(applied_pair.id, service, "fivetran_metadata")
    write_removal(applied_pair)
    result, writes = applied_pair.run_and_list_writes("plan")
    assert (result.exit, writes) == (3, [])
    assert "error[platform-connection]" in result.stderr
    assert "with_platform_connection: true" in result.stderr
    write_removal(applied_pair, ", with_platform_connection: true")
    result, writes = applied_pair.run_and_list_writes("apply", "--auto-approve")
    assert result.exit == 0, result.stdout + result.stderr
    assert writes[-2:] == [
        f"DELETE /v1/destinations/{applied_pair.id}",
        f"DELETE /v1/groups/{applied_pair.id}",
    ]


def test_r38_connections_of_users_block_a_removal(applied_pair: AppliedProject) -> None:
    applied_pair.dashboard.add_connection(applied_pair.id, "salesforce", "sales")
    write_removal(applied_pair, ", with_platform_connection: true")
    result, writes = applied_pair.run_and_list_writes("apply", "--auto-approve")
    assert (result.exit, writes) == (3, [])
    assert "error[has-connections]" in result.stderr


def test_r39_protection_outlives_its_declaration(applied_pair: AppliedProject) -> None:
    applied_pair.project.write_groups(PAIR + "      lifecycle: {protected: true}\n")
    assert applied_pair.run("apply", "--auto-approve").exit == 0
    write_removal(applied_pair)
    result, writes = applied_pair.run_and_list_writes("apply", "--auto-approve")
    assert (result.exit, writes) == (3, [])
    assert "error[protected]" in result.stderr


BROKEN = {
    "an empty file": "",
    "no entries": "version: 1\ngroups: {}\n",
    "no groups": "version: 1\n",
    "invalid YAML": "version: 1\ngroups: {orders: [\n",
    "a comment": "# nothing left\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("command", [["validate"], ["plan"], ["apply", "--auto-approve"]])
def test_r41_a_spec_without_entries_is_never_an_empty_plan(
    applied_pair: AppliedProject, text: str, command: list[str]
) -> None:
    applied_pair.project.write("specs/groups/main.yaml", text)
    result, writes = applied_pair.run_and_list_writes(*command)
    assert result.exit == 1
    assert "No changes." not in result.stdout
    assert writes == []


@pytest.mark.parametrize("specs", ["['teams/*.yaml']", "[missing.yaml]", "[]"])
def test_r41_a_pattern_that_matches_nothing_is_an_error(applied_pair: AppliedProject, specs: str) -> None:
    applied_pair.project.write("specs/reconciler.yaml", f"version: 1\nspecs: {specs}\n")
    result, writes = applied_pair.run_and_list_writes("apply", "--auto-approve")
    assert (result.exit, writes) == (1, [])
    assert "No changes." not in result.stdout


@pytest.mark.parametrize("missing", ["specs/reconciler.yaml", "specs/groups/main.yaml"])
def test_r41_a_missing_file_is_an_error(applied_pair: AppliedProject, missing: str) -> None:
    (applied_pair.folder / missing).unlink()
    result, writes = applied_pair.run_and_list_writes("apply", "--auto-approve")
    assert (result.exit, writes) == (1, [])
    assert "No changes." not in result.stdout
