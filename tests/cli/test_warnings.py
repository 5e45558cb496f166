"""Warnings are diagnostics: on standard error before the results, or inside a document."""

from __future__ import annotations

import pytest
from cli_harness import Project

ENTRY = "  a:\n    destination: {service: nobody_knows_it, time_zone_offset: '0'}\n"


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        (["validate"], "Valid: 1 group, 1 destination in 1 file."),
        (["plan", "--sandbox"], "Plan: 2 to add, 0 to change, 0 to destroy."),
        (["apply", "--sandbox", "--auto-approve"], "Plan: 2 to add, 0 to change, 0 to destroy."),
    ],
)
def test_warnings_are_written_to_stderr_before_an_empty_line(
    arguments: list[str], result: str, project: Project
) -> None:
    project.write_groups(ENTRY)
    printed = project.run(*arguments)
    assert result in printed.stdout.splitlines()
    assert "warning[" not in printed.stdout
    assert printed.stderr.startswith("warning[unknown-service]: ")
    assert "\n1 warning\n\n" in printed.stderr


@pytest.mark.parametrize("arguments", [["plan"], ["apply", "--auto-approve"]])
def test_json_has_warnings_inside_the_plan(arguments: list[str], project: Project) -> None:
    project.write_groups(ENTRY)
    printed = project.run(*arguments, "--sandbox", "--format", "json")
    plan = printed.document.get("plan", printed.document)
    assert [each["code"] for each in plan["warnings"]] == ["unknown-service"]
    assert printed.stderr == ""


def test_a_concise_warning_is_one_line(project: Project) -> None:
    project.write_groups(ENTRY)
    assert len(project.run("validate", "--format", "concise").stderr.splitlines()) == 1
