"""Entries that a plan cannot contain: they block the plan and do not hide the rest of it."""

from __future__ import annotations

import pytest
from applied_project import PAIR, AppliedProject, get_error_code
from cli_harness import EmulatedFivetran, Project

pytestmark = pytest.mark.sampled(every=6, tests=3)

SECRET_PAIR = """\
  hooks:
    destination:
      service: postgres_rds_warehouse
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {host: db.example, port: 5432, database: d, user: u, password: {secret: "env:NOWHERE"}}
"""
EDITED = PAIR.format(key="orders").replace("project_id: acme", "project_id: acme-2")
SALES = PAIR.format(key="sales")


@pytest.fixture
def applied_project(project: Project, server: EmulatedFivetran) -> AppliedProject:
    """A project with two applied pairs; the specs of `orders` were edited since."""
    applied_project = AppliedProject(project, server)
    applied_project.apply_once(PAIR.format(key="orders") + SALES)
    return applied_project


def write_refusal(applied_project: AppliedProject, code: str) -> list[str]:
    """Write specs with an edit of `orders` and with an entry that is refused for this code. Returns its addresses."""
    pair = ["group.sales", "destination.sales"]
    match code:
        case "replace-refused":
            applied_project.write_specs(EDITED + SALES.replace("big_query", "managed_big_query"))
            return ["destination.sales"]
        case "ambiguous-name":
            for _ in range(2):
                applied_project.dashboard.add_group("twin")
            applied_project.write_specs(EDITED + SALES + "  twin: {}\n")
            return ["group.twin"]
        case "unknown-id":
            applied_project.dashboard.add_group("other", "decent_dropsy")
            applied_project.write_specs(EDITED + SALES + "  other:\n    id: decent_drops\n")
            return ["group.other"]
        case "vanished":
            applied_project.write_specs(EDITED)
            return ["group.sales"]
        case "secret-unavailable":
            applied_project.write_specs(EDITED + SALES + SECRET_PAIR)
            return ["destination.hooks"]
        case "removal-other-id":
            applied_project.write_specs(EDITED, "  - {group: sales, id: wrong_id}\n")
            return ["group.sales"]
    return pair


REFUSALS = [
    ("replace-refused", 3),
    ("ambiguous-name", 1),
    ("unknown-id", 1),
    ("vanished", 1),
    ("secret-unavailable", 1),
    ("removal-other-id", 1),
]


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize(("code", "exit_code"), REFUSALS)
def test_a_refused_entry_does_not_hide_the_rest_of_the_plan(
    applied_project: AppliedProject, code: str, exit_code: int
) -> None:
    addresses = write_refusal(applied_project, code)
    result = applied_project.plan()
    assert (result.exit, get_error_code(result)) == (exit_code, code)
    assert "~ destination.orders" in result.stdout
    assert "1 to change" in result.stdout
    assert f"Not planned: {', '.join(f'{address} ({code})' for address in addresses)}." in result.stdout
    assert f"Apply refuses this plan: {code}." in result.stdout
    document = applied_project.plan("--format", "json").document
    assert document["exit"]["code"] == exit_code
    changed = [each["address"] for each in document["changes"]]
    assert "destination.orders" in changed
    assert not {*changed} & {*addresses}
    assert document["unplanned"] == [{"address": address, "blocked_by": [code]} for address in addresses]
    assert [each["code"] for each in document["blockers"]] == [code]
    markdown = applied_project.plan("--format", "markdown").stdout
    assert all(f"- `{address}`: `{code}`" in markdown for address in addresses)
    assert "`destination.orders`" in markdown or "<code>destination.orders</code>" in markdown


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize(("code", "exit_code"), REFUSALS)
def test_nothing_of_a_plan_with_a_refused_entry_is_applied(
    applied_project: AppliedProject, code: str, exit_code: int
) -> None:
    write_refusal(applied_project, code)
    state = applied_project.read_state()
    result, writes = applied_project.run_and_list_writes("apply", "--auto-approve")
    assert (result.exit, get_error_code(result), writes) == (exit_code, code, [])
    digest = applied_project.plan("--format", "json").document["digest"]
    result, writes = applied_project.run_and_list_writes("apply", "--expect", digest)
    assert (result.exit, get_error_code(result), writes) == (exit_code, code, [])
    assert applied_project.read_state()["records"] == state["records"]


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize(("code", "exit_code"), REFUSALS)
def test_a_saved_plan_without_a_refused_entry_is_shown_and_never_applied(
    applied_project: AppliedProject, code: str, exit_code: int
) -> None:
    """Even if the refusal is gone by then: the reviewed plan did not show the change of the entry."""
    write_refusal(applied_project, code)
    saved = applied_project.plan("--out", "dev.plan")
    assert saved.exit == exit_code
    assert "Apply exactly this plan" not in saved.stdout
    assert "Not planned: " in applied_project.run("show", "dev.plan").stdout
    applied_project.write_specs(EDITED + SALES)
    result, writes = applied_project.run_and_list_writes("apply", "dev.plan")
    assert (result.exit, get_error_code(result), writes) == (4, "plan-incomplete", [])


def test_a_refusal_after_the_review_makes_the_saved_plan_stale(applied_project: AppliedProject) -> None:
    applied_project.write_specs(EDITED + SALES)
    assert applied_project.plan("--out", "dev.plan").exit == 0
    applied_project.dashboard.change_destination(applied_project.ids["orders"], service="managed_big_query")
    result, writes = applied_project.run_and_list_writes("apply", "dev.plan")
    assert (result.exit, get_error_code(result), writes) == (4, "plan-stale", [])


def test_all_refusals_are_reported_at_once(applied_project: AppliedProject) -> None:
    for _ in range(2):
        applied_project.dashboard.add_group("twin")
    applied_project.write_specs(EDITED + SECRET_PAIR + "  twin: {}\n")
    document = applied_project.plan("--format", "json").document
    assert {each["code"] for each in document["blockers"]} == {
        "ambiguous-name",
        "secret-unavailable",
        "vanished",
    }
    assert document["exit"]["code"] == 1


@pytest.mark.parametrize(
    ("code", "exit_code"), [("replace-refused", 3), ("ambiguous-name", 1), ("vanished", 1)]
)
def test_drift_reports_omitted_entries_beside_the_rest(
    applied_project: AppliedProject, code: str, exit_code: int
) -> None:
    addresses = write_refusal(applied_project, code)
    applied_project.dashboard.change_destination(applied_project.ids["orders"], region="AWS_US_EAST_1")
    result = applied_project.run("drift")
    assert (result.exit, get_error_code(result)) == (exit_code, code)
    assert "~ destination.orders" in result.stdout
    assert "No drift." not in result.stdout
    assert f"Not planned: {addresses[0]} ({code})" in result.stdout


def test_a_graph_draws_an_omitted_entry_without_an_action(applied_project: AppliedProject) -> None:
    write_refusal(applied_project, "replace-refused")
    result = applied_project.run("graph", "--format", "json")
    assert result.exit == 3
    actions = {each["address"]: each["action"] for each in result.document["nodes"]}
    assert actions["destination.sales"] is None
    assert actions["destination.orders"] == "update"


@pytest.mark.parametrize(
    ("services", "advice"),
    [
        ((), "put the old value back, or set `lifecycle: {allow_replace: true}`"),
        (
            ("fivetran_metadata",),
            "put the old value back, or set `lifecycle: {allow_replace: true, with_platform_connection: true}`",
        ),
        (("salesforce",), "put the old value back, or move the connections and set"),
        (("salesforce", "fivetran_metadata"), "put the old value back, or move the connections and set"),
    ],
)
def test_a_refused_replacement_advises_to_move_only_connections_that_exist(
    applied_project: AppliedProject, services: tuple[str, ...], advice: str
) -> None:
    for service in services:
        applied_project.dashboard.add_connection(applied_project.ids["sales"], service, service)
    write_refusal(applied_project, "replace-refused")
    stderr = " ".join(applied_project.plan().stderr.split())
    assert advice in stderr
    assert ("no connection loads into it" in stderr) == (not services)
