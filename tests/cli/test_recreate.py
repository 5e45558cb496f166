"""What is gone from Fivetran, or hidden from the key, is an error; `--recreate` makes it again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project
from saved_plans import seal_content

from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.store import Kind
from reconciler.emulator.switches import Behaviour

PAIR = """\
  {key}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {{project_id: acme, data_set_location: US}}
"""
PAIRS = PAIR.format(key="orders") + PAIR.format(key="sales")
GROUP = "group.orders"
DESTINATION = "destination.orders"
BOTH = pytest.mark.parametrize("lost", [GROUP, DESTINATION])
"""A pair, or only the destination of it, was deleted in the dashboard."""


class Team:
    """Two applied pairs, `orders` and `sales`."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
        )
        project.write_groups(PAIRS)
        assert project.run_against(server, "apply", "--auto-approve").exit == 0
        self.ids = {key: server.app.dashboard.find_group_ids(key)[0] for key in ("orders", "sales")}

    def lose(self, lost: str) -> None:
        """Delete what belongs to `orders` in the dashboard."""
        self.server.app.dashboard.remove(Kind.DESTINATION, self.ids["orders"])
        if lost == GROUP:
            self.server.app.dashboard.remove(Kind.GROUP, self.ids["orders"])

    def run(self, *arguments: str) -> CommandResult:
        return self.project.run_against(self.server, *arguments)

    def apply(self, *options: str) -> CommandResult:
        return self.run("apply", "--auto-approve", *options)

    def refused(self, *options: str) -> str:
        """The messages of a plan and of an apply that end with 1, send nothing, and change no memory."""
        before, kept = len(self.server.writes), self.state
        planned, applied = self.run("plan", *options), self.apply(*options)
        assert (planned.exit, applied.exit) == (1, 1), planned.stdout + applied.stdout
        assert "No changes." not in planned.stdout
        assert self.server.writes[before:] == []
        assert self.state == kept
        assert planned.stderr.rpartition("\n\n1 error")[0] in applied.stderr
        return planned.stderr

    def sent(self, before: int) -> list[str]:
        """The writes since, without ids."""
        names = dict.fromkeys(self.server.list_ids("groups"), "NEW")
        return [
            "/".join(names.get(part, part) for part in call.split("/"))
            for call in self.server.writes[before:]
        ]

    @property
    def state(self) -> Any:
        return json.loads((self.project.folder / "specs/.reconciler/state.json").read_text())

    def settled(self) -> None:
        """Everything is there, once, remembered under its id, and a plan is empty."""
        assert self.run("plan", "--detailed-exitcode").exit == 0
        ids = sorted(self.server.list_ids("groups"))
        assert len(ids) == 2
        assert sorted(self.server.list_ids("destinations")) == ids
        assert {record["id"] for record in self.state["records"].values()} == {*ids}


MADE = {
    GROUP: ["POST /v1/groups", "POST /v1/destinations", "POST /v1/destinations/NEW/test"],
    DESTINATION: ["POST /v1/destinations", "POST /v1/destinations/NEW/test"],
}
SHOWN = {GROUP: {GROUP, DESTINATION}, DESTINATION: {DESTINATION}}


@pytest.fixture
def team(project: Project, server: EmulatedFivetran) -> Team:
    return Team(project, server)


@pytest.mark.parametrize(
    ("whose", "told"),
    [("user", "the API key of the user `{user_id}`"), ("system", "the system key `{system_key_id}`")],
)
@BOTH
def test_what_is_gone_is_an_error_that_names_the_key(team: Team, lost: str, whose: str, told: str) -> None:
    team.server.app.behaviour = Behaviour(key_kind=whose)
    team.lose(lost)
    message = team.refused()
    assert (
        f"error[gone-or-hidden]: {lost} (id `{team.ids['orders']}`) is gone from Fivetran, or hidden"
        in message
    )
    assert "and a GET by its id answered 404" in message
    assert told.format(**team.server.get("/account/info")) in message
    assert f"`--recreate {lost}` makes it again" in message
    assert "`removed:`" in message
    assert "1 error" in message
    document = team.run("plan", "--format", "json").document
    assert [(each["code"], each["address"]) for each in document["blockers"]] == [("gone-or-hidden", lost)]
    assert document["changes"] == []


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("selector", ["ADDRESS", "orders", "*", "*.ord*"])
@BOTH
def test_it_is_made_again_for_the_asking(team: Team, lost: str, selector: str) -> None:
    team.lose(lost)
    options = ("--recreate", selector.replace("ADDRESS", lost))
    changes = team.run("plan", *options, "--format", "json").document["changes"]
    assert {change["address"] for change in changes} == SHOWN[lost]
    assert [(change["action"], change["reasons"]) for change in changes] == [
        ("create", ["missing-remotely"]) for _ in SHOWN[lost]
    ]
    before = len(team.server.writes)
    result = team.apply(*options, "--events", "events.jsonl")
    assert result.exit == 0, result.stdout + result.stderr
    assert "Checked: a new plan is empty." in result.stdout
    assert team.sent(before) == MADE[lost]
    team.settled()
    [planned] = [
        line
        for line in map(json.loads, (team.project.folder / "events.jsonl").read_text().splitlines())
        if line["event"] == "planned"
    ]
    assert {*planned["recreated"]} == SHOWN[lost]


def by_file(team: Team, *options: str) -> CommandResult:
    """Save a plan, once, and apply it."""
    if not (team.project.folder / "plan.json").exists():
        assert team.run("plan", "--out", "plan.json", *options).exit == 0
    return team.run("apply", "plan.json")


def by_digest(team: Team, *options: str) -> CommandResult:
    """Approve a plan by its digest, once, and apply that."""
    kept = team.project.folder / "digest"
    if not kept.exists():
        kept.write_text(team.run("plan", *options, "--format", "json").document["digest"])
    return team.run("apply", "--expect", kept.read_text(), *options)


REVIEWED = pytest.mark.parametrize("reviewed", [by_file, by_digest])


@REVIEWED
@BOTH
def test_a_reviewed_plan_knows_what_it_makes_again(team: Team, lost: str, reviewed: Any) -> None:
    team.lose(lost)
    before = len(team.server.writes)
    result = reviewed(team, "--recreate", lost)
    assert result.exit == 0, result.stdout + result.stderr
    assert team.sent(before) == MADE[lost]
    team.settled()


@REVIEWED
@pytest.mark.parametrize("refused", ["POST /v1/groups", "POST /v1/destinations", "POST /v1/destinations #2"])
def test_a_reviewed_plan_that_stopped_goes_on(team: Team, reviewed: Any, refused: str) -> None:
    """Also where what it was told to make again is there by now."""
    team.lose(GROUP)
    team.project.write_groups(PAIRS + PAIR.format(key="web"))
    team.server.app.faults.add(parse_fault(f"{refused} status 400"))
    options = ("--recreate", "orders", "--parallelism", "1")
    assert (
        by_file(team, "--recreate", "orders").exit == 6
        if reviewed is by_file
        else by_digest(team, *options).exit == 6
    )
    team.server.app.faults.clear()
    result = reviewed(team, *options)
    assert result.exit == 0, result.stdout + result.stderr
    assert len(team.server.list_ids("groups")) == len(team.server.list_ids("destinations")) == 3
    assert team.run("plan", "--detailed-exitcode").exit == 0


def test_a_plan_saved_by_an_earlier_version_is_read(team: Team) -> None:
    team.project.write_groups(PAIRS + PAIR.format(key="web"))
    assert team.run("plan", "--out", "plan.json").exit == 0
    file = team.project.folder / "plan.json"
    content = json.loads(file.read_bytes())["content"]
    assert content["plan"].pop("recreated") == []
    file.write_bytes(seal_content(content))
    assert team.run("apply", "plan.json").exit == 0


def test_beside_a_saved_plan_it_is_wrong_usage(team: Team) -> None:
    assert team.run("plan", "--out", "plan.json").exit == 0
    result = team.run("apply", "plan.json", "--recreate", "orders")
    assert result.exit == 64
    assert "`--recreate` cannot stand beside a saved plan" in result.stderr


def test_a_saved_plan_that_could_not_see_everything_is_not_applied(team: Team) -> None:
    team.lose(DESTINATION)
    team.project.write_groups(PAIRS + PAIR.format(key="web"))
    assert team.run("plan", "--out", "plan.json").exit == 1
    before = len(team.server.writes)
    result = team.run("apply", "plan.json")
    assert result.exit == 4
    assert "error[plan-incomplete]" in result.stderr
    assert team.server.writes[before:] == []


def test_what_is_hidden_since_the_approval_is_named(team: Team) -> None:
    team.project.write_groups(PAIRS.replace("acme", "other"))
    digest = team.run("plan", "--format", "json").document["digest"]
    team.lose(DESTINATION)
    result = team.run("apply", "--expect", digest)
    assert result.exit == 4
    assert "error[plan-unlike]" in result.stderr
    assert f"{DESTINATION} (id `{team.ids['orders']}`) is gone from Fivetran, or hidden" in result.stderr


@pytest.mark.parametrize("call", ["POST /v1/groups", "POST /v1/destinations"])
def test_a_lost_answer_is_made_up_for_by_the_same_command(team: Team, call: str) -> None:
    team.lose(GROUP)
    team.server.app.faults.add(parse_fault(f"{call} #1 after-effect close"))
    looked = "GET /v1/groups #3.." if call == "POST /v1/groups" else "GET /v1/destinations/* #2.."
    team.server.app.faults.add(parse_fault(f"{looked} status 503"))
    assert team.apply("--recreate", GROUP).exit == 6
    team.server.app.faults.clear()
    before = len(team.server.writes)
    result = team.apply("--recreate", GROUP)
    assert result.exit == 0, result.stdout + result.stderr
    assert "POST /v1/groups" not in team.sent(before)
    team.settled()


@pytest.mark.parametrize("options", [(), ("--recreate", GROUP)], ids=["without", "with"])
def test_a_destination_whose_group_was_made_again_needs_no_more_telling(
    team: Team, options: tuple[str, ...]
) -> None:
    """The former one cannot have outlived its group."""
    team.lose(GROUP)
    team.server.app.faults.add(parse_fault("POST /v1/destinations #1 status 400"))
    assert team.apply("--recreate", GROUP).exit == 6
    before = len(team.server.writes)
    assert team.apply(*options).exit == 0
    assert team.sent(before) == MADE[DESTINATION]
    team.settled()


def test_a_creation_that_failed_is_left_and_said(team: Team) -> None:
    team.lose(GROUP)
    team.server.app.faults.add(parse_fault("POST /v1/groups #1 status 400"))
    result = team.apply("--recreate", GROUP)
    assert result.exit == 6
    assert "Checked: a new plan is empty." not in result.stdout
    team.refused()
    assert team.apply("--recreate", GROUP).exit == 0
    team.settled()


def test_an_interrupted_replacement_explains_that_its_destination_is_gone(team: Team) -> None:
    postgres = """\
  orders:
    destination:
      service: postgres_warehouse
      time_zone_offset: "0"
      config: {host: db.example, port: 5432, database: d, user: u}
      lifecycle: {allow_replace: true}
"""
    team.project.write_groups(postgres + PAIR.format(key="sales"))
    team.server.app.faults.add(parse_fault("POST /v1/destinations before-effect status 500"))
    assert team.apply().exit == 6
    team.server.app.faults.clear()
    assert team.server.list_ids("destinations") == [team.ids["sales"]]
    team.project.advance_time()
    before = len(team.server.writes)
    resumed = team.apply()
    assert (resumed.exit, "state-cleaned" in resumed.stderr) == (0, False)
    assert team.sent(before) == MADE[DESTINATION]
    team.settled()


WITH_ID = PAIRS.replace("  orders:\n", "  orders:\n    id: {orders}\n")
RENAMED = "delete, then make a group of the same name"
WRONG: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    # what happened, the options, what is said
    "what is there": (
        "",
        ("--recreate", GROUP),
        ("group.orders is not missing: it is there, with the id `{orders}`", "leave `--recreate` out"),
    ),
    "a destination that is there": (
        "",
        ("--recreate", DESTINATION),
        ("destination.orders is not missing: it is there",),
    ),
    "all that is missing where nothing is": ("", ("--recreate", "*"), ("is not missing: it is there",)),
    "what is new": (
        "",
        ("--recreate", "group.brand_new"),
        ("group.brand_new is not missing: it is made without",),
    ),
    "a slip": (
        GROUP,
        ("--recreate", "group.order"),
        ("no entry of this plan is named by `--recreate group.order`", "did you mean `group.orders`?"),
    ),
    "an entry that the plan leaves out": (
        GROUP,
        ("--exclude", "orders", "--recreate", GROUP),
        ("no entry of this plan is named by `--recreate group.orders`",),
    ),
    "a destination without its group": (
        GROUP,
        ("--recreate", DESTINATION),
        ("destination.orders is missing together with its group", "write `--recreate group.orders`"),
    ),
    "an entry with an id": (
        "id",
        ("--recreate", GROUP),
        ("group.orders cannot be made again as `{orders}`", "remove the `id:` line"),
    ),
    "a name that another group has": (
        RENAMED,
        ("--recreate", GROUP),
        (
            "one more group of the name `orders`, which `{again}` has already",
            "write its `id:` into the entry",
        ),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_made_again_is_told(team: Team, name: str) -> None:
    happened, options, told = WRONG[name]
    ids = dict(team.ids)
    team.project.write_groups(
        (WITH_ID if happened == "id" else PAIRS).replace("{orders}", ids["orders"]) + "  brand_new: {}\n"
    )
    if happened:
        team.lose(GROUP)
    if happened == RENAMED:
        ids["again"] = team.server.app.dashboard.add_group("orders")
    before, kept = len(team.server.writes), team.state
    for command in (("plan",), ("apply", "--auto-approve")):
        result = team.run(*command, *options)
        assert result.exit == 1
        assert "error[cannot-recreate]" in result.stderr
        for each in told:
            assert each.format(**ids) in result.stderr
    assert team.server.writes[before:] == []
    assert team.state == kept


def test_a_group_of_the_same_name_is_taken_by_its_id_alone(team: Team) -> None:
    """Nobody knows whether it is the one that is meant."""
    team.lose(GROUP)
    again = team.server.app.dashboard.add_group("orders")
    assert (
        f"the group `{again}` has its name and belongs to no entry; `id: {again}` would take it"
        in team.refused()
    )
    team.project.write_groups(WITH_ID.replace("{orders}", again))
    before = len(team.server.writes)
    result = team.apply()
    assert result.exit == 0, result.stdout + result.stderr
    assert team.sent(before) == MADE[DESTINATION]
    team.settled()


def test_an_entry_with_an_id_is_made_again_without_it(team: Team) -> None:
    team.project.write_groups(WITH_ID.replace("{orders}", team.ids["orders"]))
    assert team.apply().exit == 0
    team.lose(GROUP)
    assert "remove that line" in team.refused()
    team.project.write_groups(PAIRS)
    before = len(team.server.writes)
    assert team.apply("--recreate", GROUP).exit == 0
    assert team.sent(before) == MADE[GROUP]
    team.settled()


def test_a_key_that_sees_half_of_the_account_is_told_what_it_does_not_see(team: Team) -> None:
    """With the full key all is as it was; a second group is made for the one that is certain to be gone alone."""
    team.server.app.behaviour = Behaviour(visible_groups="sales", hidden_answer="forbidden")
    assert "answered 403" in team.refused()
    assert team.run("plan", "--target", "sales", "--detailed-exitcode").exit == 0
    assert team.apply("--exclude", "orders").exit == 0
    team.server.app.behaviour = Behaviour()
    assert team.run("plan", "--detailed-exitcode").exit == 0
    assert len(team.server.list_ids("groups")) == 2


def test_no_format_takes_what_could_not_be_seen_for_no_changes(team: Team) -> None:
    team.lose(GROUP)
    assert "No changes" not in team.run("plan").stdout
    assert "No changes" not in team.run("plan", "--format", "markdown").stdout
    assert "No changes" not in team.run("plan", "--format", "terraform").stdout
    assert team.run("plan", "--format", "gitlab").stdout == ""
    terraform = team.run("plan", "--format", "terraform-json").document
    assert (terraform["applyable"], terraform["complete"]) == (False, False)
    assert 'failures="1"' in team.run("plan", "--format", "junit").stdout
    outputs = team.project.folder / "outputs"
    environ = {"GITHUB_OUTPUT": str(outputs)}
    team.project.run_against(team.server, "plan", "--format", "github", environ=environ)
    assert {"has-changes=", "refused=true", "exit-code=1"} <= {*outputs.read_text().splitlines()}
