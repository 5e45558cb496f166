"""The files of the examples: schemas, our own rules, and a failing input for each check."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cli_harness import ROOT, Project
from command_line import build_environment
from pipelines.expressions import BUILTIN_FUNCTIONS, ExpressionError, ExpressionScope, evaluate, interpolate
from pipelines.workflow_checks import find_problems
from ruamel.yaml import YAML

EXAMPLES = ROOT / "examples"
WORKFLOWS = sorted((EXAMPLES / "03-github-actions" / ".github" / "workflows").iterdir())
PIPELINE = EXAMPLES / "04-gitlab-ci" / ".gitlab-ci.yml"
PROJECTS = sorted(
    file
    for file in EXAMPLES.glob("*/specs/*.yaml")
    if "account_id:" in file.read_text() and not file.is_relative_to(EXAMPLES / "01-rehearse")
)


def load_yaml(file: Path) -> Any:
    return YAML(typ="safe").load(file.read_text())


def check_schema(schema: str, *arguments: str | Path) -> tuple[int, str]:
    """Run check-jsonschema with a built-in schema; return the exit code and the output."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, arguments)]
    done = subprocess.run(command, env=build_environment(), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_workflows_match_the_schema_of_github(tmp_path: Path) -> None:
    assert check_schema("vendor.github-workflows", *WORKFLOWS)[0] == 0
    assert check_schema("custom.github-workflows-require-timeout", *WORKFLOWS)[0] == 0
    for file in WORKFLOWS:
        (tmp_path / file.name).write_text(file.read_text().replace("runs-on:", "runs_on:"))
    code, printed = check_schema("vendor.github-workflows", *tmp_path.iterdir())
    assert code == 1
    assert all(f"{file.name}::$.jobs." in printed for file in WORKFLOWS), printed


def test_the_pipeline_matches_the_schema_of_gitlab(tmp_path: Path) -> None:
    transform = ("--data-transform", "gitlab-ci")
    assert check_schema("vendor.gitlab-ci", *transform, PIPELINE)[0] == 0
    broken = tmp_path / "broken.yml"
    broken.write_text(PIPELINE.read_text().replace("when: manual", "when: someday"))
    assert check_schema("vendor.gitlab-ci", *transform, broken)[0] == 1


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_follows_the_rules(file: Path) -> None:
    assert find_problems(load_yaml(file)) == []


BROKEN_FILES = [
    ("pull-request", "  pull_request:\n", "  pull_request_target:\n", "starts by something that runs"),
    ("pull-request", "permissions: {}", "permissions: {contents: write}", "gives permissions to all"),
    ("pull-request", "bash -euo pipefail {0}", "bash", "goes on after errors"),
    ("pull-request", "    timeout-minutes: 10\n", "", "validate: may hang"),
    ("pull-request", "    permissions:\n      contents: read\n    conc", "    conc", "validate: does not say"),
    (
        "pull-request",
        "          PROJECT: specs/${{ matrix.project }}.yaml\n        run",
        "          PROJECT: ${{ secrets.PROJECT }}\n        run",
        "validate: gives something to strangers",
    ),
    (
        "pull-request",
        "    if: github.event.pull_request.head.repo.full_name == github.repository\n",
        "",
        "plan: gives something to strangers",
    ),
    (
        "pull-request",
        "        with:\n          persist-credentials: false\n",
        "",
        "validate: leaves its token to strangers",
    ),
    ("pull-request", "      contents: read\n      pull-", "      contents: write\n      pull-", "plan: may push"),
    ("pull-request", '--project "$PROJECT" --strict', "--project ${{ matrix.project }}", "lets an event write"),
    ("apply", "@ea165f8d65b6e75b540449e92b4886f43607fa02", "@v4", "uses what may change overnight"),
    ("apply", "    branches: [main]", '    branches: ["**"]', "writes for something else than main"),
    ("apply", "    if: github.ref == 'refs/heads/main'\n", "", "writes for any branch"),
    ("apply", "cancel-in-progress: false", "cancel-in-progress: true", "may be cancelled half-way"),
    ("apply", "      queue: max\n", "", "may be dropped while it waits"),
    ("apply", '--expect "$DIGEST"', "--auto-approve", "applies an unreviewed plan"),
    ("apply", "    environment: ${{ matrix.project }}\n", "", "has a secret of no environment"),
    ("apply", "env:\n  RECONCILER", "env:\n  KEY: ${{ secrets.KEY }}\n  RECONCILER", "gives a secret to all jobs"),
    (
        "nightly",
        "    env:\n      PROJECT",
        "    env:\n      KEY: ${{ secrets.KEY }}\n      PROJECT",
        "gives a secret to all steps",
    ),
    (
        "nightly",
        "        run: pip install",
        "        env: {KEY: '${{ secrets.KEY }}'}\n        run: pip install",
        "shows a secret",
    ),
    ("nightly", "      group: look-${{ matrix.project }}\n", "", "may run twice at once"),
    ("nightly", "    if: github.ref == 'refs/heads/main'\n", "", "gives secrets of the specs to a branch"),
    (
        "pull-request",
        "          FIVETRAN_APISECRET: ${{ secrets.FIVETRAN_APISECRET }}\n",
        "          FIVETRAN_APISECRET: ${{ secrets.FIVETRAN_APISECRET }}\n"
        "          SALES_KEY: ${{ secrets.SALES_KEY }}\n",
        "plan: gives secrets of the specs to a branch",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"), BROKEN_FILES, ids=[each[3] for each in BROKEN_FILES]
)
def test_a_workflow_that_breaks_a_rule_is_reported(name: str, old: str, new: str, problem: str) -> None:
    (file,) = (each for each in WORKFLOWS if each.stem == name)
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in it"
    found = find_problems(YAML(typ="safe").load(text.replace(old, new)))
    assert any(problem in each for each in found), found


@pytest.mark.parametrize(
    "expression",
    ["github.actor", "surprise.x", "toJSON(github)", "github.ref ==", "matrix[0]", "github.ref = 'x'", "a b"],
)
def test_an_unsupported_expression_is_an_error(expression: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(expression, ExpressionScope({"github": {"ref": "main"}}, BUILTIN_FUNCTIONS))


def test_expressions_evaluate_as_at_github() -> None:
    around = ExpressionScope(
        {"github": {"ref": "main", "event": {}}, "inputs": {"n": "prod"}, "steps": {}}, BUILTIN_FUNCTIONS
    )
    assert evaluate("""fromJSON(inputs.n && format('["{0}"]', inputs.n) || '["dev"]')""", around) == ["prod"]
    assert evaluate("fromJSON(inputs.m && 'x' || '[1]')", around) == [1]
    assert interpolate("a-${{ github.ref }}-${{ github.event.before }}-b", around) == "a-main--b"
    assert evaluate("!(github.ref == 'MAIN') || 'it''s'", around) == "it's"
    assert evaluate("steps.none.outputs.x != ''", around) is False


def test_gitlab_jobs_declare_no_secrets_in_the_file() -> None:
    pipeline = load_yaml(PIPELINE)
    for name, job in pipeline.items():
        if name in ("workflow", "stages", "variables", "default"):
            continue
        assert not {"FIVETRAN_APIKEY", "NOTE_TOKEN", "PLAN_KEY"} & job.get("variables", {}).keys()
        is_writer = any("reconciler apply" in line for line in job["script"])
        assert is_writer == (job.get("environment", {}).get("name") == "production"), name
        assert is_writer == ("resource_group" in job), name
    assert "--require-signature" in str(pipeline["apply"]["script"])
    assert "environment" not in pipeline["validate"]


KEYS: Mapping[str, set[str]] = {
    # atlantis.yaml
    "version": set(),
    "parallel_plan": set(),
    "parallel_apply": set(),
    "projects": {"name", "dir", "workspace", "autoplan"},
    "autoplan": {"enabled", "when_modified"},
    # repos.yaml
    "repos": {
        "id", "branch", "workflow", "allow_custom_workflows", "allowed_overrides", "plan_requirements",
        "apply_requirements", "import_requirements", "repo_locks",
    },
    "repo_locks": {"mode"},
    "workflows": {"reconciler"},
    "reconciler": {"plan", "apply"},
    "plan": {"steps"},
    "apply": {"steps"},
    "steps": {"run", "env"},
    "run": {"command", "output"},
    "env": {"name", "command"},
}  # fmt: skip
"""The keys of Atlantis that the example uses, by the key that they stand below, as its documentation has them."""


def find_unknown_keys(value: Any, below: str = "") -> set[str]:
    """Find keys that Atlantis does not know at their position."""
    if isinstance(value, list):
        return {key for each in value for key in find_unknown_keys(each, below)}
    if not isinstance(value, dict):
        return set()
    known = (
        KEYS[below]
        if below
        else {"version", "parallel_plan", "parallel_apply", "projects", "repos", "workflows"}
    )
    found = {f"{below}.{key}" for key in value.keys() - known}
    return found.union(*(find_unknown_keys(each, key) for key, each in value.items() if key in KEYS))


@pytest.mark.parametrize("name", ["atlantis.yaml", "repos.yaml"])
def test_atlantis_files_have_known_keys_only(name: str) -> None:
    assert find_unknown_keys(load_yaml(EXAMPLES / "05-atlantis" / name)) == set()


def test_an_unknown_key_of_atlantis_is_reported() -> None:
    assert find_unknown_keys({"projects": [{"name": "dev", "autoplan": {"enable": True}}]}) == {
        "autoplan.enable"
    }
    assert find_unknown_keys({"repos": [{"apply_requirement": []}]}) == {"repos.apply_requirement"}


def copy_example(project: Project, example: Path) -> Project:
    """Copy the files of an example into the folder of a test."""
    shutil.rmtree(project.folder / "specs")
    shutil.copytree(example, project.folder, ignore=shutil.ignore_patterns(".reconciler"), dirs_exist_ok=True)
    return project


@pytest.mark.parametrize("file", PROJECTS, ids=lambda file: f"{file.parts[-3]}-{file.stem}")
def test_the_specs_of_an_example_are_valid(file: Path, project: Project) -> None:
    example = file.parents[1]
    copy_example(project, example)
    for command in (["validate", "--strict"], ["fmt", "--check"]):
        done = project.run(*command, "--project", str(file.relative_to(example)))
        assert done.exit == 0, done.stderr


HOOKS = {hook["id"]: hook for hook in load_yaml(ROOT / ".pre-commit-hooks.yaml")}
CONFIG = EXAMPLES / "06-pre-commit" / ".pre-commit-config.yaml"


def run_pre_commit(project: Project) -> dict[str, int]:
    """Run all hooks on the files of a folder as pre-commit would; return their exit codes."""
    codes = {}
    for chosen in load_yaml(CONFIG)["repos"][0]["hooks"]:
        hook = HOOKS[chosen["id"]]
        files = (file for file in project.folder.rglob("*") if file.is_file())
        names = sorted(str(file.relative_to(project.folder)) for file in files)
        program, *arguments = shlex.split(hook["entry"])
        assert program == "reconciler"
        found = [name for name in names if re.search(hook["files"], name)]
        codes[hook["id"]] = project.run(*arguments, *found).exit
    return codes


def test_pre_commit_hooks_pass_and_report_errors(project: Project) -> None:
    copy_example(project, CONFIG.parent)
    assert run_pre_commit(project) == {"reconciler-fmt": 0, "reconciler-validate": 0}
    spec = project.folder / "specs" / "groups" / "sales.yaml"
    spec.write_text(spec.read_text().replace("database: SALES", "databse: SALES   "))
    assert run_pre_commit(project)["reconciler-validate"] == 1
    assert "databse: SALES\n" in spec.read_text(), "laid out evenly by the first hook"
