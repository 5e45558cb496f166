"""`reconciler fmt`: files in normal form, or refused."""

from __future__ import annotations

import pytest
from cli_harness import Project

UNFORMATTED = (
    "version: 1\r\ngroups:\r\n    one:   # trailing\r\n        name: One   \r\n        id: a_b\r\n\r\n\r\n"
)
FORMATTED = "version: 1\ngroups:\n  one:   # trailing\n    id: a_b\n    name: One\n"


@pytest.fixture
def unformatted_project(project: Project) -> Project:
    file = project.write("specs/groups/messy.yaml", "")
    file.write_bytes(UNFORMATTED.encode())
    file.chmod(0o640)
    project.write(
        "specs/groups/tidy.yaml", FORMATTED.replace("one", "two").replace("a_b", "c_d").replace("One", "Two")
    )
    return project


def read_spec(project: Project, name: str) -> str:
    return (project.folder / "specs/groups" / name).read_bytes().decode()


def test_fmt_formats_all_files_of_the_project(unformatted_project: Project) -> None:
    result = unformatted_project.run("fmt")
    assert result.exit == 0
    assert result.stdout == "specs/groups/messy.yaml\n"
    assert result.stderr == "1 file changed, 2 left as they are.\n"
    assert read_spec(unformatted_project, "messy.yaml") == FORMATTED
    assert (unformatted_project.folder / "specs/groups/messy.yaml").stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in (unformatted_project.folder / "specs/groups").iterdir()) == [
        "messy.yaml",
        "tidy.yaml",
    ]


def test_fmt_is_idempotent(unformatted_project: Project) -> None:
    unformatted_project.run("fmt")
    again = unformatted_project.run("fmt")
    assert (again.exit, again.stdout) == (0, "")


def test_check_lists_files_and_changes_nothing(unformatted_project: Project) -> None:
    result = unformatted_project.run("fmt", "--check")
    assert result.exit == 1
    assert result.stdout == "specs/groups/messy.yaml\n"
    assert result.stderr == "1 file to change, 2 left as they are.\n"
    assert read_spec(unformatted_project, "messy.yaml") == UNFORMATTED
    unformatted_project.run("fmt")
    assert unformatted_project.run("fmt", "--check").exit == 0


def test_check_with_verbose_shows_the_difference(unformatted_project: Project) -> None:
    result = unformatted_project.run("fmt", "--check", "-v")
    assert "-        name: One   \\r\n" in result.stdout
    assert "+    name: One\n" in result.stdout


def test_paths_limit_the_formatted_files(unformatted_project: Project) -> None:
    assert unformatted_project.run("fmt", "specs/groups/tidy.yaml").exit == 0
    assert read_spec(unformatted_project, "messy.yaml") == UNFORMATTED


def test_a_byte_order_mark_alone_is_a_change(project: Project) -> None:
    project.write("specs/groups/a.yaml", "\ufeff" + FORMATTED)
    assert project.run("fmt").exit == 0
    assert read_spec(project, "a.yaml") == FORMATTED


def test_files_with_errors_are_refused_and_nothing_is_written(unformatted_project: Project) -> None:
    unformatted_project.write("specs/groups/broken.yaml", "version: 1\ngroups: [\n")
    result = unformatted_project.run("fmt")
    assert result.exit == 1
    assert "specs/groups/broken.yaml" in result.stderr
    assert read_spec(unformatted_project, "messy.yaml") == UNFORMATTED


def test_a_file_outside_the_project_is_refused(unformatted_project: Project) -> None:
    unformatted_project.write("compose.yaml", UNFORMATTED)
    result = unformatted_project.run("fmt", "compose.yaml")
    assert result.exit == 1
    assert "error[not-in-project]" in result.stderr


def test_formatting_leaves_the_plan_unchanged(unformatted_project: Project) -> None:
    before = unformatted_project.run("validate", "--format", "json").document
    unformatted_project.run("fmt")
    assert unformatted_project.run("validate", "--format", "json").document == before
