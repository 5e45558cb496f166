"""The custom rule in the guide to policies works when packaged as described."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_harness import ROOT, Project
from plugin_packages import install_package

GUIDE = (ROOT / "reconciler/guides/policies.md").read_text()
[CODE] = re.findall(r"```python\n(from reconciler\.policy\.base .*?)```", GUIDE, re.DOTALL)
[(GROUP, OFFER)] = re.findall(r'`\[project\.entry-points\."([a-z.]+)"\]` with\s`(freeze = "[\w:]+")`', GUIDE)
[USE] = re.findall(r"`(- freeze: \{keys: \[\w+\]\})`", GUIDE)


@pytest.fixture
def rule_project(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    name, _, target = OFFER.partition(" = ")
    module, _, attribute = target.strip('"').partition(":")
    install_package(tmp_path / "site", monkeypatch, module, GROUP, f"{name} = {attribute}", code=CODE)
    project.write_groups(
        "  finance_prod:\n    destination: {service: big_query, time_zone_offset: '0',"
        " config: {project_id: acme, data_set_location: EU}}\n"
    )
    return project


def write_settings(project: Project, use: str) -> None:
    project.write("specs/reconciler.yaml", f"version: 1\nspecs: ['groups/*.yaml']\npolicies:\n  {use}\n")


def test_the_documented_rule_evaluates_entries_and_plans(rule_project: Project) -> None:
    write_settings(rule_project, USE)
    validated = rule_project.run("validate")
    assert validated.exit == 3
    assert "destination.finance_prod: it is frozen, so protect it" in validated.stderr
    refused = rule_project.run("plan", "--sandbox")
    assert refused.exit == 3
    assert "destination.finance_prod: it is frozen until January" in refused.stderr


def test_the_documented_rule_reports_invalid_settings_in_its_own_words(rule_project: Project) -> None:
    write_settings(rule_project, "- freeze: {}")
    validated = rule_project.run("validate")
    assert validated.exit == 1
    assert "the rule `freeze` cannot be used: `keys` is missing" in validated.stderr
