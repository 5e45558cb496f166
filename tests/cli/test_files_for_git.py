"""What a run leaves for `git add -A`: specs and schemas, but no state, key or lock."""

from __future__ import annotations

import pytest
from applied_project import AppliedProject
from cli_harness import EmulatedFivetran, Project
from git_repo import run_git

ENVIRON = {"ORDERS_KEY": "canary-of-orders"}
GROUPS = """\
  orders:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {project_id: acme, data_set_location: US, secret_key: {secret: "env:ORDERS_KEY"}}
"""
OWN_FOLDER = "specs/.reconciler"


@pytest.fixture
def checkout(project: Project, server: EmulatedFivetran) -> AppliedProject:
    """Create a project with a secret in a new repository."""
    run_git(project.folder, "init", "-q")
    project.write_groups(GROUPS)
    checkout = AppliedProject(project, server, ENVIRON)
    checkout.write_settings()
    return checkout


def list_staged(checkout: AppliedProject) -> list[str]:
    run_git(checkout.folder, "add", "-A")
    return run_git(checkout.folder, "ls-files").splitlines()


def test_git_takes_nothing_of_the_own_folder(checkout: AppliedProject) -> None:
    assert checkout.project.run("plan", "--sandbox").exit == 0
    assert checkout.run("apply", "--auto-approve").exit == 0
    assert (checkout.folder / OWN_FOLDER / "state.json.key").exists()
    assert list_staged(checkout) == ["specs/groups/main.yaml", "specs/reconciler.yaml"]
    plan = checkout.run("plan")
    assert plan.exit == 0
    assert "key-in-git" not in plan.stderr


def test_the_sandbox_ignores_its_folder(checkout: AppliedProject) -> None:
    assert checkout.project.run("plan", "--sandbox").exit == 0
    assert (checkout.folder / OWN_FOLDER / ".gitignore").read_text().splitlines()[-1] == "*"
    assert list_staged(checkout) == ["specs/groups/main.yaml", "specs/reconciler.yaml"]


def test_an_ignore_file_of_a_user_stays(checkout: AppliedProject) -> None:
    file = checkout.project.write(f"{OWN_FOLDER}/.gitignore", "*.key\n")
    assert checkout.run("apply", "--auto-approve").exit == 0
    assert file.read_text() == "*.key\n"


def test_a_folder_of_an_earlier_release_ignores_itself_from_the_next_apply_on(
    checkout: AppliedProject,
) -> None:
    assert checkout.run("apply", "--auto-approve").exit == 0
    (checkout.folder / OWN_FOLDER / ".gitignore").unlink()
    assert "warning[key-in-git]" in checkout.run("plan").stderr
    assert "key-in-git" not in checkout.run("apply", "--auto-approve").stderr
    assert list_staged(checkout) == ["specs/groups/main.yaml", "specs/reconciler.yaml"]


@pytest.mark.parametrize("command", [("apply", "--auto-approve"), ("plan",)])
def test_a_key_in_another_folder_that_git_does_not_ignore_is_a_warning(
    checkout: AppliedProject, command: tuple[str, ...]
) -> None:
    checkout.write_settings("state: memory/prod.json\n")
    first = checkout.run("apply", "--auto-approve")
    stderr = first.stderr if command[0] == "apply" else checkout.run(*command).stderr
    assert (
        "warning[key-in-git]: git does not ignore the key `specs/memory/prod.json.key`,"
        " so `git add` would publish it\n" in stderr
    )
    assert "= help: add `prod.json.*` to the `.gitignore` of its folder" in stderr
    checkout.project.write("specs/memory/.gitignore", "prod.json.*\n")
    assert "key-in-git" not in checkout.run("plan").stderr
    assert list_staged(checkout) == [
        "specs/groups/main.yaml",
        "specs/memory/.gitignore",
        "specs/memory/prod.json",
        "specs/reconciler.yaml",
    ]


def test_a_key_that_git_tracks_is_a_warning_even_if_it_is_ignored(checkout: AppliedProject) -> None:
    assert checkout.run("apply", "--auto-approve").exit == 0
    run_git(checkout.folder, "add", "-f", f"{OWN_FOLDER}/state.json.key")
    stderr = checkout.run("plan").stderr
    assert f"warning[key-in-git]: git tracks the key `{OWN_FOLDER}/state.json.key`, so everyone who" in stderr
    assert f"run `git rm --cached {OWN_FOLDER}/state.json.key`" in stderr


def test_a_state_at_home_is_an_error_and_makes_no_folder(checkout: AppliedProject) -> None:
    checkout.write_settings("state: ~/state.json\n")
    result = checkout.run("apply", "--auto-approve")
    assert result.exit == 1
    assert "a path in a committed file cannot start with `~`" in result.stderr
    assert sorted(file.name for file in (checkout.folder / "specs").iterdir()) == [
        "groups",
        "reconciler.yaml",
    ]
    assert checkout.server.writes == []
