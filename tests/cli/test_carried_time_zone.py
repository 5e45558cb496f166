"""Each update of a destination carries its time zone, which the definition of the API requires (S-14)."""

from __future__ import annotations

from typing import Any

import pytest
from applied_project import AppliedProject, apply_pairs
from cli_harness import EmulatedFivetran, Project

from reconciler.emulator.destination import Destination
from reconciler.emulator.switches import Behaviour

pytestmark = pytest.mark.sampled(every=6, tests=3)

ENTRY = """\
  lake:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "-5"
      private_link_id: some_link
      config: {project_id: acme, data_set_location: US}
"""
IGNORED = ENTRY + "      lifecycle: {ignore_changes: [time_zone_offset]}\n"


class Lake(AppliedProject):
    """A project with one applied destination, in the time zone -5."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        super().__init__(project, server)
        self.write_settings()
        self.write_specs(ENTRY)
        assert self.apply().exit == 0
        self.lake_id = self.find_id("lake")

    def list_patches(self) -> list[Any]:
        return self.server.list_bodies("PATCH", f"/v1/destinations/{self.lake_id}")

    def get_live(self) -> Destination:
        return self.dashboard.get_destination(self.lake_id)

    def edit(self, specs: str = ENTRY) -> None:
        """Declare another project."""
        self.write_specs(specs.replace("project_id: acme", "project_id: other"))

    def list_announced(self) -> list[tuple[Any, Any]]:
        """List changed and carried fields of each announced patch."""
        document = self.plan("--format", "json").document
        return [
            (request["fields"], request["carried"])
            for change in document["changes"]
            for request in change["requests"]
            if request["method"] == "PATCH"
        ]


@pytest.fixture
def lake(project: Project, server: EmulatedFivetran) -> Lake:
    return Lake(project, server)


CHANGED = [["config", "project_id"], ["run_setup_tests"]]
ZONE = ["time_zone_offset"]


def test_an_update_carries_the_declared_time_zone_without_a_read(lake: Lake) -> None:
    lake.edit()
    assert lake.list_announced() == [(CHANGED, [ZONE])]
    planned = len(lake.server.calls)
    assert lake.apply().exit == 0
    assert lake.list_patches() == [
        {"config": {"project_id": "other"}, "time_zone_offset": "-5", "run_setup_tests": False}
    ]
    patch = lake.server.calls.index(f"PATCH /v1/destinations/{lake.lake_id}")
    # the plan of the apply reads the destination once, and no read follows before the patch
    assert lake.server.calls[planned:patch].count(f"GET /v1/destinations/{lake.lake_id}") == 1


def test_a_carried_time_zone_is_no_change(lake: Lake) -> None:
    lake.edit()
    document = lake.plan("--format", "json").document
    [change] = document["changes"]
    assert [field["path"] for field in change["fields"]] == [["config", "project_id"]]
    assert "time_zone_offset" not in lake.plan().stdout


def test_a_changed_time_zone_is_a_field_and_not_carried(lake: Lake) -> None:
    lake.write_specs(ENTRY.replace('"-5"', '"+2"'))
    assert lake.list_announced() == [([ZONE, ["run_setup_tests"]], [])]
    assert lake.apply().exit == 0
    assert lake.list_patches() == [{"time_zone_offset": "+2", "run_setup_tests": False}]


def test_an_update_carries_the_live_time_zone_of_the_moment_if_the_plan_ignores_it(lake: Lake) -> None:
    """A user changes the time zone between the plan and its apply: the update does not undo it."""
    lake.edit(IGNORED)
    assert lake.list_announced() == [(CHANGED, [ZONE])]
    assert lake.plan("--out", "plan.json").exit == 0
    lake.dashboard.change_destination(lake.lake_id, time_zone_offset="+9")
    result = lake.apply("plan.json")
    assert result.exit == 0, result.stderr
    assert [body["time_zone_offset"] for body in lake.list_patches()] == ["+9"]
    assert lake.get_live().time_zone_offset == "+9"
    patch = lake.server.calls.index(f"PATCH /v1/destinations/{lake.lake_id}")
    assert lake.server.calls[patch - 1] == f"GET /v1/destinations/{lake.lake_id}"


@pytest.mark.parametrize("answered", ["UTC", "+5:30", "******", "+13"])
def test_a_time_zone_that_the_api_would_refuse_is_neither_carried_nor_announced(
    answered: str, lake: Lake
) -> None:
    lake.edit(IGNORED)
    lake.dashboard.change_destination(lake.lake_id, time_zone_offset=answered)
    assert lake.list_announced() == [(CHANGED, [])]
    assert lake.apply().exit == 0
    assert lake.list_patches() == [{"config": {"project_id": "other"}, "run_setup_tests": False}]


def test_a_saved_plan_that_would_send_other_fields_than_it_announces_is_refused(lake: Lake) -> None:
    lake.edit(IGNORED)
    assert lake.plan("--out", "plan.json").exit == 0
    lake.dashboard.change_destination(lake.lake_id, time_zone_offset="odd")
    result = lake.apply("plan.json")
    assert result.exit == 4
    assert "it needs other requests now than were announced" in result.stderr
    assert lake.list_patches() == []


def test_an_update_whose_live_time_zone_cannot_be_read_sends_nothing_and_has_failed(lake: Lake) -> None:
    lake.edit(IGNORED)
    lake.add_faults(f"GET /v1/destinations/{lake.lake_id} #2 status 403")  # the first read is of the plan
    result = lake.apply("--format", "json")
    assert result.exit == 6
    [outcome] = result.document["applied"]["outcomes"]
    assert outcome["status"] == "failed"
    assert lake.list_patches() == []
    assert lake.apply().exit == 0
    assert lake.is_converged()


@pytest.mark.parametrize("switch", ["accepted", "refused"])
@pytest.mark.parametrize("specs", [ENTRY, IGNORED])
def test_every_patch_of_an_apply_carries_the_time_zone(switch: str, specs: str, lake: Lake) -> None:
    """The second patch, which clears a link by null, carries it too."""
    lake.server.app.behaviour = Behaviour(patch_without_time_zone=switch, clearing_ids="null")
    lake.write_specs(specs.replace("private_link_id: some_link", "private_link_id: null"))
    result = lake.apply()
    assert result.exit == 0, result.stderr
    assert lake.list_patches() == [
        {"private_link_id": value, "time_zone_offset": "-5", "run_setup_tests": False} for value in ("", None)
    ]
    assert lake.is_converged()


def test_a_rename_carries_nothing(project: Project, server: EmulatedFivetran) -> None:
    applied = apply_pairs(project, server)
    id = applied.find_id("orders")
    applied.dashboard.rename_group(id, "renamed")
    assert applied.apply().exit == 0
    assert server.list_bodies("PATCH", f"/v1/groups/{id}") == [{"name": "orders"}]
