"""The pipeline of `examples/04-gitlab-ci`, run from the merge request to the account."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli_harness import ROOT
from pipelines.account_process import AccountProcess
from pipelines.applied_example import AppliedExample, apply_example, run_manually
from pipelines.example_edits import ADD_EXTRA, ADD_MARKETING, RENAME_DATABASE
from pipelines.git_server import Branch, Edit, GitServer, combine_edits, replace_text
from pipelines.github_team import make_private_key
from pipelines.gitlab import (
    NOTES_TOKEN,
    PROJECT_ID,
    GitLabServer,
    NotesApi,
    Pipeline,
    PipelineRun,
    Runner,
    serve_notes,
)
from pipelines.untrusted_server import (
    ADD_DATABASE,
    check_approved,
    check_pull,
    check_waiting,
    pin_root,
    present_untrusted,
)

pytestmark = pytest.mark.sampled(every=6)

EXAMPLE = ROOT / "examples" / "04-gitlab-ci"
SHARED = {
    "FINGERPRINT_KEY": "fingerprint-key-of-prod",
    "SALES_PRIVATE_KEY": make_private_key("sales of prod"),
    "MARKETING_KEY": '{"private_key_id": "marketing of prod"}',
}
READER = {"FIVETRAN_APIKEY": "key-that-reads", "FIVETRAN_APISECRET": "secret-that-reads"}
WRITER = {**SHARED, "FIVETRAN_APIKEY": "key-that-writes", "FIVETRAN_APISECRET": "secret-that-writes"}


class GitLabTeam:
    """A team whose forge is GitLab: its merge requests, and the pipelines that follow from them."""

    def __init__(self, folder: Path, account: AccountProcess, notes: NotesApi, forge: GitServer) -> None:
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
        self.runner = Runner(folder / "runner", GitLabServer(forge, notes.url, variables, protected, machine))

    def open_request(self, name: str, edit: Edit) -> tuple[int, Branch]:
        """Open a merge request."""
        number = next(self._numbers)
        return number, self.forge.propose(name, edit, merge_ref=f"refs/merge-requests/{number}/merge")

    def check(self, number: int, branch: Branch, source_project: str = PROJECT_ID) -> PipelineRun:
        """Run the pipeline of a merge request."""
        return self.runner.run(
            Pipeline("merge_request_event", branch.head, merge_request=number, source_project=source_project)
        )

    def merge(self, branch: Branch) -> PipelineRun:
        """Merge, and run the automatic jobs of the push; `validate` ran in the merge request."""
        pushed = self.forge.merge(branch)
        return self.runner.run(Pipeline("push", pushed.after, pushed.before), without=["validate"])

    def make_unsigned_plan(self) -> str:
        """A plan by a user with the keys of the account, but without the key of the signature."""
        desk = self._folder / "elsewhere"
        code, text = run_manually(self.forge, self.account, desk, WRITER, "plan", "--out", "plan.json")
        assert code == 0, text
        return (desk / "plan.json").read_text()

    def run_nightly(self) -> PipelineRun:
        """Run the pipeline of the schedule."""
        return self.runner.run(Pipeline("schedule", self.forge.main_commit), without=["validate"])


@pytest.fixture
def notes() -> Iterator[NotesApi]:
    with serve_notes() as running:
        yield running


@pytest.fixture(scope="module")
def prepared_example(tmp_path_factory: pytest.TempPathFactory, production: AccountProcess) -> AppliedExample:
    """The example with its specs applied."""
    folder = tmp_path_factory.mktemp("gitlab").resolve()
    return apply_example(folder, production, EXAMPLE, "specs/reconciler.yaml", WRITER)


@pytest.fixture
def team(
    tmp_path: Path, production: AccountProcess, notes: NotesApi, prepared_example: AppliedExample
) -> GitLabTeam:
    folder = tmp_path.resolve()
    return GitLabTeam(folder, production, notes, prepared_example.restore(folder, production))


@pytest.mark.long
def test_a_merge_request_is_planned_and_applied_to_the_account(team: GitLabTeam) -> None:
    number, branch = team.open_request("marketing", ADD_MARKETING)
    for count in range(101):
        team.notes.add_note(number, f"note {count}", author=8)
    checked = team.check(number, branch)
    assert checked.is_success, checked.log
    assert set(checked.jobs) == {"validate", "plan", "note"}
    assert ElementTree.fromstring(checked.jobs["validate"].reports["junit"]).tag == "testsuites"
    assert json.loads(checked.jobs["plan"].reports["terraform"]) == {"create": 2, "update": 0, "delete": 0}
    (note,) = team.notes.list_notes(number)
    assert "## Needs approval: 2 to do · Plan: 2 to add, 0 to change, 0 to destroy." in note
    assert team.account.writes == []
    branch = team.forge.propose(
        "marketing", replace_text("specs/groups/marketing.yaml", "acme-marketing", "acme-ads"),
        merge_ref=f"refs/merge-requests/{number}/merge",
    )  # fmt: skip
    for count in range(101):
        team.notes.add_note(number, f"one more note {count}", author=8)
    assert team.check(number, branch).is_success
    (note,) = team.notes.list_notes(number)
    assert "acme-ads" in note
    merged = team.merge(branch)
    assert merged.is_success, merged.log
    assert set(merged.jobs) == {"plan:main", "apply"}
    assert team.account.writes == [], "the manual job has not started yet"
    applied = merged.start_manual("apply")
    assert applied.status == "success", applied.log
    assert set(team.account.get_groups()) == {"Sales", "marketing"}
    assert team.run_nightly().jobs["drift"].exit == 0


@pytest.mark.long
def test_a_merge_request_from_a_fork_is_validated_only(team: GitLabTeam) -> None:
    number, branch = team.open_request("marketing", ADD_MARKETING)
    checked = team.check(number, branch, source_project="666")
    assert set(checked.jobs) == {"validate"}
    assert checked.is_success


@pytest.mark.long
def test_a_merge_request_behind_main_is_planned_as_its_merge(team: GitLabTeam) -> None:
    number, branch = team.open_request("database", RENAME_DATABASE)
    _, other = team.open_request("extra", ADD_EXTRA)
    merged = team.merge(other)
    assert merged.start_manual("apply").status == "success", merged.log
    checked = team.check(number, branch)
    assert checked.is_success, checked.log
    assert json.loads(checked.jobs["plan"].reports["terraform"]) == {"create": 0, "update": 1, "delete": 0}


@pytest.mark.long
def test_a_merge_request_cannot_loosen_its_own_policies(team: GitLabTeam) -> None:
    elsewhere = replace_text("specs/profiles.yaml", "AWS_US_EAST_1", "AWS_AP_SOUTHEAST_2")
    looser = replace_text(
        "specs/reconciler.yaml", "GCP_EUROPE_WEST3]", "GCP_EUROPE_WEST3, AWS_AP_SOUTHEAST_2]"
    )
    number, branch = team.open_request("looser", combine_edits(elsewhere, looser))
    checked = team.check(number, branch)
    assert checked.jobs["plan"].exit == 3, checked.log
    assert "**Apply refuses this plan:**" in team.notes.list_notes(number)[0]
    merged = team.merge(branch)
    assert merged.jobs["plan:main"].exit == 3, merged.log
    assert merged.jobs["apply"].artifacts is None
    assert team.account.writes == []


@pytest.mark.long
def test_drift_before_the_manual_job_stops_the_apply(team: GitLabTeam) -> None:
    _, branch = team.open_request("database", RENAME_DATABASE)
    merged = team.merge(branch)
    team.account.change_destination("Sales", database="BY_HAND")
    before = team.account.writes
    applied = merged.start_manual("apply")
    assert applied.exit == 4, applied.log
    assert "error[plan-stale]" in applied.log
    assert team.account.writes == before


@pytest.mark.long
def test_a_failed_apply_is_resumed_after_other_merges(team: GitLabTeam) -> None:
    _, branch = team.open_request("friday", combine_edits(RENAME_DATABASE, ADD_MARKETING))
    friday = team.merge(branch)
    team.account.add_fault("POST /v1/destinations status 400")
    assert friday.start_manual("apply").exit == 6
    team.account.clear_faults()
    _, branch = team.open_request("monday", ADD_EXTRA)
    monday = team.merge(branch)
    assert monday.start_manual("apply").status == "success"
    resumed = friday.start_manual("apply")
    assert resumed.status == "success", resumed.log
    assert set(team.account.get_groups()) == {"Sales", "marketing", "extra"}


@pytest.mark.long
def test_an_untrusted_server_is_approved_by_a_second_merge_request(team: GitLabTeam) -> None:
    present_untrusted(team.account)
    _, branch = team.open_request("marketing", ADD_DATABASE)
    first = team.merge(branch)
    for _ in range(2):
        waits = first.start_manual("apply")
        assert waits.exit == 7, waits.log
        check_waiting(waits.log)
    check_waiting(team.run_nightly().jobs["plan:main"].log)
    number, branch = team.open_request("pin", pin_root("specs/reconciler.yaml"))
    checked = team.check(number, branch)
    assert checked.is_success, checked.log
    (note,) = team.notes.list_notes(number)
    check_pull(team.forge, branch, note)
    merged = team.merge(branch)
    check_pull(team.forge, branch, merged.jobs["plan:main"].log)
    applied = merged.start_manual("apply")
    assert applied.status == "success", applied.log
    check_approved(team.account, applied.log)
    night = team.run_nightly()
    assert night.jobs["drift"].exit == 0, night.log
    assert "No changes." in night.jobs["plan:main"].log


@pytest.mark.long
def test_an_unsigned_plan_is_not_applied(team: GitLabTeam) -> None:
    """A user who replaces the plan file and renews its seal still lacks the signature key."""
    _, branch = team.open_request("database", RENAME_DATABASE)
    merged = team.merge(branch)
    kept = merged.jobs["plan:main"].artifacts
    assert kept is not None
    before = team.account.writes
    signed = (kept / "plan.json").read_text()
    for forged in (signed.replace("SALES_2027", "SALES_2099"), team.make_unsigned_plan()):
        (kept / "plan.json").write_text(forged)
        applied = merged.start_manual("apply")
        assert applied.exit == 4, applied.log
    assert "error[plan-signature]" in applied.log
    assert team.account.writes == before


@pytest.mark.long
def test_drift_is_reported_by_the_nightly_pipeline(team: GitLabTeam) -> None:
    team.account.change_destination("Sales", database="BY_HAND")
    night = team.run_nightly()
    assert night.jobs["drift"].exit == 2
    assert "config.database" in night.jobs["drift"].log
    assert night.jobs["plan:main"].status == "success"
    assert night.start_manual("apply").status == "success"
    assert team.run_nightly().jobs["drift"].exit == 0
