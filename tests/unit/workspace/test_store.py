"""Test the file name of a state beside states of other projects."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.spec.project import read_project
from reconciler.workspace.store import build_shared_name


@pytest.mark.parametrize(
    ("project", "name"),
    [
        ("reconciler.yaml", "state.json"),
        ("specs/reconciler.yaml", "state.json"),
        ("specs/prod.yaml", "prod.state.json"),
        ("prod.yaml", "prod.state.json"),
        ("envs/prod/reconciler.yaml", "envs.prod.state.json"),
        ("envs/dev/reconciler.yaml", "envs.dev.state.json"),
        ("team/specs/eu.yaml", "team.specs.eu.state.json"),
    ],
)
@pytest.mark.parametrize("form", ["a clone", "a worktree", "no repository"])
def test_a_state_is_named_after_its_project_file(tmp_path: Path, project: str, name: str, form: str) -> None:
    match form:
        case "a clone":
            (tmp_path / ".git").mkdir()
        case "a worktree":
            (tmp_path / ".git").write_text("gitdir: elsewhere\n")
        case "no repository":
            name = "state.json" if project.endswith("reconciler.yaml") else f"{Path(project).stem}.state.json"
    file = tmp_path / project
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("version: 1\nspecs: ['*.yaml']\nstate: git:https://git.example.invalid/x.git/states\n")
    assert build_shared_name(read_project(file, tmp_path)) == name
