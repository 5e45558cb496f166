"""`requires:` in the project file: the releases of the program that may read it."""

from __future__ import annotations

import pytest
from cli_harness import Project
from git_repo import commit

HEAD = "version: 1\nspecs: ['groups/*.yaml']\n"


@pytest.fixture
def bounded(project: Project) -> Project:
    """A project for later releases."""
    project.write("specs/reconciler.yaml", f"{HEAD}requires: '>=7'\n")
    project.write_groups("  sales: {}\n")
    return project


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize(
    "command",
    [
        ("validate",),
        ("plan", "--sandbox"),
        ("apply", "--sandbox", "--auto-approve"),
        ("fmt", "--check"),
        ("state", "list"),
        ("graph", "--offline"),
    ],
    ids=lambda command: command[0],
)
def test_another_release_reads_nothing(command: tuple[str, ...], bounded: Project) -> None:
    result = bounded.run(*command)
    assert (result.exit, result.stdout) == (1, "")
    assert "error[other-release]: this is release 0.1.0, and the project requires `>=7`\n" in result.stderr
    assert "  --> specs/reconciler.yaml:3:11\n" in result.stderr
    assert not (bounded.folder / "specs/.reconciler").exists()


def test_a_committed_range_does_not_stop_a_later_release(bounded: Project) -> None:
    """The commit that allows a new release is planned by the new release, against a commit that does not allow it."""
    commit(bounded.folder, "base")
    bounded.write("specs/reconciler.yaml", f"{HEAD}requires: '>=0.1,<7'\n")
    result = bounded.run("plan", "--sandbox", "--changed-since", "base", "--settings-from", "base")
    assert result.exit == 0, result.stderr


@pytest.mark.sampled(every=4)
@pytest.mark.parametrize(
    ("releases", "code"),
    [
        ("==0.1.0", 0),
        ("~=0.1", 0),
        (" >= 0.1 , < 1 ", 0),
        (">0.1", 1),
        ("<0.1", 1),
        ("!=0.1.0", 1),
        (">=0.3,<1", 1),
    ],
)
def test_a_range_is_read_as_in_python_packages(releases: str, code: int, bounded: Project) -> None:
    bounded.write("specs/reconciler.yaml", f"{HEAD}requires: '{releases}'\n")
    assert bounded.run("validate").exit == code
