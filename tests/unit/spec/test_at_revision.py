"""Test reading the specs at a git revision: it finds the same files as in the work tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from git_repo import commit, run_git

from reconciler.model.diagnostic import ReconcilerError
from reconciler.spec.at_revision import load_at_revision, read_project_at_revision
from reconciler.spec.load import load_strictly
from reconciler.spec.repository import open_repository

PROJECT = Path("specs/reconciler.yaml")
FILES = (
    "groups/a.yaml",
    "groups/b.yml",
    "groups/.hidden.yaml",
    "groups/deep/c.yaml",
    "groups/deep/er/d.yaml",
    "groups/ünï cödé.yaml",
    "other/e.yaml",
    "root.yaml",
)


def write_file(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Create a repository with spec files in many folders."""
    for number, name in enumerate(FILES):
        write_file(tmp_path, f"specs/{name}", f"version: 1\ngroups:\n  group_{number}: {{}}\n")
    write_file(tmp_path, "outside/x.yaml", "version: 1\ngroups:\n  outside: {}\n")
    return tmp_path


@pytest.mark.parametrize(
    "patterns",
    [
        '["groups/*.yaml"]',
        '["**/*.yaml"]',
        '["groups/**/*.yaml"]',
        '["groups/*/*.yaml"]',
        '["./groups/a.yaml"]',
        '["groups/[ab].y*"]',
        '["groups/.hidden.yaml", "*/?.yaml"]',
        '["g*/*.yaml", "root.yaml"]',
        '["groups/ü*.yaml"]',
        '["*.yaml"]',
    ],
)
def test_a_glob_finds_the_same_files_at_a_revision(repository: Path, patterns: str) -> None:
    write_file(repository, "specs/reconciler.yaml", f"version: 1\nspecs: {patterns}\n")
    commit(repository, "here")
    then = load_at_revision(PROJECT, repository, "here", os.environ)
    now = load_strictly(PROJECT, repository)
    assert then.files == now.files
    assert [each.key for each in then.groups] == [each.key for each in now.groups]


def test_the_temporary_folder_is_empty_afterwards(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(place))
    write_file(repository, "specs/reconciler.yaml", "version: 1\nspecs: ['groups/*.yaml', 'missing.yaml']\n")
    commit(repository, "here")
    with pytest.raises(ReconcilerError):
        load_at_revision(PROJECT, repository, "here", os.environ)
    assert list(place.iterdir()) == []


def test_the_work_tree_and_the_index_stay_unchanged(repository: Path) -> None:
    write_file(repository, "specs/reconciler.yaml", "version: 1\nspecs: ['groups/*.yaml']\n")
    commit(repository, "here")
    write_file(repository, "specs/groups/a.yaml", "version: 1\ngroups:\n  new: {}\n")
    before = {file: file.stat().st_mtime_ns for file in sorted(repository.rglob("*"))}
    then = load_at_revision(PROJECT, repository, "here", os.environ)
    assert "new" not in {each.key for each in then.groups}
    assert {file: file.stat().st_mtime_ns for file in sorted(repository.rglob("*"))} == before


def test_a_project_file_that_is_a_link_is_followed(repository: Path) -> None:
    write_file(repository, "environments/prod.yaml", "version: 1\nspecs: ['groups/*.yaml']\nprotected: [a]\n")
    (repository / "specs" / "reconciler.yaml").symlink_to("../environments/prod.yaml")
    commit(repository, "here")
    project = read_project_at_revision(PROJECT, repository, "here", os.environ)
    assert project.content.protected == ("a",)
    assert project.root.span.path == "specs/reconciler.yaml@here"


def test_paths_are_shown_relative_to_the_working_directory(repository: Path) -> None:
    write_file(repository, "specs/reconciler.yaml", "version: 1\nspecs: ['groups/*.yaml']\n")
    commit(repository, "here")
    inside = read_project_at_revision(Path("reconciler.yaml"), repository / "specs", "here", os.environ)
    assert inside.root.span.path == "reconciler.yaml@here"
    beside = read_project_at_revision(
        repository / "specs/reconciler.yaml", repository / "outside", "here", os.environ
    )
    assert beside.root.span.path == "specs/reconciler.yaml@here"


def test_a_tree_with_a_parent_folder_entry_writes_nothing_outside(repository: Path) -> None:
    """A user can make such a tree by hand, and `git fetch` may bring it."""
    write_file(repository, "specs/reconciler.yaml", "version: 1\nspecs: ['**/*.yaml']\n")
    commit(repository, "here")
    name = run_git(repository, "rev-parse", "here:specs")
    entry = b"40000 ..\0" + bytes.fromhex(name)
    (repository / "tree").write_bytes(entry)
    tree = run_git(repository, "hash-object", "-t", "tree", "--literally", "-w", "tree")
    evil = run_git(repository, "commit-tree", "-m", "evil", tree)
    path = repository / PROJECT
    assert open_repository(path, "shown", evil, os.environ).files == {}


def test_a_missing_git_object_is_reported(repository: Path) -> None:
    write_file(repository, "specs/reconciler.yaml", "version: 1\nspecs: ['groups/*.yaml']\n")
    commit(repository, "here")
    name = run_git(repository, "rev-parse", "here:specs/groups/a.yaml")
    (repository / ".git" / "objects" / name[:2] / name[2:]).unlink()
    with pytest.raises(ReconcilerError) as raised:
        load_at_revision(PROJECT, repository, "here", os.environ)
    [problem] = raised.value.diagnostics
    assert problem.code == "unusable-revision"
    assert problem.message == "git cannot read `specs/groups/a.yaml` of revision `here`"
