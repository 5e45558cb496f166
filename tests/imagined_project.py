"""A project as somebody has it in mind: what is declared, what it must remember, and what must come of an apply.

A model without any code of the product: entries, a memory of ids, and the rules by which an entry finds its group.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from troubled_account import ENDED, Run

from reconciler.emulator.history import Exchange
from reconciler.model.event import ChangeFinished, ChangeWritten
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action

GROUP, DESTINATION = "group", "destination"
Contents = Mapping[str, Any]
"""An account: groups by id, with everything in them."""


@dataclass
class Entry:
    """One entry of a spec. `variable` is what its password refers to; `id` is written into it, or not."""

    name: str
    variable: str
    database: str = "FIRST"
    has_destination: bool = True
    id: str | None = None
    was: str | None = None

    def spec(self) -> dict[str, Any]:
        """As it is written."""
        block: dict[str, Any] = {"name": self.name}
        if self.id is not None:
            block["id"] = self.id
        if self.was is not None:
            block["was"] = self.was
        if self.has_destination:
            password = {"secret": f"env:{self.variable}"}
            block["destination"] = {
                "service": "snowflake",
                "time_zone_offset": "0",
                "config": {**self.config(), "password": password},
            }
        return block

    def config(self) -> dict[str, Any]:
        """What a destination has of it, without the password."""
        return {
            "host": "acme.snowflakecomputing.com",
            "port": 443,
            "database": self.database,
            "auth": "PASSWORD",
            "user": "LOADER",
        }


@dataclass
class Known:
    """What must be remembered of a key. `sent` is the password that was sent last, as far as that is remembered; with
    `resend` it is not known whether it arrived. `before` are the groups that had the name when it was to be made.
    `going` are kinds that a run was about to delete, so that their absence is explained."""

    group: str | None = None
    destination: str | None = None
    sent: str | None = None
    resend: bool = False
    before: tuple[str, frozenset[str]] | None = None
    going: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Tombstone:
    """An entry below `removed:`. `extent` is `pair`, `destination` or `forget`; a `name` is said where the key is not
    remembered."""

    id: str
    extent: str
    name: str | None = None


EXTENTS = ("forget", "destination", "pair")


@dataclass
class Expectation:
    """What an apply has to go by: group by key where there is one, keys without, and why it must refuse. `missing` are
    addresses of what is known and not there."""

    bound: dict[str, str]
    new: set[str]
    problems: set[str]
    missing: set[str]


@dataclass
class Imagined:
    """One project: its entries and tombstones by key, and what it must remember. `done` are tombstones that were
    carried out, as long as they are written."""

    entries: dict[str, Entry] = field(default_factory=dict)
    tombstones: dict[str, Tombstone] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)
    done: dict[str, Tombstone] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    must_be_healthy: set[str] = field(default_factory=set)
    """Destinations that were made here, and have been remembered ever since."""

    def specs(self, contents: Contents) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Entries and tombstones as they are written. A person looks up the name of a group that is not remembered."""
        removed: list[dict[str, Any]] = []
        for key, each in self.tombstones.items():
            extra = {"pair": {}, "destination": {"only": "destination"}, "forget": {"forget": True}}[
                each.extent
            ]
            name = None if self.is_remembered(key) else contents.get(each.id, {}).get("name")
            self.tombstones[key] = Tombstone(each.id, each.extent, name)
            extra |= {"name": name} if name is not None else {}
            removed.append({"group": key, "id": each.id, **extra})
        return {key: entry.spec() for key, entry in self.entries.items()}, removed

    def forget(self) -> None:
        """The memory is lost."""
        self.known.clear()
        self.done.clear()
        self.must_be_healthy.clear()

    def remembered(self) -> dict[str, Known]:
        """What is remembered, by the keys of today."""
        found = dict(self.known)
        for key, entry in self.entries.items():
            if entry.was is not None and entry.was in found and key not in found:
                found[key] = found.pop(entry.was)
        return found

    def expectation(self, contents: Contents, recreated: Collection[str] = ()) -> Expectation:
        """By which group each entry is meant: the `id:`, else what is remembered, else the one of exactly its name
        that was not there before. What is known and not there is an error, unless it is `recreated`."""
        known, problems = self.remembered(), set()
        bound = {key: entry.id for key, entry in self.entries.items() if entry.id in contents and entry.id}
        if any(self._is_mistyped(entry.id, contents) for entry in self.entries.values()):
            problems.add("unknown-id")
        for key, entry in self.entries.items():
            group = known[key].group if key in known else None
            if entry.id is None and group in contents and group and group not in bound.values():
                bound[key] = group
        missing = {f"{GROUP}.{key}" for key in self.entries if self._has_lost_its_group(key, known, contents)}
        taken, new = set(bound.values()), set()
        for key, entry in self.entries.items():
            if f"{GROUP}.{key}" in missing:
                if f"{GROUP}.{key}" in recreated:
                    new.add(key)
                continue
            if key in bound or entry.id is not None:
                continue
            namesakes = [
                id for id, group in contents.items() if group["name"] == entry.name and id not in taken
            ]
            before = known[key].before if key in known else None
            if before is not None and before[0] == entry.name:
                namesakes = [id for id in namesakes if id not in before[1]]
            if len(namesakes) > 1:
                problems.add("ambiguous-name")
            elif namesakes:
                bound[key] = namesakes[0]
            else:
                new.add(key)
        missing |= {
            f"{DESTINATION}.{key}"
            for key, id in bound.items()
            if self._has_lost_its_destination(key, id, known, contents)
        }
        if not problems and self._has_vanished(known, contents):
            problems.add("vanished")
        if problems <= {"vanished"}:
            problems |= set(self._wrong_removals(known, bound, contents))
        if not problems and missing - {*recreated}:
            problems.add("gone-or-hidden")
        return Expectation(bound, new, problems, missing)

    def _is_mistyped(self, id: str | None, contents: Contents) -> bool:
        """Whether an id is that of nothing that was ever known, and nearly that of a group."""
        if (
            id is None
            or id in contents
            or any(id in {each.group, each.destination} for each in self.known.values())
        ):
            return False
        return bool(get_close_matches(id, contents, n=1, cutoff=0.7))

    def _has_lost_its_group(self, key: str, known: Mapping[str, Known], contents: Contents) -> bool:
        entry, each = self.entries[key], known.get(key, Known())
        if entry.id is not None:
            return entry.id not in contents
        return each.group is not None and each.group not in contents and GROUP not in each.going

    def _has_lost_its_destination(
        self, key: str, id: str, known: Mapping[str, Known], contents: Contents
    ) -> bool:
        """One that is remembered under another id was that of another group."""
        each = known.get(key, Known())
        is_known = each.destination == id and DESTINATION not in each.going
        return self.entries[key].has_destination and is_known and "destination" not in contents[id]

    def _has_vanished(self, known: Mapping[str, Known], contents: Contents) -> bool:
        """What is remembered and there, and neither declared nor given up."""
        for key, each in known.items():
            entry, tombstone = self.entries.get(key), self.tombstones.get(key)
            extent = tombstone.extent if tombstone is not None else ""
            group_is_meant = entry is not None or extent in {"pair", "forget"}
            if each.group in contents and not group_is_meant:
                return True
            there = each.destination in contents and "destination" in contents[each.destination or ""]
            if there and not (entry is not None and entry.has_destination) and not extent:
                return True
        return False

    def is_remembered(self, key: str) -> bool:
        """Whether it is known what a tombstone of this key is about."""
        return self.group_of(key, self.remembered()) is not None or self._is_done(key)

    def group_of(self, key: str, known: Mapping[str, Known]) -> str | None:
        """The id that is remembered of a key."""
        return (known[key].group or known[key].destination) if key in known else None

    def _is_done(self, key: str) -> bool:
        asked, done = self.tombstones[key], self.done.get(key)
        return (
            done is not None
            and done.id == asked.id
            and EXTENTS.index(asked.extent) <= EXTENTS.index(done.extent)
        )

    def _wrong_removals(
        self, known: Mapping[str, Known], bound: Mapping[str, str], contents: Contents
    ) -> Iterator[str]:
        """Tombstones that do not mean the object of their key for certain."""
        for key, each in self.tombstones.items():
            problem = self._wrong_removal(key, each, known, bound=bound, contents=contents)
            if problem and not (self._is_done(key) and self._is_left_over(key, known, bound, contents)):
                yield problem

    def _is_left_over(
        self, key: str, known: Mapping[str, Known], bound: Mapping[str, str], contents: Contents
    ) -> bool:
        """It was carried out, and nothing of it is there."""
        each = self.tombstones[key]
        if self.group_of(key, known) is not None and key not in bound:
            return False
        there = contents.get(each.id, {})
        return each.extent == "forget" or (
            "destination" not in there and (each.extent != "pair" or not there)
        )

    def _wrong_removal(
        self,
        key: str,
        each: Tombstone,
        known: Mapping[str, Known],
        *,
        bound: Mapping[str, str],
        contents: Contents,
    ) -> str:
        own = self.group_of(key, known)
        if any(id == each.id for other, id in bound.items() if other != key):
            return "removed-and-declared"
        if each.id not in (bound.get(key), None) and key in bound:
            return "removal-other-id"
        if any(self.group_of(other, known) == each.id for other in known if other != key):
            return "removal-of-another"
        if own is not None and own != each.id:
            return "removal-other-id"
        live = contents.get(each.id, {}).get("name")
        if own is None and not self._is_done(key):
            if live is None:
                return "removal-unknown-id"
            if each.name is None:
                return "removal-needs-name"
        return "removal-other-name" if each.name is not None and live not in (None, each.name) else ""

    def learn(self, run: Run, expected: Expectation, before: Contents) -> None:
        """What a run must have remembered, as far as it came."""
        if run.planned is None or run.refused:
            return
        self.known = self.remembered()
        self.done = {key: each for key, each in self.done.items() if key in self.tombstones}
        actions = {
            (change.address.kind, change.address.key): change.action for change in run.planned.plan.changes
        }
        statuses = {
            (outcome.address.kind, outcome.address.key): outcome.status
            for outcome in (run.applied.outcomes if run.applied else ())
        }
        for change in run.planned.plan.forgotten:
            self._drop(change.address.kind, change.address.key)
            self.done[change.address.key] = self.tombstones[change.address.key]
        for key in run.planned.done:
            self.done[key] = self.tombstones[key]
        for (kind, key), action in actions.items():
            status = statuses.get((kind, key), Status.UNKNOWN if run.killed else Status.DONE)
            if action is Action.DELETE:
                self._learn_deletion(kind, key, status)
                if status is Status.UNKNOWN and key in self.known:
                    self.known[key].going.add(kind)
            if action in {Action.DELETE, Action.FORGET}:
                continue
            self.known.setdefault(key, Known())
            if action in {Action.NO_OP, Action.ADOPT} or status in {*ENDED, Status.UNKNOWN}:
                self.known[key].going.discard(kind)
            if kind == GROUP:
                self._learn_group(key, action, status, expected=expected, before=before)
            else:
                self._learn_destination(key, action, status, expected=expected, run=run)
        for event in run.events:
            if isinstance(event, ChangeWritten):
                self._written(event, run)
            if isinstance(event, ChangeFinished):
                self._learn_end_of_deletion(event.outcome)
        self._learn_deaths(run)

    def _learn_deletion(self, kind: str, key: str, status: Status) -> None:
        """What was about to be deleted is known by its id from then on, unless it was certainly not tried."""
        if status is not Status.UNKNOWN:
            return
        each = self.known.setdefault(key, Known())
        if kind == GROUP:
            each.group = each.group or self.tombstones[key].id
        else:
            each.destination = each.destination or self.tombstones[key].id

    def _learn_end_of_deletion(self, outcome: Outcome) -> None:
        """A deletion that is done is remembered at once, even if the process is killed afterwards."""
        key = outcome.address.key
        if outcome.action is Action.DELETE and outcome.status is Status.DONE:
            self._drop(outcome.address.kind, key)
            self.done[key] = self.tombstones[key]

    def _learn_group(
        self, key: str, action: Action, status: Status, *, expected: Expectation, before: Contents
    ) -> None:
        each = self.known[key]
        if action is Action.CREATE:
            if status is Status.UNKNOWN:
                each.group = None
                name = self.entries[key].name
                each.before = name, frozenset(id for id, group in before.items() if group["name"] == name)
            return
        if action in {Action.NO_OP, Action.ADOPT}:
            each.group, each.before = expected.bound[key], None
        elif status in {*ENDED, Status.UNKNOWN} and (each.group is None or status in ENDED):
            each.group = expected.bound[key]

    def _learn_destination(
        self, key: str, action: Action, status: Status, *, expected: Expectation, run: Run
    ) -> None:
        each = self.known[key]
        assert run.planned is not None
        if action is Action.CREATE:
            if status is Status.UNKNOWN:
                self._learn_lost_creation(each, self.passwords[self.entries[key].variable])
            return
        id = expected.bound[key]
        if status in {*ENDED, Status.UNKNOWN} or action in {Action.NO_OP, Action.ADOPT}:
            each.destination = id
        if status is Status.UNKNOWN and action is Action.UPDATE and _has_password(run, key):
            each.sent, each.resend = None, True

    def _learn_lost_creation(self, each: Known, password: str) -> None:
        """What is found in its place later was made with this password, unless one before it was made with another."""
        was_lost_before = each.destination is None and (each.resend or each.sent is not None)
        is_another = was_lost_before and (each.resend or each.sent != password)
        each.destination, each.sent, each.resend = None, None if is_another else password, is_another

    def _written(self, event: ChangeWritten, run: Run) -> None:
        each = self.known.setdefault(event.address.key, Known())
        if event.address.kind == GROUP:
            each.group, each.before = event.id, None
            return
        each.destination = event.id
        if _has_password(run, event.address.key):
            each.sent, each.resend = self.passwords[self.entries[event.address.key].variable], False

    def _learn_deaths(self, run: Run) -> None:
        """A destination that was made here has to become healthy, as long as that is remembered."""
        for effect in run.effects:
            if (effect.verb, effect.kind) == ("created", DESTINATION):
                self.must_be_healthy.add(effect.id)

    def _drop(self, kind: str, key: str) -> None:
        each = self.known.get(key)
        if each is None:
            return
        self.must_be_healthy.discard(each.group or "")
        each.going.discard(kind)
        if kind == GROUP:
            each.group, each.before = None, None
        else:
            each.destination, each.sent, each.resend = None, None, False
        if each == Known():
            del self.known[key]

    def is_sent(self, key: str) -> bool:
        """Whether the next apply has to send the password of a destination that exists."""
        each = self.remembered().get(key)
        now = self.passwords[self.entries[key].variable]
        return each is not None and (each.resend or (each.sent is not None and each.sent != now))


def _has_password(run: Run, key: str) -> bool:
    assert run.planned is not None
    return any(
        address.kind == DESTINATION and address.key == key and ("config", "password") in step.values
        for address, step in run.planned.steps.items()
    )


def creations(run: Run) -> Iterator[Exchange]:
    """The requests that made a group."""
    for each in run.exchanges:
        if any((effect.verb, effect.kind) == ("created", GROUP) for effect in each.effects):
            yield each
