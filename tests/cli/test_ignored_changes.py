"""`ignore_changes`: fields that are set on creation, and left alone afterwards."""

from __future__ import annotations

import pytest
from applied_project import PAIR, AppliedProject

IGNORED = PAIR + "      lifecycle: {{ignore_changes: [{names}]}}\n"


@pytest.mark.parametrize(
    ("names", "has_changes"),
    [("config", False), ("config.project_id, config.data_set_location", False), ("config.project_id", True)],
)
def test_a_changed_config_is_left_alone_if_all_of_it_is_ignored(
    applied_project: AppliedProject, names: str, has_changes: bool
) -> None:
    sales = IGNORED.format(key="sales", names=names).replace("acme", "other").replace("US}", "EU}")
    applied_project.write_specs(PAIR.format(key="orders") + sales)
    assert applied_project.plan("--detailed-exitcode").exit == (2 if has_changes else 0)


def test_a_created_destination_gets_its_ignored_config(applied_project: AppliedProject) -> None:
    new = IGNORED.format(key="new", names="config")
    applied_project.write_specs(PAIR.format(key="orders") + PAIR.format(key="sales") + new)
    applied_project.must_apply()
    created = applied_project.server.list_bodies("POST", "/v1/destinations")[-1]
    assert created["config"] == {"project_id": "acme", "data_set_location": "US"}
    assert applied_project.is_converged()


def test_other_fields_than_the_config_are_updated(applied_project: AppliedProject) -> None:
    sales = IGNORED.format(key="sales", names="config").replace('"0"', '"+1"')
    applied_project.write_specs(PAIR.format(key="orders") + sales)
    applied_project.must_apply()
    [body] = [each for each in applied_project.server.app.read_history() if each.method == "PATCH"]
    assert "config" not in body.body
