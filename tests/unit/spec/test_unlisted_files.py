"""Test the warnings about files that look like specs, and that no line of the project names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.spec.load import load_strictly
from reconciler.spec.unlisted_files import MAX_FINDINGS

SPEC = "version: 1\ngroups:\n  {key}: {{}}\n"


def write_file(folder: Path, name: str, text: str = "") -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text or SPEC.format(key=f"key_{len(list(folder.rglob('*')))}"))


def list_warnings(folder: Path, project: str = "specs/reconciler.yaml") -> list[tuple[str, str, str]]:
    found = load_strictly(folder / project, folder).warnings
    assert {each.code for each in found} <= {"unlisted-file"}
    return [(each.message, str(each.span), each.help) for each in found]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Create a project whose only glob finds `groups/a.yaml`."""
    write_file(tmp_path, "specs/reconciler.yaml", "version: 1\nspecs: ['groups/*.yaml']\n")
    write_file(tmp_path, "specs/groups/a.yaml")
    return tmp_path


def test_a_file_with_the_other_suffix_is_a_warning_with_the_glob(folder: Path) -> None:
    write_file(folder, "specs/groups/b.yml")
    assert list_warnings(folder) == [
        (
            "`specs/groups/b.yml` looks like a spec, but no line of `specs` names it",
            "specs/reconciler.yaml:2:9",
            "add `groups/*.yml` to `specs` in `specs/reconciler.yaml`, or move the file elsewhere",
        )
    ]


def test_a_file_outside_of_all_globs_is_a_warning_with_a_glob_for_its_folder(folder: Path) -> None:
    write_file(folder, "specs/teams/deep/b.yaml", "version: 1\nprofiles: {p: {}}\n")
    write_file(folder, "specs/teams/deep/c.yaml", "# comment\nversion: 1\nremoved: []\n")
    [(message, _, advice)] = list_warnings(folder)
    assert (
        message == "`specs/teams/deep/b.yaml` and 1 more look like specs, but no line of `specs` names them"
    )
    assert advice.startswith("add `teams/deep/*.yaml` to `specs`")


def test_a_file_beside_the_project_file_is_named_by_itself(folder: Path) -> None:
    write_file(folder, "specs/b.yaml")
    [(_, _, advice)] = list_warnings(folder)
    assert advice.startswith("add `b.yaml` to `specs`")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("specs/groups/.b.yml", ""),
        ("specs/.github/b.yaml", ""),
        ("specs/node_modules/x/b.yaml", ""),
        ("specs/groups/b.txt", ""),
        ("specs/groups/b.json", ""),
        ("other/b.yaml", ""),
        ("specs/compose.yaml", "version: '3'\nservices: {}\n"),
        ("specs/workflow.yml", "on: push\njobs: {}\n"),
        ("specs/indented.yml", "version: 1\nx:\n  groups: {}\n"),
        ("specs/empty.yml", "\n"),
    ],
)
def test_a_file_that_is_plainly_no_spec_of_this_project_is_no_warning(
    folder: Path, name: str, text: str
) -> None:
    write_file(folder, name, text)
    assert list_warnings(folder) == []


def test_files_of_another_project_are_no_warning(folder: Path) -> None:
    write_file(
        folder,
        "specs/prod.yaml",
        "version: 1\nspecs: ['groups/*.yaml', only/*.yml]\noverrides: [o/prod.yaml]\n",
    )
    write_file(folder, "specs/o/prod.yaml", "version: 1\ngroups: {a: {}}\n")
    write_file(folder, "specs/only/x.yml")
    write_file(folder, "specs/nested/reconciler.yaml", "version: 1\nspecs: [x.yaml]\n")
    write_file(folder, "specs/nested/deep/x.yaml")
    assert list_warnings(folder) == []
    write_file(folder, "specs/only/y.yaml")
    assert len(list_warnings(folder)) == 1


def test_a_link_and_an_unreadable_folder_are_skipped(folder: Path) -> None:
    (folder / "specs/loop").symlink_to(folder / "specs")
    write_file(folder, "beside/b.yaml")
    (folder / "specs/link.yaml").symlink_to(folder / "beside/b.yaml")
    assert list_warnings(folder) == []


def test_a_shared_folder_is_searched_for_the_other_suffix_only(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write_file(tmp_path, "envs/prod/reconciler.yaml", "version: 1\nspecs: ['../../shared/*.yaml']\n")
    write_file(tmp_path, "shared/a.yaml")
    write_file(tmp_path, "shared/deep/c.yaml")
    assert list_warnings(tmp_path, "envs/prod/reconciler.yaml") == []
    write_file(tmp_path, "shared/b.yml")
    [(message, _, advice)] = list_warnings(tmp_path, "envs/prod/reconciler.yaml")
    assert message.startswith("`shared/b.yml` looks like a spec")
    assert advice.startswith("add `../../shared/*.yml` to `specs`")


def test_many_files_are_a_few_warnings(folder: Path) -> None:
    for number in range(3 * MAX_FINDINGS):
        write_file(folder, f"specs/team_{number}/b.yaml", SPEC.format(key="x"))
    assert len(list_warnings(folder)) == MAX_FINDINGS


def test_the_search_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.spec.unlisted_files.MAX_ENTRIES", 50)
    for number in range(20):
        for inner in range(20):
            (folder / f"specs/data/d{number}/{inner}").mkdir(parents=True)
    listed: list[object] = []
    scandir = os.scandir
    monkeypatch.setattr("os.scandir", lambda path: (listed.append(path), scandir(path))[1])
    assert list_warnings(folder) == []
    assert len(listed) < 50
