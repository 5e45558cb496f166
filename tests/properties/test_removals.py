"""Check that a `removed:` entry removes its object or nothing (S-17).

A thousand wrong entries send no write and keep the state. Valid entries work, for renamed groups too.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from in_process_harness import InProcessProject, list_actions, open_project
from long_runs import small_and_large

from reconciler.emulator.store import Kind
from reconciler.model.plan import Action
from reconciler.model.removal import Extent
from reconciler.planning.pipeline import PlanResult

DESTINATION = {
    "service": "big_query",
    "region": "GCP_US_EAST4",
    "time_zone_offset": "0",
    "config": {"project_id": "acme", "data_set_location": "US"},
}
NAMES = {"lake": "Data lake", "orders": "orders", "remade": "Café crème", "sales": "Sales & Co"}
UNDECLARED = "loose"
"""Key of a group that was never declared."""
SETTINGS: dict[Extent, dict[str, Any]] = {
    Extent.PAIR: {},
    Extent.DESTINATION: {"only": "destination"},
    Extent.MANAGEMENT: {"forget": True},
}
PROBLEMS = {
    "removal-needs-name",
    "removal-of-another",
    "removal-other-id",
    "removal-other-name",
    "removal-unknown-id",
    "removed-and-declared",
}


@dataclass(frozen=True)
class Removal:
    """Entry below `removed:`, and its kind of mistake."""

    key: str
    extent: Extent
    id: str
    name: str | None
    how: str

    def build_entry(self) -> dict[str, Any]:
        name = {} if self.name is None else {"name": self.name}
        return {"group": self.key, "id": self.id, **name, **SETTINGS[self.extent]}


class RemovalAccount:
    """Account with four applied pairs (one recreated), one undeclared group and two groups of other users."""

    def __init__(self, project: InProcessProject) -> None:
        self.project = project
        self.dashboard = project.app.dashboard
        project.declare(self.build_groups())
        project.apply()
        self.stale = self.find_id("remade")
        self.dashboard.remove(Kind.DESTINATION, self.stale)
        self.dashboard.remove(Kind.GROUP, self.stale)
        project.options = {"recreate": ("group.remade",)}
        project.apply()
        project.options = {}
        self.other_groups = {name: self.dashboard.add_group(name) for name in ("payroll", "Data lake (old)")}
        self.names = {**NAMES, UNDECLARED: "Loose end"}
        self.ids = {key: self.find_id(key) for key in NAMES} | {
            UNDECLARED: self.dashboard.add_group("Loose end")
        }
        for id in (*self.other_groups.values(), self.ids[UNDECLARED]):
            self.dashboard.add_destination(id, "snowflake", config={"database": "THEIRS"})

    def find_id(self, key: str) -> str:
        [id] = self.dashboard.find_group_ids(NAMES[key])
        return id

    def build_groups(self, *removed: Removal) -> dict[str, Any]:
        """Build the remaining entries. A group stays if only its destination is removed."""
        entries: dict[str, Any] = {
            key: {"name": name, "destination": DESTINATION} for key, name in NAMES.items()
        }
        for each in removed:
            if each.key == UNDECLARED:
                continue
            entries[each.key].pop("destination")
            if each.extent is not Extent.DESTINATION:
                del entries[each.key]
        return entries

    def declare(self, *removed: Removal) -> None:
        self.project.declare(self.build_groups(*removed), removed=[each.build_entry() for each in removed])

    def draw_wrong(self, count: int, rng: random.Random) -> Iterator[Removal]:
        """Draw this number of different invalid entries."""
        seen: set[Removal] = set()
        while len(seen) < count:
            key, extent = rng.choice([*self.names]), rng.choice([*Extent])
            how = rng.choice(["typo", "swapped", "stale", "another user's", "another account's"])
            id = self._draw_wrong_id(key, how, rng)
            removal = Removal(key, extent, id, self._draw_name(key, id, rng), how)
            if id not in (None, self.ids[key]) and removal not in seen and not self._is_valid(removal):
                seen.add(removal)
                yield removal

    def _draw_wrong_id(self, key: str, how: str, rng: random.Random) -> str:
        match how:
            case "typo":
                return misspell(self.ids[key], rng)
            case "swapped":
                return self.ids[rng.choice([*self.names])]
            case "stale":
                return self.stale
            case "another user's":
                return rng.choice([*self.other_groups.values()])
        return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=6)) + "_elsewhere"

    def _draw_name(self, key: str, id: str, rng: random.Random) -> str | None:
        """Draw no name, the right name, the name of another object, or a similar name."""
        own = self.names[key]
        live_name = next((name for name, other in self.other_groups.items() if other == id), own)
        name = rng.choice([None, own, live_name, self.names[rng.choice([*self.names])]])
        if name is None or rng.random() < 0.5:
            return name
        return rng.choice([name.upper(), f"{name} ", unicodedata.normalize("NFD", name), f"{name}s"])

    def _is_valid(self, removal: Removal) -> bool:
        """Return whether a drawn entry is valid by chance.

        Without a state, id and live name identify a group, unless the key belongs to another group that stays.
        """
        live = {**self.other_groups, self.names[UNDECLARED]: self.ids[UNDECLARED]}
        is_named = live.get(removal.name or "") == removal.id
        if removal.key == UNDECLARED:
            return is_named
        return is_named and self.project.state is None and removal.extent is not Extent.DESTINATION

    def check_refused(self, *removed: Removal) -> None:
        """Check that plan and apply report each of these entries, and send no write."""
        self.declare(*removed)
        before = self.project.state
        for run in (self.project.plan, self.project.attempt):
            sent = len(self.project.history)
            planned = run() or self.project.planned
            assert {each.method for each in self.project.history[sent:]} == {"GET"}, removed
            assert isinstance(planned, PlanResult)
            assert planned.deletions == ()
            found = planned.plan.blockers
            lines = sorted(each.span.line for each in found if each.span is not None)
            assert len(lines) == len(found) == len(removed), (removed, found)
            assert {each.code for each in found} <= PROBLEMS, (removed, found)
        assert self.project.state == before, removed


def misspell(id: str, rng: random.Random) -> str:
    """Replace, drop or move one letter."""
    at = rng.randrange(1, len(id) - 1)
    misspellings = (id[:at] + rng.choice("qxz") + id[at + 1 :], id[:at] + id[at + 1 :], id[at:] + id[:at])
    return rng.choice(misspellings)


@small_and_large("count", 25, 250)
@pytest.mark.parametrize("with_state", [True, False])
def test_a_wrong_removal_sends_no_write_and_keeps_the_state(with_state: bool, count: int) -> None:
    rng = random.Random(17)
    with open_project() as project:
        account = RemovalAccount(project)
        if not with_state:
            project.lose_state()
        for removal in account.draw_wrong(count, rng):
            account.check_refused(removal)


def test_all_wrong_removals_are_reported_at_once() -> None:
    rng = random.Random(17)
    with open_project() as project:
        account = RemovalAccount(project)
        by_key: dict[str, Removal] = {each.key: each for each in account.draw_wrong(60, rng)}
        while len({each.id for each in by_key.values()}) < len(account.names):
            by_key |= {each.key: each for each in account.draw_wrong(20, rng)}
        account.check_refused(*by_key.values())


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("extent", [*Extent])
@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("with_state", [True, False])
def test_a_valid_removal_is_applied_once(extent: Extent, renamed: bool, with_state: bool) -> None:
    with open_project() as project:
        account = RemovalAccount(project)
        live = "Café crème (to be deleted)" if renamed else NAMES["remade"]
        account.dashboard.rename_group(account.ids["remade"], live)
        if not with_state:
            project.lose_state()
        removal = Removal("remade", extent, account.ids["remade"], None if with_state else live, "right")
        account.declare(removal)
        entries = account.build_groups(removal)
        if extent is Extent.DESTINATION:
            entries["remade"] = {"id": removal.id, "name": live}
            project.declare(entries, removed=[removal.build_entry()])
        others = {key: account.ids[key] for key in NAMES if key != "remade"}
        deleted = {Extent.PAIR: 2, Extent.DESTINATION: 1, Extent.MANAGEMENT: 0}[extent]
        writes = project.apply()
        assert [each.method for each in writes] == ["DELETE"] * deleted
        assert {each.path.rpartition("/")[2] for each in writes} <= {removal.id}
        assert project.state is None or {
            record.id for address, record in project.state.records.items() if address.key != "remade"
        } == {*others.values()}
        for _ in range(2):
            again = project.plan().plan
            assert again.effective == () and again.forgotten == ()
            assert [each.code for each in again.warnings] == ["removal-done"]
            assert project.apply() == []
        assert Action.CREATE not in list_actions(project.plan()).values()
