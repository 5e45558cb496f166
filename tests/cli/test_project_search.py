"""The project file of a command without `--project`: in the folder, or above it in the same repository."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_harness import Project
from git_repo import run_git

from reconciler.workspace.project_search import find_project


def make_files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize(
    ("files", "inside", "found"),
    [
        (["repo/specs/reconciler.yaml"], "repo", "specs/reconciler.yaml"),
        (["repo/reconciler.yaml"], "repo", "reconciler.yaml"),
        (["repo/reconciler.yaml", "repo/specs/reconciler.yaml"], "repo", "specs/reconciler.yaml"),
        (["repo/specs/reconciler.yaml"], "repo/specs", "reconciler.yaml"),
        (["repo/specs/reconciler.yaml"], "repo/specs/groups", "../reconciler.yaml"),
        (["repo/specs/reconciler.yaml"], "repo/docs/a/b", "../../../specs/reconciler.yaml"),
        (["repo/specs/reconciler.yaml", "repo/docs/reconciler.yaml"], "repo/docs/a", "../reconciler.yaml"),
        (["specs/reconciler.yaml"], "repo/docs", "specs/reconciler.yaml"),
        (["specs/reconciler.yaml", "reconciler.yaml"], "repo", "specs/reconciler.yaml"),
        ([], "repo/docs", "specs/reconciler.yaml"),
        (["plain/specs/reconciler.yaml"], "plain/docs", "specs/reconciler.yaml"),
        (["plain/reconciler.yaml"], "plain/docs", "specs/reconciler.yaml"),
        (["plain/reconciler.yaml"], "plain", "reconciler.yaml"),
    ],
)
def test_the_nearest_file_of_the_repository_is_found(
    files: list[str], inside: str, found: str, tmp_path: Path
) -> None:
    """`repo` is a repository, and the folder above it and `plain` are none."""
    (tmp_path / "repo/.git").mkdir(parents=True)
    (tmp_path / inside).mkdir(parents=True, exist_ok=True)
    make_files(tmp_path, *files)
    assert find_project(tmp_path / inside) == Path(found)


def test_a_submodule_ends_the_search(tmp_path: Path) -> None:
    """The `.git` of a submodule is a file."""
    (tmp_path / ".git").mkdir()
    make_files(tmp_path, "specs/reconciler.yaml", "vendor/.git", "vendor/docs/x")
    assert find_project(tmp_path / "vendor/docs") == Path("specs/reconciler.yaml")


@pytest.fixture
def repository(project: Project) -> Project:
    """A repository with one group, seen from the folder of its spec."""
    run_git(project.folder, "init", "-q")
    project.write_groups("  sales: {}\n")
    return project.enter("specs/groups")


READING = [
    ("validate",),
    ("fmt", "--check"),
    ("plan", "--sandbox"),
    ("drift", "--sandbox"),
    ("graph", "--offline"),
    ("state", "list", "--sandbox"),
    ("schema", "--write"),
]


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_every_command_reads_the_project_above_and_prints_its_file(
    command: tuple[str, ...], repository: Project
) -> None:
    result = repository.run(*command)
    assert "error[file-unreadable]" not in result.stderr
    assert result.stderr.splitlines().count("project ../reconciler.yaml") == 1
    assert "project ../reconciler.yaml" not in result.stdout


@pytest.mark.parametrize(
    ("folder", "options"),
    [
        ("specs/groups", ("--format", "json")),
        ("specs/groups", ("--project", "../reconciler.yaml")),
        ("specs", ()),
        (".", ()),
    ],
)
def test_a_named_or_visible_project_file_is_not_printed(
    folder: str, options: tuple[str, ...], repository: Project, project: Project
) -> None:
    result = project.enter(folder).run("validate", *options)
    assert (result.exit, result.stderr) == (0, "")


def test_a_variable_names_the_project_file_without_a_search(repository: Project) -> None:
    result = repository.run("validate", environ={"RECONCILER_PROJECT": "other.yaml"})
    assert result.exit == 1
    assert "there is no project file `other.yaml`" in result.stderr


def test_findings_have_paths_from_the_current_folder(repository: Project, project: Project) -> None:
    project.write_groups("  sales: {nmae: x}\n")
    project.write("specs/more.yaml", "version: 1\ngroups: {other: {nmae: x}}\n")
    project.write("specs/reconciler.yaml", "version: 1\nspecs: ['groups/*.yaml', more.yaml]\nx: 1\n")
    assert "  --> ../reconciler.yaml:3:1\n" in repository.run("validate").stderr
    project.write("specs/reconciler.yaml", "version: 1\nspecs: ['groups/*.yaml', more.yaml]\n")
    found = repository.run("validate").stderr
    assert "  --> main.yaml:3:11\n" in found
    assert "  --> ../more.yaml:2:18\n" in found
    assert " 3 |   sales: {nmae: x}\n" in found


def test_the_hint_of_a_saved_plan_holds_in_the_folder_of_the_run(repository: Project) -> None:
    saved = repository.run("plan", "--sandbox", "--out", "plan.json")
    assert "reconciler apply plan.json --sandbox\n" in saved.stdout + saved.stderr
    assert repository.run("apply", "plan.json", "--sandbox").exit == 0


def test_without_a_project_file_the_error_says_how_to_begin(project: Project) -> None:
    (project.folder / "specs/reconciler.yaml").unlink()
    result = project.run("plan", "--sandbox")
    assert result.exit == 1
    assert "there is no project file `specs/reconciler.yaml`" in result.stderr
    assert "`reconciler init`" in result.stderr


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize(
    "command",
    [*READING, ("apply", "--sandbox", "--auto-approve"), ("test", "--sandbox"), ("import", "--sandbox")],
    ids=" ".join,
)
def test_a_folder_in_place_of_a_project_file_names_its_file(
    command: tuple[str, ...], project: Project
) -> None:
    project.write("team a/specs/reconciler.yaml", "version: 1\nspecs: []\n")
    result = project.run(*command, "--project", "team a")
    assert result.exit == 1
    assert "error[file-unreadable]: `team a` is a folder" in result.stderr
    assert "help: write `'team a/specs/reconciler.yaml'`" in result.stderr


def test_a_folder_without_a_project_file_leads_to_init(project: Project) -> None:
    project.write("team/README.md", "")
    result = project.run("validate", "--project", "team")
    assert "name the project file in it, or begin with `reconciler init`" in result.stderr
