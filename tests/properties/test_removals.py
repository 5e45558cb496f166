"""S-17: a `removed:` entry reaches the object that it means, or none. With a thousand wrong ones nothing is sent and
nothing forgotten; the right ones work, renamed groups too."""

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
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.plan import Action
from reconciler.model.removal import Extent

DESTINATION = {
    "service": "big_query",
    "region": "GCP_US_EAST4",
    "time_zone_offset": "0",
    "config": {"project_id": "acme", "data_set_location": "US"},
}
NAMES = {"lake": "Data lake", "orders": "orders", "remade": "Café crème", "sales": "Sales & Co"}
LOOSE = "loose"
"""The key of a group that nobody has ever declared."""
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
    """One entry below `removed:`, and how it came to be wrong."""

    key: str
    extent: Extent
    id: str
    name: str | None
    how: str

    def written(self) -> dict[str, Any]:
        name = {} if self.name is None else {"name": self.name}
        return {"group": self.key, "id": self.id, **name, **SETTINGS[self.extent]}


class Account:
    """Four applied pairs, one of which was deleted outside and made again, a group that was never declared, and two
    groups of somebody else."""

    def __init__(self, project: InProcessProject) -> None:
        self.project = project
        self.dashboard = project.app.dashboard
        project.declare(self.entries())
        project.apply()
        self.stale = self.id_of("remade")
        self.dashboard.remove(Kind.DESTINATION, self.stale)
        self.dashboard.remove(Kind.GROUP, self.stale)
        project.options = {"recreate": ("group.remade",)}
        project.apply()
        project.options = {}
        self.theirs = {name: self.dashboard.add_group(name) for name in ("payroll", "Data lake (old)")}
        self.names = {**NAMES, LOOSE: "Loose end"}
        self.ids = {key: self.id_of(key) for key in NAMES} | {LOOSE: self.dashboard.add_group("Loose end")}
        for id in (*self.theirs.values(), self.ids[LOOSE]):
            self.dashboard.add_destination(id, "snowflake", config={"database": "THEIRS"})

    def id_of(self, key: str) -> str:
        [id] = self.dashboard.find_group_ids(NAMES[key])
        return id

    def entries(self, *removed: Removal) -> dict[str, Any]:
        """What is left of the specs. A group stays where only its destination goes."""
        entries: dict[str, Any] = {
            key: {"name": name, "destination": DESTINATION} for key, name in NAMES.items()
        }
        for each in removed:
            if each.key == LOOSE:
                continue
            entries[each.key].pop("destination")
            if each.extent is not Extent.DESTINATION:
                del entries[each.key]
        return entries

    def declare(self, *removed: Removal) -> None:
        self.project.declare(self.entries(*removed), removed=[each.written() for each in removed])

    def wrong(self, count: int, chosen: random.Random) -> Iterator[Removal]:
        """So many different entries, each of which means nothing that it may remove."""
        seen: set[Removal] = set()
        while len(seen) < count:
            key, extent = chosen.choice([*self.names]), chosen.choice([*Extent])
            how = chosen.choice(["typo", "swapped", "stale", "somebody else's", "another account's"])
            id = self._wrong_id(key, how, chosen)
            removal = Removal(key, extent, id, self._any_name(key, id, chosen), how)
            if id not in (None, self.ids[key]) and removal not in seen and not self._is_meant(removal):
                seen.add(removal)
                yield removal

    def _wrong_id(self, key: str, how: str, chosen: random.Random) -> str:
        match how:
            case "typo":
                return slip_in(self.ids[key], chosen)
            case "swapped":
                return self.ids[chosen.choice([*self.names])]
            case "stale":
                return self.stale
            case "somebody else's":
                return chosen.choice([*self.theirs.values()])
        return "".join(chosen.choices("abcdefghijklmnopqrstuvwxyz", k=6)) + "_elsewhere"

    def _any_name(self, key: str, id: str, chosen: random.Random) -> str | None:
        """None, the right one, that of the wrong object, or one that only looks right."""
        own = self.names[key]
        of_it = next((name for name, other in self.theirs.items() if other == id), own)
        name = chosen.choice([None, own, of_it, self.names[chosen.choice([*self.names])]])
        if name is None or chosen.random() < 0.5:
            return name
        return chosen.choice([name.upper(), f"{name} ", unicodedata.normalize("NFD", name), f"{name}s"])

    def _is_meant(self, removal: Removal) -> bool:
        """Without memory, whoever writes id and live name of a group says what is meant. Not so where the key stands
        for another group, which stays."""
        live = {**self.theirs, self.names[LOOSE]: self.ids[LOOSE]}
        is_named = live.get(removal.name or "") == removal.id
        if removal.key == LOOSE:
            return is_named
        return is_named and self.project.state is None and removal.extent is not Extent.DESTINATION

    def refused(self, *removed: Removal) -> None:
        """Neither a plan nor an apply does anything but say what is wrong with each of them."""
        self.declare(*removed)
        before = self.project.state
        for run in (self.project.plan, self.project.attempt):
            self.project.read_new_history()
            with pytest.raises(ReconcilerError) as error:
                run()
            assert {each.method for each in self.project.read_new_history()} == {"GET"}, removed
            found = error.value.diagnostics
            told = sorted(each.span.line for each in found if each.span is not None)
            assert len(told) == len(found) == len(removed), (removed, found)
            assert {each.code for each in found} <= PROBLEMS, (removed, found)
        assert self.project.state == before, removed


def slip_in(id: str, chosen: random.Random) -> str:
    """One letter is another one, missing, or in the wrong place."""
    at = chosen.randrange(1, len(id) - 1)
    slips = (id[:at] + chosen.choice("qxz") + id[at + 1 :], id[:at] + id[at + 1 :], id[at:] + id[:at])
    return chosen.choice(slips)


@small_and_large("count", 60, 500)
@pytest.mark.parametrize("with_memory", [True, False])
def test_wrong_removals_send_nothing_and_forget_nothing(with_memory: bool, count: int) -> None:
    chosen = random.Random(17)
    with open_project() as project:
        account = Account(project)
        if not with_memory:
            project.lose_state()
        for removal in account.wrong(count, chosen):
            account.refused(removal)


def test_all_that_is_wrong_is_told_at_once() -> None:
    chosen = random.Random(17)
    with open_project() as project:
        account = Account(project)
        by_key: dict[str, Removal] = {each.key: each for each in account.wrong(60, chosen)}
        while len({each.id for each in by_key.values()}) < len(account.names):
            by_key |= {each.key: each for each in account.wrong(20, chosen)}
        account.refused(*by_key.values())


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("extent", [*Extent])
@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("with_memory", [True, False])
def test_the_right_ones_work_and_stay_done(extent: Extent, renamed: bool, with_memory: bool) -> None:
    with open_project() as project:
        account = Account(project)
        live = "Café crème (to be deleted)" if renamed else NAMES["remade"]
        account.dashboard.rename_group(account.ids["remade"], live)
        if not with_memory:
            project.lose_state()
        removal = Removal("remade", extent, account.ids["remade"], None if with_memory else live, "right")
        account.declare(removal)
        entries = account.entries(removal)
        if extent is Extent.DESTINATION:
            entries["remade"] = {"id": removal.id, "name": live}
            project.declare(entries, removed=[removal.written()])
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
