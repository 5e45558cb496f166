"""Check that a plan announces every mutating request of its apply (S-19), over random edits of all services.

An edit changes fields, clears them, renames a group, replaces or removes a destination, or follows manual changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from zlib import crc32

import pytest
from announced_requests import read_announcement, read_sent
from client_switches import behaviours
from destination_strategies import DestinationModel, destination_models, edited_models, write_block
from hypothesis import given, seed
from hypothesis import strategies as st
from hypothesis_settings import fixed_examples
from in_process_harness import InProcessProject, open_project
from long_runs import small_and_large
from request_shapes import check_required_fields

from reconciler.catalogue.load import load_service_names
from reconciler.report.plan_json import serialize_plan

KEY, OTHER = "sales", "orders"
MASK = "******"
switches = st.builds(
    lambda behaviour, clearing: {**behaviour, "clearing_ids": clearing},
    behaviours,
    st.sampled_from(["null-or-empty", "null", "empty"]),
)


@small_and_large("edits", 3, 12)
@pytest.mark.parametrize("service", load_service_names())
@pytest.mark.sampled(every=5)
def test_a_plan_announces_every_mutating_request_of_its_apply(service: str, edits: int) -> None:
    @seed(crc32(service.encode()))  # other edits for each service
    @fixed_examples(edits)
    @given(st.data(), switches)
    def check(data: st.DataObject, behaviour: dict[str, Any]) -> None:
        with open_project(**behaviour) as project:
            Edit(project, data.draw, data.draw(destination_models(service))).check()

    check()


class Edit:
    """One applied entry, and a random edit of it."""

    def __init__(self, project: InProcessProject, draw: Any, before: DestinationModel) -> None:
        self.project = project
        self.draw = draw
        self.before = before
        self.block = write_block(draw, before, KEY, project.secrets)
        self.name = KEY

    def check(self) -> None:
        """Check the plan of the create and the plan of the edit."""
        self.block |= self._draw_options()
        self._declare()
        self._check_apply()
        edits = [
            self._update,
            self._update_beside_a_manual_time_zone,
            self._rename,
            self._test_again,
            self._remove,
        ]
        if self.project.app.behaviour.platform_connection == "none":  # else the connection blocks it
            edits += [self._replace_service, self._replace_after_manual_change]
        edit: Callable[[], None] = self.draw(st.sampled_from(edits))
        edit()
        self._check_apply()

    def _check_apply(self) -> None:
        """Apply, and hold the history against the JSON of the plan alone."""
        before = self.project.history[-1].sequence if self.project.history else 0
        self.project.apply()
        assert self.project.planned is not None
        changes = json.loads(json.dumps(serialize_plan(self.project.planned.plan)))["changes"]
        sent = [entry for entry in self.project.history if entry.sequence > before and entry.is_mutating]
        read_announcement(changes).check(read_sent(sent, changes, {self.name: KEY, OTHER: OTHER}))
        for entry in sent:
            check_required_fields(entry)
            assert MASK not in json.dumps(entry.body)

    def _declare(self) -> None:
        self.project.declare({KEY: {"name": self.name, "destination": self.block}, OTHER: {}})

    def _draw_options(self) -> dict[str, Any]:
        return {
            "setup_tests": {"run": self.draw(st.booleans())},
            "trust": {
                "certificates": self.draw(st.sampled_from(["none", "any"])),
                "fingerprints": self.draw(st.sampled_from(["none", "any"])),
            },
        }

    def _write(self, destination: DestinationModel) -> None:
        options = {name: self.block[name] for name in ("setup_tests", "trust")}
        self.block = write_block(self.draw, destination, KEY, self.project.secrets) | options

    def _update(self) -> None:
        self._write(self.draw(edited_models(self.before)))
        self._declare()

    def _update_beside_a_manual_time_zone(self) -> None:
        """The plan ignores the time zone, so that the update has to carry the live value."""
        self._write(self.draw(edited_models(self.before)))
        self.block["lifecycle"] = {"ignore_changes": ["time_zone_offset"]}
        id = self.project.app.dashboard.find_group_ids(self.name)[0]
        self.project.app.dashboard.change_destination(id, time_zone_offset="+12")
        self._declare()

    def _rename(self) -> None:
        self.name = "sales_of_all_shops"
        self._update()

    def _test_again(self) -> None:
        self.block |= self._draw_options()
        self._declare()

    def _remove(self) -> None:
        id = self.project.app.dashboard.find_group_ids(self.name)[0]
        removal = {"group": KEY, "id": id, "with_platform_connection": True}
        if self.draw(st.booleans()):
            self.project.declare({OTHER: {}}, removed=[removal])
        else:
            groups = {KEY: {"name": self.name}, OTHER: {}}
            self.project.declare(groups, removed=[{**removal, "only": "destination"}])

    def _replace_service(self) -> None:
        others = [name for name in load_service_names() if name != self.before.service]
        self._write(self.draw(destination_models(self.draw(st.sampled_from(others)))))
        self.block["lifecycle"] = {"allow_replace": True}
        self._declare()

    def _replace_after_manual_change(self) -> None:
        id = self.project.app.dashboard.find_group_ids(self.name)[0]
        self.project.app.dashboard.change_destination(
            id, private_link_id="by_hand", daylight_saving_time_enabled=True
        )
        self._replace_service()
