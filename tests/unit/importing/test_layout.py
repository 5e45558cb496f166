"""The files of new entries: folders and names from the globs of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.importing.layout import choose_folder, has_spec_files, is_listed, make_pattern
from reconciler.spec.project import Project, read_project


def make_project(folder: Path, *patterns: str) -> Project:
    file = folder / "specs/reconciler.yaml"
    file.parent.mkdir(exist_ok=True)
    quoted = ", ".join(f"'{pattern}'" for pattern in patterns)
    file.write_text(f"version: 1\nspecs: [{quoted}]\n")
    return read_project(file, folder)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["groups/*.yaml"], "groups/snowflake.yaml"),
        (["groups/*.yml"], "groups/snowflake.yml"),
        (["**/*.yaml"], "snowflake.yaml"),
        (["eu/**/*.yaml"], "eu/snowflake.yaml"),
        (["teams/*/groups.yaml"], "teams/snowflake.yaml"),
        (["main.yaml"], "snowflake.yaml"),
        (["a/main.yml"], "a/snowflake.yml"),
        (["main.yaml", "more/*.yaml"], "more/snowflake.yaml"),
        (["groups/fivetran-*.yaml"], "groups/fivetran-snowflake.yaml"),
        (["groups/[a-z]*.yaml"], "groups/snowflake.yaml"),
    ],
)
def test_new_files_stand_where_the_first_glob_searches(
    tmp_path: Path, patterns: list[str], expected: str
) -> None:
    folder = choose_folder(make_project(tmp_path, *patterns))
    assert folder.get_file("snowflake") == tmp_path / "specs" / expected


@pytest.mark.parametrize(
    ("pattern", "file", "listed"),
    [
        ("groups/*.yaml", "groups/a.yaml", True),
        ("groups/*.yaml", "groups/deep/a.yaml", False),
        ("**/*.yaml", "groups/deep/a.yaml", True),
        ("groups/*.yaml", "groups/.a.yaml", False),
        ("groups/*.yaml", "groups/a.yml", False),
        ("groups/a.yaml", "groups/a.yaml", True),
        ("**/*.yaml", "reconciler.yaml", False),
    ],
)
def test_a_file_is_listed_as_if_it_were_written(
    tmp_path: Path, pattern: str, file: str, listed: bool
) -> None:
    project = make_project(tmp_path, pattern)
    path = tmp_path / "specs" / file
    assert is_listed(project, path) is listed
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        assert is_listed(project, path) is listed
        assert has_spec_files(project) is listed


def test_a_line_for_a_file_is_relative_to_the_project_file_where_that_is_possible(tmp_path: Path) -> None:
    project = make_project(tmp_path, "groups/*.yaml")
    assert make_pattern(project, tmp_path / "specs/new/in.yaml") == "new/in.yaml"
    assert make_pattern(project, tmp_path / "shared/in.yaml") == str(tmp_path / "shared/in.yaml")
    (tmp_path / ".git").mkdir()
    in_repository = make_project(tmp_path, "groups/*.yaml")
    assert make_pattern(in_repository, tmp_path / "shared/in.yaml") == "../shared/in.yaml"
