"""Texts of files that are not written yet count as if they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.spec.load import load
from reconciler.spec.unsaved import NOT_PLANNED_YET, UnsavedFiles

GROUP = "version: 1\ngroups: {sales: {}}\n"


@pytest.mark.parametrize(
    ("pattern", "file", "is_found"),
    [
        ("*.yaml", "a.yaml", True),
        ("*.yaml", "b/a.yaml", False),
        ("**/*.yaml", "a.yaml", True),
        ("**/*.yaml", "b/c/a.yaml", True),
        ("b/**/a.yaml", "b/c/d/a.yaml", True),
        ("b/*/a.yaml", "b/c/d/a.yaml", False),
        ("b/a.yaml", "b/a.yaml", True),
        ("[ab].yaml", "a.yaml", True),
        ("a.yml", "a.yaml", False),
    ],
)
def test_patterns_find_what_they_will_find_once_it_is_written(
    tmp_path: Path, pattern: str, file: str, is_found: bool
) -> None:
    path = tmp_path / file
    found = list(UnsavedFiles({path.resolve(): GROUP}).find_new(tmp_path, pattern))
    assert found == ([path] if is_found else [])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(GROUP)
    assert (path in tmp_path.glob(pattern)) is is_found
    assert list(UnsavedFiles({path.resolve(): GROUP}).find_new(tmp_path, pattern)) == []


def test_unsaved_texts_replace_and_add_files(tmp_path: Path) -> None:
    project = tmp_path / "reconciler.yaml"
    project.write_text("version: 1\nspecs: [main.yaml]\n")
    (tmp_path / "main.yaml").write_text("version: 1\ngroups: {old: {}}\n")
    texts = {
        project: "version: 1\nspecs: [main.yaml, 'more/*.yaml']\noverrides: [ids.yaml, later.yaml]\n",
        tmp_path / "main.yaml": "version: 1\ngroups: {new: {}}\n",
        tmp_path / "more/added.yaml": GROUP,
        tmp_path / "ids.yaml": "version: 1\ngroups: {sales: {id: some_id}}\n",
        tmp_path / "later.yaml": NOT_PLANNED_YET,
    }
    unsaved = UnsavedFiles({path.resolve(): text for path, text in texts.items()})
    loaded = load(project, tmp_path, unsaved=unsaved)
    assert loaded.findings == ()
    assert {group.key: group.id for group in loaded.groups} == {"new": None, "sales": "some_id"}
    assert [group.key for group in load(project, tmp_path).groups] == ["old"]


def test_a_glob_finds_no_unsaved_file_that_is_hidden_or_an_override(tmp_path: Path) -> None:
    project = tmp_path / "reconciler.yaml"
    project.write_text("version: 1\nspecs: ['*.yaml']\noverrides: [ids.yaml]\n")
    texts = {
        tmp_path / "main.yaml": GROUP,
        tmp_path / ".hidden.yaml": "version: 1\ngroups: {hidden: {}}\n",
        tmp_path / "ids.yaml": "version: 1\ngroups: {sales: {id: some_id}}\n",
    }
    for _ in range(2):
        unsaved = UnsavedFiles({path.resolve(): text for path, text in texts.items()})
        loaded = load(project, tmp_path, unsaved=unsaved)
        assert loaded.findings == ()
        assert {group.key: group.id for group in loaded.groups} == {"sales": "some_id"}
        for path, text in texts.items():
            path.write_text(text)
