"""Warnings that a project ignores, and warnings that the text of a plan leaves out."""

from __future__ import annotations

import json

import pytest
from applied_project import AppliedProject
from cli_harness import ROOT, EmulatedFivetran, Project

from reconciler.policy.ignored_warnings import list_ignorable_codes

SHOP = """\
  {key}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {{project_id: {project}, data_set_location: US}}
"""
OLD = """\
  {key}:
    destination:
      service: adls
      region: AZURE_EASTUS2
      time_zone_offset: "0"
      config: {{storage_account_name: acme, container_name: archive, prefix_path: a, client_id: {client}, tenant_id: t,
        secret_value: {{secret: "env:THE_SECRET"}}}}
"""
LEFT_OUT = "1 warning about entries that this plan leaves as they are; `reconciler plan --verbose` shows them"
IGNORED = "warnings: {ignore: [{code: legacy-service, where: {key: 'old_*'}, because: stays until 2027}]}\n"


@pytest.fixture
def archive(project: Project, server: EmulatedFivetran) -> AppliedProject:
    """A project with two entries of an old service and a new shop."""
    applied = AppliedProject(project, server, {"THE_SECRET": "value-of-secret"})
    applied.write_settings("limits: {changed_fraction: 1}\n")
    applied.write_specs(OLD.format(key="old_a", client="a") + OLD.format(key="old_b", client="b"))
    applied.must_apply()
    return applied


def declare(archive: AppliedProject, client: str = "b", settings: str = "") -> None:
    """Declare a new shop, and the client of the second old entry."""
    archive.write_settings("limits: {changed_fraction: 1}\n" + settings)
    old = OLD.format(key="old_a", client="a") + OLD.format(key="old_b", client=client)
    archive.write_specs(old + SHOP.format(key="shop", project="acme"))


def test_a_warning_about_untouched_entries_is_one_line(archive: AppliedProject) -> None:
    declare(archive)
    plan = archive.plan("-q")
    assert plan.exit == 0
    assert plan.stderr.splitlines() == [LEFT_OUT, ""]
    assert "warning[legacy-service]" in archive.plan("-v").stderr
    assert LEFT_OUT not in archive.plan("-v").stderr
    drift = archive.run("drift", "-q")
    assert LEFT_OUT in drift.stderr
    applied = archive.apply("-q")
    assert (applied.exit, "legacy-service" in applied.stderr) == (0, False)
    assert LEFT_OUT in applied.stderr


def test_a_warning_about_one_of_several_changed_entries_is_shown(archive: AppliedProject) -> None:
    """One warning is about both entries, and the plan changes the second."""
    declare(archive, client="c")
    plan = archive.plan("-q")
    assert "warning[legacy-service]" in plan.stderr
    assert LEFT_OUT not in plan.stderr


def test_documents_and_annotations_have_every_warning(archive: AppliedProject) -> None:
    declare(archive)
    assert [each["code"] for each in archive.plan("--format", "json").document["warnings"]] == [
        "legacy-service"
    ]
    annotated = archive.plan("--format", "github")
    assert annotated.stdout.count("::warning ") == 1
    assert "warning[legacy-service]" in archive.plan("--format", "markdown").stdout
    assert "legacy-service" in archive.plan("--format", "terraform").stderr


def test_an_ignored_warning_is_in_json_only_with_its_reason(archive: AppliedProject) -> None:
    declare(archive)
    before = archive.plan("--format", "json").document
    assert "ignored_warnings" not in before
    declare(archive, settings=IGNORED)
    plan = archive.plan("--format", "json").document
    assert plan["warnings"] == []
    assert [(each["code"], each["address"], each["because"]) for each in plan["ignored_warnings"]] == [
        ("legacy-service", f"destination.old_{key}", "stays until 2027") for key in "ab"
    ]
    assert plan["digest"] == before["digest"]
    for arguments in (["plan", "-v"], ["apply", "--auto-approve"], ["drift"]):
        result = archive.run(*arguments)
        assert result.exit == 0
        assert "legacy-service" not in result.stderr
    assert archive.run("drift", "--format", "json").document["ignored_warnings"] == plan["ignored_warnings"]


def test_a_saved_plan_keeps_ignored_warnings(archive: AppliedProject) -> None:
    declare(archive, settings=IGNORED)
    assert archive.plan("--out", "plan.json").exit == 0
    shown = archive.run("show", "plan.json", "--format", "json").document
    assert len(shown["ignored_warnings"]) == 2


def test_a_rule_covers_only_its_entries(archive: AppliedProject) -> None:
    declare(archive, client="c", settings=IGNORED.replace("old_*", "old_a"))
    plan = archive.plan("--format", "json").document
    assert [each["address"] for each in plan["ignored_warnings"]] == ["destination.old_a"]
    assert [each["address"] for each in plan["warnings"]] == ["destination.old_b"]


def test_a_warning_that_only_a_plan_finds_is_ignored_too(archive: AppliedProject) -> None:
    declare(archive)
    archive.must_apply()
    archive.dashboard.change_destination(archive.find_id("old_a"), setup_status="broken")
    assert "not-connected" in archive.plan().stderr
    declare(archive, settings=IGNORED.replace("legacy-service", "not-connected"))
    plan = archive.plan("--format", "json").document
    assert [each["code"] for each in plan["ignored_warnings"]] == ["not-connected"]
    validated = archive.run("validate")
    assert "unused-ignore" not in validated.stderr


def test_strict_makes_an_error_that_no_project_ignores(archive: AppliedProject) -> None:
    rule = "warnings: {ignore: [{code: unknown-field, because: beta}]}\n"
    archive.write_settings(rule)
    archive.write_specs(SHOP.format(key="shop", project="acme, region_of_beta: x"))
    assert "unknown-field" not in archive.run("validate").stderr
    strict = archive.run("validate", "--strict")
    assert strict.exit == 1
    assert "error[unknown-field]" in strict.stderr


def test_statistics_count_the_findings_of_each_code(archive: AppliedProject) -> None:
    shops = "".join(SHOP.format(key=f"shop_{n}", project="acme, region_of_beta: x") for n in range(3))
    archive.write_specs(OLD.format(key="old_a", client="a") + shops)
    for form in ("full", "concise"):
        result = archive.run("validate", "--statistics", "--format", form)
        assert result.exit == 0
        assert result.stderr.splitlines()[:4] == [
            "3  warning[unknown-field]",
            "1  warning[legacy-service]",
            "",
            "4 warnings",
        ]
    failed = archive.run("validate", "--statistics", "--strict")
    assert failed.exit == 1
    assert failed.stderr.splitlines()[0] == "3  error[unknown-field]"
    refused = archive.run("validate", "--statistics", "--format", "json")
    assert refused.exit == 64


def test_the_guide_lists_the_codes_that_a_project_can_ignore() -> None:
    guide = (ROOT / "reconciler" / "guides" / "validation.md").read_text()
    section = guide.partition("## Ignored warnings")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert sorted(
        code.strip("`") for row in rows for code in row.split("|")[2].strip().split(", ")
    ) == sorted(list_ignorable_codes())


def test_the_schema_knows_the_codes(project: Project) -> None:
    schema = json.loads(project.run("schema", "project").stdout)
    ignore = schema["properties"]["warnings"]["properties"]["ignore"]["items"]
    assert ignore["properties"]["code"]["enum"] == list(list_ignorable_codes())
    assert sorted(ignore["required"]) == ["because", "code"]
