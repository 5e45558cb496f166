"""Names of groups with blanks at their ends: an entry with an `id:` adopts such a group, and plans show the blanks."""

from __future__ import annotations

import pytest
from applied_project import AppliedProject
from cli_harness import EmulatedFivetran, Project

ID = "decent_dropsy"


@pytest.fixture
def account(project: Project, server: EmulatedFivetran) -> AppliedProject:
    """An account with one group whose name ends with a blank."""
    applied_project = AppliedProject(project, server)
    applied_project.dashboard.add_group("Sales ", ID)
    applied_project.write_settings()
    return applied_project


def test_a_group_whose_name_ends_with_a_blank_is_adopted(account: AppliedProject) -> None:
    account.write_specs(f'  sales: {{id: {ID}, name: "Sales "}}\n')
    result = account.plan()
    assert (result.exit, result.stderr) == (0, "")
    result, writes = account.run_and_list_writes("apply", "--auto-approve")
    assert (result.exit, writes) == (0, [])


def test_a_plan_shows_the_blank_that_a_rename_removes(account: AppliedProject) -> None:
    account.write_specs(f"  sales: {{id: {ID}, name: Sales}}\n")
    assert '"Sales " -> "Sales"' in account.plan().stdout
    account.write_specs(f'  sales: {{id: {ID}, name: " "}}\n')
    assert '"Sales " -> " "' in account.plan().stdout


def test_without_the_id_the_blank_is_an_error(account: AppliedProject) -> None:
    account.write_specs('  sales: {name: "Sales "}\n')
    result = account.plan()
    assert result.exit == 1
    assert "error[wrong-shape]: a name has no blanks around it" in result.stderr
    assert "if a live group has this name, declare its `id:` too" in result.stderr


def test_the_name_of_an_unmanaged_group_is_shown_with_its_blank(account: AppliedProject) -> None:
    account.write_specs("  other: {}\n")
    assert 'Not managed: 1 group ("Sales ")' in account.plan().stdout
