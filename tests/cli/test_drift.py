"""What was done outside the specs, told apart from what the specs ask for."""

from __future__ import annotations

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project

from reconciler.report.formats import Document, list_formats

PAIR = """\
  {key}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "{offset}"
      config: {{project_id: {project}, data_set_location: US}}
"""


class Team:
    """Two applied pairs, `orders` and `sales`, whose specs and account both move afterwards."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
        )
        self.declare()
        applied = project.run_against(server, "apply", "--auto-approve")
        assert applied.exit == 0, applied.stderr
        self.ids = {key: server.app.dashboard.find_group_ids(key)[0] for key in ("orders", "sales")}

    def declare(self, orders: str = "acme", sales: str = "0") -> None:
        """The specs, with the project of `orders` and the time zone of `sales`."""
        pairs = [("orders", "0", orders), ("sales", sales, "acme")]
        self.project.write_groups(
            "".join(PAIR.format(key=key, offset=offset, project=name) for key, offset, name in pairs)
        )

    def run(self, *arguments: str) -> CommandResult:
        """A command that must send nothing but GET."""
        before = len(self.server.writes)
        result = self.project.run_against(self.server, *arguments)
        assert self.server.writes[before:] == []
        return result

    def drifted(self, *arguments: str) -> list[str]:
        document = self.run(*arguments, "--format", "json").document
        return [change["address"] for change in document["changes"]]


@pytest.fixture
def team(project: Project, server: EmulatedFivetran) -> Team:
    """Two applied pairs."""
    return Team(project, server)


BOTH = pytest.mark.parametrize("command", [("drift",), ("plan", "--drift-only")], ids=lambda each: each[0])


@BOTH
def test_without_drift_it_says_so(team: Team, command: tuple[str, ...]) -> None:
    result = team.run(*command, "--detailed-exitcode")
    assert result.exit == 0
    assert result.stdout.splitlines()[-1] == "No drift."


@BOTH
def test_an_edit_of_the_specs_is_no_drift(team: Team, command: tuple[str, ...]) -> None:
    team.declare(sales="+2")
    result = team.run(*command, "--detailed-exitcode")
    assert result.exit == 0
    assert "No drift." in result.stdout.splitlines()
    assert "1 other change not shown; `reconciler plan` shows all" in result.stdout
    assert "destination.sales" not in result.stdout
    assert team.run("plan", "--detailed-exitcode").exit == 2


@BOTH
def test_a_field_that_moved_at_fivetran_is_drift(team: Team, command: tuple[str, ...]) -> None:
    team.declare(sales="+2")
    team.server.app.dashboard.change_destination(team.ids["orders"], config={"project_id": "theirs"})
    assert team.drifted(*command) == ["destination.orders"]
    result = team.run(*command, "--detailed-exitcode")
    assert result.exit == 2
    assert '"theirs" -> "acme"   drift: changed outside the specs' in result.stdout
    assert "Drift: 1 changed, 0 gone." in result.stdout.splitlines()
    assert team.run(*command).exit == 0, "only --detailed-exitcode tells by the exit code"


@BOTH
def test_a_conflict_is_drift(team: Team, command: tuple[str, ...]) -> None:
    team.declare(orders="ours")
    team.server.app.dashboard.change_destination(team.ids["orders"], config={"project_id": "theirs"})
    assert team.drifted(*command) == ["destination.orders"]


@BOTH
def test_a_renamed_group_is_drift(team: Team, command: tuple[str, ...]) -> None:
    team.server.app.dashboard.rename_group(team.ids["orders"], "something else")
    assert team.drifted(*command) == ["group.orders"]


@BOTH
def test_what_is_gone_or_hidden_is_told_beside_the_drift(team: Team, command: tuple[str, ...]) -> None:
    team.server.app.dashboard.change_destination(team.ids["sales"], config={"project_id": "theirs"})
    team.server.app.dashboard.remove("destination", team.ids["orders"])
    team.project.write_groups("  brand_new: {}\n", file="more")
    document = team.run(*command, "--format", "json").document
    assert [change["address"] for change in document["changes"]] == ["destination.sales"]
    assert [(each["code"], each["address"]) for each in document["unseen"]] == [
        ("gone-or-hidden", "destination.orders")
    ]
    assert document["other_changes"] == 1
    assert document["exit"] == {"code": 1, "reason": "failed"}
    result = team.run(*command, "--detailed-exitcode")
    assert result.exit == 1, "nobody knows whether that drifted"
    assert "Drift: 1 changed, 0 gone, 1 gone or hidden." in result.stdout.splitlines()
    assert "error[gone-or-hidden]: destination.orders" in result.stderr
    assert team.run(*command, "--exclude", "destination.orders", "--detailed-exitcode").exit == 2


def test_what_is_to_be_made_again_is_drift(team: Team) -> None:
    team.server.app.dashboard.remove("destination", team.ids["orders"])
    options = ("plan", "--drift-only", "--recreate", "destination.orders", "--detailed-exitcode")
    [change] = team.run(*options, "--format", "json").document["changes"]
    assert (change["address"], change["action"]) == ("destination.orders", "create")
    assert change["reasons"] == ["missing-remotely"]
    result = team.run(*options)
    assert result.exit == 2
    assert "    gone from Fivetran since it was applied" in result.stdout.splitlines()
    assert "Drift: 0 changed, 1 gone." in result.stdout.splitlines()
    assert "config.project_id" not in result.stdout


@BOTH
def test_other_formats_of_a_drift_name_what_is_not_to_be_seen(team: Team, command: tuple[str, ...]) -> None:
    team.server.app.dashboard.remove("destination", team.ids["orders"])
    sarif = team.run(*command, "--format", "sarif").document
    assert [each["ruleId"] for each in sarif["runs"][0]["results"]] == ["gone-or-hidden"]
    annotated = team.run(*command, "--format", "github")
    assert "gone-or-hidden" in annotated.stdout


@BOTH
def test_without_memory_nobody_claims_that_nothing_drifted(team: Team, command: tuple[str, ...]) -> None:
    team.server.app.dashboard.change_destination(team.ids["orders"], config={"project_id": "theirs"})
    (team.project.folder / "specs/.reconciler/state.json").unlink()
    result = team.run(*command)
    assert "1 of them may be drift too: what was last applied is not remembered" in result.stdout
    assert team.run(*command, "--format", "json").document["undecided"] == ["destination.orders"]


@BOTH
@pytest.mark.parametrize("form", list_formats(Document.PLAN))
def test_both_commands_have_the_same_formats(team: Team, command: tuple[str, ...], form: str) -> None:
    wanted = 0 if form in list_formats(Document.DRIFT) else 64
    assert team.run(*command, "--format", form).exit == wanted


def test_part_of_an_account_is_looked_at(team: Team) -> None:
    for id in team.ids.values():
        team.server.app.dashboard.change_destination(id, config={"project_id": "theirs"})
    assert team.drifted("drift", "--target", "sales") == ["destination.sales"]
    assert team.drifted("plan", "--drift-only", "--exclude", "sales") == ["destination.orders"]


def test_a_plan_also_says_what_is_gone(team: Team) -> None:
    team.server.app.dashboard.remove("destination", team.ids["orders"])
    lines = team.run("plan", "--recreate", "orders").stdout.splitlines()
    assert "    gone from Fivetran since it was applied" in lines
    assert "Plan: 1 to add, 0 to change, 0 to destroy." in lines


def test_drift_lists_every_group_that_no_spec_is_about(team: Team) -> None:
    ids = [team.server.app.dashboard.add_group(f"theirs {number}\x1b[31m") for number in range(7)]
    result = team.run("drift", "--detailed-exitcode")
    assert result.exit == 0, "a group of others is no drift"
    assert "Not managed: 7 groups. Left alone." in result.stdout.splitlines()
    for number, id in enumerate(ids):
        [row] = [line for line in result.stdout.splitlines() if line.startswith(f"  {id} ")]
        assert row.endswith(f'  "theirs {number}\\u001b[31m"')
    assert [group["id"] for group in team.run("drift", "--format", "json").document["unmanaged"]] == ids
    assert "Not managed" not in team.run("plan", "--drift-only").stdout


def test_drift_needs_no_secret(team: Team) -> None:
    secret = 'US, secret_key: {secret: "env:ORDERS_KEY"}}'
    team.project.write_groups(
        PAIR.format(key="orders", offset="0", project="acme").replace("US}", secret), "main"
    )
    team.project.write_groups(PAIR.format(key="sales", offset="0", project="acme"), "more")
    applied = team.project.run_against(team.server, "apply", "--auto-approve", environ={"ORDERS_KEY": "x"})
    assert applied.exit == 0
    assert team.run("drift", "--detailed-exitcode").exit == 0


def test_what_refuses_an_apply_does_not_hide_a_drift(team: Team) -> None:
    orders = PAIR.format(key="orders", offset="0", project="acme")
    id = team.ids["sales"]
    team.server.app.dashboard.add_connection(id, "postgres", "shop")
    team.server.app.dashboard.change_destination(team.ids["orders"], config={"project_id": "theirs"})
    team.project.write(
        "specs/groups/main.yaml",
        f"version: 1\ngroups:\n{orders}removed:\n  - {{group: sales, id: {id}}}\n",
    )
    assert team.run("plan").exit == 3
    assert team.drifted("drift") == ["destination.orders"]
    assert team.run("drift", "--detailed-exitcode").exit == 2
