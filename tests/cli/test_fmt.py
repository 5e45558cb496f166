"""`reconciler fmt`: files in normal form, or refused."""

from __future__ import annotations

import pytest
from cli_harness import Project

MESSY = (
    "version: 1\r\ngroups:\r\n    one:   # trailing\r\n        name: One   \r\n        id: a_b\r\n\r\n\r\n"
)
TIDY = "version: 1\ngroups:\n  one:   # trailing\n    id: a_b\n    name: One\n"


@pytest.fixture
def messy(project: Project) -> Project:
    file = project.write("specs/groups/messy.yaml", "")
    file.write_bytes(MESSY.encode())
    file.chmod(0o640)
    project.write(
        "specs/groups/tidy.yaml", TIDY.replace("one", "two").replace("a_b", "c_d").replace("One", "Two")
    )
    return project


def content(project: Project, name: str) -> str:
    return (project.folder / "specs/groups" / name).read_bytes().decode()


def test_fmt_formats_all_files_of_the_project(messy: Project) -> None:
    result = messy.run("fmt")
    assert result.exit == 0
    assert result.stdout == "specs/groups/messy.yaml\n"
    assert result.stderr == "1 file changed, 2 left as they are.\n"
    assert content(messy, "messy.yaml") == TIDY
    assert (messy.folder / "specs/groups/messy.yaml").stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in (messy.folder / "specs/groups").iterdir()) == [
        "messy.yaml",
        "tidy.yaml",
    ]


def test_fmt_is_idempotent(messy: Project) -> None:
    messy.run("fmt")
    again = messy.run("fmt")
    assert (again.exit, again.stdout) == (0, "")


def test_check_lists_files_and_changes_nothing(messy: Project) -> None:
    result = messy.run("fmt", "--check")
    assert result.exit == 1
    assert result.stdout == "specs/groups/messy.yaml\n"
    assert result.stderr == "1 file to change, 2 left as they are.\n"
    assert content(messy, "messy.yaml") == MESSY
    messy.run("fmt")
    assert messy.run("fmt", "--check").exit == 0


def test_check_with_verbose_shows_the_difference(messy: Project) -> None:
    result = messy.run("fmt", "--check", "-v")
    assert "-        name: One   \\r\n" in result.stdout
    assert "+    name: One\n" in result.stdout


def test_paths_limit_the_formatted_files(messy: Project) -> None:
    assert messy.run("fmt", "specs/groups/tidy.yaml").exit == 0
    assert content(messy, "messy.yaml") == MESSY


def test_a_byte_order_mark_alone_is_a_change(project: Project) -> None:
    project.write("specs/groups/a.yaml", "\ufeff" + TIDY)
    assert project.run("fmt").exit == 0
    assert content(project, "a.yaml") == TIDY


def test_files_with_errors_are_refused_and_nothing_is_written(messy: Project) -> None:
    messy.write("specs/groups/broken.yaml", "version: 1\ngroups: [\n")
    result = messy.run("fmt")
    assert result.exit == 1
    assert "specs/groups/broken.yaml" in result.stderr
    assert content(messy, "messy.yaml") == MESSY


def test_a_file_outside_the_project_is_refused(messy: Project) -> None:
    messy.write("compose.yaml", MESSY)
    result = messy.run("fmt", "compose.yaml")
    assert result.exit == 1
    assert "error[not-in-project]" in result.stderr


def test_formatting_leaves_the_plan_unchanged(messy: Project) -> None:
    before = messy.run("validate", "--format", "json").document
    messy.run("fmt")
    assert messy.run("validate", "--format", "json").document == before
