"""Test the comparison with a revision: unchanged entries are compiled once, and every other entry is compared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_clock import FakeClock
from git_repo import commit

from reconciler.model.lock_info import LockInfo
from reconciler.workspace.baseline import Baseline, load_baseline
from reconciler.workspace.settings import Settings
from reconciler.workspace.specs import Specs, load_specs

HEAD = "version: 1\nspecs: [profiles.yaml, 'groups/*.yaml']\noverrides: [over.yaml]\n"
DEFAULTS = "defaults: {destination: {setup_tests: {run: true}}}\n"
PROFILES = """\
version: 1
profiles:
  warehouse: {service: snowflake, region: AWS_US_EAST_1, config: {host: acme.snowflakecomputing.com, port: 443}}
  other: {service: big_query, config: {project_id: acme}}
"""
ENTRY = """\
version: 1
groups:
  team_{number}:
    destination:
      profile: warehouse
      config: {{user: USER_{number}, password: {{secret: "env:TEAM_{number}"}}}}
"""
OVERRIDES = "version: 1\ngroups: {team_1: {destination: {region: GCP_EUROPE_WEST3}}}\n"


def write_project(folder: Path, entries: int) -> None:
    (folder / "groups").mkdir(parents=True)
    (folder / "reconciler.yaml").write_text(HEAD + DEFAULTS)
    (folder / "profiles.yaml").write_text(PROFILES)
    (folder / "over.yaml").write_text(OVERRIDES)
    for number in range(entries):
        (folder / "groups" / f"team_{number}.yaml").write_text(ENTRY.format(number=number))


def compare(folder: Path) -> tuple[Specs, Baseline]:
    settings = Settings(
        directory=folder,
        environ=os.environ,
        clock=FakeClock(),
        entropy=os.urandom,
        holder=LockInfo(1, "here", "test", "now", "plan"),
        project=folder / "reconciler.yaml",
        changed_since="before",
    )
    specs = load_specs(settings)
    baseline = load_baseline(settings, specs)
    assert baseline is not None
    return specs, baseline


def count_compiled(specs: Specs, baseline: Baseline) -> int:
    """Count the destinations of the revision that were compiled for it alone."""
    ours = {id(entry) for entry in specs.destinations}
    return sum(id(entry) not in ours for entry in baseline.tip.destinations)


@pytest.mark.parametrize("entries", [5, 50])
def test_only_changed_entries_of_a_revision_are_compiled(entries: int, tmp_path: Path) -> None:
    write_project(tmp_path, entries)
    commit(tmp_path, "before")
    for number in (1, 3):
        file = tmp_path / "groups" / f"team_{number}.yaml"
        file.write_text(file.read_text().replace("USER", "ROLE"))
    specs, baseline = compare(tmp_path)
    assert baseline.divergence.ours == {"team_1", "team_3"}
    assert count_compiled(specs, baseline) == 2


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("reconciler.yaml", "run: true", "run: false", {"team_0", "team_1", "team_2"}),
        ("profiles.yaml", "port: 443", "port: 444", {"team_0", "team_1", "team_2"}),
        ("profiles.yaml", "project_id: acme", "project_id: other", set()),
        ("over.yaml", "GCP_EUROPE_WEST3", "GCP_US_EAST4", {"team_1"}),
        ("over.yaml", "{destination: {region: GCP_EUROPE_WEST3}}", "{}", {"team_1"}),
        ("groups/team_2.yaml", "TEAM_2", "TEAM_3", {"team_2"}),
        ("groups/team_2.yaml", "version: 1\n", "version: 1\n# moved by a comment\n", set()),
        ("groups/team_2.yaml", "    destination:", "    name: Team 2\n    destination:", {"team_2"}),
        (
            "groups/team_2.yaml",
            "      profile",
            "      lifecycle: {protected: true}\n      profile",
            {"team_2"},
        ),
        ("groups/team_2.yaml", "groups:", "removed: [{group: gone, id: old_gone}]\ngroups:", {"gone"}),
        ("groups/team_2.yaml", "  team_2:", "  team_9:", {"team_2", "team_9"}),
    ],
)
def test_a_change_of_any_part_changes_its_entries(
    file: str, old: str, new: str, changed: set[str], tmp_path: Path
) -> None:
    write_project(tmp_path, 3)
    commit(tmp_path, "before")
    path = tmp_path / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    _, baseline = compare(tmp_path)
    assert baseline.divergence.ours == changed


def test_limits_on_references_of_the_revision_hold_for_its_own_entries(tmp_path: Path) -> None:
    write_project(tmp_path, 3)
    project = tmp_path / "reconciler.yaml"
    project.write_text(HEAD)  # without defaults no destination depends on the text of the project file
    commit(tmp_path, "before")
    project.write_text(HEAD + 'secrets: {allow: ["env:TEAM_*"]}\n')
    specs, baseline = compare(tmp_path)
    assert not baseline.divergence.ours
    assert count_compiled(specs, baseline) == 3
