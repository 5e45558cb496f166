"""Commands in a repository of several projects, which share spec files beside their folders."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from applied_project import PAIR
from cli_harness import CommandResult, EmulatedFivetran, Project
from git_repo import commit

pytestmark = pytest.mark.sampled(every=6, tests=3)

PROJECT = "envs/prod/reconciler.yaml"
SHARED = "shared/specs/teams.yaml"


class Monorepo:
    """Repository with the project `envs/prod`, whose specs are in `shared/specs`. It is applied and committed."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server, self.folder = project, server, project.folder
        (project.folder / "specs/reconciler.yaml").unlink()
        self.write_project("../../shared/specs/*.yaml")
        self.declare("orders", "sales")
        commit(project.folder, "base")
        applied = self.run("apply", "--auto-approve")
        assert applied.exit == 0, applied.stderr

    def write_project(self, pattern: str, settings: str = "") -> None:
        head = f"version: 1\naccount_id: {self.server.account_id}\nspecs: ['{pattern}']\n"
        self.project.write(PROJECT, f"{head}limits: {{changed_fraction: 1}}\n{settings}")

    def declare(self, *keys: str, region: str = "GCP_US_EAST4") -> None:
        pairs = "".join(PAIR.format(key=key).replace("GCP_US_EAST4", region) for key in keys)
        self.project.write(SHARED, f"version: 1\ngroups:\n{pairs}")

    def run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> CommandResult:
        return self.project.run_against(self.server, *arguments, "--project", PROJECT, environ=environ)


@pytest.fixture
def monorepo(project: Project, server: EmulatedFivetran) -> Monorepo:
    return Monorepo(project, server)


def list_addresses(result: CommandResult) -> list[str]:
    assert result.exit == 0, result.stderr
    return [change["address"] for change in result.document["changes"]]


@pytest.mark.parametrize(
    "pattern", ["../../shared/specs/*.yaml", "{folder}/shared/specs/*.yaml", "teams/*.yaml"]
)
def test_a_plan_since_a_revision_has_the_changed_entries_of_shared_specs(
    monorepo: Monorepo, pattern: str
) -> None:
    (monorepo.folder / "envs/prod/teams").symlink_to("../../shared/specs")
    monorepo.write_project(pattern.format(folder=monorepo.folder))
    commit(monorepo.folder, "pattern")
    assert list_addresses(monorepo.run("plan", "--changed-since", "pattern", "--format", "json")) == []
    shared = monorepo.folder / SHARED
    orders, sales = shared.read_text().split("  sales:")
    monorepo.project.write(SHARED, f"{orders.replace('GCP_US_EAST4', 'GCP_EUROPE_WEST3')}  sales:{sales}")
    changed = monorepo.run("plan", "--changed-since", "pattern", "--format", "json")
    assert list_addresses(changed) == ["destination.orders"]
    assert list_addresses(monorepo.run("plan", "--changed-since", "base", "--format", "json")) == [
        "destination.orders"
    ]


def test_settings_of_a_revision_hold_for_shared_specs(monorepo: Monorepo) -> None:
    monorepo.write_project("../../shared/specs/*.yaml", "policies: [{allowed-regions: [GCP_US_EAST4]}]\n")
    commit(monorepo.folder, "policy")
    monorepo.write_project("../../shared/specs/*.yaml")
    monorepo.declare("orders", "sales", region="GCP_EUROPE_WEST3")
    result = monorepo.run("plan", "--settings-from", "policy")
    assert result.exit == 3
    assert "shared/specs/teams.yaml:6:" in result.stderr


def test_a_saved_plan_of_shared_specs_names_relative_paths_and_is_applied(monorepo: Monorepo) -> None:
    monorepo.declare("orders", "sales", region="GCP_EUROPE_WEST3")
    assert monorepo.run("plan", "--out", "plan.json").exit == 0
    assert str(monorepo.folder) not in (monorepo.folder / "plan.json").read_text()
    commit(monorepo.folder, "saved")
    applied = monorepo.run("apply", "plan.json")
    assert applied.exit == 0, applied.stderr
    patched = [call for call in monorepo.server.writes if call.startswith("PATCH ")]
    assert len(patched) == 2


def test_fmt_validate_and_excerpts_name_shared_files(monorepo: Monorepo) -> None:
    file = monorepo.project.write(SHARED, "version: 1\ngroups:\n    orders:\n        nmae: x   \n")
    formatted = monorepo.run("fmt")
    assert (formatted.exit, formatted.stdout) == (0, f"{SHARED}\n")
    assert file.read_text() == "version: 1\ngroups:\n  orders:\n    nmae: x\n"
    wrong = monorepo.run("validate", SHARED)
    assert wrong.exit == 1
    assert f"  --> {SHARED}:4:5\n" in wrong.stderr
    assert " 4 |     nmae: x\n" in wrong.stderr
    annotated = monorepo.run(
        "validate", "--format", "github", environ={"GITHUB_WORKSPACE": str(monorepo.folder)}
    )
    assert f"file={SHARED},line=4" in annotated.stdout + annotated.stderr


def test_events_and_schemas_of_a_project_with_shared_specs(monorepo: Monorepo) -> None:
    assert monorepo.run("plan", "--events", "events.jsonl").exit == 0
    [started, *_] = map(json.loads, (monorepo.folder / "events.jsonl").read_text().splitlines())
    assert started["project"] == str(monorepo.folder / PROJECT)
    assert started["commit"]
    written = monorepo.run("schema", "--write")
    assert "shared/specs/*.yaml" in written.stdout
    assert "$schema=../../envs/prod/.schema/spec.json" in written.stdout


def test_paths_are_relative_within_the_folder_of_a_project(
    monorepo: Monorepo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The folder of a project is where its pipeline often runs."""
    monorepo.project.write(SHARED, "version: 1\ngroups:\n  orders:\n    nmae: x\n")
    inside = Project(monorepo.folder / "envs/prod", monkeypatch, capfd)
    options = ("--project", "reconciler.yaml")
    text = inside.run("validate", *options).stderr
    assert "  --> ../../shared/specs/teams.yaml:4:5\n" in text
    assert " 4 |     nmae: x\n" in text
    workspace = {"GITHUB_WORKSPACE": str(monorepo.folder)}
    annotated = inside.run("validate", *options, "--format", "github", environ=workspace)
    assert f"file={SHARED},line=4" in annotated.stdout + annotated.stderr
    assert inside.run("fmt", "../../shared/specs/teams.yaml", *options).exit == 0
