"""Check that runs of `drift --budget` read every destination in time, whatever happens between them (S-22)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis_settings import check_examples
from in_process_harness import InProcessProject, open_project
from long_runs import small_and_large
from werkzeug.test import Client as Caller

from reconciler.emulator.app import create_app
from reconciler.emulator.quota import PROFILES, QuotaProfile
from reconciler.emulator.store import Kind
from reconciler.model.plan import Plan
from reconciler.operations.budgeted_drift import plan_within_budget

LISTS = 3
"""Requests for the account and two lists of one page each."""
HOUR = 3600.0
DESTINATION = {
    "service": "big_query",
    "region": "GCP_US_EAST4",
    "time_zone_offset": "0",
    "setup_tests": {"run": False},
    "config": {"project_id": "acme", "data_set_location": "US"},
}


class DriftRounds(InProcessProject):
    """Project whose drift is looked for by runs with a budget, an hour apart.

    `reads` is the number of reads after which a destination must have been read, by key.
    """

    def __init__(self, folder: Path, behaviour: Mapping[str, Any]) -> None:
        super().__init__(folder, behaviour)
        self.groups: dict[str, Any] = {}
        self.ids: dict[str, str] = {}
        self.drifted: set[str] = set()
        self.reads: dict[str, int] = {}
        self.last_calls: list[str] = []

    def apply_pairs(self, groups: Mapping[str, Any], **more: Any) -> None:
        """Declare and apply pairs. The apply undoes all drift."""
        self.groups = dict(groups)
        self.declare(self.groups, **more)
        self.apply()
        self.ids = {key: self.find_id(entry["name"]) for key, entry in self.groups.items()}
        self.drifted = set()

    def find_id(self, name: str) -> str:
        [id] = self.app.dashboard.find_group_ids(name)
        return id

    def add(self, key: str) -> None:
        """Declare and apply one more pair. It is read before all others."""
        self.apply_pairs({**self.groups, key: build_pair(key)})
        self.reads = {other: reads + 1 for other, reads in self.reads.items()} | {key: len(self.groups)}

    def remove(self, key: str) -> None:
        """Delete a pair."""
        removed = [{"group": key, "id": self.ids[key]}]
        remaining = {other: entry for other, entry in self.groups.items() if other != key}
        self.apply_pairs(remaining, removed=removed)
        del self.reads[key]

    def rename(self, key: str, new_key: str) -> None:
        """Give an entry another key. Its destination stays, and so does the time of its last read."""
        others = {other: entry for other, entry in self.groups.items() if other != key}
        self.apply_pairs({**others, new_key: {**self.groups[key], "was": key}})
        self.reads[new_key] = self.reads.pop(key)

    def drift(self, key: str) -> None:
        """Change a field in the dashboard."""
        self.app.dashboard.change_destination(self.ids[key], config={"project_id": "theirs"})
        self.drifted.add(key)

    def limit_requests(self, quota: QuotaProfile) -> None:
        """Move the account to an emulator with a quota."""
        account = self.app.dump()
        self.app = create_app(clock=self.clock.now, quota=quota)
        assert Caller(self.app).post("/_emulator/reset", json=account).status_code == 200
        self._last_sequence = 0
        self.clock.waits.clear()

    def look(self, budget: int) -> Plan:
        """Look for drift with a budget, an hour after the last run."""
        self.clock.advance(HOUR)
        self.options = {"max_requests": budget, "compare_secrets": False}
        self.read_new_history()
        with self.open_workspace() as workspace:
            plan = plan_within_budget(workspace, budget)
        self.options = {}
        self.last_calls = [f"{entry.method} {entry.path}" for entry in self.read_new_history()]
        assert len(self.last_calls) <= budget
        return plan

    def list_read(self) -> set[str]:
        """List the keys of the destinations that the last run has read."""
        read = {
            call.rpartition("/")[2] for call in self.last_calls if call.startswith("GET /v1/destinations/")
        }
        return {key for key, id in self.ids.items() if id in read}

    def look_and_check(self, budget: int) -> None:
        """Look for drift. Checks that each destination is read in time, and that its drift is found then."""
        plan = self.look(budget)
        read = self.list_read()
        assert plan.coverage is not None
        assert plan.coverage.read == len(read) == min(len(self.ids), budget - LISTS)
        assert {address.key for address in plan.unread} == self.ids.keys() - read
        found = {change.address.key for change in plan.drifted}
        assert found == self.drifted & read
        for key in self.reads:
            self.reads[key] = len(self.groups) if key in read else self.reads[key] - (budget - LISTS)
            assert key in read or self.reads[key] > 0, f"{key} should have been read by now"


def build_pair(key: str) -> dict[str, Any]:
    return {"name": f"Group {key}", "destination": DESTINATION}


ACTIONS = st.lists(
    st.tuples(st.sampled_from(("add", "remove", "rename", "drift", "look", "look")), st.integers(0, 99)),
    max_size=12,
)


@check_examples(st.integers(1, 5), ACTIONS, st.integers(1, 4), few=12, many=75)
def test_every_destination_is_read_and_its_drift_found_within_a_round(
    pairs: int, actions: list[tuple[str, int]], reads: int
) -> None:
    with open_project(DriftRounds) as project:
        names = (f"key_{number}" for number in range(1000))
        project.apply_pairs({key: build_pair(key) for key, _ in zip(names, range(pairs), strict=False)})
        project.reads = dict.fromkeys(project.groups, len(project.groups))
        for action, number in actions:
            keys = sorted(project.groups)
            key = keys[number % len(keys)]
            match action:
                case "add":
                    project.add(next(names))
                case "remove" if len(keys) > 1:
                    project.remove(key)
                case "rename":
                    project.rename(key, next(names))
                case "drift":
                    project.drift(key)
                case "look":
                    project.look_and_check(LISTS + 1 + number % 4)
        _check_round(project, reads)


def _check_round(project: DriftRounds, reads: int) -> None:
    """Check that runs of one budget find all drift of the account within ceil(destinations / reads) runs."""
    runs = -(-len(project.ids) // reads)
    found: set[str] = set()
    for _ in range(runs):
        plan = project.look(LISTS + reads)
        assert plan.coverage is not None
        assert plan.coverage.runs_per_round == runs
        found |= {change.address.key for change in plan.drifted}
    assert found == project.drifted


@small_and_large(
    "destinations, quota, budget",
    (60, QuotaProfile(hourly=20), 18),
    (2000, PROFILES["trial"], 450),
)
def test_a_night_on_a_small_quota_covers_all_destinations(
    destinations: int, quota: QuotaProfile, budget: int
) -> None:
    with open_project(DriftRounds) as project:
        project.apply_pairs({f"key_{number}": build_pair(str(number)) for number in range(destinations)})
        keys = sorted(project.groups)
        for key in keys[::7]:
            project.drift(key)
        project.app.dashboard.remove(Kind.DESTINATION, project.ids[keys[1]])
        project.limit_requests(quota)

        read: set[str] = set()
        found: set[str] = set()
        runs = 0
        while read != project.ids.keys() and runs < 8:
            plan, runs = project.look(budget), runs + 1
            read |= project.list_read()
            found |= {change.address.key for change in plan.drifted}
            assert [str(finding.address) for finding in plan.gone_or_hidden] == [f"destination.{keys[1]}"]
            assert project.clock.waits == [], "no run waits for the quota"
        assert read == project.ids.keys()
        assert found == project.drifted
        assert plan.coverage is not None
        assert runs == plan.coverage.runs_per_round
