"""`reconciler graph`: groups and destinations with their planned actions."""

from __future__ import annotations

import pytest
from cli_harness import EmulatedFivetran, Project

PAIR = """\
  {key}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {{project_id: acme, data_set_location: US}}
"""


@pytest.fixture
def changed_project(project: Project, server: EmulatedFivetran) -> Project:
    """Two applied pairs; afterwards one is removed, one loses its destination, and a group is new."""
    project.write(
        "specs/reconciler.yaml",
        f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
    )
    project.write_groups(PAIR.format(key="orders") + PAIR.format(key="sales"))
    assert project.run_against(server, "apply", "--auto-approve").exit == 0
    [orders], [sales] = (server.app.dashboard.find_group_ids(key) for key in ("orders", "sales"))
    server.app.dashboard.remove("destination", orders)
    project.write(
        "specs/groups/main.yaml",
        "version: 1\ngroups:\n"
        + PAIR.format(key="orders")
        + "  brand_new: {name: 'quote \" [bracket]'}\n"
        + f"removed:\n  - {{group: sales, id: {sales}}}\n",
    )
    return project


def test_graph_renders_a_plan_and_sends_get_requests_only(
    changed_project: Project, server: EmulatedFivetran
) -> None:
    before = len(server.writes)
    result = changed_project.run_against(server, "graph")
    assert result.exit == 1, "one of them is not to be seen"
    assert "error[gone-or-hidden]: destination.orders" in result.stderr
    assert server.writes[before:] == []
    assert [line for line in result.stdout.splitlines() if "classDef" not in line] == [
        "flowchart LR",
        '  group_brand_new["group.brand_new<br/>quote #34; #91;bracket#93;"]:::create',
        '  group_orders["group.orders"]:::no_op',
        '  destination_orders["destination.orders<br/>big_query"]',
        '  group_sales["group.sales"]:::delete',
        '  destination_sales["destination.sales<br/>big_query"]:::delete',
        "  group_orders --> destination_orders",
        "  group_sales --> destination_sales",
    ]


def test_graph_renders_json(changed_project: Project, server: EmulatedFivetran) -> None:
    document = changed_project.run_against(server, "graph", "--format", "json").document
    assert {node["address"]: node["action"] for node in document["nodes"]} == {
        "group.brand_new": "create",
        "group.orders": "no-op",
        "destination.orders": None,
        "group.sales": "delete",
        "destination.sales": "delete",
    }
    assert [each["code"] for each in document["warnings"]] == ["gone-or-hidden"]
    assert document["exit"] == {"code": 1, "reason": "failed"}


def test_graph_renders_an_invisible_pair_as_one_node(
    changed_project: Project, server: EmulatedFivetran
) -> None:
    server.app.dashboard.remove("group", server.app.dashboard.find_group_ids("orders")[0])
    nodes = changed_project.run_against(server, "graph", "--format", "json").document["nodes"]
    assert {node["address"] for node in nodes if node["action"] is None} == {
        "group.orders",
        "destination.orders",
    }
    assert changed_project.run_against(server, "graph", "--exclude", "orders").exit == 0


def test_graph_offline_renders_specs_only(changed_project: Project, server: EmulatedFivetran) -> None:
    before = len(server.calls)
    result = changed_project.run("graph", "--offline")
    assert result.exit == 0
    assert server.calls[before:] == []
    assert "classDef" not in result.stdout
    assert "group_orders --> destination_orders" in result.stdout
    assert "sales" not in result.stdout
    nodes = changed_project.run("graph", "--offline", "--format", "json").document["nodes"]
    assert {node["action"] for node in nodes} == {None}


def test_graph_renders_a_target(changed_project: Project, server: EmulatedFivetran) -> None:
    drawn = changed_project.run_against(server, "graph", "--target", "destination.orders").stdout
    assert "group_orders --> destination_orders" in drawn
    assert "brand_new" not in drawn
    assert changed_project.run("graph", "--offline", "--target", "orders").exit == 64


def test_graph_reports_invalid_specs_and_renders_nothing(project: Project) -> None:
    project.write_groups("  orders: {destinatoin: {}}\n")
    result = project.run("graph", "--offline")
    assert result.exit == 1
    assert result.stdout == ""
    assert "did you mean `destination`?" in result.stderr


def test_a_chart_that_mermaid_cannot_draw_is_a_warning(project: Project) -> None:
    project.write_groups("".join(PAIR.format(key=f"team_{number:03}") for number in range(501)))
    result = project.run("graph", "--offline")
    assert result.exit == 0
    assert result.stderr.startswith("warning[graph-too-large]: ")
    assert result.stdout.count(" --> ") == 501
    part = project.run("graph", "--offline", "--format", "json")
    assert "graph-too-large" not in part.stdout + part.stderr, "a document for programs"
