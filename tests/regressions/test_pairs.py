"""R12 to R15 and R38 to R41: groups and destinations keep their identity, and nothing is lost by accident."""

from __future__ import annotations

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project

PAIR = """\
  orders:
    destination:
      service: big_query
      time_zone_offset: "0"
      config: {project_id: acme, data_set_location: US}
"""


class Orders:
    """A project with one applied pair, and a connection that loads into it."""

    def __init__(self, project: Project, server: EmulatedFivetran, groups: str = PAIR) -> None:
        self.project, self.server = project, server
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
        )
        project.write_groups(groups)
        assert self.run("apply", "--auto-approve").exit == 0
        [self.id] = server.list_ids("groups")

    def run(self, *arguments: str) -> CommandResult:
        return self.project.run_against(self.server, *arguments)

    def writes_of(self, *arguments: str) -> tuple[CommandResult, list[str]]:
        """How a run ended, and the writes that it sent."""
        before = len(self.server.writes)
        result = self.run(*arguments)
        return result, self.server.writes[before:]


@pytest.fixture
def orders(project: Project, server: EmulatedFivetran) -> Orders:
    """One applied pair."""
    return Orders(project, server)


def test_r12_a_new_name_is_one_patch_and_keeps_everything(orders: Orders) -> None:
    connection = orders.server.app.dashboard.add_connection(orders.id, "salesforce", "salesforce")
    orders.project.write_groups(PAIR.replace("  orders:\n", "  orders:\n    name: Orders of today\n"))
    plan = orders.run("plan")
    assert "Plan: 0 to add, 1 to change, 0 to destroy." in plan.stdout.splitlines()
    result, writes = orders.writes_of("apply", "--auto-approve")
    assert result.exit == 0
    assert writes == [f"PATCH /v1/groups/{orders.id}"]
    assert orders.server.list_bodies("PATCH", f"/v1/groups/{orders.id}") == [{"name": "Orders of today"}]
    assert orders.server.list_ids("groups") == orders.server.list_ids("destinations") == [orders.id]
    assert orders.server.get(f"/groups/{orders.id}/connections")["items"][0]["id"] == connection


@pytest.mark.parametrize("command", [["plan"], ["apply", "--auto-approve"]])
def test_r13_another_service_is_refused_and_names_the_field(orders: Orders, command: list[str]) -> None:
    orders.project.write_groups(
        PAIR.replace("big_query", "clickhouse").replace("{project_id: acme, data_set_location: US}", "{}")
    )
    result, writes = orders.writes_of(*command)
    assert (result.exit, writes) == (3, [])
    assert "service" in result.stdout + result.stderr
    assert "destination.orders" in result.stderr


def test_r13_a_field_that_cannot_change_is_refused_and_named(
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
    orders = Orders(project, server, lake)
    project.write_groups(lake.replace("acme-lake", "acme-lake-2026"))
    result, writes = orders.writes_of("apply", "--auto-approve")
    assert (result.exit, writes) == (3, [])
    assert "`config.bucket`" in result.stderr


def test_r15_a_group_without_a_destination_is_completed(project: Project, server: EmulatedFivetran) -> None:
    group = server.app.dashboard.add_group("orders")
    orders = Orders(project, server)
    assert orders.id == group
    assert server.writes == ["POST /v1/destinations", f"POST /v1/destinations/{group}/test"]


def test_r15_a_pair_that_was_made_by_hand_is_adopted(project: Project, server: EmulatedFivetran) -> None:
    group = server.app.dashboard.add_group("orders")
    server.app.dashboard.add_destination(
        group, "big_query", config={"project_id": "acme", "data_set_location": "US"}
    )
    orders = Orders(project, server)
    assert orders.id == group
    assert server.writes == []


def remove(orders: Orders, more: str = "") -> None:
    """A tombstone in place of the entry."""
    orders.project.write(
        "specs/groups/main.yaml",
        f"version: 1\ngroups:\n  spare: {{}}\nremoved:\n  - {{group: orders, id: {orders.id}{more}}}\n",
    )


@pytest.mark.parametrize("service", ["fivetran_log", "fivetran_metadata", "fivetran_platform"])
def test_r38_a_plan_says_that_fivetrans_own_connection_is_in_the_way(orders: Orders, service: str) -> None:
    orders.server.app.dashboard.add_connection(orders.id, service, "fivetran_metadata")
    remove(orders)
    result, writes = orders.writes_of("plan")
    assert (result.exit, writes) == (3, [])
    assert "error[platform-connection]" in result.stderr
    assert "with_platform_connection: true" in result.stderr
    remove(orders, ", with_platform_connection: true")
    result, writes = orders.writes_of("apply", "--auto-approve")
    assert result.exit == 0, result.stdout + result.stderr
    assert writes[-2:] == [f"DELETE /v1/destinations/{orders.id}", f"DELETE /v1/groups/{orders.id}"]


def test_r38_connections_of_users_are_in_the_way(orders: Orders) -> None:
    orders.server.app.dashboard.add_connection(orders.id, "salesforce", "sales")
    remove(orders, ", with_platform_connection: true")
    result, writes = orders.writes_of("apply", "--auto-approve")
    assert (result.exit, writes) == (3, [])
    assert "error[has-connections]" in result.stderr


def test_r39_protection_survives_the_lines_that_declare_it(orders: Orders) -> None:
    orders.project.write_groups(PAIR + "      lifecycle: {protected: true}\n")
    assert orders.run("apply", "--auto-approve").exit == 0
    remove(orders)
    result, writes = orders.writes_of("apply", "--auto-approve")
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
def test_r41_a_spec_without_its_entries_never_means_no_changes(
    orders: Orders, text: str, command: list[str]
) -> None:
    orders.project.write("specs/groups/main.yaml", text)
    result, writes = orders.writes_of(*command)
    assert result.exit == 1
    assert "No changes." not in result.stdout
    assert writes == []


@pytest.mark.parametrize("specs", ["['teams/*.yaml']", "[missing.yaml]", "[]"])
def test_r41_a_pattern_that_matches_nothing_is_an_error(orders: Orders, specs: str) -> None:
    orders.project.write("specs/reconciler.yaml", f"version: 1\nspecs: {specs}\n")
    result, writes = orders.writes_of("apply", "--auto-approve")
    assert (result.exit, writes) == (1, [])
    assert "No changes." not in result.stdout


@pytest.mark.parametrize("missing", ["specs/reconciler.yaml", "specs/groups/main.yaml"])
def test_r41_a_missing_file_is_an_error(orders: Orders, missing: str) -> None:
    (orders.project.folder / missing).unlink()
    result, writes = orders.writes_of("apply", "--auto-approve")
    assert (result.exit, writes) == (1, [])
    assert "No changes." not in result.stdout
