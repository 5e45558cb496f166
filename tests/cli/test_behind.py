"""S-57: `--changed-since` on a branch that is behind: the plan is what the branch changed, and nothing that others
merged meanwhile is undone."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project
from git_repo import commit, run_git

from reconciler.emulator.fault_text import parse_fault

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

Edit = Callable[["Team"], object]


class Team:
    """Specs on `main`, a file for each entry, that are applied; and the branch `work` that left it there."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server, self.folder = project, server, project.folder
        project.write("specs/reconciler.yaml", SETTINGS.format(account=server.account_id))
        project.write("specs/profiles.yaml", PROFILES)
        project.write("specs/prod.yaml", OVERRIDES)
        for key, more in ENTRIES.items():
            self.declare(key, more=more)
        self.write("audit", "  audit: {}\n")
        commit(self.folder, "left-here")
        self.applied()
        self.ids = {key: server.app.dashboard.find_group_ids(key)[0] for key in (*ENTRIES, "audit")}
        run_git(self.folder, "checkout", "-q", "-b", "work")

    def write(self, key: str, text: str) -> None:
        """The spec file of one entry."""
        self.project.write(f"specs/groups/{key}.yaml", f"version: 1\ngroups:\n{text}")

    def declare(self, key: str, project: str = "", more: str = "", group: str = "") -> None:
        """A pair of group and destination, with more lines for the group and more fields for the destination."""
        destination = DESTINATION.format(project=project or key, more=more)
        self.write(key, f"  {key}:\n{group}    destination: {destination}\n")

    def drop(self, key: str) -> None:
        """Lose the file of an entry."""
        (self.folder / f"specs/groups/{key}.yaml").unlink()

    def remove(self, key: str, more: str = "") -> None:
        """`removed:` in place of an entry."""
        id = self.ids[key]
        text = f"version: 1\nremoved:\n  - {{group: {key}, id: {id}{more}}}\n"
        self.project.write(f"specs/groups/{key}.yaml", text)

    def replace(self, name: str, old: str, new: str) -> None:
        """Another text in one file."""
        text = (self.folder / name).read_text()
        assert old in text
        self.project.write(name, text.replace(old, new))

    def on_main(self, edit: Edit, *, apply: bool = True) -> None:
        """Merge an edit into `main`, and have its pipeline apply it. The branch is where it was."""
        run_git(self.folder, "checkout", "-q", "main")
        edit(self)
        run_git(self.folder, "add", "-A")
        run_git(self.folder, "commit", "-q", "--allow-empty", "-m", "merged by others")
        if apply:
            self.applied()
        run_git(self.folder, "checkout", "-q", "work")

    def on_branch(self, edit: Edit) -> None:
        """Commit an edit to the branch."""
        edit(self)
        run_git(self.folder, "add", "-A")
        run_git(self.folder, "commit", "-q", "--allow-empty", "-m", "work")

    def applied(self) -> None:
        """An apply of all that the work tree declares."""
        done = self.run("apply", "--auto-approve")
        assert done.exit == 0, done.stdout + done.stderr

    def run(self, *arguments: str) -> CommandResult:
        return self.project.run_against(self.server, *arguments)

    def since(self, command: str = "plan", *options: str, revision: str = "main") -> CommandResult:
        """A command for what changed since `main`."""
        return self.run(command, "--changed-since", revision, *options)

    def document(self, *options: str) -> Any:
        """A plan of it as JSON. It has to be made."""
        result = self.since("plan", "--format", "json", *options)
        assert result.exit == 0, result.stdout
        return result.document

    def scope(self, *options: str) -> set[str]:
        """The keys that such a plan is about, changed or not."""
        parts = ("changes", "unchanged", "adopted", "forgotten")
        document = self.document(*options)
        return {each["address"].partition(".")[2] for part in parts for each in document[part]}

    @property
    def account(self) -> dict[str, Any]:
        """All groups by name, with what is in them."""
        content = self.server.app.dump(show_secrets=True)
        return {group["name"]: group for group in content.get("groups", ())}

    @property
    def remembered(self) -> dict[str, Any]:
        """The records of the state, by address."""
        content = json.loads((self.folder / "specs/.reconciler/state.json").read_text())
        records: dict[str, Any] = content["records"]
        return records


@pytest.fixture
def team(project: Project, server: EmulatedFivetran) -> Team:
    return Team(project, server)


def edits(*several: Edit) -> Edit:
    return lambda team: [edit(team) for edit in several]


def declare(key: str, project: str = "", more: str = "", group: str = "") -> Edit:
    return lambda team: team.declare(key, project, more, group)


def remove(key: str, more: str = "") -> Edit:
    return lambda team: team.remove(key, more)


def drop(key: str) -> Edit:
    return lambda team: team.drop(key)


def move(key: str, to: str, project: str = "", more: str = "") -> Edit:
    """`was:`."""
    return edits(drop(key), declare(to, project or key, more, f"    was: {key}\n"))


def in_file(name: str, old: str, new: str) -> Edit:
    return lambda team: team.replace(f"specs/{name}.yaml", old, new)


OURS = declare("orders", "ours")
"""What the branch changes where others change something else."""


def left_alone(result: Any) -> list[str]:
    """The keys that the warning about a branch names, without any other warning or error about them."""
    [warning] = [each for each in result["warnings"] if each["code"] == "branch-behind"]
    return [word.strip("`,") for word in warning["message"].partition("left alone: ")[2].split()]


BY_OTHERS = {
    "a field": (declare("stock", more=', time_zone_offset: "+1"'), ["stock"]),
    "another name": (declare("sales", more=", profile: eu", group="    name: Trade\n"), ["sales"]),
    "a new pair": (declare("claims"), ["claims"]),
    "a new group": (lambda team: team.write("claims", "  claims: {}\n"), ["claims"]),
    "a removal": (remove("stock"), ["stock"]),
    "a removal of a destination": (
        lambda team: team.write(
            "stock", f"  stock: {{}}\nremoved:\n{_stone(team, 'stock', ', only: destination')}"
        ),
        ["stock"],
    ),
    "an entry that is let go": (remove("stock", ", forget: true"), ["stock"]),
    "another key": (move("lake", "pond", more=", profile: eu"), ["lake", "pond"]),
    "another key and name": (
        edits(drop("lake"), declare("pond", more=", profile: eu", group="    was: lake\n    name: Pond\n")),
        ["lake", "pond"],
    ),
    "a profile": (in_file("profiles", "GCP_EUROPE_WEST3", "GCP_EUROPE_WEST2"), ["lake", "sales"]),
    "an override": (in_file("prod", "quota-prod", "quota-live"), ["quota"]),
    "protection": (declare("stock", more=", lifecycle: {protected: true}"), ["stock"]),
    "setup tests": (declare("stock", more=", setup_tests: {run: false}"), ["stock"]),
    "several": (
        edits(
            declare("lake", "x"), declare("a1"), declare("a2"), declare("a3"), declare("a4"), declare("a5")
        ),
        ["a1", "a2", "a3", "a4", "a5", "and", "1", "more"],
    ),
}


def _stone(team: Team, key: str, more: str) -> str:
    return f"  - {{group: {key}, id: {team.ids[key]}{more}}}\n"


@pytest.mark.sampled(every=4)
@pytest.mark.parametrize(
    ("case", "is_applied"),
    [
        *((case, True) for case in BY_OTHERS),
        ("a new pair", False),
        ("a removal", False),
        ("another key", False),
    ],
)
def test_what_only_others_changed_is_named_and_left_alone(team: Team, case: str, is_applied: bool) -> None:
    edit, keys = BY_OTHERS[case]
    let_go = ["stock"] if "let go" in case else []
    team.on_main(edit, apply=is_applied)
    team.on_branch(OURS)
    document = team.document()
    assert left_alone(document) == keys
    assert [each["address"] for each in document["changes"]] == ["destination.orders"]
    assert [each["address"] for each in document["unchanged"]] == ["group.orders"]
    assert document["adopted"] == document["forgotten"] == []
    assert [each["name"] for each in document["unmanaged"]] == let_go
    assert "removed" not in json.dumps(document["warnings"])
    account, remembered, before = team.account, team.remembered, len(team.server.writes)
    result = team.since("apply", "--auto-approve")
    assert result.exit == 0, result.stderr
    at = f"/v1/destinations/{team.ids['orders']}"
    assert team.server.writes[before:] == [f"PATCH {at}", f"POST {at}/test"]
    unchanged = {name: each for name, each in account.items() if name != "orders"}
    assert {name: each for name, each in team.account.items() if name != "orders"} == unchanged
    others = {address: each for address, each in remembered.items() if not address.endswith(".orders")}
    now = team.remembered
    assert {address: each for address, each in now.items() if not address.endswith(".orders")} == others
    run_git(team.folder, "merge", "-q", "--no-edit", "main")
    merged = team.document()
    assert (merged["warnings"], merged["narrowed_to"]["is_behind"]) == ([], False)
    assert merged["changes"] == []


def test_a_branch_that_is_behind_says_so_in_every_form(team: Team) -> None:
    team.on_main(edits(declare("stock", "theirs"), declare("claims")))
    team.on_branch(OURS)
    base = run_git(team.folder, "rev-parse", "left-here")[:12]
    message = f"1 of 7 groups changed since main at {base}, 2 left alone"
    result = team.since()
    assert f"· {message} · read" in result.stdout
    assert result.stderr.splitlines()[:3] == [
        "warning[branch-behind]: this branch is behind `main`: 2 entries changed there and are left alone: `claims`,"
        " `stock`",
        f"   = note: it left `main` at {base}",
        "   = help: merge `main` into this branch, or rebase it, to plan with what is there",
    ]
    assert message in team.since("plan", "--format", "markdown").stdout
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
    assert team.document()["narrowed_to"] == narrowed
    terraform = team.since("plan", "--format", "terraform-json", "--out", "plan.json").document
    assert team.run("show", "plan.json", "--format", "json").document["narrowed_to"] == narrowed
    own = terraform["variables"]["x_reconciler"]["value"]
    assert own["narrowed_to"] == narrowed
    assert [each["code"] for each in own["warnings"]] == ["branch-behind"]
    assert team.since("drift", "--format", "json").document["narrowed_to"] == narrowed
    assert "warning[branch-behind]" in team.since("graph").stderr


@pytest.mark.parametrize("edit", [lambda team: None, in_file("reconciler", "deletes: 9", "deletes: 8")])
def test_a_base_that_changed_no_entry_is_no_reason_to_warn(team: Team, edit: Edit) -> None:
    team.on_main(edit)
    team.on_branch(OURS)
    document = team.document()
    assert document["warnings"] == []
    assert (document["narrowed_to"]["is_behind"], document["narrowed_to"]["left_alone"]) == (True, 0)


def test_a_revision_that_the_branch_has_is_compared_as_it_is(team: Team) -> None:
    team.on_branch(OURS)
    for revision in ("main", "left-here", "HEAD~1", run_git(team.folder, "rev-parse", "main")):
        result = team.since(revision=revision)
        assert f"· 1 of 6 groups changed since {revision} · read" in result.stdout
        assert result.stderr == ""


def test_the_merge_of_a_pull_request_is_not_behind(team: Team) -> None:
    """As GitHub makes it: a detached commit whose first parent is the base."""
    team.on_main(declare("stock", "theirs"))
    team.on_branch(OURS)
    run_git(team.folder, "checkout", "-q", "--detach", "main")
    run_git(team.folder, "merge", "-q", "--no-ff", "--no-edit", "work")
    for revision in ("HEAD^1", "main"):
        result = team.since(revision=revision)
        assert f"1 of 6 groups changed since {revision} · read" in result.stdout
        assert result.stderr == ""


def test_a_checkout_that_is_older_than_the_revision_undoes_nothing(team: Team) -> None:
    team.on_main(edits(declare("stock", "theirs"), declare("claims")))
    result = team.since("apply", "--auto-approve")
    assert (result.exit, "No changes." in result.stdout) == (0, True)
    assert "warning[branch-behind]" in result.stderr


# What both changed

BOTH: dict[str, tuple[Edit, Edit, dict[str, str]]] = {
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
    "removed and let go": (remove("stock"), remove("stock", ", forget: true"), {"stock": "stock.yaml:3:13"}),
    "protected there": (
        declare("stock", more=", lifecycle: {protected: true}"),
        remove("stock"),
        {"stock": "stock.yaml:3:13"},
    ),
    "a profile there": (
        in_file("profiles", "GCP_EUROPE_WEST3", "GCP_EUROPE_WEST2"),
        edits(declare("lake", "ours", ", profile: eu"), OURS),
        {"lake": "lake.yaml:3:3"},
    ),
    "a profile here": (
        declare("lake", "theirs", ", profile: eu"),
        in_file("profiles", "GCP_EUROPE_WEST3", "GCP_EUROPE_WEST2"),
        {"lake": "lake.yaml:3:3"},
    ),
    "a default and an override": (
        in_file("reconciler", '"0"', '"+1"'),
        in_file("prod", "quota-prod", "quota-live"),
        {"quota": "quota.yaml:3:3"},
    ),
    "another key there": (
        move("stock", "store"),
        declare("stock", "ours"),
        {"stock": "stock.yaml:3:3"},
    ),
    "another key here": (declare("stock", "theirs"), move("stock", "store"), {"store": "store.yaml:3:3"}),
    "two other keys": (move("stock", "store"), move("stock", "depot"), {"depot": "depot.yaml:3:3"}),
    "gone here without a word": (declare("stock", "theirs"), drop("stock"), {"stock": ""}),
    "gone there without a word": (drop("stock"), declare("stock", "ours"), {"stock": "stock.yaml:3:3"}),
    "one name": (
        declare("claims", group="    name: Claims\n"),
        declare("cases", group="    name: Claims\n"),
        {"cases": "cases.yaml:3:3"},
    ),
    "several": (
        edits(declare("lake", "x"), declare("sales", "x"), declare("stock", "x")),
        edits(declare("lake", "y"), declare("stock", "y"), OURS),
        {"lake": "lake.yaml:3:3", "stock": "stock.yaml:3:3"},
    ),
}


@pytest.mark.sampled(every=4)
@pytest.mark.parametrize(("theirs", "ours", "places"), BOTH.values(), ids=BOTH)
def test_what_both_changed_is_an_error_at_its_place(
    team: Team, theirs: Edit, ours: Edit, places: dict[str, str]
) -> None:
    team.on_main(theirs, apply=False)
    team.on_branch(ours)
    before = len(team.server.calls)
    result = team.since("apply", "--auto-approve", "--format", "json")
    assert (result.exit, team.server.calls[before:]) == (1, [])
    found = {}
    for each in result.document["diagnostics"]:
        assert each["code"] == "both-changed"
        assert each["help"] == "merge `main` into this branch, or rebase it, and plan again"
        span = each["span"]
        key = each["message"].split("`")[1]
        found[key] = f"{Path(span['path']).name}:{span['line']}:{span['column']}" if span else ""
    assert found == places


SAID = {
    "a field": "`stock` was changed here and on `main`, each time to something else|`main` has it at {main}:3:3",
    "removed there": (
        "`stock` was changed here and on `main`, each time to something else|`main` removes it at {main}:3:5"
    ),
    "another key there": (
        "`stock` was changed here and on `main`, each time to something else"
        "|`main` has it as `store` at specs/groups/store.yaml@main:3:3"
    ),
    "another key here": (
        "`store` was changed here and `stock` on `main`, and both stand for the key `stock`|`main` has it at {main}:3:3"
    ),
    "gone there without a word": (
        "`stock` was changed here and on `main`, each time to something else|`main` has it no more"
    ),
    "one name": (
        "`cases` was changed here and `claims` on `main`, and both have the name `Claims`"
        "|`main` has it at specs/groups/claims.yaml@main:3:3"
    ),
}


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("case", SAID)
def test_the_error_says_what_became_of_it_there(team: Team, case: str) -> None:
    theirs, ours, _ = BOTH[case]
    team.on_main(theirs, apply=False)
    team.on_branch(ours)
    [found] = team.since("plan", "--format", "json").document["diagnostics"]
    message, note = SAID[case].split("|")
    assert found["message"] == message
    assert found["notes"] == [note.format(main="specs/groups/stock.yaml@main")]


def test_one_object_under_two_keys_is_an_error_too(team: Team) -> None:
    id = team.server.app.dashboard.add_group("found")
    team.on_main(declare("claims", group=f"    id: {id}\n"), apply=False)
    team.on_branch(declare("cases", group=f"    id: {id}\n"))
    result = team.since()
    assert result.exit == 1
    assert f"`cases` was changed here and `claims` on `main`, and both have the id `{id}`" in result.stderr


SAME = {
    "a field": (declare("stock", "same"), declare("stock", "same")),
    "by other means": (
        in_file("profiles", "GCP_EUROPE_WEST3", "GCP_EUROPE_WEST2"),
        edits(
            declare("lake", more=", region: GCP_EUROPE_WEST2"),
            declare("sales", more=", region: GCP_EUROPE_WEST2"),
        ),
    ),
    "a new entry": (declare("claims"), declare("claims")),
    "a removal": (remove("stock"), remove("stock")),
    "another key": (move("stock", "store"), move("stock", "store")),
}


@pytest.mark.parametrize(("theirs", "ours"), SAME.values(), ids=SAME)
def test_what_both_changed_to_the_same_end_is_not_the_work_of_the_branch(
    team: Team, theirs: Edit, ours: Edit
) -> None:
    """A merge of it would change nothing on `main`, so neither does its plan."""
    team.on_main(theirs, apply=False)
    team.on_branch(edits(ours, OURS))
    assert team.scope() == {"orders"}
    assert team.document()["warnings"] == []


# What else could bring an entry of others into a plan


@pytest.mark.parametrize("target", ["stock", "destination.stock", "claims", "pond", "st*"])
def test_a_target_that_only_others_changed_is_left_alone_all_the_same(team: Team, target: str) -> None:
    team.on_main(
        edits(declare("stock", "theirs"), declare("claims"), move("lake", "pond", more=", profile: eu"))
    )
    team.on_branch(OURS)
    before = len(team.server.writes)
    result = team.since("apply", "--auto-approve", "--target", target)
    assert (result.exit, "No changes." in result.stdout) == (0, True)
    key = target.partition(".")[2] or target.replace("*", "ock")
    assert f"1 entry changed there and is left alone: `{key}`" in result.stderr
    assert team.server.writes[before:] == []


def test_selectors_let_go_on_with_what_only_the_branch_changed(team: Team) -> None:
    team.on_main(declare("stock", "theirs"))
    team.on_branch(edits(declare("stock", "ours"), OURS))
    assert team.since().exit == 1
    assert team.scope("--exclude", "stock") == {"orders"}
    assert team.scope("--target", "orders") == {"orders"}
    assert team.since("plan", "--target", "stock").exit == 1


@pytest.mark.parametrize(
    ("fault", "is_known"),
    [
        ("POST /v1/destinations/*/test status 500", True),
        ("PATCH /v1/destinations/* after-effect reset", True),
        ("PATCH /v1/destinations/* before-effect reset", True),
    ],
)
def test_unfinished_work_of_others_is_named_and_left_to_them(team: Team, fault: str, is_known: bool) -> None:
    run_git(team.folder, "checkout", "-q", "main")
    team.server.app.faults.add(parse_fault(fault))
    team.declare("stock", more=', time_zone_offset: "+2"')
    commit(team.folder, "theirs")
    assert team.run("apply", "--auto-approve").exit == 6
    team.server.app.faults.clear()
    run_git(team.folder, "checkout", "-q", "work")
    team.on_branch(OURS)
    before, document = len(team.server.writes), team.document()
    assert [each["address"] for each in document["changes"]] == ["destination.orders"]
    [warning] = document["warnings"]
    assert (warning["code"], left_alone(document)) == ("branch-behind", ["stock"])
    assert "unfinished there: `stock`" in warning["notes"]
    assert team.since("apply", "--auto-approve").exit == 0
    assert {call.split("/")[3] for call in team.server.writes[before:]} == {team.ids["orders"]}
    run_git(team.folder, "checkout", "-q", "main")
    assert (
        team.run("plan", "--changed-since", "main", "--format", "json").document["narrowed_to"]["unfinished"]
        == 1
    )


def test_unfinished_work_that_nobody_changed_is_still_in_scope(team: Team) -> None:
    team.server.app.faults.add(parse_fault("POST /v1/destinations/*/test status 500"))
    run_git(team.folder, "checkout", "-q", "main")
    team.declare("lake", "again", ", profile: eu")
    commit(team.folder, "lake")
    assert team.run("apply", "--auto-approve").exit == 6
    team.server.app.faults.clear()
    run_git(team.folder, "checkout", "-q", "work")
    run_git(team.folder, "merge", "-q", "main")
    team.on_main(declare("stock", "theirs"), apply=False)
    team.on_branch(OURS)
    assert team.scope() == {"lake", "orders"}


def test_a_removal_that_others_took_back_is_not_carried_out(team: Team) -> None:
    """It is in both from before, and `main` declares the entry again."""
    run_git(team.folder, "checkout", "-q", "main")
    team.remove("stock")
    commit(team.folder, "removal")
    team.server.app.faults.add(parse_fault("DELETE /v1/destinations/* status 500"))
    assert team.run("apply", "--auto-approve").exit == 6
    team.server.app.faults.clear()
    run_git(team.folder, "checkout", "-q", "work")
    run_git(team.folder, "merge", "-q", "main")
    team.on_main(declare("stock"), apply=False)
    team.on_branch(OURS)
    assert (team.scope(), left_alone(team.document())) == ({"orders"}, ["stock"])
    team.on_branch(remove("stock", ", with_platform_connection: true"))
    assert "error[both-changed]: `stock`" in team.since().stderr


def test_a_removal_that_others_dropped_is_neither_carried_out_nor_news(team: Team) -> None:
    run_git(team.folder, "checkout", "-q", "main")
    team.remove("stock")
    commit(team.folder, "removal")
    team.server.app.faults.add(parse_fault("DELETE /v1/destinations/* status 500"))
    assert team.run("apply", "--auto-approve").exit == 6
    run_git(team.folder, "checkout", "-q", "work")
    run_git(team.folder, "merge", "-q", "main")
    team.on_main(drop("stock"), apply=False)
    team.on_branch(OURS)
    assert (team.scope(), left_alone(team.document())) == ({"orders"}, ["stock"]), "it is unfinished"
    team.run("state", "forget", "--auto-approve", "stock")
    assert (team.scope(), team.document()["warnings"]) == ({"orders"}, [])


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (declare("stock"), drop("stock"), {"orders"}),
        (drop("stock"), declare("stock", "ours"), {"orders", "stock"}),
    ],
    ids=["dropped here", "dropped there"],
)
def test_dropping_a_removal_that_is_done_goes_with_anything(
    team: Team, theirs: Edit, ours: Edit, expected: Collection[str]
) -> None:
    team.on_main(remove("stock"))
    run_git(team.folder, "merge", "-q", "main")
    team.on_main(theirs)
    team.on_branch(edits(ours, OURS))
    assert team.scope() == expected


def test_a_name_that_others_have_given_away_is_not_adopted(team: Team) -> None:
    """An entry of the branch would take the group that `main` has made, if nothing knew of it."""
    team.on_main(declare("claims", group="    name: Claims\n"))
    team.on_branch(declare("cases", group="    name: Claims\n"))
    assert team.since().exit == 1


def test_what_others_protect_is_protected(team: Team) -> None:
    team.on_main(in_file("reconciler", "[audit]", '[audit, "s*"]'), apply=False)
    team.on_branch(remove("stock"))
    result = team.since()
    assert result.exit == 3
    assert "error[protected]: `stock` is protected and is not deleted" in result.stderr


def test_an_old_move_of_the_branch_is_not_made_again(team: Team) -> None:
    """`was:` stands there from before, and `main` has moved the entry back since: a state follows `main`."""
    team.on_main(move("stock", "store"))
    run_git(team.folder, "merge", "-q", "main")
    team.on_main(move("store", "stock", "stock"))
    team.on_branch(OURS)
    for command in (
        ("plan", "--changed-since", "main", "--out", "plan.json"),
        ("apply", "plan.json"),
        ("apply", "--auto-approve", "--changed-since", "main"),
        ("apply", "--auto-approve", "--target", "orders"),
    ):
        result = team.run(*command)
        assert result.exit == 0, result.stderr
        assert "destination.stock" in team.remembered
        assert "destination.store" not in team.remembered


def test_an_entry_that_vanished_from_the_branch_is_still_missed(team: Team) -> None:
    team.on_main(declare("lake", "theirs"))
    team.on_branch(drop("stock"))
    result = team.since()
    assert result.exit == 1
    assert result.stderr.count("error[") == 1
    assert "error[vanished]: group.stock is managed" in result.stderr


def test_settings_come_from_the_tip_and_changes_from_the_merge_base(team: Team) -> None:
    team.on_main(
        edits(
            declare("lake", "theirs", ", profile: eu"),
            in_file(
                "reconciler",
                "limits:",
                "policies: [{forbid: {config.project_id: ours}, name: mine}]\nlimits:",
            ),
        )
    )
    team.on_branch(OURS)
    assert team.since().exit == 0
    result = team.since("plan", "--settings-from", "main")
    assert result.exit == 3
    assert "= note: the policies are those of `specs/reconciler.yaml@main`" in result.stderr
    assert "left alone: `lake`" in result.stderr


# Where the merge base is


def test_a_merge_that_is_not_committed_yet_counts(team: Team) -> None:
    team.on_main(declare("stock", "theirs"))
    team.on_branch(edits(declare("stock", "ours"), OURS))
    assert team.since().exit == 1
    run_git(team.folder, "merge", "-q", "--no-commit", "-s", "ours", "main")
    team.declare("stock", "both")
    assert team.scope() == {"orders", "stock"}
    assert team.document()["warnings"] == []


def test_branches_that_were_merged_crosswise(team: Team) -> None:
    """What differs from any of the merge bases counts as changed, on both sides."""
    team.on_main(declare("stock", "theirs"), apply=False)
    team.on_branch(declare("lake", "ours"))
    main, work = run_git(team.folder, "rev-parse", "main"), run_git(team.folder, "rev-parse", "work")
    run_git(team.folder, "merge", "-q", "--no-edit", main)
    run_git(team.folder, "checkout", "-q", "main")
    run_git(team.folder, "merge", "-q", "--no-edit", work)
    run_git(team.folder, "checkout", "-q", "work")
    team.on_main(edits(declare("stock"), declare("sales", "theirs", ", profile: eu")))
    team.on_branch(OURS)
    document = team.document("--exclude", "stock")
    assert sorted(document["narrowed_to"]["merge_bases"]) == sorted([main[:12], work[:12]])
    assert [each["address"] for each in document["changes"]] == ["destination.orders"]
    assert left_alone(document) == ["sales"]
    assert "error[both-changed]: `stock` was changed here and on `main`" in team.since().stderr


def clone(team: Team, *options: str) -> str:
    """Another clone of `work`; the project file in it."""
    run_git(team.folder, "clone", "-q", "--branch", "work", *options, f"file://{team.folder}", "clone")
    return "clone/specs/reconciler.yaml"


NO_BASE = "error[no-merge-base]: this branch and `{}` have no commit in common, so what the branch changed is not known"


def test_the_error_of_a_shallow_clone_says_what_to_fetch(team: Team) -> None:
    team.on_main(declare("stock", "theirs"))
    team.on_branch(OURS)
    project = clone(team, "--depth", "1", "--no-single-branch")
    before = len(team.server.calls)
    result = team.since("plan", "--project", project, revision="origin/main")
    assert (result.exit, team.server.calls[before:]) == (1, [])
    assert NO_BASE.format("origin/main") in result.stderr
    assert "= note: this clone is shallow: it has only the last commits" in result.stderr
    assert "`git fetch --unshallow`, or `fetch-depth: 0` for actions/checkout" in result.stderr
    run_git(team.folder / "clone", "fetch", "-q", "--unshallow")
    assert "1 of 6 groups changed" in team.since("plan", "--project", project, revision="origin/main").stdout


def test_a_history_of_its_own_has_no_merge_base(team: Team) -> None:
    team.on_branch(OURS)
    run_git(team.folder, "checkout", "-q", "--orphan", "alone")
    result = team.since()
    assert result.exit == 1
    assert "error[no-merge-base]: the branch of this work tree has no commit yet" in result.stderr
    assert "= help: commit the specs first" in result.stderr
    commit(team.folder, "alone")
    result = team.since()
    assert result.exit == 1
    assert NO_BASE.format("main") in result.stderr
    assert "= help: name a revision that this branch comes from" in result.stderr


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (
            lambda team: team.declare("stock", more=", porject: x"),
            "the specs of revision `{}` are not in order",
        ),
        (
            lambda team: run_git(team.folder, "rm", "-q", "--cached", "specs/reconciler.yaml"),
            "revision `{}` has no project file `specs/reconciler.yaml`",
        ),
    ],
)
def test_a_merge_base_whose_specs_are_of_no_use(team: Team, break_it: Edit, message: str) -> None:
    team.on_branch(lambda team: None)
    break_it(team)
    run_git(team.folder, "commit", "-q", "-a", "-m", "broken")
    run_git(team.folder, "checkout", "-q", "-f", "-B", "main", "HEAD")
    base = run_git(team.folder, "rev-parse", "HEAD")[:12]
    run_git(team.folder, "branch", "-q", "-f", "work", "HEAD")
    repair: Edit = lambda team: [  # noqa: E731
        team.project.write("specs/reconciler.yaml", SETTINGS.format(account=team.server.account_id)),
        team.declare("stock"),
    ]
    team.on_main(edits(repair, declare("lake", "theirs")), apply=False)
    repair(team)
    commit(team.folder, "repaired")
    result = team.since()
    assert result.exit == 1
    assert f"error[unusable-revision]: {message.format(base)}" in result.stderr
    assert f"= note: {base} is where this branch left `main`" in result.stderr
    assert "= help: merge `main` into this branch, or rebase it" in result.stderr
