"""The pipelines that `reconciler init --ci` writes: those of the examples, for one account."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_harness import ROOT
from command_line import run
from pipelines.account_process import AccountProcess
from pipelines.example_edits import ADD_MARKETING
from pipelines.git_server import GitServer
from pipelines.github_team import GitHubTeam
from pipelines.test_files import check_schema, find_unknown_keys
from pipelines.workflow_checks import find_problems
from ruamel.yaml import YAML

from reconciler.operations.ci_templates import list_ci_systems, read_ci_files

TEMPLATES = ROOT / "reconciler" / "pipelines"
EXAMPLES = {"github": "03-github-actions", "gitlab": "04-gitlab-ci", "atlantis": "05-atlantis"}


def test_the_templates_are_the_files_of_the_examples() -> None:
    """A change of an example has to reach its copy: `cp` the file."""
    assert set(EXAMPLES) == set(list_ci_systems()) == {folder.name for folder in TEMPLATES.iterdir()}
    for system, example in EXAMPLES.items():
        folder = ROOT / "examples" / example
        originals = {
            str(file.relative_to(folder)): file.read_text()
            for file in folder.rglob("*")
            if file.is_file() and file.name != "README.md" and "specs" not in file.parts
        }
        copies = {
            str(file.relative_to(TEMPLATES / system)): file.read_text()
            for file in (TEMPLATES / system).rglob("*")
            if file.is_file()
        }
        assert copies == originals


def load_pipeline(system: str, name: str) -> object:
    return YAML(typ="safe").load(read_ci_files(system)[name])


def test_the_workflows_of_github_follow_the_rules_and_name_one_account() -> None:
    workflows = {name: text for name, text in read_ci_files("github").items() if name.endswith(".yaml")}
    assert len(workflows) == 3
    for name, text in workflows.items():
        assert find_problems(YAML(typ="safe").load(text)) == []
        assert re.findall(r"\b(dev|prod)\b", text) == [], name
        assert "reconciler" in re.findall(r"\[\"?(\w+)\"?\]", text)


@pytest.mark.long
def test_the_workflows_of_github_match_its_schema(tmp_path: Path) -> None:
    files = [tmp_path / Path(name).name for name in read_ci_files("github") if name.endswith(".yaml")]
    for file in files:
        file.write_text(read_ci_files("github")[f".github/workflows/{file.name}"])
    assert check_schema("vendor.github-workflows", *files)[0] == 0


def test_the_pipeline_of_gitlab_is_the_example() -> None:
    example = ROOT / "examples" / EXAMPLES["gitlab"] / ".gitlab-ci.yml"
    assert read_ci_files("gitlab") == {".gitlab-ci.yml": example.read_text()}
    assert "PROJECT: specs/reconciler.yaml\n" in example.read_text()


def test_atlantis_plans_the_one_project_file() -> None:
    atlantis = load_pipeline("atlantis", "atlantis.yaml")
    assert isinstance(atlantis, dict)
    assert find_unknown_keys(atlantis) == set()
    [project] = atlantis["projects"]
    assert (project["name"], project["dir"], project["workspace"]) == ("reconciler", "specs", "reconciler")
    commands = str(load_pipeline("atlantis", "repos.yaml"))
    assert commands.count('--project "$WORKSPACE.yaml"') == 2


@pytest.mark.long
def test_a_written_pipeline_of_github_plans_and_applies_a_pull_request(
    tmp_path: Path, production: AccountProcess
) -> None:
    production.reset()
    written = tmp_path.resolve() / "written"
    written.mkdir()
    done = run(
        *("init", "--yes", "--ci", "github"),
        directory=written,
        FIVETRAN_APIKEY="any",
        FIVETRAN_APISECRET="thing",
        FIVETRAN_API_URL=production.url,
    )
    assert done.code == 0, done.err
    (written / "specs/groups").mkdir()
    (written / "specs/groups/first.yaml").write_text("version: 1\ngroups:\n  first: {}\n")
    forge = GitServer(tmp_path.resolve() / "forge", written)
    team = GitHubTeam(tmp_path.resolve(), {"reconciler": production}, forge)
    pull = team.open_pull("marketing", ADD_MARKETING)
    checked = team.check(pull)
    assert checked.is_success, checked.log
    [comment] = team.list_comments(pull, "reconciler")
    assert "## Needs approval: 2 to do · Plan: 2 to add, 0 to change, 0 to destroy." in comment
    applied = team.apply(team.merge(pull))
    assert applied.is_success, applied.log
    assert set(production.get_groups()) == {"marketing"}
