"""The workflows of `examples/03-github-actions`, run from the pull request to the account."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pipelines.account_process import AccountProcess, run_account
from pipelines.applied_example import AppliedExample, apply_example
from pipelines.example_edits import ADD_EXTRA, ADD_MARKETING, RENAME_DATABASE, SALES_FILE
from pipelines.git_server import Edit, GitServer, combine_edits, replace_text, write_file
from pipelines.github_actions import Event
from pipelines.github_team import ACCOUNTS, EXAMPLE, GitHubTeam, PullRequest, build_secrets, make_private_key
from pipelines.untrusted_server import (
    ADD_DATABASE,
    check_approved,
    check_pull,
    check_waiting,
    pin_root,
    present_untrusted,
)
from secret_leak_detector import get_detector

pytestmark = pytest.mark.sampled(every=6)


@pytest.fixture(scope="module")
def prepared_example(tmp_path_factory: pytest.TempPathFactory, production: AccountProcess) -> AppliedExample:
    """The example with its specs applied."""
    folder = tmp_path_factory.mktemp("github").resolve()
    secrets = build_secrets({"prod": production})["prod"]
    return apply_example(folder, production, EXAMPLE, "specs/prod.yaml", secrets)


@pytest.fixture
def team(tmp_path: Path, production: AccountProcess, prepared_example: AppliedExample) -> GitHubTeam:
    """The production account alone, with applied specs: enough for most tests."""
    folder = tmp_path.resolve()
    return GitHubTeam(
        folder, {"prod": production}, prepared_example.restore(folder, production), project="prod"
    )


@pytest.fixture
def unapplied_team(tmp_path: Path, production: AccountProcess) -> GitHubTeam:
    """The production account alone, before the first apply."""
    production.reset()
    folder = tmp_path.resolve()
    return GitHubTeam(folder, {"prod": production}, GitServer(folder / "forge", EXAMPLE), project="prod")


def find_digest(text: str) -> str:
    found = re.search(r"^Digest `([0-9a-f]{64})`", text, re.MULTILINE)
    assert found, text
    return found[1]


def open_reviewed_pull(team: GitHubTeam, name: str, edit: Edit) -> PullRequest:
    """Open a pull request with a successful plan."""
    pull = team.open_pull(name, edit)
    planned = team.plan(pull)
    assert planned.is_success, planned.log
    return pull


def apply_nightly_digest(team: GitHubTeam) -> None:
    """Run the nightly workflow and start a manual `apply` with the reported digest."""
    looked = team.run_nightly()
    assert looked.is_success, looked.log
    done = team.apply(team.build_dispatch("prod", find_digest(team.read_hub()["issues"][-1]["body"])))
    assert done.is_success, done.log


def get_database(team: GitHubTeam) -> str:
    """Get the field that the pull requests of these tests change."""
    return str(team.accounts["prod"].get_groups()["Sales"]["destination"]["config"]["database"])


@pytest.mark.long
def test_a_pull_request_is_planned_and_applied_to_both_accounts(
    tmp_path: Path, production: AccountProcess
) -> None:
    with run_account(tmp_path, ACCOUNTS["dev"]) as development:
        production.reset()
        accounts = {"dev": development, "prod": production}
        team = GitHubTeam(tmp_path.resolve(), accounts, GitServer(tmp_path.resolve() / "forge", EXAMPLE))
        pull = team.open_pull("marketing", ADD_MARKETING)
        checked = team.check(pull)
        assert checked.is_success, checked.log
        assert {account: len(each.writes) for account, each in team.accounts.items()} == {"dev": 0, "prod": 0}
        for project in ("dev", "prod"):
            (comment,) = team.list_comments(pull, project)
            assert "## Needs approval: 2 to do · Plan: 2 to add, 0 to change, 0 to destroy." in comment
            assert comment.strip() in checked.get_job("plan", project=project).summary
        event = team.merge(pull)
        applied = team.apply(event)
        assert applied.is_success, applied.log
        for project in ("dev", "prod"):
            assert set(team.accounts[project].get_groups()) == {"marketing"}
            assert applied.get_job("apply", project=project).uploads == {
                f"events-{project}-1": ["events.jsonl"]
            }
        assert {"dev.state.json", "prod.state.json"} <= set(team.forge.list_files("fivetran-state"))
        get_detector().add_artefact("the history of the state", team.forge.read_log("fivetran-state"))
        again = team.plan(team.open_pull("nothing", write_file("NOTES.md", "nothing that matters\n")))
        assert again.is_success
        assert "No changes." in again.get_job("plan", project="prod").summary


@pytest.mark.long
def test_a_pull_request_from_a_fork_is_validated_without_secrets(team: GitHubTeam) -> None:
    checked = team.check(team.open_pull("marketing", ADD_MARKETING, from_fork=True))
    assert checked.is_success
    assert checked.get_job("validate").secrets == ()
    assert checked.get_job("plan").conclusion == "skipped"
    assert team.accounts["prod"].calls == []
    broken = team.open_pull("broken", replace_text(SALES_FILE, "database:", "databse:"), from_fork=True)
    validated = team.check(broken).get_job("validate")
    assert validated.exit == 1
    assert "::error file=specs/groups/sales.yaml,line=8" in validated.log


@pytest.mark.long
def test_a_new_comment_replaces_the_last_comment_also_without_a_plan(team: GitHubTeam) -> None:
    pull = team.open_pull("database", RENAME_DATABASE)
    for number in range(3):  # more comments than fit on a page
        team.comment(pull, f"comment {number}")
    assert team.plan(pull).is_success
    first = find_digest(team.list_comments(pull)[0])
    pull = team.push_again(pull, replace_text(SALES_FILE, "SALES_2027", "SALES_2028"))
    assert team.plan(pull).is_success
    (comment,) = team.list_comments(pull)
    assert find_digest(comment) != first
    pull = team.push_again(pull, replace_text(SALES_FILE, "database:", "databse:"))
    assert team.plan(pull).get_job("plan").exit == 1
    (comment,) = team.list_comments(pull)
    assert "## No plan: 1 error" in comment
    assert "Digest" not in comment


def test_a_merge_without_a_plan_comment_of_the_bot_applies_nothing(team: GitHubTeam) -> None:
    """A comment by another user in the words of the bot approves nothing; neither does a push without a merge."""
    pull = team.open_pull("database", RENAME_DATABASE, from_fork=True)
    assert team.check(pull).is_success
    team.comment(pull, f"<!-- reconciler plan specs/prod.yaml -->\nDigest `{'0' * 64}`")
    applied = team.apply(team.merge(pull)).get_job("apply")
    assert applied.exit == 1
    assert "has no complete plan of specs/prod.yaml in a comment" in applied.log
    pushed = team.forge.push_directly(replace_text(SALES_FILE, "SALES_2027", "SALES_2028"))
    applied = team.apply(team.build_push(pushed)).get_job("apply")
    assert applied.exit == 1
    assert "is not the merge of one pull request" in applied.log
    assert team.accounts["prod"].calls == []


@pytest.mark.long
def test_a_merge_with_an_empty_plan_approves_no_writes(team: GitHubTeam) -> None:
    pull = open_reviewed_pull(
        team, "comment", replace_text(SALES_FILE, "groups:\n", "groups:\n  # the sales team's\n")
    )
    assert "Nothing would be sent to Fivetran." in team.list_comments(pull)[0]
    before = team.accounts["prod"].writes
    applied = team.apply(team.merge(pull))
    assert applied.is_success, applied.log
    assert team.accounts["prod"].writes == before


@pytest.mark.long
def test_drift_after_an_empty_plan_is_not_applied(team: GitHubTeam) -> None:
    # The plan of this pull request is about `sales`, and empty, as long as the account stays unchanged.
    team.accounts["prod"].change_destination("Sales", database="SALES_2027")
    pull = open_reviewed_pull(team, "database", RENAME_DATABASE)
    assert "Nothing would be sent to Fivetran." in team.list_comments(pull)[0]
    event = team.merge(pull)
    team.accounts["prod"].change_destination("Sales", database="BY_HAND")
    before = team.accounts["prod"].writes
    applied = team.apply(event).get_job("apply")
    assert applied.exit == 4
    assert "the plan has changes now, but the reviewed plan had none" in applied.log
    assert team.accounts["prod"].writes == before


@pytest.mark.long
def test_a_pull_request_cannot_loosen_its_own_settings(unapplied_team: GitHubTeam) -> None:
    """A looser policy and its use in one change fail at the plan, and after a merge at the apply, which uses the
    settings before the merge. Once merged, the policy is reviewed, and later changes may use it."""
    team = unapplied_team
    elsewhere = replace_text("specs/profiles.yaml", "AWS_US_EAST_1", "AWS_AP_SOUTHEAST_2")
    looser = replace_text("specs/prod.yaml", "GCP_EUROPE_WEST3]", "GCP_EUROPE_WEST3, AWS_AP_SOUTHEAST_2]")
    pull = team.open_pull("looser", combine_edits(elsewhere, looser))
    planned = team.plan(pull).get_job("plan")
    assert planned.exit == 3, planned.log
    assert "**Apply refuses this plan:**" in team.list_comments(pull)[0]
    applied = team.apply(team.merge(pull)).get_job("apply")
    assert applied.exit == 3, applied.log
    assert team.accounts["prod"].writes == []
    apply_nightly_digest(team)
    assert set(team.accounts["prod"].get_groups()) == {"Sales"}


@pytest.mark.long
def test_drift_between_review_and_merge_stops_the_apply(team: GitHubTeam) -> None:
    pull = open_reviewed_pull(team, "database", RENAME_DATABASE)
    team.accounts["prod"].change_destination("Sales", database="BY_HAND")
    before = team.accounts["prod"].writes
    applied = team.apply(team.merge(pull)).get_job("apply")
    assert applied.exit == 4, applied.log
    assert "error[plan-unlike]" in applied.log
    assert team.accounts["prod"].writes == before


TWO = combine_edits(RENAME_DATABASE, ADD_MARKETING)


def interrupt_apply(team: GitHubTeam, edit: Edit) -> tuple[PullRequest, Event]:
    """Interrupt an apply on Friday after half of its changes."""
    pull = open_reviewed_pull(team, "friday", edit)
    event = team.merge(pull)
    account = team.accounts["prod"]
    account.add_fault("POST /v1/destinations status 400")
    failed = team.apply(event).get_job("apply")
    assert failed.exit == 6, failed.log
    assert get_database(team) == "SALES_2027"
    assert "destination" not in account.get_groups()["marketing"]
    account.clear_faults()
    return pull, event


@pytest.mark.long
def test_a_failed_apply_is_resumed_by_a_rerun_of_the_job(team: GitHubTeam) -> None:
    _, event = interrupt_apply(team, TWO)
    again = team.apply(event, attempt=2)
    assert again.is_success, again.log
    assert again.get_job("apply").uploads == {"events-prod-2": ["events.jsonl"]}
    assert team.is_converged()


@pytest.mark.long
def test_a_failed_apply_is_resumed_by_its_digest(team: GitHubTeam) -> None:
    pull, _ = interrupt_apply(team, TWO)
    done = team.apply(team.build_dispatch("prod", find_digest(team.list_comments(pull)[0])))
    assert done.is_success, done.log
    assert team.is_converged()


@pytest.mark.long
def test_a_failed_apply_is_resumed_after_other_merges(team: GitHubTeam) -> None:
    """The plan approved on Friday is resumed, and other changes in between stay untouched."""
    pull, event = interrupt_apply(team, TWO)
    applied = team.apply(team.merge(open_reviewed_pull(team, "monday", ADD_EXTRA)))
    assert applied.is_success, applied.log
    again = team.apply(event, attempt=2)
    assert again.is_success, again.log
    assert set(team.accounts["prod"].get_groups()) == {"Sales", "marketing", "extra"}
    assert team.is_converged()
    before = team.accounts["prod"].writes
    assert (
        team.apply(team.build_dispatch("prod", find_digest(team.list_comments(pull)[0])))
        .get_job("apply")
        .exit
        == 4
    )
    assert team.accounts["prod"].writes == before


@pytest.mark.long
def test_a_failed_apply_is_resumed_with_the_nightly_digest_after_conflicting_merges(team: GitHubTeam) -> None:
    """The remaining changes on Monday differ from the approved plan: the nightly run reports them with a new digest."""
    pull, event = interrupt_apply(team, TWO)
    other = open_reviewed_pull(team, "monday", replace_text(SALES_FILE, "SALES_2027", "SALES_2028"))
    applied = team.apply(team.merge(other))
    assert applied.is_success, applied.log
    before = team.accounts["prod"].writes
    assert team.apply(event, attempt=2).get_job("apply").exit == 4
    assert (
        team.apply(team.build_dispatch("prod", find_digest(team.list_comments(pull)[0])))
        .get_job("apply")
        .exit
        == 4
    )
    assert team.accounts["prod"].writes == before
    apply_nightly_digest(team)
    assert set(team.accounts["prod"].get_groups()) == {"Sales", "marketing"}
    assert get_database(team) == "SALES_2028"
    assert team.is_converged()


def test_a_manual_apply_requires_a_full_digest_from_main(team: GitHubTeam) -> None:
    open_reviewed_pull(team, "marketing", ADD_MARKETING)
    assert team.apply(team.build_dispatch("prod", "ec0ffee")).get_job("apply").exit == 1
    injected = f"{'0' * 64}\ndigest={'1' * 64}"
    assert team.apply(team.build_dispatch("prod", injected)).get_job("apply").exit == 1
    elsewhere = team.build_dispatch("prod", "0" * 64, ref="refs/heads/marketing")
    assert team.apply(elsewhere).get_job("apply").conclusion == "skipped"
    assert team.accounts["prod"].writes == []


@pytest.mark.long
def test_a_soft_policy_violation_requires_a_manual_override_with_a_reason(team: GitHubTeam) -> None:
    groups = "".join(f"  region_{number}: {{}}\n" for number in range(6))
    pull = team.open_pull("many", write_file("specs/groups/many.yaml", f"version: 1\ngroups:\n{groups}"))
    assert team.plan(pull).get_job("plan").exit == 3
    team.merge(pull)
    assert team.run_nightly().is_success
    digest = find_digest(team.read_hub()["issues"][-1]["body"])
    assert team.apply(team.build_dispatch("prod", digest)).get_job("apply").exit == 3
    assert set(team.accounts["prod"].get_groups()) == {"Sales"}
    agreed = team.build_dispatch(
        "prod", digest, override="small-changes", reason="one for each region, as planned"
    )
    done = team.apply(agreed)
    assert done.is_success, done.log
    assert len(team.accounts["prod"].get_groups()) == 7


@pytest.mark.long
def test_two_concurrent_merges_apply_in_sequence(team: GitHubTeam) -> None:
    """The lock protects against an apply from elsewhere, which bypasses the queue of the workflow."""
    one = open_reviewed_pull(team, "database", RENAME_DATABASE)
    two = open_reviewed_pull(team, "marketing", ADD_MARKETING)
    first, second = team.merge(one), team.merge(two)
    account = team.accounts["prod"]
    account.add_fault("PATCH * status 429 retry-after=1")  # "later", until the fault is gone
    with ThreadPoolExecutor() as threads:
        running = threads.submit(team.apply, first)
        while not any("state.json.lock" in name for name in team.forge.list_files("fivetran-state")):
            assert not running.done(), running.result().log
        waits = team.apply(second).get_job("apply")
        account.clear_faults()
        assert running.result().is_success, running.result().log
    assert waits.exit == 5, waits.log
    again = team.apply(second, attempt=2)
    assert again.is_success, again.log
    assert team.is_converged()


@pytest.mark.long
def test_an_unwritable_state_is_uploaded_as_backup_beside_the_log(team: GitHubTeam) -> None:
    event = team.merge(open_reviewed_pull(team, "database", RENAME_DATABASE))
    team.accounts["prod"].add_fault("PATCH * status 429 retry-after=1")
    with ThreadPoolExecutor() as threads:
        running = threads.submit(team.apply, event)
        while not any(call.startswith("PATCH") for call in team.accounts["prod"].calls):
            assert not running.done(), running.result().log
        team.forge.revoke_push_access()  # the branch became protected during the run
        team.accounts["prod"].clear_faults()
        failed = running.result().get_job("apply")
    assert failed.exit == 6, failed.log
    (events, rescued) = failed.uploads["events-prod-1"]
    assert events == "events.jsonl"
    assert rescued.startswith("specs/.reconciler/prod.state.json.rescued-")
    assert get_database(team) == "SALES_2027"


@pytest.mark.long
def test_an_untrusted_server_is_approved_by_a_second_pull_request(team: GitHubTeam) -> None:
    account = team.accounts["prod"]
    present_untrusted(account)
    event = team.merge(open_reviewed_pull(team, "marketing", ADD_DATABASE))
    for attempt in (1, 2):
        waits = team.apply(event, attempt).get_job("apply")
        assert waits.exit == 7, waits.log
        check_waiting(waits.summary)
        assert "## Applied, awaiting approval\n" in waits.summary
        assert "::error file=specs/groups/marketing.yaml,line=4,col=5,title=approval-needed::" in waits.log
    assert team.run_nightly().is_success
    check_waiting(team.read_hub()["issues"][-1]["body"])
    pull = open_reviewed_pull(team, "pin", pin_root("specs/prod.yaml"))
    (comment,) = team.list_comments(pull)
    check_pull(team.forge, pull.branch, comment)
    applied = team.apply(team.merge(pull))
    assert applied.is_success, applied.log
    check_approved(account, applied.get_job("apply").summary)
    assert team.is_converged()
    assert team.run_nightly().is_success
    assert [issue["state"] for issue in team.read_hub()["issues"]] == ["closed"]


@pytest.mark.long
def test_other_pull_requests_are_applied_while_a_server_waits(team: GitHubTeam) -> None:
    """Reviewed plans stay valid when a destination begins to wait, and when it ends."""
    present_untrusted(team.accounts["prod"])
    early = open_reviewed_pull(team, "extra", ADD_EXTRA)
    event = team.merge(open_reviewed_pull(team, "marketing", ADD_DATABASE))
    assert team.apply(event).get_job("apply").exit == 7
    late = open_reviewed_pull(team, "database", RENAME_DATABASE)
    check_waiting(team.list_comments(late)[0])
    applied = team.apply(team.merge(early))
    assert applied.is_success, applied.log
    assert team.apply(team.merge(open_reviewed_pull(team, "pin", pin_root("specs/prod.yaml")))).is_success
    applied = team.apply(team.merge(late))
    assert applied.is_success, applied.log
    assert team.is_converged()
    assert team.apply(event, attempt=2).get_job("apply").exit == 4, "nothing is left of the first plan"
    assert team.is_converged()


@pytest.mark.long
def test_the_nightly_run_reports_drift_until_it_is_resolved(team: GitHubTeam) -> None:
    team.accounts["prod"].change_destination("Sales", database="BY_HAND")
    assert team.run_nightly().is_success
    issue = team.read_hub()["issues"][-1]
    assert issue["state"] == "open"
    assert "drift: changed outside the specs" in issue["body"]
    assert team.run_nightly().is_success
    assert len(team.read_hub()["issues"]) == 1
    assert team.read_hub()["dispatches"] == []
    team.accounts["prod"].change_destination("Sales", database="SALES")
    assert team.run_nightly().is_success
    assert [issue["state"] for issue in team.read_hub()["issues"]] == ["closed"]


@pytest.mark.long
def test_the_nightly_run_applies_a_rotated_secret_only(team: GitHubTeam) -> None:
    rotated = make_private_key("sales of prod, rotated")
    for environment in ("prod", "prod-night"):
        team.secrets[environment]["SALES_PRIVATE_KEY"] = rotated
    looked = team.run_nightly()
    assert looked.is_success, looked.log
    (dispatch,) = team.read_hub()["dispatches"]
    assert (dispatch["workflow"], dispatch["ref"], dispatch["inputs"]["project"]) == (
        "apply.yaml",
        "main",
        "prod",
    )
    applied = team.apply(team.build_dispatch(**dispatch["inputs"]))
    assert applied.is_success, applied.log
    sent = team.accounts["prod"].get_groups()["Sales"]["destination"]["config"]["private_key"]
    assert sent.strip() == rotated.strip()
    assert team.is_converged()
    # With any other change beside it, a user has to review.
    for environment in ("prod", "prod-night"):
        team.secrets[environment]["SALES_PRIVATE_KEY"] = make_private_key("sales of prod, rotated twice")
    team.forge.push_directly(RENAME_DATABASE)
    assert team.run_nightly().is_success
    assert len(team.read_hub()["dispatches"]) == 1
    assert [issue["state"] for issue in team.read_hub()["issues"]].count("open") == 1
