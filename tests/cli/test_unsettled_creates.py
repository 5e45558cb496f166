"""A create whose answer was lost: what plan and apply say and do until it is settled, and `--resend-create`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project
from fake_clock import HastyClock
from git_repo import commit

from reconciler.emulator.fault_text import parse_fault

PAIR = """\
  {0}:
    destination:
      service: big_query
      time_zone_offset: "0"
      setup_tests: {{run: false}}
      config: {{project_id: acme, data_set_location: US}}
"""
REASON = ("--reason", "looked at the dashboard")
TIME = r"\d\d:\d\d:\d\d"
SENT = rf"20\d\d-\d\d-\d\d {TIME} UTC"
UNTIL = rf"(?:20\d\d-\d\d-\d\d )?{TIME} UTC"
"""With its date around midnight."""


class Team:
    """A project with one pair, whose group was sent and got no answer."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server
        self.settings("")
        project.write_groups(PAIR.format("orders"))

    def settings(self, text: str) -> None:
        head = f"version: 1\naccount_id: {self.server.account_id}\nspecs: ['groups/*.yaml']\n"
        self.project.write("specs/reconciler.yaml", head + text)

    def run(self, *arguments: str) -> CommandResult:
        return self.project.run_against(self.server, *arguments)

    def apply(self, *options: str) -> CommandResult:
        return self.run("apply", "--auto-approve", *options)

    def loses(self, *, path: str = "/v1/groups", late: float | None = None) -> CommandResult:
        """An apply in which the answer to a create is lost, with an effect some seconds later, or with none."""
        effect = "" if late is None else f" effect-after={late}"
        self.server.app.faults.add(parse_fault(f"POST {path} #1 before-effect close{effect}"))
        lost = self.apply()
        self.server.app.faults.clear()
        assert lost.exit == 6
        return lost

    def posts(self, path: str = "/v1/groups") -> int:
        own = (each for each in self.server.app.read_history() if not each.effect_of)
        return sum((each.method, each.path) == ("POST", path) for each in own)

    @property
    def state(self) -> Any:
        return json.loads((self.project.folder / "specs/.reconciler/state.json").read_text())


@pytest.fixture
def team(project: Project, server: EmulatedFivetran) -> Team:
    return Team(project, server)


def the_change(result: CommandResult) -> Any:
    [change] = [each for each in result.document["changes"] if each["address"] == "group.orders"]
    return change


def test_the_run_that_sent_it_looks_and_does_not_send_it_again(team: Team) -> None:
    lost = team.loses()
    assert team.posts() == 1
    assert "group.orders        unknown" in lost.stdout
    assert "error[outcome-unknown]: group.orders: Fivetran cannot be reached" in lost.stdout
    assert "what does not is created once `settle` has passed" in lost.stdout
    assert "Checked: a new plan still wants group.orders, destination.orders." in lost.stdout
    assert "Some answers never came. Run apply again" in lost.stdout


def test_until_it_is_settled_an_apply_does_all_but_that(team: Team) -> None:
    team.loses()
    team.project.write_groups(PAIR.format("orders") + PAIR.format("sales"))
    for minutes in (0, 1, 13):
        team.project.advance_time(timedelta(minutes=minutes))
        held = team.apply()
        assert held.exit == 6
        assert re.search(
            rf"\+ group\.orders        held back  not created before {UNTIL},"
            rf" since a request of {SENT} may still take effect\n",
            held.stdout,
        )
        assert (
            "destination.orders  skipped    not tried, because group.orders did not come about" in held.stdout
        )
        assert "Checked: a new plan still wants group.orders, destination.orders." in held.stdout
        assert re.search(
            rf"\nRequests of an earlier run may still take effect\. Run apply again after {SENT}: it looks first,",
            held.stdout,
        )
        assert team.server.app.dashboard.find_group_ids("sales")
        assert team.posts() == 2
    team.project.advance_time(timedelta(minutes=2))
    plan = team.run("plan", "--format", "json")
    assert the_change(plan)["reasons"] == ["new"]
    assert "held_until" not in the_change(plan)
    assert team.apply().exit == 0
    assert team.posts() == 3
    assert team.run("plan", "--detailed-exitcode").exit == 0


@pytest.mark.parametrize("path", ["/v1/groups", "/v1/destinations"])
def test_what_has_come_by_then_is_found(team: Team, path: str) -> None:
    team.loses(path=path, late=60)
    assert team.apply().exit == 6
    team.project.advance_time(timedelta(seconds=61))
    assert team.apply().exit == 0
    assert team.posts(path) == 1
    assert team.run("plan", "--detailed-exitcode").exit == 0


WAITS = rf"a request of {SENT} may still take effect; not created before {UNTIL}"
SHOWN: dict[str, str] = {
    "text": rf"\n\+ group\.orders .*\n    name +\"orders\"\n  ! {WAITS}\n",
    "markdown": rf"> \[!WARNING\]\n> - \*\*create\*\* `group\.orders`: {WAITS} · `specs/groups/main\.yaml:3`",
    "terraform": rf"\n  group\.orders: {WAITS}\n",
    "github": rf"> - \*\*create\*\* `group\.orders`: {WAITS}",
}


@pytest.mark.parametrize("form", SHOWN)
def test_a_plan_shows_it_with_the_time(team: Team, form: str) -> None:
    team.loses()
    summary = team.project.folder / "summary.md"
    environ = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_WORKSPACE": ""}
    plan = team.project.run_against(
        team.server, "plan", "--format", form, "--detailed-exitcode", environ=environ
    )
    assert plan.exit == 2
    shown = summary.read_text() if form == "github" else plan.stdout
    assert re.search(SHOWN[form], shown), shown
    assert "1 to be created later" in shown
    assert shown.count("may still take effect") == 1, "the destination waits for its group only"


def test_documents_have_the_time(team: Team) -> None:
    team.loses()
    [sent] = [each.at for each in team.server.app.read_history() if each.method == "POST"]
    change = the_change(team.run("plan", "--format", "json"))
    assert (change["action"], change["reasons"]) == ("create", ["interrupted"])
    asked, until = (datetime.fromisoformat(change[name]) for name in ("request_sent_at", "held_until"))
    assert abs(asked - datetime.fromisoformat(sent)) < timedelta(seconds=5)
    assert timedelta(minutes=15) <= until - asked < timedelta(minutes=15, seconds=5)
    terraform = team.run("plan", "--format", "terraform-json").document
    own = terraform["variables"]["x_reconciler"]["value"]["changes"]["fivetran_group.orders"]
    assert own["request_sent_at"] == change["request_sent_at"]
    assert own["held_until"][:16] == change["held_until"][:16]
    held = team.apply("--format", "json")
    assert held.exit == 6
    group, destination = held.document["applied"]["outcomes"]
    assert (group["status"], destination["status"]) == ("held", "skipped")
    assert group["held_until"] == held.document["plan"]["changes"][0]["held_until"]
    [told] = group["diagnostics"]
    assert (told["code"], told["severity"]) == ("create-unsettled", "error")
    assert "`reconciler apply --resend-create group.orders --reason TEXT`" in told["help"]
    assert re.search(rf"apply again after {UNTIL}", told["help"])


def test_the_log_of_events_has_the_time(team: Team) -> None:
    team.loses()
    team.apply("--events", "events.jsonl")
    lines = [json.loads(line) for line in (team.project.folder / "events.jsonl").read_text().splitlines()]
    [planned] = [each for each in lines if each["event"] == "planned"]
    [ended] = [each for each in lines if each["event"] == "change-finished" and each["status"] == "held"]
    assert planned["changes"][0]["held_until"] == ended["held_until"]
    assert planned["changes"][0]["request_sent_at"]
    assert planned["resent"] == []
    assert [each["code"] for each in ended["diagnostics"]] == ["create-unsettled"]


def test_who_has_looked_may_have_it_sent_again(team: Team) -> None:
    team.loses()
    applied = team.apply("--resend-create", "group.orders", *REASON, "--events", "events.jsonl")
    assert applied.exit == 0, applied.stdout + applied.stderr
    assert re.search(
        rf"  ! a request of {SENT} may still take effect; created all the same, as --resend-create says\n",
        applied.stdout,
    )
    assert "Checked: a new plan is empty." in applied.stdout
    assert team.posts() == 2
    [exemption] = team.state["exemptions"]
    assert exemption["what"] == ["resend-create=group.orders"]
    assert exemption["reason"] == REASON[1]
    assert "resend-create=group.orders  by " in team.run("state", "list").stdout
    lines = [json.loads(line) for line in (team.project.folder / "events.jsonl").read_text().splitlines()]
    [planned] = [each for each in lines if each["event"] == "planned"]
    assert (planned["resent"], planned["reason"]) == (["group.orders"], REASON[1])
    assert planned["changes"][0]["held_until"] is None
    # The first request has no effect any more, and nobody asks about it.
    team.project.advance_time()
    plan = team.run("plan", "--detailed-exitcode")
    assert (plan.exit, plan.stderr) == (0, "")


def test_an_effect_that_comes_after_all_is_told_with_both_ids(team: Team) -> None:
    team.loses(late=120)
    assert team.apply("--resend-create", "orders", *REASON).exit == 0
    [second] = team.server.app.dashboard.find_group_ids("orders")
    team.project.advance_time(timedelta(seconds=121))
    [first] = {*team.server.app.dashboard.find_group_ids("orders")} - {second}
    plan = team.run("plan", "--detailed-exitcode")
    assert plan.exit == 0, "nothing of it is changed by itself"
    assert re.search(
        rf"warning\[late-twin\]: group\.orders: a request of {SENT} seems to have taken effect after all,"
        r" and made another group",
        plan.stderr,
    )
    assert (
        f"managed is `{second}`; new since that request, under the name `orders`, is `{first}`" in plan.stderr
    )
    assert "delete the one that is not needed in Fivetran" in plan.stderr
    sarif = team.run("plan", "--format", "sarif").document
    assert "late-twin" in json.dumps(sarif)


def test_two_effects_of_which_nobody_has_an_answer_are_a_question(team: Team) -> None:
    team.loses(late=60)
    team.server.app.faults.add(parse_fault("POST /v1/groups #1 before-effect close effect-after=60"))
    assert team.apply("--resend-create", "orders", *REASON).exit == 6
    team.project.advance_time(timedelta(seconds=61))
    plan = team.run("plan")
    assert plan.exit == 1
    assert "error[ambiguous-name]" in plan.stderr
    assert all(id in plan.stderr for id in team.server.app.dashboard.find_group_ids("orders"))


@pytest.mark.parametrize("selector", ["group.orders", "orders", "group.*", "*"])
def test_what_is_sent_again_is_named_as_targets_are(team: Team, selector: str) -> None:
    team.loses()
    assert team.apply("--resend-create", selector, *REASON).exit == 0
    assert team.posts() == 2


@pytest.mark.parametrize(
    ("options", "told", "advice"),
    [
        (("--resend-create", "orders"), "`--resend-create` needs a reason", "--reason"),
        (("--resend-create", "orders", "--reason", "  "), "`--resend-create` needs a reason", "--reason"),
        (REASON, "or a create sent again", "or `--resend-create`"),
    ],
)
def test_it_needs_a_reason(team: Team, options: tuple[str, ...], told: str, advice: str) -> None:
    team.loses()
    before = len(team.server.calls)
    result = team.apply(*options)
    assert (result.exit, team.server.calls[before:]) == (64, [])
    assert told in result.stderr
    assert advice in result.stderr


def nothing(team: Team) -> None:
    assert team.apply().exit == 0


def found(team: Team) -> None:
    team.loses(late=5)
    team.project.advance_time(timedelta(seconds=6))


def settled(team: Team) -> None:
    team.loses()
    team.project.advance_time()


def never_sent(team: Team) -> None:
    team.server.app.faults.add(parse_fault("POST /v1/groups status 400"))
    assert team.apply().exit == 6
    team.server.app.faults.clear()


@pytest.mark.parametrize("before", [nothing, found, settled, never_sent], ids=lambda each: each.__name__)
def test_what_waits_for_nothing_cannot_be_sent_again(team: Team, before: Callable[[Team], None]) -> None:
    before(team)
    writes = len(team.server.writes)
    result = team.apply("--resend-create", "group.orders", *REASON)
    assert (result.exit, team.server.writes[writes:]) == (1, [])
    assert (
        "error[nothing-unsettled]: `--resend-create group.orders` names no create that waits" in result.stderr
    )
    assert "none waits" in result.stderr


def test_a_slip_is_not_taken_for_what_was_meant(team: Team) -> None:
    team.loses()
    result = team.apply("--resend-create", "ordres", "--resend-create", "orders", *REASON)
    assert (result.exit, team.posts()) == (1, 1)
    assert "waiting is `group.orders`" in result.stderr
    assert "did you mean `orders`?" in result.stderr


@pytest.mark.parametrize("approval", ["plan.json", "--expect"])
def test_a_plan_that_was_reviewed_waits_and_goes_on(team: Team, approval: str) -> None:
    team.loses()
    made = team.run("plan", "--out", "plan.json", "--format", "json")
    chosen = ("plan.json",) if approval == "plan.json" else ("--expect", made.document["digest"])
    held = team.run("apply", *chosen)
    assert held.exit == 6
    assert "held back" in held.stdout
    assert team.posts() == 1
    team.project.advance_time()
    shown = team.run("show", "plan.json")
    assert re.search(WAITS, shown.stdout)
    assert team.run("apply", *chosen).exit == 0
    assert team.posts() == 2


@pytest.mark.parametrize("approval", ["plan.json", "--expect"])
def test_a_create_can_be_sent_again_beside_a_plan_that_was_reviewed(team: Team, approval: str) -> None:
    made = team.run("plan", "--out", "plan.json", "--format", "json")
    chosen = ("plan.json",) if approval == "plan.json" else ("--expect", made.document["digest"])
    team.server.app.faults.add(parse_fault("POST /v1/groups #1 before-effect close"))
    assert team.run("apply", *chosen).exit == 6
    team.server.app.faults.clear()
    assert team.run("apply", *chosen).exit == 6
    assert team.run("apply", *chosen, "--resend-create", "orders", *REASON).exit == 0
    assert team.posts() == 2


def test_a_plan_without_changes_is_not_one_with_a_create_that_waits(team: Team) -> None:
    """Also where nothing else is left to do."""
    team.project.write_groups("  orders: {}\n")
    team.loses()
    held = team.apply("--format", "json")
    assert held.exit == 6
    assert held.document["applied"]["remaining"] == ["group.orders"]


def test_a_change_cannot_shorten_its_own_wait(team: Team) -> None:
    commit(team.project.folder, "base")
    team.loses()
    team.settings("settle: 0s\n")
    assert team.apply("--settings-from", "base").exit == 6
    assert team.posts() == 1
    assert team.apply().exit == 0


def test_a_state_of_the_earlier_release_is_read_with_care(team: Team) -> None:
    """It tells when its run began, and nothing of when a request left."""
    team.loses()
    file = team.project.folder / "specs/.reconciler/state.json"
    state = team.state
    for record in state["records"].values():
        del record["earlier"]
        intent = record["intent"]
        record["intent"] = {name: intent[name] for name in ("action", "name", "namesakes")}
        record["intent"]["at"] = intent["begun"]["own"]
    del state["written_at"]
    file.write_text(json.dumps({**state, "format": 1}))
    (file.parent / "state.json.journal").unlink()
    assert team.apply().exit == 6
    team.project.advance_time(timedelta(minutes=16))
    assert team.apply().exit == 6, "that run may have gone on for some time"
    team.project.advance_time(timedelta(minutes=5))
    assert team.apply().exit == 0
    assert team.posts() == 2


def test_the_clock_of_another_machine_may_be_wrong(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next runner is an hour ahead; Fivetran is not."""
    team.loses()
    server = team.server.app.behaviour
    monkeypatch.setattr(HastyClock, "ahead", timedelta(hours=1))
    team.server.app.behaviour = server.model_copy(update={"date_skew": -3_600.0})
    held = team.apply()
    assert held.exit == 6
    assert team.posts() == 1
    team.server.app.behaviour = server.model_copy(update={"date_header": "missing"})
    assert team.apply().exit == 0
