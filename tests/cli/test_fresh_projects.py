"""A project without any spec file: plans list the account, and lost or mistyped specs are still errors."""

from __future__ import annotations

import shutil

import pytest
from applied_project import AppliedProject
from cli_harness import EmulatedFivetran, Project
from git_repo import commit

pytestmark = pytest.mark.sampled(every=3, tests=2)

NO_SPECS = "warning[no-specs]: this project has no spec file yet, so it describes no group"


@pytest.fixture
def fresh(project: Project, server: EmulatedFivetran) -> AppliedProject:
    """The project of `init`, for an account with two groups."""
    (project.folder / "specs/reconciler.yaml").unlink()
    account = AppliedProject(project, server)
    account.dashboard.add_destination(account.dashboard.add_group("sales"), "snowflake")
    account.dashboard.add_group("empty")
    assert account.run("init", "--yes").exit == 0
    return account


@pytest.mark.parametrize(
    "command",
    [
        ["plan", "--detailed-exitcode"],
        ["drift", "--detailed-exitcode"],
        ["apply", "--auto-approve"],
        ["plan", "--drift-only"],
    ],
    ids=lambda command: command[0],
)
def test_a_fresh_project_has_nothing_to_do(fresh: AppliedProject, command: list[str]) -> None:
    result, writes = fresh.run_and_list_writes(*command)
    assert (result.exit, writes) == (0, []), result.stderr
    assert NO_SPECS in result.stderr
    assert "--> specs/reconciler.yaml:4:9" in result.stderr
    assert "`reconciler import` writes specs of the groups of your account" in result.stderr
    assert any(line in result.stdout.splitlines() for line in ("No changes.", "No drift."))


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_a_fresh_project_lists_all_groups(fresh: AppliedProject, command: str) -> None:
    assert "Not managed: 2 groups" in fresh.run(command).stdout
    document = fresh.run(command, "--format", "json").document
    assert [group["name"] for group in document["unmanaged"]] == ["empty", "sales"]
    assert [each["code"] for each in document["warnings"]] == ["no-specs"]
    assert document["exit"]["code"] == 0


def test_commands_without_an_account_accept_a_fresh_project(fresh: AppliedProject) -> None:
    validated = fresh.run("validate", "--strict")
    assert validated.exit == 0
    assert NO_SPECS in validated.stderr
    assert "Valid: 0 groups, 0 destinations in 0 files." in validated.stdout
    assert fresh.run("validate", "specs/reconciler.yaml").exit == 0
    assert fresh.run("graph", "--offline").stdout.strip() == "flowchart LR"
    assert fresh.run("fmt", "--check").exit == 0
    assert "specs/groups/*.yaml" in fresh.run("schema", "--write", "schemas").stdout


def test_a_fresh_project_becomes_a_usual_project(fresh: AppliedProject) -> None:
    fresh.must_apply()
    assert fresh.plan("--out", "plan.json").exit == 0
    fresh.write_specs("  sales: {}\n")
    result = fresh.must_apply()
    assert "no-specs" not in result.stderr
    assert "Not managed: 1 group" in result.stdout


def test_a_target_in_a_fresh_project_is_unknown(fresh: AppliedProject) -> None:
    result = fresh.plan("--target", "sales")
    assert result.exit == 1
    assert "error[unknown-target]" in result.stderr


@pytest.mark.parametrize("command", ["plan", "drift", "apply"])
def test_an_applied_project_without_its_files_has_lost_them(fresh: AppliedProject, command: str) -> None:
    fresh.write_specs("  sales: {}\n")
    fresh.must_apply()
    shutil.rmtree(fresh.folder / "specs/groups")
    options = ["--auto-approve"] if command == "apply" else []
    before = fresh.read_state()
    result, writes = fresh.run_and_list_writes(command, *options)
    assert (result.exit, writes) == (1, [])
    assert "error[no-match]: `groups/*.yaml` matches no file" in result.stderr
    assert "the state has records of this project (1), so it had specs" in result.stderr
    assert fresh.read_state() == before


@pytest.mark.parametrize(
    ("glob", "file"),
    [
        ("group/*.yaml", "groups/main.yaml"),
        ("groups/*.yml", "groups/main.yaml"),
        ("groups/*.yaml", "groups/main.yml"),
        ("groups/*.yaml", "groups/eu/main.yaml"),
        ("groups/*.yaml", "main.yaml"),
        ("**/specs-*.yaml", "teams/a/main.yaml"),
    ],
)
def test_a_mistyped_glob_is_an_error(fresh: AppliedProject, glob: str, file: str) -> None:
    fresh.project.write("specs/reconciler.yaml", f"version: 1\nspecs: ['{glob}']\n")
    fresh.project.write(f"specs/{file}", "version: 1\ngroups:\n  sales: {}\n")
    result = fresh.plan()
    assert result.exit == 1
    assert f"error[no-match]: `{glob}` matches no file" in result.stderr


@pytest.mark.parametrize(
    "specs",
    [
        "['main.yaml']",
        "['groups/*.yaml', 'main.yaml']",
        "['/nowhere/groups/*.yaml']",
        "['groups/../../other/*.yaml']",
    ],
)
def test_only_globs_below_the_project_file_may_match_nothing(fresh: AppliedProject, specs: str) -> None:
    fresh.project.write("specs/reconciler.yaml", f"version: 1\nspecs: {specs}\n")
    result = fresh.plan()
    assert result.exit == 1
    assert "no-specs" not in result.stderr


def test_files_of_another_project_are_no_specs_of_a_fresh_project(fresh: AppliedProject) -> None:
    fresh.project.write("specs/team/reconciler.yaml", "version: 1\nspecs: ['*.yaml']\n")
    fresh.project.write("specs/team/main.yaml", "version: 1\ngroups:\n  sales: {}\n")
    assert fresh.plan().exit == 0


def test_a_folder_behind_a_broken_link_may_have_specs(fresh: AppliedProject) -> None:
    (fresh.folder / "specs/groups").symlink_to(fresh.folder / "not-mounted")
    result = fresh.plan()
    assert result.exit == 1
    assert "error[no-match]" in result.stderr


def test_a_missing_override_is_an_error_in_a_fresh_project(fresh: AppliedProject) -> None:
    fresh.project.write(
        "specs/reconciler.yaml", "version: 1\nspecs: ['groups/*.yaml']\noverrides: [prod.yaml]\n"
    )
    result = fresh.plan()
    assert result.exit == 1
    assert result.stderr.count("error[no-match]") == 2
    fresh.project.write("specs/prod.yaml", "version: 1\nvars: {REGION: AWS_US_EAST_1}\n")
    assert fresh.plan().exit == 0


@pytest.mark.parametrize("other_file", ["", "groups/main.yml"])
def test_the_first_specs_are_compared_with_a_revision_without_specs(
    fresh: AppliedProject, other_file: str
) -> None:
    if other_file:
        fresh.project.write(f"specs/{other_file}", "version: 1\ngroups:\n  sales: {}\n")
    commit(fresh.folder, "begin")
    fresh.write_specs("  sales: {}\n")
    result = fresh.plan("--changed-since", "begin")
    if other_file:
        assert "error[unusable-revision]" in result.stderr
        assert "matches no file" in result.stderr
    else:
        assert result.exit == 0, result.stderr
        assert "1 of 1 group changed since begin" in result.stdout
        assert "<- group.sales" in result.stdout
