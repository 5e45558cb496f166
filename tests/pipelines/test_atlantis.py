"""The settings of `examples/05-atlantis`, run from the pull request to the account and the merge."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from cli_harness import ROOT
from pipelines.account_process import AccountProcess, run_account
from pipelines.applied_example import AppliedExample, apply_example
from pipelines.atlantis import Atlantis, ProjectComment
from pipelines.example_edits import ADD_EXTRA, ADD_MARKETING, RENAME_DATABASE
from pipelines.git_server import Branch, Edit, GitServer, combine_edits, replace_text
from pipelines.github_team import ACCOUNTS, make_private_key
from pipelines.untrusted_server import (
    ADD_DATABASE,
    check_approved,
    check_pull,
    check_waiting,
    pin_root,
    present_untrusted,
)

pytestmark = pytest.mark.sampled(every=6)

EXAMPLE = ROOT / "examples" / "05-atlantis"


SHARED = {
    "FINGERPRINT_KEY": "fingerprint-key-of-both",
    "SALES_PRIVATE_KEY": make_private_key("sales of prod"),
    "SALES_PRIVATE_KEY_DEV": make_private_key("sales of dev"),
    "MARKETING_KEY": '{"private_key_id": "marketing"}',
}


class AtlantisTeam:
    """A team whose forge has Atlantis: its pull requests, and the comments that plan and apply them."""

    def __init__(self, folder: Path, forge: GitServer, **accounts: AccountProcess) -> None:
        self.accounts, self.forge = accounts, forge
        environ = {
            **SHARED,
            "PLAN_KEY": "key that signs the plans",
            **{
                f"{right}_API{part}_{name}": f"{part} that may {right} {name}"
                for right in ("READ", "WRITE")
                for part in ("KEY", "SECRET")
                for name in accounts
            },
        }
        machines = {name: {"FIVETRAN_API_URL": account.url} for name, account in accounts.items()}
        settings = EXAMPLE / "repos.yaml"
        self.atlantis = Atlantis(folder / "atlantis", self.forge, settings, environ, machines)
        self._numbers = itertools.count(1)

    def open_pull(self, name: str, edit: Edit) -> tuple[int, Branch]:
        """Open a pull request, and have it approved."""
        number = next(self._numbers)
        self.atlantis.approved.add(number)
        return number, self.forge.propose(name, edit, merge_ref=f"refs/pull/{number}/merge")

    def plan(self, number: int, branch: Branch) -> ProjectComment:
        """Plan the production account."""
        (answer,) = self.atlantis.plan(number, branch)
        return answer

    def apply(self, number: int, branch: Branch) -> ProjectComment:
        """Apply the plan of the production account."""
        (answer,) = self.atlantis.apply(number, branch)
        return answer

    def apply_and_merge(self, name: str, edit: Edit) -> None:
        """Open, plan, apply and merge a pull request."""
        number, branch = self.open_pull(name, edit)
        for answer in (self.plan(number, branch), self.apply(number, branch)):
            assert answer.exit == 0, answer.text
        self.atlantis.merge(number, branch)


@pytest.fixture(scope="module")
def prepared_example(tmp_path_factory: pytest.TempPathFactory, production: AccountProcess) -> AppliedExample:
    """The example with its specs applied."""
    folder = tmp_path_factory.mktemp("atlantis").resolve()
    environ = {**SHARED, "FIVETRAN_APIKEY": "key", "FIVETRAN_APISECRET": "the secret of it"}
    return apply_example(folder, production, EXAMPLE, "specs/prod.yaml", environ)


@pytest.fixture
def team(tmp_path: Path, production: AccountProcess, prepared_example: AppliedExample) -> AtlantisTeam:
    """The production account alone."""
    folder = tmp_path.resolve()
    return AtlantisTeam(folder, prepared_example.restore(folder, production), prod=production)


@pytest.mark.long
def test_a_pull_request_is_planned_applied_to_both_accounts_and_merged(
    tmp_path: Path, production: AccountProcess
) -> None:
    with run_account(tmp_path, ACCOUNTS["dev"]) as development:
        production.reset()
        folder = tmp_path.resolve()
        team = AtlantisTeam(folder, GitServer(folder / "forge", EXAMPLE), dev=development, prod=production)
        number, branch = team.open_pull("marketing", ADD_MARKETING)
        team.atlantis.approved.clear()
        for answer in team.atlantis.plan(number, branch):
            assert answer.exit == 0, answer.text
            assert "Plan: 2 to add, 0 to change, 0 to destroy." in answer.text
        assert all("must be approved" in answer.text for answer in team.atlantis.apply(number, branch))
        assert [account.writes for account in team.accounts.values()] == [[], []]
        team.atlantis.approved.add(number)
        for answer in team.atlantis.apply(number, branch):
            assert answer.exit == 0, answer.text
        team.atlantis.merge(number, branch)
        for account in team.accounts.values():
            assert set(account.get_groups()) == {"marketing"}
        notes = replace_text("specs/prod.yaml", "version: 1\n", "# both are in effect\nversion: 1\n")
        number, branch = team.open_pull("again", notes)
        assert all("No changes." in answer.text for answer in team.atlantis.plan(number, branch))


@pytest.mark.long
def test_a_pull_request_cannot_loosen_its_own_policies(team: AtlantisTeam) -> None:
    elsewhere = replace_text("specs/profiles.yaml", "AWS_US_EAST_1", "AWS_AP_SOUTHEAST_2")
    looser = replace_text("specs/prod.yaml", "GCP_EUROPE_WEST3]", "GCP_EUROPE_WEST3, AWS_AP_SOUTHEAST_2]")
    number, branch = team.open_pull("looser", combine_edits(elsewhere, looser))
    before = team.accounts["prod"].writes
    assert team.plan(number, branch).exit == 3
    # A plan file exists, and Atlantis would apply it.
    assert team.apply(number, branch).exit == 3
    assert team.accounts["prod"].writes == before


@pytest.mark.long
def test_drift_between_plan_and_apply_stops_the_apply(team: AtlantisTeam) -> None:
    number, branch = team.open_pull("database", RENAME_DATABASE)
    assert team.plan(number, branch).exit == 0
    team.accounts["prod"].change_destination("Sales", database="BY_HAND")
    before = team.accounts["prod"].writes
    applied = team.apply(number, branch)
    assert applied.exit == 4, applied.text
    assert "error[plan-stale]" in applied.text
    assert team.accounts["prod"].writes == before


@pytest.mark.long
def test_a_failed_apply_is_resumed_by_the_same_comment(team: AtlantisTeam) -> None:
    number, branch = team.open_pull("friday", combine_edits(RENAME_DATABASE, ADD_MARKETING))
    assert team.plan(number, branch).exit == 0
    account = team.accounts["prod"]
    account.add_fault("POST /v1/destinations status 400")
    assert team.apply(number, branch).exit == 6
    account.clear_faults()
    # The lock of Atlantis blocks other pull requests until this one is finished.
    other = team.open_pull("other", ADD_EXTRA)
    assert "locked by an unapplied plan from pull #1" in team.plan(*other).text
    resumed = team.apply(number, branch)
    assert resumed.exit == 0, resumed.text
    team.atlantis.merge(number, branch)
    assert set(account.get_groups()) == {"Sales", "marketing"}
    assert "Plan: 1 to add" in team.plan(*other).text


@pytest.mark.long
def test_a_branch_behind_main_is_planned_again_before_its_apply(team: AtlantisTeam) -> None:
    number, branch = team.open_pull("extra", ADD_EXTRA)
    assert team.plan(number, branch).exit == 0
    team.atlantis.unlock(number)
    team.apply_and_merge("marketing", ADD_MARKETING)
    before = team.accounts["prod"].writes
    assert "must be rebased" in team.apply(number, branch).text
    assert team.accounts["prod"].writes == before


@pytest.mark.long
@pytest.mark.parametrize("is_merged", [False, True], ids=["same-pull-request", "second-pull-request"])
def test_an_untrusted_server_is_approved_by_a_commit(team: AtlantisTeam, is_merged: bool) -> None:
    """The pin belongs to the unfinished pull request, or to the next one after a merge by hand."""
    account, pin = team.accounts["prod"], pin_root("specs/prod.yaml")
    present_untrusted(account)
    number, branch = team.open_pull("marketing", ADD_DATABASE)
    assert team.plan(number, branch).exit == 0
    for _ in range(2):
        waits = team.apply(number, branch)
        assert waits.exit == 7, waits.text
        check_waiting(waits.text)
    if is_merged:
        team.atlantis.merge(number, branch)
        number, branch = team.open_pull("pin", pin)
    else:
        branch = team.forge.propose("marketing", pin, merge_ref=f"refs/pull/{number}/merge")
    planned = team.plan(number, branch)
    assert planned.exit == 0, planned.text
    check_pull(team.forge, branch, planned.text)
    applied = team.apply(number, branch)
    assert applied.exit == 0, applied.text
    check_approved(account, applied.text)
    team.atlantis.merge(number, branch)
    edit = replace_text("specs/groups/marketing.yaml", "groups:\n", "groups:\n  # the marketing team's\n")
    assert "No changes." in team.plan(*team.open_pull("again", edit)).text
