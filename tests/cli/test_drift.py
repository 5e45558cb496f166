"""Drift: changes outside the specs, apart from changes that the specs ask for."""

from __future__ import annotations

import pytest
from applied_project import AppliedProject
from cli_harness import CommandResult, EmulatedFivetran, Project

from reconciler.report.formats import Document, list_formats

pytestmark = pytest.mark.sampled(every=6, tests=3)

PAIR = """\
  {key}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "{offset}"
      config: {{project_id: {project}, data_set_location: US}}
"""


class DriftingProject(AppliedProject):
    """Two applied pairs, `orders` and `sales`, whose specs and account both change afterwards."""

    def declare_pairs(self, orders: str = "acme", sales: str = "0") -> None:
        """Write the specs, with the project of `orders` and the time zone of `sales`."""
        self.project.write_groups(format_pairs(orders, sales))

    def run_read_only(self, *arguments: str) -> CommandResult:
        """Run a command and assert that it sends GET requests only."""
        result, writes = self.run_and_list_writes(*arguments)
        assert writes == []
        return result

    def list_drifted(self, *arguments: str) -> list[str]:
        """List the addresses in a drift report."""
        document = self.run_read_only(*arguments, "--format", "json").document
        return [change["address"] for change in document["changes"]]


def format_pairs(orders: str = "acme", sales: str = "0") -> str:
    pairs = [("orders", "0", orders), ("sales", sales, "acme")]
    return "".join(PAIR.format(key=key, offset=offset, project=name) for key, offset, name in pairs)


@pytest.fixture
def applied_project(project: Project, server: EmulatedFivetran) -> DriftingProject:
    """Two applied pairs."""
    drifting = DriftingProject(project, server)
    drifting.apply_once(format_pairs())
    return drifting


BOTH = pytest.mark.parametrize("command", [("drift",), ("plan", "--drift-only")], ids=lambda each: each[0])


@BOTH
def test_no_drift_is_reported(applied_project: DriftingProject, command: tuple[str, ...]) -> None:
    result = applied_project.run_read_only(*command, "--detailed-exitcode")
    assert result.exit == 0
    assert result.stdout.splitlines()[-1] == "No drift."


@BOTH
def test_a_spec_edit_is_not_drift(applied_project: DriftingProject, command: tuple[str, ...]) -> None:
    applied_project.declare_pairs(sales="+2")
    result = applied_project.run_read_only(*command, "--detailed-exitcode")
    assert result.exit == 0
    assert "No drift." in result.stdout.splitlines()
    assert "1 other change not shown; `reconciler plan` shows all" in result.stdout
    assert "destination.sales" not in result.stdout
    assert applied_project.run_read_only("plan", "--detailed-exitcode").exit == 2


@BOTH
def test_a_field_changed_outside_is_drift(applied_project: DriftingProject, command: tuple[str, ...]) -> None:
    applied_project.declare_pairs(sales="+2")
    applied_project.dashboard.change_destination(
        applied_project.ids["orders"], config={"project_id": "theirs"}
    )
    assert applied_project.list_drifted(*command) == ["destination.orders"]
    result = applied_project.run_read_only(*command, "--detailed-exitcode")
    assert result.exit == 2
    assert 'config.project_id  "acme" -> "theirs"' in result.stdout
    assert "interrupts syncs" not in result.stdout, "drift applies nothing"
    [change] = applied_project.run_read_only(*command, "--format", "json").document["changes"]
    [field] = change["fields"]
    assert (field["before"], field["after"]) == ("theirs", "acme"), "the change that undoes the drift"
    assert "Drift: 1 changed, 0 gone." in result.stdout.splitlines()
    assert applied_project.run_read_only(*command).exit == 0, (
        "only --detailed-exitcode reports drift by the exit code"
    )


@BOTH
def test_a_conflict_is_drift(applied_project: DriftingProject, command: tuple[str, ...]) -> None:
    applied_project.declare_pairs(orders="ours")
    applied_project.dashboard.change_destination(
        applied_project.ids["orders"], config={"project_id": "theirs"}
    )
    assert applied_project.list_drifted(*command) == ["destination.orders"]
    text = applied_project.run_read_only(*command).stdout
    assert '"acme" -> "theirs"   conflict: changed in the specs too\n' in text


@BOTH
def test_an_edit_beside_a_drift_of_the_same_entry_is_not_shown(
    applied_project: DriftingProject, command: tuple[str, ...]
) -> None:
    applied_project.declare_pairs(sales="+2")
    applied_project.dashboard.change_destination(
        applied_project.ids["sales"], config={"project_id": "theirs"}
    )
    text = applied_project.run_read_only(*command).stdout
    assert ("project_id" in text, "time_zone_offset" in text) == (True, False)


@BOTH
def test_a_renamed_group_is_drift(applied_project: DriftingProject, command: tuple[str, ...]) -> None:
    applied_project.dashboard.rename_group(applied_project.ids["orders"], "something else")
    assert applied_project.list_drifted(*command) == ["group.orders"]


@BOTH
def test_missing_objects_are_reported_beside_the_drift(
    applied_project: DriftingProject, command: tuple[str, ...]
) -> None:
    applied_project.dashboard.change_destination(
        applied_project.ids["sales"], config={"project_id": "theirs"}
    )
    applied_project.dashboard.remove("destination", applied_project.ids["orders"])
    applied_project.project.write_groups("  brand_new: {}\n", file="more")
    document = applied_project.run_read_only(*command, "--format", "json").document
    assert [change["address"] for change in document["changes"]] == ["destination.sales"]
    assert [(each["code"], each["address"]) for each in document["unseen"]] == [
        ("gone-or-hidden", "destination.orders")
    ]
    assert document["other_changes"] == 1
    assert document["exit"] == {"code": 1, "reason": "failed"}
    result = applied_project.run_read_only(*command, "--detailed-exitcode")
    assert result.exit == 1, "a hidden destination may have drifted"
    assert "Drift: 1 changed, 0 gone, 1 gone or hidden." in result.stdout.splitlines()
    assert "error[gone-or-hidden]: destination.orders" in result.stderr
    assert (
        applied_project.run_read_only(*command, "--exclude", "destination.orders", "--detailed-exitcode").exit
        == 2
    )


def test_an_entry_to_recreate_is_drift(applied_project: DriftingProject) -> None:
    applied_project.dashboard.remove("destination", applied_project.ids["orders"])
    options = ("plan", "--drift-only", "--recreate", "destination.orders", "--detailed-exitcode")
    [change] = applied_project.run_read_only(*options, "--format", "json").document["changes"]
    assert (change["address"], change["action"]) == ("destination.orders", "create")
    assert change["reasons"] == ["missing-remotely"]
    result = applied_project.run_read_only(*options)
    assert result.exit == 2
    assert "    gone from Fivetran since it was applied" in result.stdout.splitlines()
    assert "Drift: 0 changed, 1 gone." in result.stdout.splitlines()
    assert "config.project_id" not in result.stdout


@BOTH
def test_other_drift_formats_name_invisible_objects(
    applied_project: DriftingProject, command: tuple[str, ...]
) -> None:
    applied_project.dashboard.remove("destination", applied_project.ids["orders"])
    sarif = applied_project.run_read_only(*command, "--format", "sarif").document
    assert [each["ruleId"] for each in sarif["runs"][0]["results"]] == ["gone-or-hidden"]
    annotated = applied_project.run_read_only(*command, "--format", "github")
    assert "gone-or-hidden" in annotated.stdout


@BOTH
def test_without_a_state_drift_is_undecided(
    applied_project: DriftingProject, command: tuple[str, ...]
) -> None:
    applied_project.dashboard.change_destination(
        applied_project.ids["orders"], config={"project_id": "theirs"}
    )
    (applied_project.folder / "specs/.reconciler/state.json").unlink()
    result = applied_project.run_read_only(*command)
    assert "1 of them may be drift too: their last applied values are not recorded" in result.stdout
    assert applied_project.run_read_only(*command, "--format", "json").document["undecided"] == [
        "destination.orders"
    ]


@BOTH
@pytest.mark.parametrize("form", list_formats(Document.PLAN))
def test_both_commands_have_the_same_formats(
    applied_project: DriftingProject, command: tuple[str, ...], form: str
) -> None:
    wanted = 0 if form in list_formats(Document.DRIFT) else 64
    assert applied_project.run_read_only(*command, "--format", form).exit == wanted


def test_drift_is_limited_by_filters(applied_project: DriftingProject) -> None:
    for id in applied_project.ids.values():
        applied_project.dashboard.change_destination(id, config={"project_id": "theirs"})
    assert applied_project.list_drifted("drift", "--target", "sales") == ["destination.sales"]
    assert applied_project.list_drifted("plan", "--drift-only", "--exclude", "sales") == [
        "destination.orders"
    ]


def test_a_plan_reports_missing_objects_beside_drift(applied_project: DriftingProject) -> None:
    applied_project.dashboard.remove("destination", applied_project.ids["orders"])
    lines = applied_project.run_read_only("plan", "--recreate", "orders").stdout.splitlines()
    assert "    gone from Fivetran since it was applied" in lines
    assert "Plan: 1 to add, 0 to change, 0 to destroy." in lines


def test_drift_lists_every_unmanaged_group(applied_project: DriftingProject) -> None:
    ids = [applied_project.dashboard.add_group(f"theirs {number}\x1b[31m") for number in range(7)]
    result = applied_project.run_read_only("drift", "--detailed-exitcode")
    assert result.exit == 0, "a group of others is no drift"
    assert "Not managed: 7 groups. Left alone." in result.stdout.splitlines()
    for number, id in enumerate(ids):
        [row] = [line for line in result.stdout.splitlines() if line.startswith(f"  {id} ")]
        assert row.endswith(f'  "theirs {number}\\u001b[31m"')
    assert [
        group["id"]
        for group in applied_project.run_read_only("drift", "--format", "json").document["unmanaged"]
    ] == ids
    assert "Not managed" not in applied_project.run_read_only("plan", "--drift-only").stdout


def test_drift_runs_without_secrets(applied_project: DriftingProject) -> None:
    secret = 'US, secret_key: {secret: "env:ORDERS_KEY"}}'
    applied_project.project.write_groups(
        PAIR.format(key="orders", offset="0", project="acme").replace("US}", secret), "main"
    )
    applied_project.project.write_groups(PAIR.format(key="sales", offset="0", project="acme"), "more")
    applied = applied_project.run("apply", "--auto-approve", ORDERS_KEY="x")
    assert applied.exit == 0
    assert applied_project.run_read_only("drift", "--detailed-exitcode").exit == 0


def test_a_blocked_plan_still_reports_drift(applied_project: DriftingProject) -> None:
    orders = PAIR.format(key="orders", offset="0", project="acme")
    id = applied_project.ids["sales"]
    applied_project.dashboard.add_connection(id, "postgres", "shop")
    applied_project.dashboard.change_destination(
        applied_project.ids["orders"], config={"project_id": "theirs"}
    )
    applied_project.project.write(
        "specs/groups/main.yaml",
        f"version: 1\ngroups:\n{orders}removed:\n  - {{group: sales, id: {id}}}\n",
    )
    assert applied_project.run_read_only("plan").exit == 3
    assert applied_project.list_drifted("drift") == ["destination.orders"]
    assert applied_project.run_read_only("drift", "--detailed-exitcode").exit == 2
