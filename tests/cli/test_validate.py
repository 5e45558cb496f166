"""`reconciler validate`: paths, strictness, and formats for other tools."""

from __future__ import annotations

import json

import pytest
from cli_harness import EmulatedFivetran, Project

WRONG = "  wrong:\n    destination: {service: snowflaek, region: AWS_US_EAST_1, time_zone_offset: '0'}\n"
RIGHT = """\
  right:
    destination:
      service: big_query
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config: {project_id: acme}
"""
UNCHECKED = """\
  odd:
    destination:
      service: big_query
      region: AWS_MOON_BASE_1
      time_zone_offset: "0"
      config: {project_id: acme, quite_new_at_fivetran: 1}
"""

NO_WORKSPACE = {"GITHUB_WORKSPACE": ""}


@pytest.fixture
def mixed_project(project: Project) -> Project:
    project.write_groups(WRONG, "wrong")
    project.write_groups(RIGHT, "right")
    project.write_groups(UNCHECKED, "odd")
    return project


def test_validate_with_a_path_reports_findings_of_that_path_only(mixed_project: Project) -> None:
    result = mixed_project.run("validate", "specs/groups/right.yaml")
    assert result.exit == 0
    assert result.stdout == "Valid: 1 group, 1 destination in 1 file.\n"
    assert result.stderr == "3 findings in other files not shown.\n"


def test_errors_in_a_named_file_are_reported(mixed_project: Project) -> None:
    result = mixed_project.run("validate", "specs/groups/right.yaml", "specs/groups/wrong.yaml")
    assert result.exit == 1
    assert "specs/groups/wrong.yaml:4" in result.stderr
    assert "odd.yaml" not in result.stderr


def test_a_folder_selects_project_files_below_it(mixed_project: Project) -> None:
    mixed_project.write("specs/groups/notes.txt", "not a spec\n")
    result = mixed_project.run("validate", "specs/groups", "--format", "json")
    assert result.exit == 1
    assert {each["code"] for each in result.document["diagnostics"]} == {
        "unknown-service",
        "unlisted-region",
        "unknown-field",
    }


def test_an_error_elsewhere_that_prevents_the_check_is_reported(mixed_project: Project) -> None:
    mixed_project.write("specs/groups/wrong.yaml", "version: 1\ngroups: [\n")
    result = mixed_project.run("validate", "specs/groups/right.yaml")
    assert result.exit == 1
    assert "specs/groups/wrong.yaml" in result.stderr


def test_a_path_outside_the_project_is_an_error(mixed_project: Project) -> None:
    mixed_project.write("other/right.yaml", "version: 1\n")
    mixed_project.write("empty/.keep", "")
    result = mixed_project.run(
        "validate", "other/right.yaml", "empty", "specs/groups/rihgt.yaml", "--format", "json"
    )
    assert result.exit == 1
    assert [each["message"] for each in result.document["diagnostics"]] == [
        "`empty` holds no file of this project",
        "`other/right.yaml` is not a file of this project",
        "there is no file `specs/groups/rihgt.yaml`",
    ]
    assert result.document["diagnostics"][2]["help"] == "did you mean `specs/groups/right.yaml`?"


def test_the_project_file_can_be_selected(mixed_project: Project) -> None:
    assert mixed_project.run("validate", "specs/reconciler.yaml").exit == 0


def test_an_unknown_service_is_a_warning_and_an_error_with_strict(project: Project) -> None:
    project.write_groups(UNCHECKED)
    loose = project.run("validate", "--format", "json")
    assert loose.exit == 0
    strict = project.run("validate", "--strict", "--format", "json")
    assert strict.exit == 1
    assert [each["code"] for each in strict.document["diagnostics"]] == ["unlisted-region", "unknown-field"]
    assert {each["severity"] for each in strict.document["diagnostics"]} == {"error"}
    assert all(
        "without `--strict` this is a warning" in each["notes"] for each in strict.document["diagnostics"]
    )


def test_strict_leaves_other_warnings_as_warnings(project: Project) -> None:
    old = RIGHT.replace("big_query", "panoply").replace("{project_id: acme}", "{port: 5439}")
    project.write_groups(old.replace("right:\n", "right:\n    id: decent_dropsy\n"))
    result = project.run("validate", "--strict", "--format", "json")
    assert result.exit == 0
    assert [each["code"] for each in result.document["diagnostics"]] == ["legacy-service"]


@pytest.mark.parametrize("command", [["plan"], ["apply", "--auto-approve"]])
def test_strict_stops_plan_and_apply_before_any_request(
    project: Project, server: EmulatedFivetran, command: list[str]
) -> None:
    project.write_groups(UNCHECKED)
    result = project.run_against(server, *command, "--strict")
    assert result.exit == 1
    assert "error[unlisted-region]" in result.stderr
    assert server.calls == []


def test_github_annotations_go_to_stdout_and_full_text_to_stderr(mixed_project: Project) -> None:
    result = mixed_project.run("validate", "--format", "github", environ=NO_WORKSPACE)
    assert result.exit == 1
    assert [line.partition(",")[0] for line in result.stdout.splitlines()] == [
        "::error file=specs/groups/wrong.yaml",
        "::warning file=specs/groups/odd.yaml",
        "::warning file=specs/groups/odd.yaml",
    ]
    assert "  --> specs/groups/wrong.yaml:4:28" in result.stderr


def test_github_paths_are_relative_to_the_workspace(mixed_project: Project) -> None:
    result = mixed_project.run(
        "validate", "--format", "github", environ={"GITHUB_WORKSPACE": str(mixed_project.folder.parent)}
    )
    assert f"file={mixed_project.folder.name}/specs/groups/wrong.yaml," in result.stdout


def test_sarif_is_one_document_for_valid_and_invalid_specs(mixed_project: Project) -> None:
    failed = mixed_project.run("validate", "--format", "sarif")
    assert failed.exit == 1
    assert failed.stderr == ""
    [run] = failed.document["runs"]
    assert [each["level"] for each in run["results"]] == ["error", "warning", "warning"]
    assert run["invocations"] == [{"executionSuccessful": False, "exitCode": 1}]
    passed = mixed_project.run("validate", "--format", "sarif", "specs/groups/odd.yaml")
    assert passed.exit == 0
    assert [each["level"] for each in passed.document["runs"][0]["results"]] == ["warning", "warning"]


def test_plan_writes_github_annotations(project: Project) -> None:
    project.write_groups(UNCHECKED)
    github = project.run("plan", "--sandbox", "--format", "github", environ=NO_WORKSPACE)
    assert github.exit == 0
    assert "Plan: 2 to add" in github.stdout
    assert github.stdout.count("::warning file=specs/groups/main.yaml,") == 2
    sarif = project.run("plan", "--sandbox", "--format", "sarif")
    assert len(json.loads(sarif.stdout)["runs"][0]["results"]) == 2
