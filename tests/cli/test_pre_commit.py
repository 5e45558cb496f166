"""The hooks for `.pre-commit-config.yaml` of other repositories."""

from __future__ import annotations

import re
import shlex
import shutil
from typing import Any

import pytest
from cli_harness import ROOT, Project
from ruamel.yaml import YAML

HOOKS: list[dict[str, Any]] = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text())


def test_hooks_exist_for_validate_fmt_and_schema() -> None:
    assert [hook["id"] for hook in HOOKS] == ["reconciler-validate", "reconciler-fmt", "reconciler-schema"]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_passes_with_the_demo_account(project: Project, hook: dict[str, Any]) -> None:
    shutil.rmtree(project.folder / "specs")
    shutil.copytree(ROOT / "specs", project.folder / "specs", ignore=shutil.ignore_patterns(".*"))
    assert project.run("schema", "--write").exit == 0
    files = sorted(str(file.relative_to(project.folder)) for file in project.folder.rglob("*.yaml"))
    assert all(re.search(hook["files"], file) for file in files)
    program, *arguments = shlex.split(hook["entry"])
    assert program == "reconciler"
    assert project.run(*arguments, *(files if hook.get("pass_filenames", True) else ())).exit == 0


def test_the_hook_for_schemas_also_runs_for_a_change_of_a_schema() -> None:
    [hook] = [hook for hook in HOOKS if hook["id"] == "reconciler-schema"]
    assert re.search(hook["files"], "specs/.schema/spec.json")
