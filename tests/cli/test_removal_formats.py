"""Every format names deleted, replaced and forgotten objects by their live name, service and connections at Fivetran,
and apply deletes the shown objects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from applied_project import AppliedProject, apply_pairs
from cli_harness import EmulatedFivetran, Project

pytestmark = pytest.mark.sampled(every=6, tests=3)

LAKE = """\
  lake:
    name: Data lake
    destination:
      service: managed_data_lake
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config: {storage_provider: AWS, bucket: BUCKET, prefix_path: a, region: us-east-1,
        fivetran_role_arn: "arn:aws:iam::123456789012:role/lake"}
      lifecycle: {allow_replace: true}
"""
FORMS = ("text", "markdown", "json", "github", "junit", "terraform", "terraform-json")
NAMED = (
    "Web prod",
    "web_prod_id",
    "big_query",
    "log_id",
    "fivetran_log",
    "Data lake",
    "lake_id",
    "managed_data_lake",
)


@dataclass
class Removals:
    """`orders` is removed with its platform connection, after a user has renamed it; `lake` is replaced, `sales` is
    forgotten."""

    applied_project: AppliedProject
    ids: dict[str, str]

    def list_missing(self, text: str) -> set[str]:
        """List the names and ids missing in a text."""
        ids = {"web_prod_id": self.ids["orders"], "log_id": self.ids["log"], "lake_id": self.ids["lake"]}
        return {ids.get(each, each) for each in NAMED if ids.get(each, each) not in text}


@pytest.fixture
def removals(project: Project, server: EmulatedFivetran) -> Removals:
    applied_project = apply_pairs(project, server)
    applied_project.declare("orders", "sales", extra=LAKE.replace("BUCKET", "first"))
    applied_project.list_apply_writes()
    dashboard = server.app.dashboard
    ids = {key: applied_project.find_id(key) for key in ("orders", "sales", "Data lake")}
    ids = {"orders": ids["orders"], "sales": ids["sales"], "lake": ids["Data lake"]}
    ids["log"] = dashboard.add_connection(ids["orders"], "fivetran_log", "fivetran_metadata")
    dashboard.rename_group(ids["orders"], "Web prod")
    applied_project.declare(
        extra=LAKE.replace("BUCKET", "second"),
        removed=f"  - {{group: orders, id: {ids['orders']}, with_platform_connection: true}}\n"
        f"  - {{group: sales, id: {ids['sales']}, forget: true}}\n",
    )
    return Removals(applied_project, ids)


def build_live(removals: Removals, *, first: bool = True) -> dict[str, Any]:
    """Build the live facts of `orders`. Its connection is deleted before its destination."""
    log = {"id": removals.ids["log"], "service": "fivetran_log", "deleted_first": True}
    return {
        "name": "Web prod",
        "last_name": "orders",
        "service": "big_query",
        "region": "GCP_US_EAST4",
        "connections": [log] if first else [],
    }


@pytest.mark.parametrize("form", FORMS)
def test_every_plan_format_names_removed_objects(form: str, removals: Removals, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    environ = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(tmp_path / "outputs")}
    result = removals.applied_project.run("plan", "--out", "plan.json", "--format", form, **environ)
    assert result.exit == 0, result.stderr
    assert removals.list_missing(result.stdout) == set()
    assert "sales" in result.stdout
    if form == "github":
        assert removals.list_missing(summary.read_text()) == set()
    shown = removals.applied_project.project.run("show", "plan.json", "--format", form, environ=environ)
    assert removals.list_missing(shown.stdout) == set(), "a saved plan too"


def test_the_gitlab_format_names_no_objects(removals: Removals) -> None:
    assert json.loads(removals.applied_project.plan("--format", "gitlab").stdout) == {
        "create": 1,
        "update": 0,
        "delete": 3,
    }


@pytest.mark.parametrize("form", ["sarif", "json", "gitlab"])
def test_a_blocked_deletion_names_its_objects(form: str, removals: Removals) -> None:
    applied_project, id = removals.applied_project, removals.ids["orders"]
    applied_project.dashboard.add_connection(id, "salesforce", "crm")
    result = applied_project.plan("--format", form)
    assert result.exit == 3
    printed = result.stdout + result.stderr
    assert f"at Fivetran it is `Web prod` (`{id}`, big_query)" in printed
    assert "salesforce" in printed


def test_the_text_format_describes_removals(removals: Removals) -> None:
    lines = removals.applied_project.plan().stdout.splitlines()
    ids = removals.ids
    start = next(number for number, line in enumerate(lines) if line.startswith("- destination.orders "))
    assert lines[start + 1 : start + 6] == [
        f'    id           "{ids["orders"]}"',
        '    name         "Web prod" (renamed outside the specs: was "orders")',
        "    service      big_query in GCP_US_EAST4",
        f"    connections  fivetran_log {ids['log']} (deleted first)",
        "  ! deletes it at Fivetran for good",
    ]
    replaced = f'id {ids["lake"]}, "Data lake", managed_data_lake in AWS_US_EAST_1'
    assert f"    deletes                   {replaced}" in lines
    assert f'. destination.sales  {ids["sales"]}  "sales", big_query in GCP_US_EAST4' in lines
    assert f'. group.sales        {ids["sales"]}  "sales"' in lines


def test_the_json_format_describes_removals(removals: Removals) -> None:
    document = removals.applied_project.plan("--format", "json").document
    live = {each["address"]: each["live"] for each in (*document["changes"], *document["forgotten"])}
    assert live["destination.orders"] == build_live(removals)
    assert live["group.orders"] == build_live(removals, first=False)
    assert (live["destination.lake"]["name"], live["destination.lake"]["connections"]) == ("Data lake", [])
    assert live["group.sales"]["name"] == "sales"


def test_the_terraform_format_has_live_facts_as_before_values(removals: Removals) -> None:
    document = removals.applied_project.plan("--format", "terraform-json").document
    own = document["variables"]["x_reconciler"]["value"]["changes"]
    assert own["fivetran_destination.orders"]["live"] == build_live(removals)
    before = {each["address"]: each["change"]["before"] for each in document["resource_changes"]}
    assert before["fivetran_group.orders"]["name"] == "Web prod", "and not the name that was applied once"
    assert before["fivetran_destination.orders"]["service"] == "big_query"


def test_the_junit_format_names_the_object_beside_the_entry(removals: Removals) -> None:
    root = ElementTree.fromstring(removals.applied_project.plan("--format", "junit").stdout)
    printed = {case.get("name"): case.findtext("system-out") for case in root.iter("testcase")}
    assert "Web prod" in (printed["group.orders"] or "")
    assert "Data lake" in (printed["destination.lake"] or "")
    assert printed["group.lake"] is None


@pytest.mark.parametrize("form", ["text", "json", "github"])
@pytest.mark.parametrize("fails", [False, True])
def test_apply_results_name_deleted_objects_also_after_a_partial_failure(
    form: str, fails: bool, removals: Removals, tmp_path: Path
) -> None:
    applied_project, summary = removals.applied_project, tmp_path / "summary.md"
    if fails:
        applied_project.add_faults("DELETE /v1/destinations/* #2 status 409")
    environ = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(tmp_path / "outputs")}
    result = applied_project.run(
        "apply", "--auto-approve", "--format", form, "--events", "events.jsonl", **environ
    )
    assert result.exit == (6 if fails else 0), result.stdout + result.stderr
    assert f"DELETE /v1/connections/{removals.ids['log']}" in applied_project.server.writes
    if form == "json":
        outcomes = {each["address"]: each for each in result.document["applied"]["outcomes"]}
        ended = outcomes["destination.orders"]
        assert ended["live"] == build_live(removals)
        assert ended["deleted_first"] == [{"id": removals.ids["log"], "service": "fivetran_log"}]
        assert outcomes["destination.lake"]["live"]["name"] == "Data lake"
    else:
        text = summary.read_text() if form == "github" else result.stdout
        [line] = [each for each in text.splitlines() if each.startswith("  - destination.orders")]
        assert '"Web prod"' in line
        assert f"      deleted first: connection fivetran_log {removals.ids['log']}" in text.splitlines()
    events = [json.loads(line) for line in (applied_project.folder / "events.jsonl").read_text().splitlines()]
    [planned] = [each for each in events if each["event"] == "planned"]
    [ended] = [
        each
        for each in events
        if each["event"] == "change-finished" and each["address"] == "destination.orders"
    ]
    assert [each["live"] for each in planned["changes"] if each["address"] == "destination.orders"] == [
        build_live(removals)
    ]
    assert ended["live"] == build_live(removals)
    assert ended["deleted_first"] == [{"id": removals.ids["log"], "service": "fivetran_log"}]


def test_the_shown_connections_are_the_deleted_connections(removals: Removals) -> None:
    """Apply deletes the connections of the plan, and a plan with other connections is stale."""
    applied_project, id = removals.applied_project, removals.ids["orders"]
    assert applied_project.plan("--out", "plan.json").exit == 0
    other = applied_project.dashboard.add_connection(id, "fivetran_log", "fivetran_metadata_2")
    result = applied_project.apply("plan.json")
    assert result.exit == 4
    assert "other connections would be deleted with it" in result.stderr
    writes = applied_project.list_apply_writes()
    assert {call for call in writes if "connections" in call} == {
        f"DELETE /v1/connections/{each}" for each in (removals.ids["log"], other)
    }


def test_graph_names_removed_objects(removals: Removals) -> None:
    nodes = removals.applied_project.run("graph", "--format", "json").document["nodes"]
    titles = {node["address"]: node["title"] for node in nodes}
    assert (titles["group.orders"], titles["destination.orders"]) == ("Web prod", "big_query")


@pytest.mark.parametrize("form", FORMS)
def test_a_hostile_name_is_escaped_in_every_format(
    form: str, project: Project, server: EmulatedFivetran
) -> None:
    applied_project = apply_pairs(project, server)
    id = applied_project.find_id("orders")
    name = "::error::x\n##[error]y\x1b[31m </system-out> `code` | <!-- z -->"
    server.app.dashboard.rename_group(id, name)
    applied_project.declare("sales", removed=f"  - {{group: orders, id: {id}}}\n")
    result = applied_project.plan("--format", form)
    assert result.exit == 0, result.stderr
    assert not any(line.startswith("::error::x") for line in result.stdout.splitlines())
    assert "##[" not in result.stdout
    assert "\x1b" not in result.stdout
    if form == "junit":
        ElementTree.fromstring(result.stdout)
