"""The project of a saved plan: the command that applies the plan, and commands beside another project."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project
from git_repo import commit

from reconciler.workspace.plan_project import PathStart, PlanProject, find_other_project, record_project

pytestmark = pytest.mark.sampled(every=6, tests=3)

PROJECTS = ("envs/dev.yaml", "envs/my prod; echo $HOME.yaml")


@pytest.fixture
def projects(project: Project, server: EmulatedFivetran) -> Project:
    """A repository with two projects that have the same entries, and with a project of the usual name."""
    for name in PROJECTS:
        project.write(name, f"version: 1\naccount_id: {server.account_id}\nspecs: [groups.yaml]\n")
    project.write("envs/groups.yaml", "version: 1\ngroups:\n  orders: {}\n")
    commit(project.folder, "specs")
    return project


def get_code(result: CommandResult) -> str:
    [code] = re.findall(r"^(?:error|warning)\[([a-z-]+)\]", result.stderr, re.MULTILINE)
    return str(code)


def save_plan(project: Project, server: EmulatedFivetran, *options: str, name: str = "dev.plan") -> str:
    """Save a plan. Returns the last line."""
    result = project.run_against(server, "plan", "--out", name, *options)
    assert result.exit == 0, result.stderr
    return result.stdout.splitlines()[-1]


def edit_plan(file: Path, **values: Any) -> None:
    """Replace top-level values of a saved plan (None deletes a key), and seal the plan again."""
    content = json.loads(file.read_text())["content"]
    content = {key: value for key, value in {**content, **values}.items() if value is not None}
    text = json.dumps(content, sort_keys=True, indent=1)
    sealed = f' "signature": null,\n "content": {text}}}\n'.encode()
    file.write_bytes(b'{"seal": "%s",\n%s' % (hashlib.sha256(sealed).hexdigest().encode(), sealed))


@pytest.mark.parametrize("name", PROJECTS)
@pytest.mark.parametrize("more", [(), ("--settings-from", "HEAD")])
def test_the_pasted_command_applies_exactly_the_saved_plan(
    projects: Project, server: EmulatedFivetran, name: str, more: tuple[str, ...]
) -> None:
    line = save_plan(projects, server, "--project", name, *more, name="my dev.plan")
    command = line.partition("with: ")[2]
    assert shlex.split(command) == ["reconciler", "apply", "my dev.plan", "--project", name, *more]
    result = projects.run_against(server, *shlex.split(command)[1:])
    assert result.exit == 0, result.stderr


def test_the_command_names_the_signing_key_and_a_project_of_the_environment(
    projects: Project, server: EmulatedFivetran
) -> None:
    environ = {"RECONCILER_PROJECT": PROJECTS[0], "PLAN_KEY": "a-key-that-signs-plans"}
    signed = ("--signature-key", "env:PLAN_KEY")
    result = projects.run_against(server, "plan", "--out", "-x", *signed, environ=environ)
    command = shlex.split(result.stdout.splitlines()[-1].partition("with: ")[2])
    assert command == ["reconciler", "apply", "./-x", "--project", PROJECTS[0], *signed]
    assert projects.run_against(server, *command[1:], environ=environ).exit == 0


def test_a_plan_of_the_usual_project_has_a_short_command(project: Project, server: EmulatedFivetran) -> None:
    project.write_groups("  orders: {}\n")
    project.write(
        "specs/reconciler.yaml", f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n"
    )
    line = save_plan(project, server)
    assert line == "Saved to dev.plan. Apply exactly this plan with: reconciler apply dev.plan"


@pytest.mark.parametrize("beside", ["given", "usual", "none"])
def test_an_apply_beside_another_project_or_none_names_the_project_of_the_plan(
    projects: Project, server: EmulatedFivetran, beside: str
) -> None:
    """The plan never selects the project by itself, although its project file exists."""
    save_plan(projects, server, "--project", PROJECTS[0])
    before = len(server.calls)
    options = ("--project", PROJECTS[1]) if beside == "given" else ()
    if beside == "none":
        (projects.folder / "specs" / "reconciler.yaml").unlink()
    result = projects.run_against(server, "apply", "dev.plan", *options)
    assert (result.exit, get_code(result)) == (4, "plan-other-project"), result.stderr
    error = " ".join(result.stderr.split())
    assert f"the plan `dev.plan` belongs to project `{PROJECTS[0]}`" in error
    assert "its spec was edited" not in error
    assert ("there is no `specs/reconciler.yaml` here" in error) == (beside == "none")
    assert server.calls[before:] == []
    command = error.partition("apply it with `")[2].partition("`")[0]
    assert command == f"reconciler apply dev.plan --project {PROJECTS[0]}"
    assert projects.run_against(server, *shlex.split(command)[1:]).exit == 0


def test_show_names_the_project_of_the_plan_and_still_shows_it(
    projects: Project, server: EmulatedFivetran
) -> None:
    save_plan(projects, server, "--project", PROJECTS[0])
    result = projects.run("show", "dev.plan")
    assert (result.exit, get_code(result)) == (0, "plan-other-project")
    assert f"belongs to project `{PROJECTS[0]}`" in result.stderr
    assert "+ group.orders" in result.stdout
    document = projects.run("show", "dev.plan", "--format", "json").document
    assert document["saved"]["project"] == PROJECTS[0]
    assert [each["code"] for each in document["warnings"]] == ["plan-other-project"]
    comment = projects.run("show", "dev.plan", "--format", "markdown").stdout
    assert comment.startswith(f"<!-- reconciler plan {PROJECTS[0]} -->\n")
    assert projects.run("show", "dev.plan", "--project", PROJECTS[0]).stderr == ""


def test_a_forged_project_selects_no_settings(projects: Project, server: EmulatedFivetran) -> None:
    """The other project has no policy; the plan of the strict project is refused by its policy all the same."""
    projects.write(
        PROJECTS[0],
        f"version: 1\naccount_id: {server.account_id}\nspecs: [groups.yaml]\n"
        "policies:\n  - at-most: {groups: 0}\n    level: hard\n",
    )
    save_plan(projects, server, "--project", PROJECTS[1])
    edit_plan(projects.folder / "dev.plan", project={"path": PROJECTS[1], "start": "repository"})
    result = projects.run_against(server, "apply", "dev.plan", "--project", PROJECTS[0])
    assert (result.exit, get_code(result)) == (4, "plan-other-project")
    edit_plan(projects.folder / "dev.plan", project={"path": PROJECTS[0], "start": "repository"})
    result = projects.run_against(server, "apply", "dev.plan", "--project", PROJECTS[0])
    assert result.exit != 0
    assert server.writes == []


def test_a_plan_of_an_earlier_release_without_a_project_is_applied(
    projects: Project, server: EmulatedFivetran
) -> None:
    save_plan(projects, server, "--project", PROJECTS[0])
    edit_plan(projects.folder / "dev.plan", project=None)
    assert json.loads((projects.folder / "dev.plan").read_text())["content"].keys() & {"project"} == set()
    assert projects.run("show", "dev.plan").stderr == ""
    assert projects.run_against(server, "apply", "dev.plan", "--project", PROJECTS[0]).exit == 0


def test_the_project_is_sealed_and_not_in_the_digest(projects: Project, server: EmulatedFivetran) -> None:
    digests = set()
    for name in PROJECTS:
        save_plan(projects, server, "--project", name)
        content = json.loads((projects.folder / "dev.plan").read_text())["content"]
        assert content["project"] == {"path": name, "start": "repository"}
        digests.add(content["plan"]["digest"])
    assert len(digests) == 1
    file = projects.folder / "dev.plan"
    file.write_text(file.read_text().replace("my prod", "my test"))
    result = projects.run_against(server, "apply", "dev.plan", "--project", PROJECTS[1])
    assert (result.exit, get_code(result)) == (4, "plan-altered")


def test_a_plan_applies_in_another_clone(
    projects: Project, server: EmulatedFivetran, tmp_path_factory: pytest.TempPathFactory
) -> None:
    save_plan(projects, server, "--project", PROJECTS[0])
    folder = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(projects.folder, folder / "clone")
    plan = (projects.folder / "dev.plan").rename(folder / "downloaded.plan")
    projects.folder = folder / "clone"
    assert projects.run_against(server, "apply", str(plan), "--project", PROJECTS[0]).exit == 0
    assert server.list_ids("groups")


# Records of projects


@pytest.mark.parametrize("is_repository", [True, False])
def test_a_recorded_project_is_compared_by_its_path(tmp_path: Path, is_repository: bool) -> None:
    first, second = (tmp_path / "repo" / name / "reconciler.yaml" for name in ("a", "b"))
    for file in (first, second):
        file.parent.mkdir(parents=True)
        file.write_text("version: 1\n")
    if is_repository:
        (tmp_path / "repo" / ".git").write_text("gitdir: elsewhere\n")
    plan = tmp_path / "repo" / "plans" / "dev.plan"
    recorded = record_project(first, plan)
    expected = PlanProject("a/reconciler.yaml", PathStart.REPOSITORY)
    if not is_repository:
        expected = PlanProject("../a/reconciler.yaml", PathStart.PLAN)
    assert recorded == expected
    assert find_other_project(recorded, first, plan) is None
    assert find_other_project(recorded, second, plan) == first
    assert find_other_project(recorded, tmp_path / "repo" / "specs" / "reconciler.yaml", plan) == first
    assert find_other_project(None, second, plan) is None


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "/etc/passwd", "../../..", "", "a" * 5000])
def test_a_forged_path_of_any_text_is_compared_without_a_failure(tmp_path: Path, path: str) -> None:
    file = tmp_path / "reconciler.yaml"
    file.write_text("version: 1\n")
    for start in PathStart:
        other = find_other_project(PlanProject(path, start), file, tmp_path / "dev.plan")
        assert other is None or other != file


def test_a_moved_plan_without_a_repository_is_of_no_known_project(tmp_path: Path) -> None:
    file = tmp_path / "a" / "reconciler.yaml"
    file.parent.mkdir()
    file.write_text("version: 1\n")
    recorded = record_project(file, tmp_path / "dev.plan")
    assert find_other_project(recorded, file, tmp_path / "elsewhere" / "dev.plan") is None
