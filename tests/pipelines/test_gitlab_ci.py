"""The pipeline of `examples/04-gitlab-ci`, run from the merge request to the account."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from harness import ROOT
from pipelines.account import Account
from pipelines.first_day import FirstDay, by_hand, first_day
from pipelines.forge import Branch, Edit, Forge, both, replaced
from pipelines.github_team import private_key
from pipelines.gitlab import NOTES_TOKEN, PROJECT_ID, Notes, Pipeline, Runner, Running, Server, notes_api
from pipelines.stories import A_DATABASE, EXTRA, MARKETING

EXAMPLE = ROOT / "examples" / "04-gitlab-ci"
SHARED = {
    "FINGERPRINT_KEY": "fingerprint-key-of-prod",
    "SALES_PRIVATE_KEY": private_key("sales of prod"),
    "MARKETING_KEY": '{"private_key_id": "marketing of prod"}',
}
READER = {"FIVETRAN_APIKEY": "key-that-reads", "FIVETRAN_APISECRET": "secret-that-reads"}
WRITER = {**SHARED, "FIVETRAN_APIKEY": "key-that-writes", "FIVETRAN_APISECRET": "secret-that-writes"}


class Team:
    """People who work with the example."""

    def __init__(self, folder: Path, account: Account, notes: Notes, forge: Forge) -> None:
        self.account, self.notes, self.forge = account, notes, forge
        self._folder = folder
        self._numbers = itertools.count(1)
        variables = {
            "plan": READER,
            "look": {**SHARED, **READER},
            "production": WRITER,
            "notes": {"NOTE_TOKEN": NOTES_TOKEN},
        }
        protected = {"PLAN_KEY": "key that signs the plans"}
        machine = {"FIVETRAN_API_URL": account.url}
        self.runner = Runner(folder / "runner", Server(forge, notes.url, variables, protected, machine))

    def request(self, name: str, edit: Edit) -> tuple[int, Branch]:
        """Open a merge request."""
        number = next(self._numbers)
        return number, self.forge.propose(name, edit, merge_ref=f"refs/merge-requests/{number}/merge")

    def check(self, number: int, branch: Branch, source_project: str = PROJECT_ID) -> Running:
        """The pipeline of a merge request."""
        return self.runner.run(
            Pipeline("merge_request_event", branch.head, merge_request=number, source_project=source_project)
        )

    def merge(self, branch: Branch) -> Running:
        """Merge, and all that runs by itself then; `validate` has been seen in the merge request."""
        pushed = self.forge.merge(branch)
        return self.runner.run(Pipeline("push", pushed.after, pushed.before), without=["validate"])

    def unsigned_plan(self) -> str:
        """The plan that anybody could make who has the keys, but not that of the signature."""
        desk = self._folder / "elsewhere"
        code, text = by_hand(self.forge, self.account, desk, WRITER, "plan", "--out", "plan.json")
        assert code == 0, text
        return (desk / "plan.json").read_text()

    def night(self) -> Running:
        """What the schedule runs."""
        return self.runner.run(Pipeline("schedule", self.forge.main), without=["validate"])


@pytest.fixture
def notes() -> Iterator[Notes]:
    with notes_api() as running:
        yield running


@pytest.fixture(scope="module")
def day_one(tmp_path_factory: pytest.TempPathFactory, production: Account) -> FirstDay:
    """The example with its specs in effect."""
    folder = tmp_path_factory.mktemp("gitlab").resolve()
    return first_day(folder, production, EXAMPLE, "specs/reconciler.yaml", WRITER)


@pytest.fixture
def team(tmp_path: Path, production: Account, notes: Notes, day_one: FirstDay) -> Team:
    folder = tmp_path.resolve()
    return Team(folder, production, notes, day_one.again(folder, production))


def test_from_a_merge_request_to_the_account(team: Team) -> None:
    number, branch = team.request("marketing", MARKETING)
    for count in range(101):
        team.notes.say(number, f"note {count}", author=8)
    checked = team.check(number, branch)
    assert checked.is_success, checked.log
    assert set(checked.jobs) == {"validate", "plan", "note"}
    assert ElementTree.fromstring(checked.jobs["validate"].reports["junit"]).tag == "testsuites"
    assert json.loads(checked.jobs["plan"].reports["terraform"]) == {"create": 2, "update": 0, "delete": 0}
    (note,) = team.notes.of(number)
    assert "## Plan: 2 to add, 0 to change, 0 to destroy." in note
    assert team.account.writes == []
    branch = team.forge.propose(
        "marketing", replaced("specs/groups/marketing.yaml", "acme-marketing", "acme-ads"),
        merge_ref=f"refs/merge-requests/{number}/merge",
    )  # fmt: skip
    for count in range(101):
        team.notes.say(number, f"one more note {count}", author=8)
    assert team.check(number, branch).is_success
    (note,) = team.notes.of(number)
    assert "acme-ads" in note
    merged = team.merge(branch)
    assert merged.is_success, merged.log
    assert set(merged.jobs) == {"plan:main", "apply"}
    assert team.account.writes == [], "nobody has pressed the button yet"
    applied = merged.press("apply")
    assert applied.status == "success", applied.log
    assert set(team.account.groups()) == {"Sales", "marketing"}
    assert team.night().jobs["drift"].exit == 0


def test_a_request_from_a_fork_is_validated_and_no_more(team: Team) -> None:
    number, branch = team.request("marketing", MARKETING)
    checked = team.check(number, branch, source_project="666")
    assert set(checked.jobs) == {"validate"}
    assert checked.is_success


def test_a_request_that_lags_behind_is_planned_as_its_merge(team: Team) -> None:
    number, branch = team.request("database", A_DATABASE)
    _, other = team.request("extra", EXTRA)
    merged = team.merge(other)
    assert merged.press("apply").status == "success", merged.log
    checked = team.check(number, branch)
    assert checked.is_success, checked.log
    assert json.loads(checked.jobs["plan"].reports["terraform"]) == {"create": 0, "update": 1, "delete": 0}


def test_a_request_cannot_loosen_what_judges_it(team: Team) -> None:
    elsewhere = replaced("specs/profiles.yaml", "AWS_US_EAST_1", "AWS_AP_SOUTHEAST_2")
    looser = replaced("specs/reconciler.yaml", "GCP_EUROPE_WEST3]", "GCP_EUROPE_WEST3, AWS_AP_SOUTHEAST_2]")
    number, branch = team.request("looser", both(elsewhere, looser))
    checked = team.check(number, branch)
    assert checked.jobs["plan"].exit == 3, checked.log
    assert "**Apply refuses this plan:**" in team.notes.of(number)[0]
    merged = team.merge(branch)
    assert merged.jobs["plan:main"].exit == 3, merged.log
    assert merged.jobs["apply"].artifacts is None
    assert team.account.writes == []


def test_who_changes_the_account_before_the_button_is_pressed_stops_the_apply(team: Team) -> None:
    _, branch = team.request("database", A_DATABASE)
    merged = team.merge(branch)
    team.account.change("Sales", database="BY_HAND")
    before = team.account.writes
    applied = merged.press("apply")
    assert applied.exit == 4, applied.log
    assert "error[plan-stale]" in applied.log
    assert team.account.writes == before


def test_a_failed_apply_is_resumed_on_monday_though_others_have_merged(team: Team) -> None:
    _, branch = team.request("friday", both(A_DATABASE, MARKETING))
    friday = team.merge(branch)
    team.account.fault("POST /v1/destinations status 400")
    assert friday.press("apply").exit == 6
    team.account.heal()
    _, branch = team.request("monday", EXTRA)
    monday = team.merge(branch)
    assert monday.press("apply").status == "success"
    resumed = friday.press("apply")
    assert resumed.status == "success", resumed.log
    assert set(team.account.groups()) == {"Sales", "marketing", "extra"}


def test_a_plan_that_nobody_signed_is_not_applied(team: Team) -> None:
    """Who can put another file into the pipeline, and make its seal again, still lacks the key."""
    _, branch = team.request("database", A_DATABASE)
    merged = team.merge(branch)
    kept = merged.jobs["plan:main"].artifacts
    assert kept is not None
    before = team.account.writes
    signed = (kept / "plan.json").read_text()
    for forged in (signed.replace("SALES_2027", "SALES_2099"), team.unsigned_plan()):
        (kept / "plan.json").write_text(forged)
        applied = merged.press("apply")
        assert applied.exit == 4, applied.log
    assert "error[plan-signature]" in applied.log
    assert team.account.writes == before


def test_drift_is_told_by_night(team: Team) -> None:
    team.account.change("Sales", database="BY_HAND")
    night = team.night()
    assert night.jobs["drift"].exit == 2
    assert "config.database" in night.jobs["drift"].log
    assert night.jobs["plan:main"].status == "success"
    assert night.press("apply").status == "success"
    assert team.night().jobs["drift"].exit == 0
