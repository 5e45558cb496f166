"""An object deleted at Fivetran, or invisible to the API key, is an error; `--recreate` creates it again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from applied_project import PAIR, AppliedProject
from cli_harness import CommandResult, EmulatedFivetran, Project
from saved_plans import seal_content

from reconciler.emulator.store import Kind
from reconciler.emulator.switches import Behaviour

pytestmark = pytest.mark.sampled(every=6, tests=3)

PAIRS = PAIR.format(key="orders") + PAIR.format(key="sales")
GROUP = "group.orders"
DESTINATION = "destination.orders"
BOTH = pytest.mark.parametrize("lost", [GROUP, DESTINATION])
"""A pair, or only the destination of it, was deleted in the dashboard."""


class RecreateProject(AppliedProject):
    """Two applied pairs, `orders` and `sales`, of which a user deletes one."""

    def delete_orders(self, lost: str) -> None:
        """Delete the destination of `orders` in the dashboard, and its group if the group is the lost object."""
        self.dashboard.remove(Kind.DESTINATION, self.ids["orders"])
        if lost == GROUP:
            self.dashboard.remove(Kind.GROUP, self.ids["orders"])

    def check_refused(self, *options: str) -> str:
        """Plan and apply, assert exit 1 without writes or a changed state, and return the messages."""
        before, state = len(self.server.writes), self.read_state()
        planned, applied = self.run("plan", *options), self.apply(*options)
        assert (planned.exit, applied.exit) == (1, 1), planned.stdout + applied.stdout
        assert "No changes." not in planned.stdout
        assert self.server.writes[before:] == []
        assert self.read_state() == state
        assert planned.stderr.rpartition("\n\n1 error")[0] in applied.stderr
        return planned.stderr

    def list_sent(self, before: int) -> list[str]:
        """List the writes after the first `before`, without ids."""
        names = dict.fromkeys(self.server.list_ids("groups"), "NEW")
        return [
            "/".join(names.get(part, part) for part in call.split("/"))
            for call in self.server.writes[before:]
        ]

    def check_converged(self) -> None:
        """Assert that both pairs exist once, are recorded under their ids, and a plan is empty."""
        assert self.is_converged()
        ids = sorted(self.server.list_ids("groups"))
        assert len(ids) == 2
        assert sorted(self.server.list_ids("destinations")) == ids
        assert {record["id"] for record in self.read_state()["records"].values()} == {*ids}


MADE = {
    GROUP: ["POST /v1/groups", "POST /v1/destinations", "POST /v1/destinations/NEW/test"],
    DESTINATION: ["POST /v1/destinations", "POST /v1/destinations/NEW/test"],
}
SHOWN = {GROUP: {GROUP, DESTINATION}, DESTINATION: {DESTINATION}}


@pytest.fixture
def applied_project(project: Project, server: EmulatedFivetran) -> RecreateProject:
    """Two applied pairs."""
    recreate_project = RecreateProject(project, server)
    recreate_project.apply_once(PAIRS)
    return recreate_project


@pytest.mark.parametrize(
    ("whose", "label"),
    [("user", "the API key of the user `{user_id}`"), ("system", "the system key `{system_key_id}`")],
)
@BOTH
def test_a_missing_object_is_an_error_that_names_the_key(
    applied_project: RecreateProject, lost: str, whose: str, label: str
) -> None:
    applied_project.server.app.behaviour = Behaviour(key_kind=whose)
    applied_project.delete_orders(lost)
    message = applied_project.check_refused()
    assert (
        f"error[gone-or-hidden]: {lost} (id `{applied_project.ids['orders']}`) is gone from Fivetran, or hidden"
        in message
    )
    assert "and a GET by its id answered 404" in message
    assert label.format(**applied_project.server.get("/account/info")) in message
    assert f"`reconciler apply --recreate {lost}` makes it again" in message
    assert "`removed:`" in message
    assert "1 error" in message
    document = applied_project.run("plan", "--format", "json").document
    assert [(each["code"], each["address"]) for each in document["blockers"]] == [("gone-or-hidden", lost)]
    assert document["changes"] == []


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("selector", ["ADDRESS", "orders", "*", "*.ord*"])
@BOTH
def test_a_missing_object_is_recreated_on_request(
    applied_project: RecreateProject, lost: str, selector: str
) -> None:
    applied_project.delete_orders(lost)
    options = ("--recreate", selector.replace("ADDRESS", lost))
    changes = applied_project.run("plan", *options, "--format", "json").document["changes"]
    assert {change["address"] for change in changes} == SHOWN[lost]
    assert [(change["action"], change["reasons"]) for change in changes] == [
        ("create", ["missing-remotely"]) for _ in SHOWN[lost]
    ]
    before = len(applied_project.server.writes)
    result = applied_project.apply(*options, "--events", "events.jsonl")
    assert result.exit == 0, result.stdout + result.stderr
    assert "Checked: a new plan is empty." in result.stdout
    assert applied_project.list_sent(before) == MADE[lost]
    applied_project.check_converged()
    [planned] = [
        line
        for line in map(json.loads, (applied_project.folder / "events.jsonl").read_text().splitlines())
        if line["event"] == "planned"
    ]
    assert {*planned["recreated"]} == SHOWN[lost]


def apply_saved(applied_project: RecreateProject, *options: str) -> CommandResult:
    """Save a plan, once, and apply it."""
    if not (applied_project.folder / "plan.json").exists():
        assert applied_project.run("plan", "--out", "plan.json", *options).exit == 0
    return applied_project.run("apply", "plan.json")


def apply_expected(applied_project: RecreateProject, *options: str) -> CommandResult:
    """Approve a plan by its digest, once, and apply the approved plan."""
    digest = applied_project.folder / "digest"
    if not digest.exists():
        digest.write_text(applied_project.run("plan", *options, "--format", "json").document["digest"])
    return applied_project.run("apply", "--expect", digest.read_text(), *options)


REVIEWED = pytest.mark.parametrize("reviewed", [apply_saved, apply_expected])


@REVIEWED
@BOTH
def test_a_reviewed_plan_names_its_recreated_objects(
    applied_project: RecreateProject, lost: str, reviewed: Any
) -> None:
    applied_project.delete_orders(lost)
    before = len(applied_project.server.writes)
    result = reviewed(applied_project, "--recreate", lost)
    assert result.exit == 0, result.stdout + result.stderr
    assert applied_project.list_sent(before) == MADE[lost]
    applied_project.check_converged()


@REVIEWED
@pytest.mark.parametrize("refused", ["POST /v1/groups", "POST /v1/destinations", "POST /v1/destinations #2"])
def test_a_stopped_reviewed_plan_is_resumed(
    applied_project: RecreateProject, reviewed: Any, refused: str
) -> None:
    """Holds also if the recreated group exists by now."""
    applied_project.delete_orders(GROUP)
    applied_project.project.write_groups(PAIRS + PAIR.format(key="web"))
    applied_project.add_faults(f"{refused} status 400")
    options = ("--recreate", "orders", "--parallelism", "1")
    assert (
        apply_saved(applied_project, "--recreate", "orders").exit == 6
        if reviewed is apply_saved
        else apply_expected(applied_project, *options).exit == 6
    )
    applied_project.server.app.faults.clear()
    result = reviewed(applied_project, *options)
    assert result.exit == 0, result.stdout + result.stderr
    assert (
        len(applied_project.server.list_ids("groups"))
        == len(applied_project.server.list_ids("destinations"))
        == 3
    )
    assert applied_project.run("plan", "--detailed-exitcode").exit == 0


def test_a_plan_saved_by_an_earlier_version_is_read(applied_project: RecreateProject) -> None:
    applied_project.project.write_groups(PAIRS + PAIR.format(key="web"))
    assert applied_project.run("plan", "--out", "plan.json").exit == 0
    file = applied_project.folder / "plan.json"
    content = json.loads(file.read_bytes())["content"]
    assert content["plan"].pop("recreated") == []
    file.write_bytes(seal_content(content))
    assert applied_project.run("apply", "plan.json").exit == 0


def test_recreate_beside_a_saved_plan_is_wrong_usage(applied_project: RecreateProject) -> None:
    assert applied_project.run("plan", "--out", "plan.json").exit == 0
    result = applied_project.run("apply", "plan.json", "--recreate", "orders")
    assert result.exit == 64
    assert "`--recreate` cannot be used with a saved plan" in result.stderr


def test_a_saved_plan_with_invisible_objects_is_refused(applied_project: RecreateProject) -> None:
    applied_project.delete_orders(DESTINATION)
    applied_project.project.write_groups(PAIRS + PAIR.format(key="web"))
    assert applied_project.run("plan", "--out", "plan.json").exit == 1
    before = len(applied_project.server.writes)
    result = applied_project.run("apply", "plan.json")
    assert result.exit == 4
    assert "error[plan-incomplete]" in result.stderr
    assert applied_project.server.writes[before:] == []


def test_an_object_hidden_since_the_approval_is_reported(applied_project: RecreateProject) -> None:
    applied_project.project.write_groups(PAIRS.replace("acme", "other"))
    digest = applied_project.run("plan", "--format", "json").document["digest"]
    applied_project.delete_orders(DESTINATION)
    result = applied_project.run("apply", "--expect", digest)
    assert result.exit == 4
    assert "error[plan-unlike]" in result.stderr
    assert (
        f"{DESTINATION} (id `{applied_project.ids['orders']}`) is gone from Fivetran, or hidden"
        in result.stderr
    )


@pytest.mark.parametrize("call", ["POST /v1/groups", "POST /v1/destinations"])
def test_a_lost_answer_is_recovered_by_the_same_command(applied_project: RecreateProject, call: str) -> None:
    applied_project.delete_orders(GROUP)
    applied_project.add_faults(f"{call} #1 after-effect close")
    looked = "GET /v1/groups #3.." if call == "POST /v1/groups" else "GET /v1/destinations/* #2.."
    applied_project.add_faults(f"{looked} status 503")
    assert applied_project.apply("--recreate", GROUP).exit == 6
    applied_project.server.app.faults.clear()
    before = len(applied_project.server.writes)
    result = applied_project.apply("--recreate", GROUP)
    assert result.exit == 0, result.stdout + result.stderr
    assert "POST /v1/groups" not in applied_project.list_sent(before)
    applied_project.check_converged()


@pytest.mark.parametrize("options", [(), ("--recreate", GROUP)], ids=["without", "with"])
def test_a_destination_of_a_recreated_group_needs_no_second_option(
    applied_project: RecreateProject, options: tuple[str, ...]
) -> None:
    """The old destination cannot outlive its group."""
    applied_project.delete_orders(GROUP)
    applied_project.add_faults("POST /v1/destinations #1 status 400")
    assert applied_project.apply("--recreate", GROUP).exit == 6
    before = len(applied_project.server.writes)
    assert applied_project.apply(*options).exit == 0
    assert applied_project.list_sent(before) == MADE[DESTINATION]
    applied_project.check_converged()


def test_a_failed_recreation_is_reported_and_left_for_the_next_run(applied_project: RecreateProject) -> None:
    applied_project.delete_orders(GROUP)
    applied_project.add_faults("POST /v1/groups #1 status 400")
    result = applied_project.apply("--recreate", GROUP)
    assert result.exit == 6
    assert "Checked: a new plan is empty." not in result.stdout
    applied_project.check_refused()
    assert applied_project.apply("--recreate", GROUP).exit == 0
    applied_project.check_converged()


def test_an_interrupted_replacement_explains_its_missing_destination(
    applied_project: RecreateProject,
) -> None:
    postgres = """\
  orders:
    destination:
      service: postgres_warehouse
      time_zone_offset: "0"
      config: {host: db.example, port: 5432, database: d, user: u, auth_method: ENTRA_ID}
      lifecycle: {allow_replace: true}
"""
    applied_project.project.write_groups(postgres + PAIR.format(key="sales"))
    applied_project.add_faults("POST /v1/destinations before-effect status 500")
    assert applied_project.apply().exit == 6
    applied_project.server.app.faults.clear()
    assert applied_project.server.list_ids("destinations") == [applied_project.ids["sales"]]
    applied_project.project.advance_time()
    before = len(applied_project.server.writes)
    resumed = applied_project.apply()
    assert (resumed.exit, "state-cleaned" in resumed.stderr) == (0, False)
    assert applied_project.list_sent(before) == MADE[DESTINATION]
    applied_project.check_converged()


WITH_ID = PAIRS.replace("  orders:\n", "  orders:\n    id: {orders}\n")
RENAMED = "delete, then make a group of the same name"
WRONG: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    # an event, the options, the messages
    "an existing entry": (
        "",
        ("--recreate", GROUP),
        ("group.orders is not missing: it is there, with the id `{orders}`", "leave `--recreate` out"),
    ),
    "an existing destination": (
        "",
        ("--recreate", DESTINATION),
        ("destination.orders is not missing: it is there",),
    ),
    "all missing entries if none is missing": ("", ("--recreate", "*"), ("is not missing: it is there",)),
    "a new entry": (
        "",
        ("--recreate", "group.brand_new"),
        ("group.brand_new is not missing: it is created without",),
    ),
    "a misspelled address": (
        GROUP,
        ("--recreate", "group.order"),
        ("no entry of this plan is named by `--recreate group.order`", "did you mean `group.orders`?"),
    ),
    "an entry out of scope": (
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
        ("group.orders cannot be created again as `{orders}`", "remove the `id:` line"),
    ),
    "the name of another group": (
        RENAMED,
        ("--recreate", GROUP),
        (
            "another group of the name `orders`, which `{again}` has already",
            "write its `id:` into the entry",
        ),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_entry_that_cannot_be_recreated_is_an_error(applied_project: RecreateProject, name: str) -> None:
    happened, options, messages = WRONG[name]
    ids = dict(applied_project.ids)
    applied_project.project.write_groups(
        (WITH_ID if happened == "id" else PAIRS).replace("{orders}", ids["orders"]) + "  brand_new: {}\n"
    )
    if happened:
        applied_project.delete_orders(GROUP)
    if happened == RENAMED:
        ids["again"] = applied_project.dashboard.add_group("orders")
    before, state = len(applied_project.server.writes), applied_project.read_state()
    for command in (("plan",), ("apply", "--auto-approve")):
        result = applied_project.run(*command, *options)
        assert result.exit == 1
        assert "error[cannot-recreate]" in result.stderr
        for each in messages:
            assert each.format(**ids) in result.stderr
    assert applied_project.server.writes[before:] == []
    assert applied_project.read_state() == state


def test_a_group_of_the_same_name_is_adopted_by_id_only(applied_project: RecreateProject) -> None:
    """The name alone does not prove that it is the same group."""
    applied_project.delete_orders(GROUP)
    again = applied_project.dashboard.add_group("orders")
    assert (
        f"the group `{again}` has its name and belongs to no entry; `id: {again}` would take it"
        in applied_project.check_refused()
    )
    applied_project.project.write_groups(WITH_ID.replace("{orders}", again))
    before = len(applied_project.server.writes)
    result = applied_project.apply()
    assert result.exit == 0, result.stdout + result.stderr
    assert applied_project.list_sent(before) == MADE[DESTINATION]
    applied_project.check_converged()


def test_an_entry_with_an_id_is_recreated_without_the_id(applied_project: RecreateProject) -> None:
    applied_project.project.write_groups(WITH_ID.replace("{orders}", applied_project.ids["orders"]))
    assert applied_project.apply().exit == 0
    applied_project.delete_orders(GROUP)
    assert "remove that line" in applied_project.check_refused()
    applied_project.project.write_groups(PAIRS)
    before = len(applied_project.server.writes)
    assert applied_project.apply("--recreate", GROUP).exit == 0
    assert applied_project.list_sent(before) == MADE[GROUP]
    applied_project.check_converged()


def test_an_api_key_with_partial_access_reports_the_invisible_entries(
    applied_project: RecreateProject,
) -> None:
    """With the full key the plan is empty again; no second group is created for an invisible group."""
    applied_project.server.app.behaviour = Behaviour(visible_groups="sales", hidden_answer="forbidden")
    assert "answered 403" in applied_project.check_refused()
    assert applied_project.run("plan", "--target", "sales", "--detailed-exitcode").exit == 0
    assert applied_project.apply("--exclude", "orders").exit == 0
    applied_project.server.app.behaviour = Behaviour()
    assert applied_project.run("plan", "--detailed-exitcode").exit == 0
    assert len(applied_project.server.list_ids("groups")) == 2


def test_no_format_reports_invisible_objects_as_no_changes(applied_project: RecreateProject) -> None:
    applied_project.delete_orders(GROUP)
    assert "No changes" not in applied_project.run("plan").stdout
    assert "No changes" not in applied_project.run("plan", "--format", "markdown").stdout
    assert "No changes" not in applied_project.run("plan", "--format", "terraform").stdout
    assert applied_project.run("plan", "--format", "gitlab").stdout == ""
    terraform = applied_project.run("plan", "--format", "terraform-json").document
    assert (terraform["applyable"], terraform["complete"]) == (False, False)
    assert 'failures="1"' in applied_project.run("plan", "--format", "junit").stdout
    outputs = applied_project.folder / "outputs"
    environ = {"GITHUB_OUTPUT": str(outputs)}
    applied_project.run("plan", "--format", "github", **environ)
    assert {"has-changes=", "refused=true", "exit-code=1"} <= {*outputs.read_text().splitlines()}
