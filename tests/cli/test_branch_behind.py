"""S-57: `--changed-since` on a branch behind its base: the plan has the changes of the branch and reverts no change
that was merged meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from applied_project import AppliedProject
from cli_harness import CommandResult, EmulatedFivetran, Project
from git_repo import commit, run_git

pytestmark = pytest.mark.sampled(every=6, tests=5)

SETTINGS = """\
version: 1
account_id: {account}
specs: [profiles.yaml, "groups/*.yaml"]
overrides: [prod.yaml]
protected: [audit]
limits: {{deletes: 9, changed_fraction: 1}}
defaults:
  destination: {{service: big_query, region: GCP_US_EAST4, time_zone_offset: "0", config: {{data_set_location: US}}}}
"""
PROFILES = "version: 1\nprofiles:\n  eu: {region: GCP_EUROPE_WEST3}\n"
OVERRIDES = "version: 1\ngroups:\n  quota: {destination: {config: {project_id: quota-prod}}}\n"
DESTINATION = "{{config: {{project_id: {project}}}{more}}}"
ENTRIES = {"orders": "", "sales": ", profile: eu", "stock": "", "lake": ", profile: eu", "quota": ""}

Edit = Callable[["BranchProject"], object]


class BranchProject(AppliedProject):
    """Applied specs on `main`, one file per entry, and the branch `work`, which starts there."""

    def prepare(self) -> None:
        """Write the specs, apply them on `main`, and check `work` out."""
        self.project.write("specs/reconciler.yaml", SETTINGS.format(account=self.server.account_id))
        self.project.write("specs/profiles.yaml", PROFILES)
        self.project.write("specs/prod.yaml", OVERRIDES)
        for key, more in ENTRIES.items():
            self.declare_pair(key, more=more)
        self.write("audit", "  audit: {}\n")
        commit(self.folder, "left-here")
        self.must_apply()
        self.ids = {key: self.find_id(key) for key in (*ENTRIES, "audit")}
        run_git(self.folder, "checkout", "-q", "-b", "work")

    def write(self, key: str, text: str) -> None:
        """Write the spec file of one entry."""
        self.project.write(f"specs/groups/{key}.yaml", f"version: 1\ngroups:\n{text}")

    def declare_pair(self, key: str, project: str = "", more: str = "", group: str = "") -> None:
        """Declare a group and its destination, with more lines for the group and more fields for the destination."""
        destination = DESTINATION.format(project=project or key, more=more)
        self.write(key, f"  {key}:\n{group}    destination: {destination}\n")

    def drop(self, key: str) -> None:
        """Delete the spec file of an entry."""
        (self.folder / f"specs/groups/{key}.yaml").unlink()

    def remove(self, key: str, more: str = "") -> None:
        """Replace an entry by a `removed:` entry."""
        id = self.ids[key]
        text = f"version: 1\nremoved:\n  - {{group: {key}, id: {id}{more}}}\n"
        self.project.write(f"specs/groups/{key}.yaml", text)

    def merge_into_main(self, edit: Edit, *, apply: bool = True) -> None:
        """Merge an edit into `main` and apply it there. The branch `work` stays unchanged."""
        run_git(self.folder, "checkout", "-q", "main")
        edit(self)
        run_git(self.folder, "add", "-A")
        run_git(self.folder, "commit", "-q", "--allow-empty", "-m", "merged by others")
        if apply:
            self.must_apply()
        run_git(self.folder, "checkout", "-q", "work")

    def commit_to_branch(self, edit: Edit) -> None:
        """Commit an edit to the branch."""
        edit(self)
        run_git(self.folder, "add", "-A")
        run_git(self.folder, "commit", "-q", "--allow-empty", "-m", "work")

    def run_since(self, command: str = "plan", *options: str, revision: str = "main") -> CommandResult:
        """Run a command for the changes since `main`."""
        return self.run(command, "--changed-since", revision, *options)

    def plan_since(self, *options: str) -> Any:
        """Plan the changes since `main`, assert success, and return the JSON document."""
        result = self.run_since("plan", "--format", "json", *options)
        assert result.exit == 0, result.stdout
        return result.document

    def list_scope(self, *options: str) -> set[str]:
        """List the keys in the scope of such a plan, changed or not."""
        parts = ("changes", "unchanged", "adopted", "forgotten")
        document = self.plan_since(*options)
        return {each["address"].partition(".")[2] for part in parts for each in document[part]}

    def read_account(self) -> dict[str, Any]:
        """Read all groups of the account by name, with their content."""
        content = self.server.app.dump(show_secrets=True)
        return {group["name"]: group for group in content.get("groups", ())}

    def read_records(self) -> dict[str, Any]:
        """Read the records of the state, by address."""
        records: dict[str, Any] = self.read_state()["records"]
        return records


@pytest.fixture
def branch_project(project: Project, server: EmulatedFivetran) -> BranchProject:
    branch_project = BranchProject(project, server)
    branch_project.prepare()
    return branch_project


def combine(*several: Edit) -> Edit:
    return lambda branch_project: [edit(branch_project) for edit in several]


def declare(key: str, project: str = "", more: str = "", group: str = "") -> Edit:
    return lambda branch_project: branch_project.declare_pair(key, project, more, group)


def remove(key: str, more: str = "") -> Edit:
    return lambda branch_project: branch_project.remove(key, more)


def drop(key: str) -> Edit:
    return lambda branch_project: branch_project.drop(key)


def move(key: str, to: str, project: str = "", more: str = "") -> Edit:
    """Move an entry to another key by `was:`."""
    return combine(drop(key), declare(to, project or key, more, f"    was: {key}\n"))


def edit_spec(name: str, old: str, new: str) -> Edit:
    return lambda branch_project: branch_project.edit_file(f"specs/{name}.yaml", old, new)


OURS = declare("orders", "ours")
"""What the branch changes where others change something else."""


def list_left_alone(result: Any) -> list[str]:
    """List the keys in the warning about a branch; assert that no other warning or error names them."""
    [warning] = [each for each in result["warnings"] if each["code"] == "branch-behind"]
    return [word.strip("`,") for word in warning["message"].partition("left alone: ")[2].split()]


CHANGES_OF_THE_BASE = {
    "a field": (declare("stock", more=', time_zone_offset: "+1"'), ["stock"]),
    "another name": (declare("sales", more=", profile: eu", group="    name: Trade\n"), ["sales"]),
    "a new pair": (declare("claims"), ["claims"]),
    "a new group": (lambda branch_project: branch_project.write("claims", "  claims: {}\n"), ["claims"]),
    "a removal": (remove("stock"), ["stock"]),
    "a removal of a destination": (
        lambda branch_project: branch_project.write(
            "stock",
            f"  stock: {{}}\nremoved:\n{_format_removal(branch_project, 'stock', ', only: destination')}",
        ),
        ["stock"],
    ),
    "a forgotten entry": (remove("stock", ", forget: true"), ["stock"]),
    "another key": (move("lake", "pond", more=", profile: eu"), ["lake", "pond"]),
    "another key and name": (
        combine(drop("lake"), declare("pond", more=", profile: eu", group="    was: lake\n    name: Pond\n")),
        ["lake", "pond"],
    ),
    "a profile": (edit_spec("profiles", "GCP_EUROPE_WEST3", "GCP_EUROPE_WEST2"), ["lake", "sales"]),
    "an override": (edit_spec("prod", "quota-prod", "quota-live"), ["quota"]),
    "protection": (declare("stock", more=", lifecycle: {protected: true}"), ["stock"]),
    "setup tests": (declare("stock", more=", setup_tests: {run: false}"), ["stock"]),
    "several": (
        combine(
            declare("lake", "x"), declare("a1"), declare("a2"), declare("a3"), declare("a4"), declare("a5")
        ),
        ["a1", "a2", "a3", "a4", "a5", "and", "1", "more"],
    ),
}


def _format_removal(branch_project: BranchProject, key: str, more: str) -> str:
    return f"  - {{group: {key}, id: {branch_project.ids[key]}{more}}}\n"


@pytest.mark.sampled(every=4)
@pytest.mark.parametrize(
    ("case", "is_applied"),
    [
        *((case, True) for case in CHANGES_OF_THE_BASE),
        ("a new pair", False),
        ("a removal", False),
        ("another key", False),
    ],
)
def test_changes_of_the_base_alone_are_reported_and_not_planned(
    branch_project: BranchProject, case: str, is_applied: bool
) -> None:
    edit, keys = CHANGES_OF_THE_BASE[case]
    unmanaged = ["stock"] if case == "a forgotten entry" else []
    branch_project.merge_into_main(edit, apply=is_applied)
    branch_project.commit_to_branch(OURS)
    document = branch_project.plan_since()
    assert list_left_alone(document) == keys
    assert [each["address"] for each in document["changes"]] == ["destination.orders"]
    assert [each["address"] for each in document["unchanged"]] == ["group.orders"]
    assert document["adopted"] == document["forgotten"] == []
    assert [each["name"] for each in document["unmanaged"]] == unmanaged
    assert "removed" not in json.dumps(document["warnings"])
    account, records, before = (
        branch_project.read_account(),
        branch_project.read_records(),
        len(branch_project.server.writes),
    )
    result = branch_project.run_since("apply", "--auto-approve")
    assert result.exit == 0, result.stderr
    at = f"/v1/destinations/{branch_project.ids['orders']}"
    assert branch_project.server.writes[before:] == [f"PATCH {at}", f"POST {at}/test"]
    unchanged = {name: each for name, each in account.items() if name != "orders"}
    assert {
        name: each for name, each in branch_project.read_account().items() if name != "orders"
    } == unchanged
    others = {address: each for address, each in records.items() if not address.endswith(".orders")}
    now = branch_project.read_records()
    assert {address: each for address, each in now.items() if not address.endswith(".orders")} == others
    run_git(branch_project.folder, "merge", "-q", "--no-edit", "main")
    merged = branch_project.plan_since()
    assert (merged["warnings"], merged["narrowed_to"]["is_behind"]) == ([], False)
    assert merged["changes"] == []


def test_every_format_reports_a_branch_behind_its_base(branch_project: BranchProject) -> None:
    branch_project.merge_into_main(combine(declare("stock", "theirs"), declare("claims")))
    branch_project.commit_to_branch(OURS)
    base = run_git(branch_project.folder, "rev-parse", "left-here")[:12]
    message = f"1 of 7 groups changed since main at {base}, 2 left alone"
    result = branch_project.run_since()
    assert f"· {message} · read" in result.stdout
    assert result.stderr.splitlines()[:3] == [
        "warning[branch-behind]: this branch is behind `main`: 2 entries changed there and are left alone: `claims`,"
        " `stock`",
        f"   = note: the merge base with `main` is {base}",
        "   = help: merge `main` into this branch, or rebase it, to plan with its changes",
    ]
    assert message in branch_project.run_since("plan", "--format", "markdown").stdout
    narrowed = {
        "entries": 1,
        "of": 7,
        "since": "main",
        "changed": 1,
        "unfinished": 0,
        "merge_bases": [base],
        "is_behind": True,
        "left_alone": 2,
    }
    assert branch_project.plan_since()["narrowed_to"] == narrowed
    terraform = branch_project.run_since("plan", "--format", "terraform-json", "--out", "plan.json").document
    assert branch_project.run("show", "plan.json", "--format", "json").document["narrowed_to"] == narrowed
    own = terraform["variables"]["x_reconciler"]["value"]
    assert own["narrowed_to"] == narrowed
    assert [each["code"] for each in own["warnings"]] == ["branch-behind"]
    assert branch_project.run_since("drift", "--format", "json").document["narrowed_to"] == narrowed
    assert "warning[branch-behind]" in branch_project.run_since("graph").stderr


@pytest.mark.parametrize(
    "edit", [lambda branch_project: None, edit_spec("reconciler", "deletes: 9", "deletes: 8")]
)
def test_a_base_without_changed_entries_causes_no_warning(branch_project: BranchProject, edit: Edit) -> None:
    branch_project.merge_into_main(edit)
    branch_project.commit_to_branch(OURS)
    document = branch_project.plan_since()
    assert document["warnings"] == []
    assert (document["narrowed_to"]["is_behind"], document["narrowed_to"]["left_alone"]) == (True, 0)


def test_a_revision_within_the_branch_is_compared_directly(branch_project: BranchProject) -> None:
    branch_project.commit_to_branch(OURS)
    for revision in ("main", "left-here", "HEAD~1", run_git(branch_project.folder, "rev-parse", "main")):
        result = branch_project.run_since(revision=revision)
        assert f"· 1 of 6 groups changed since {revision} · read" in result.stdout
        assert result.stderr == ""


def test_a_pull_request_merge_commit_is_not_behind(branch_project: BranchProject) -> None:
    """GitHub creates it as a detached commit whose first parent is the base."""
    branch_project.merge_into_main(declare("stock", "theirs"))
    branch_project.commit_to_branch(OURS)
    run_git(branch_project.folder, "checkout", "-q", "--detach", "main")
    run_git(branch_project.folder, "merge", "-q", "--no-ff", "--no-edit", "work")
    for revision in ("HEAD^1", "main"):
        result = branch_project.run_since(revision=revision)
        assert f"1 of 6 groups changed since {revision} · read" in result.stdout
        assert result.stderr == ""


def test_a_checkout_older_than_the_revision_reverts_nothing(branch_project: BranchProject) -> None:
    branch_project.merge_into_main(combine(declare("stock", "theirs"), declare("claims")))
    result = branch_project.run_since("apply", "--auto-approve")
    assert (result.exit, "No changes." in result.stdout) == (0, True)
    assert "warning[branch-behind]" in result.stderr


# Conflicts

CONFLICTS: dict[str, tuple[Edit, Edit, dict[str, str]]] = {
    "a field": (declare("stock", "theirs"), declare("stock", "ours"), {"stock": "stock.yaml:3:3"}),
    "other fields of one entry": (
        declare("lake", "theirs", ", profile: eu"),
        declare("lake", more=', profile: eu, time_zone_offset: "+1"'),
        {"lake": "lake.yaml:3:3"},
    ),
    "group and destination": (
        declare("sales", more=", profile: eu", group="    name: Trade\n"),
        declare("sales", "ours", ", profile: eu"),
        {"sales": "sales.yaml:3:3"},
    ),
    "a new entry": (declare("claims", "theirs"), declare("claims", "ours"), {"claims": "claims.yaml:3:3"}),
    "removed there": (remove("stock"), declare("stock", "ours"), {"stock": "stock.yaml:3:3"}),
    "removed here": (declare("stock", "theirs"), remove("stock"), {"stock": "stock.yaml:3:13"}),
    "removed and forgotten": (
        remove("stock"),
        remove("stock", ", forget: true"),
        {"stock": "stock.yaml:3:13"},
    ),
    "protected there": (
        declare("stock", more=", lifecycle: {protected: true}"),
        remove("stock"),
        {"stock": "stock.yaml:3:13"},
    ),
    "a profile there": (
        edit_spec("profiles", "GCP_EUROPE_WEST3", "GCP_EUROPE_WEST2"),
        combine(declare("lake", "ours", ", profile: eu"), OURS),
        {"lake": "lake.yaml:3:3"},
    ),
    "a profile here": (
        declare("lake", "theirs", ", profile: eu"),
        edit_spec("profiles", "GCP_EUROPE_WEST3", "GCP_EUROPE_WEST2"),
        {"lake": "lake.yaml:3:3"},
    ),
    "a default and an override": (
        edit_spec("reconciler", '"0"', '"+1"'),
        edit_spec("prod", "quota-prod", "quota-live"),
        {"quota": "quota.yaml:3:3"},
    ),
    "another key there": (
        move("stock", "store"),
        declare("stock", "ours"),
        {"stock": "stock.yaml:3:3"},
    ),
    "another key here": (declare("stock", "theirs"), move("stock", "store"), {"store": "store.yaml:3:3"}),
    "two other keys": (move("stock", "store"), move("stock", "depot"), {"depot": "depot.yaml:3:3"}),
    "missing here without a removal": (declare("stock", "theirs"), drop("stock"), {"stock": ""}),
    "missing there without a removal": (drop("stock"), declare("stock", "ours"), {"stock": "stock.yaml:3:3"}),
    "one name": (
        declare("claims", group="    name: Claims\n"),
        declare("cases", group="    name: Claims\n"),
        {"cases": "cases.yaml:3:3"},
    ),
    "several": (
        combine(declare("lake", "x"), declare("sales", "x"), declare("stock", "x")),
        combine(declare("lake", "y"), declare("stock", "y"), OURS),
        {"lake": "lake.yaml:3:3", "stock": "stock.yaml:3:3"},
    ),
}


@pytest.mark.sampled(every=4)
@pytest.mark.parametrize(("theirs", "ours", "places"), CONFLICTS.values(), ids=CONFLICTS)
def test_an_entry_changed_on_both_sides_is_a_located_error(
    branch_project: BranchProject, theirs: Edit, ours: Edit, places: dict[str, str]
) -> None:
    branch_project.merge_into_main(theirs, apply=False)
    branch_project.commit_to_branch(ours)
    before = len(branch_project.server.calls)
    result = branch_project.run_since("apply", "--auto-approve", "--format", "json")
    assert (result.exit, branch_project.server.calls[before:]) == (1, [])
    found = {}
    for each in result.document["diagnostics"]:
        assert each["code"] == "both-changed"
        assert each["help"] == "merge `main` into this branch, or rebase it, and plan again"
        span = each["span"]
        key = each["message"].split("`")[1]
        found[key] = f"{Path(span['path']).name}:{span['line']}:{span['column']}" if span else ""
    assert found == places


CONFLICT_MESSAGES = {
    "a field": "`stock` was changed here and on `main`, in different ways|`main` has it at {main}:3:3",
    "removed there": (
        "`stock` was changed here and on `main`, in different ways|`main` removes it at {main}:3:5"
    ),
    "another key there": (
        "`stock` was changed here and on `main`, in different ways"
        "|`main` has it as `store` at specs/groups/store.yaml@main:3:3"
    ),
    "another key here": (
        "`store` was changed here and `stock` on `main`, and both have the key `stock`|`main` has it at {main}:3:3"
    ),
    "missing there without a removal": (
        "`stock` was changed here and on `main`, in different ways|`main` does not have it any more"
    ),
    "one name": (
        "`cases` was changed here and `claims` on `main`, and both have the name `Claims`"
        "|`main` has it at specs/groups/claims.yaml@main:3:3"
    ),
}


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("case", CONFLICT_MESSAGES)
def test_the_conflict_error_names_the_change_on_the_base(branch_project: BranchProject, case: str) -> None:
    theirs, ours, _ = CONFLICTS[case]
    branch_project.merge_into_main(theirs, apply=False)
    branch_project.commit_to_branch(ours)
    [found] = branch_project.run_since("plan", "--format", "json").document["diagnostics"]
    message, note = CONFLICT_MESSAGES[case].split("|")
    assert found["message"] == message
    assert found["notes"] == [note.format(main="specs/groups/stock.yaml@main")]


def test_one_object_under_two_keys_is_an_error(branch_project: BranchProject) -> None:
    id = branch_project.dashboard.add_group("found")
    branch_project.merge_into_main(declare("claims", group=f"    id: {id}\n"), apply=False)
    branch_project.commit_to_branch(declare("cases", group=f"    id: {id}\n"))
    result = branch_project.run_since()
    assert result.exit == 1
    assert f"`cases` was changed here and `claims` on `main`, and both have the id `{id}`" in result.stderr


EQUAL_CHANGES = {
    "a field": (declare("stock", "same"), declare("stock", "same")),
    "through a profile or explicit fields": (
        edit_spec("profiles", "GCP_EUROPE_WEST3", "GCP_EUROPE_WEST2"),
        combine(
            declare("lake", more=", region: GCP_EUROPE_WEST2"),
            declare("sales", more=", region: GCP_EUROPE_WEST2"),
        ),
    ),
    "a new entry": (declare("claims"), declare("claims")),
    "a removal": (remove("stock"), remove("stock")),
    "another key": (move("stock", "store"), move("stock", "store")),
}


@pytest.mark.parametrize(("theirs", "ours"), EQUAL_CHANGES.values(), ids=EQUAL_CHANGES)
def test_the_same_change_on_both_sides_is_not_planned(
    branch_project: BranchProject, theirs: Edit, ours: Edit
) -> None:
    """A merge of the branch would change nothing on `main`, so its plan is empty too."""
    branch_project.merge_into_main(theirs, apply=False)
    branch_project.commit_to_branch(combine(ours, OURS))
    assert branch_project.list_scope() == {"orders"}
    assert branch_project.plan_since()["warnings"] == []


# Other reasons for an entry of the base to enter a plan


@pytest.mark.parametrize("target", ["stock", "destination.stock", "claims", "pond", "st*"])
def test_a_target_changed_on_the_base_alone_is_not_planned(
    branch_project: BranchProject, target: str
) -> None:
    branch_project.merge_into_main(
        combine(declare("stock", "theirs"), declare("claims"), move("lake", "pond", more=", profile: eu"))
    )
    branch_project.commit_to_branch(OURS)
    before = len(branch_project.server.writes)
    result = branch_project.run_since("apply", "--auto-approve", "--target", target)
    assert (result.exit, "No changes." in result.stdout) == (0, True)
    key = target.partition(".")[2] or target.replace("*", "ock")
    assert f"1 entry changed there and is left alone: `{key}`" in result.stderr
    assert branch_project.server.writes[before:] == []


@pytest.mark.long
def test_selectors_allow_a_plan_of_changes_on_the_branch_alone(branch_project: BranchProject) -> None:
    branch_project.merge_into_main(declare("stock", "theirs"))
    branch_project.commit_to_branch(combine(declare("stock", "ours"), OURS))
    assert branch_project.run_since().exit == 1
    assert branch_project.list_scope("--exclude", "stock") == {"orders"}
    assert branch_project.list_scope("--target", "orders") == {"orders"}
    assert branch_project.run_since("plan", "--target", "stock").exit == 1


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "is_known"),
    [
        ("POST /v1/destinations/*/test status 500", True),
        ("PATCH /v1/destinations/* after-effect reset", True),
        ("PATCH /v1/destinations/* before-effect reset", True),
    ],
)
def test_unfinished_work_of_other_runs_is_reported_and_not_resumed(
    branch_project: BranchProject, fault: str, is_known: bool
) -> None:
    run_git(branch_project.folder, "checkout", "-q", "main")
    branch_project.add_faults(fault)
    branch_project.declare_pair("stock", more=', time_zone_offset: "+2"')
    commit(branch_project.folder, "theirs")
    assert branch_project.run("apply", "--auto-approve").exit == 6
    branch_project.server.app.faults.clear()
    run_git(branch_project.folder, "checkout", "-q", "work")
    branch_project.commit_to_branch(OURS)
    before, document = len(branch_project.server.writes), branch_project.plan_since()
    assert [each["address"] for each in document["changes"]] == ["destination.orders"]
    [warning] = document["warnings"]
    assert (warning["code"], list_left_alone(document)) == ("branch-behind", ["stock"])
    assert "unfinished there: `stock`" in warning["notes"]
    assert branch_project.run_since("apply", "--auto-approve").exit == 0
    assert {call.split("/")[3] for call in branch_project.server.writes[before:]} == {
        branch_project.ids["orders"]
    }
    run_git(branch_project.folder, "checkout", "-q", "main")
    assert (
        branch_project.run("plan", "--changed-since", "main", "--format", "json").document["narrowed_to"][
            "unfinished"
        ]
        == 1
    )


def test_unfinished_work_without_a_change_is_still_in_scope(branch_project: BranchProject) -> None:
    branch_project.add_faults("POST /v1/destinations/*/test status 500")
    run_git(branch_project.folder, "checkout", "-q", "main")
    branch_project.declare_pair("lake", "again", ", profile: eu")
    commit(branch_project.folder, "lake")
    assert branch_project.run("apply", "--auto-approve").exit == 6
    branch_project.server.app.faults.clear()
    run_git(branch_project.folder, "checkout", "-q", "work")
    run_git(branch_project.folder, "merge", "-q", "main")
    branch_project.merge_into_main(declare("stock", "theirs"), apply=False)
    branch_project.commit_to_branch(OURS)
    assert branch_project.list_scope() == {"lake", "orders"}


def test_a_removal_reverted_on_the_base_is_not_applied(branch_project: BranchProject) -> None:
    """The removal is older than the branch, and `main` declares the entry again."""
    run_git(branch_project.folder, "checkout", "-q", "main")
    branch_project.remove("stock")
    commit(branch_project.folder, "removal")
    branch_project.add_faults("DELETE /v1/destinations/* status 500")
    assert branch_project.run("apply", "--auto-approve").exit == 6
    branch_project.server.app.faults.clear()
    run_git(branch_project.folder, "checkout", "-q", "work")
    run_git(branch_project.folder, "merge", "-q", "main")
    branch_project.merge_into_main(declare("stock"), apply=False)
    branch_project.commit_to_branch(OURS)
    assert (branch_project.list_scope(), list_left_alone(branch_project.plan_since())) == (
        {"orders"},
        ["stock"],
    )
    branch_project.commit_to_branch(remove("stock", ", with_platform_connection: true"))
    assert "error[both-changed]: `stock`" in branch_project.run_since().stderr


def test_a_removal_dropped_on_the_base_is_neither_applied_nor_reported(branch_project: BranchProject) -> None:
    run_git(branch_project.folder, "checkout", "-q", "main")
    branch_project.remove("stock")
    commit(branch_project.folder, "removal")
    branch_project.add_faults("DELETE /v1/destinations/* status 500")
    assert branch_project.run("apply", "--auto-approve").exit == 6
    run_git(branch_project.folder, "checkout", "-q", "work")
    run_git(branch_project.folder, "merge", "-q", "main")
    branch_project.merge_into_main(drop("stock"), apply=False)
    branch_project.commit_to_branch(OURS)
    assert (branch_project.list_scope(), list_left_alone(branch_project.plan_since())) == (
        {"orders"},
        ["stock"],
    ), "it is unfinished"
    branch_project.run("state", "forget", "--auto-approve", "stock")
    assert (branch_project.list_scope(), branch_project.plan_since()["warnings"]) == ({"orders"}, [])


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (declare("stock"), drop("stock"), {"orders"}),
        (drop("stock"), declare("stock", "ours"), {"orders", "stock"}),
    ],
    ids=["dropped here", "dropped there"],
)
def test_dropping_a_finished_removal_conflicts_with_nothing(
    branch_project: BranchProject, theirs: Edit, ours: Edit, expected: Collection[str]
) -> None:
    branch_project.merge_into_main(remove("stock"))
    run_git(branch_project.folder, "merge", "-q", "main")
    branch_project.merge_into_main(theirs)
    branch_project.commit_to_branch(combine(ours, OURS))
    assert branch_project.list_scope() == expected


def test_a_name_used_on_the_base_is_not_adopted(branch_project: BranchProject) -> None:
    """Without this check an entry of the branch would adopt the group created by `main`."""
    branch_project.merge_into_main(declare("claims", group="    name: Claims\n"))
    branch_project.commit_to_branch(declare("cases", group="    name: Claims\n"))
    assert branch_project.run_since().exit == 1


def test_protection_declared_on_the_base_applies(branch_project: BranchProject) -> None:
    branch_project.merge_into_main(edit_spec("reconciler", "[audit]", '[audit, "s*"]'), apply=False)
    branch_project.commit_to_branch(remove("stock"))
    result = branch_project.run_since()
    assert result.exit == 3
    assert "error[protected]: `stock` is protected and is not deleted" in result.stderr


def test_an_old_move_on_the_branch_is_not_repeated(branch_project: BranchProject) -> None:
    """`was:` is older than the branch, and `main` has moved the entry back since: the state follows `main`."""
    branch_project.merge_into_main(move("stock", "store"))
    run_git(branch_project.folder, "merge", "-q", "main")
    branch_project.merge_into_main(move("store", "stock", "stock"))
    branch_project.commit_to_branch(OURS)
    for command in (
        ("plan", "--changed-since", "main", "--out", "plan.json"),
        ("apply", "plan.json"),
        ("apply", "--auto-approve", "--changed-since", "main"),
        ("apply", "--auto-approve", "--target", "orders"),
    ):
        result = branch_project.run(*command)
        assert result.exit == 0, result.stderr
        assert "destination.stock" in branch_project.read_records()
        assert "destination.store" not in branch_project.read_records()


def test_an_entry_missing_on_the_branch_is_still_an_error(branch_project: BranchProject) -> None:
    branch_project.merge_into_main(declare("lake", "theirs"))
    branch_project.commit_to_branch(drop("stock"))
    result = branch_project.run_since()
    assert result.exit == 1
    assert result.stderr.count("error[") == 1
    assert "error[vanished]: group.stock is managed" in result.stderr


def test_settings_come_from_the_tip_and_changes_from_the_merge_base(branch_project: BranchProject) -> None:
    branch_project.merge_into_main(
        combine(
            declare("lake", "theirs", ", profile: eu"),
            edit_spec(
                "reconciler",
                "limits:",
                "policies: [{forbid: {config.project_id: ours}, name: mine}]\nlimits:",
            ),
        )
    )
    branch_project.commit_to_branch(OURS)
    assert branch_project.run_since().exit == 0
    result = branch_project.run_since("plan", "--settings-from", "main")
    assert result.exit == 3
    assert "= note: the policies are those of `specs/reconciler.yaml@main`" in result.stderr
    assert "left alone: `lake`" in result.stderr


# Merge base


def test_an_uncommitted_merge_sets_the_merge_base(branch_project: BranchProject) -> None:
    branch_project.merge_into_main(declare("stock", "theirs"))
    branch_project.commit_to_branch(combine(declare("stock", "ours"), OURS))
    assert branch_project.run_since().exit == 1
    run_git(branch_project.folder, "merge", "-q", "--no-commit", "-s", "ours", "main")
    branch_project.declare_pair("stock", "both")
    assert branch_project.list_scope() == {"orders", "stock"}
    assert branch_project.plan_since()["warnings"] == []


def test_a_criss_cross_merge_compares_with_every_merge_base(branch_project: BranchProject) -> None:
    """An entry that differs from any merge base counts as changed, on both sides."""
    branch_project.merge_into_main(declare("stock", "theirs"), apply=False)
    branch_project.commit_to_branch(declare("lake", "ours"))
    main, work = (
        run_git(branch_project.folder, "rev-parse", "main"),
        run_git(branch_project.folder, "rev-parse", "work"),
    )
    run_git(branch_project.folder, "merge", "-q", "--no-edit", main)
    run_git(branch_project.folder, "checkout", "-q", "main")
    run_git(branch_project.folder, "merge", "-q", "--no-edit", work)
    run_git(branch_project.folder, "checkout", "-q", "work")
    branch_project.merge_into_main(combine(declare("stock"), declare("sales", "theirs", ", profile: eu")))
    branch_project.commit_to_branch(OURS)
    document = branch_project.plan_since("--exclude", "stock")
    assert sorted(document["narrowed_to"]["merge_bases"]) == sorted([main[:12], work[:12]])
    assert [each["address"] for each in document["changes"]] == ["destination.orders"]
    assert list_left_alone(document) == ["sales"]
    assert "error[both-changed]: `stock` was changed here and on `main`" in branch_project.run_since().stderr


def clone_work(branch_project: BranchProject, *options: str) -> str:
    """Clone `work` and return the path of its project file."""
    run_git(
        branch_project.folder,
        "clone",
        "-q",
        "--branch",
        "work",
        *options,
        f"file://{branch_project.folder}",
        "clone",
    )
    return "clone/specs/reconciler.yaml"


NO_BASE = (
    "error[no-merge-base]: this branch and `{}` have no commit in common,"
    " so the changes of the branch are not known"
)


def test_the_error_of_a_shallow_clone_names_the_fetch_command(branch_project: BranchProject) -> None:
    branch_project.merge_into_main(declare("stock", "theirs"))
    branch_project.commit_to_branch(OURS)
    project = clone_work(branch_project, "--depth", "1", "--no-single-branch")
    before = len(branch_project.server.calls)
    result = branch_project.run_since("plan", "--project", project, revision="origin/main")
    assert (result.exit, branch_project.server.calls[before:]) == (1, [])
    assert NO_BASE.format("origin/main") in result.stderr
    assert "= note: this clone is shallow: it has only the last commits" in result.stderr
    assert "`git fetch --unshallow`, or `fetch-depth: 0` for actions/checkout" in result.stderr
    run_git(branch_project.folder / "clone", "fetch", "-q", "--unshallow")
    assert (
        "1 of 6 groups changed"
        in branch_project.run_since("plan", "--project", project, revision="origin/main").stdout
    )


def test_unrelated_histories_have_no_merge_base(branch_project: BranchProject) -> None:
    branch_project.commit_to_branch(OURS)
    run_git(branch_project.folder, "checkout", "-q", "--orphan", "alone")
    result = branch_project.run_since()
    assert result.exit == 1
    assert "error[no-merge-base]: the branch of this work tree has no commit yet" in result.stderr
    assert "= help: commit the specs first" in result.stderr
    commit(branch_project.folder, "alone")
    result = branch_project.run_since()
    assert result.exit == 1
    assert NO_BASE.format("main") in result.stderr
    assert "= help: name a revision that this branch comes from" in result.stderr


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (
            lambda branch_project: branch_project.declare_pair("stock", more=", porject: x"),
            "the specs of revision `{}` have errors",
        ),
        (
            lambda branch_project: run_git(
                branch_project.folder, "rm", "-q", "--cached", "specs/reconciler.yaml"
            ),
            "revision `{}` has no project file `specs/reconciler.yaml`",
        ),
    ],
)
def test_invalid_specs_at_the_merge_base_are_an_error(
    branch_project: BranchProject, break_it: Edit, message: str
) -> None:
    branch_project.commit_to_branch(lambda branch_project: None)
    break_it(branch_project)
    run_git(branch_project.folder, "commit", "-q", "-a", "-m", "broken")
    run_git(branch_project.folder, "checkout", "-q", "-f", "-B", "main", "HEAD")
    base = run_git(branch_project.folder, "rev-parse", "HEAD")[:12]
    run_git(branch_project.folder, "branch", "-q", "-f", "work", "HEAD")
    repair: Edit = lambda branch_project: [  # noqa: E731
        branch_project.project.write(
            "specs/reconciler.yaml", SETTINGS.format(account=branch_project.server.account_id)
        ),
        branch_project.declare_pair("stock"),
    ]
    branch_project.merge_into_main(combine(repair, declare("lake", "theirs")), apply=False)
    repair(branch_project)
    commit(branch_project.folder, "repaired")
    result = branch_project.run_since()
    assert result.exit == 1
    assert f"error[unusable-revision]: {message.format(base)}" in result.stderr
    assert f"= note: {base} is the merge base of this branch and `main`" in result.stderr
    assert "= help: merge `main` into this branch, or rebase it" in result.stderr
