"""Model a project: declared entries, the expected state, and the expected result of an apply.

A model without any code of the product: entries, recorded ids, and the rules by which an entry finds its group.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from faulty_account import ENDED_STATUSES, ApplyRun

from reconciler.emulator.history import HistoryEntry
from reconciler.model.event import ChangeFinished, ChangeWritten
from reconciler.model.outcome import Outcome, Status
from reconciler.model.plan import Action

GROUP, DESTINATION = "group", "destination"
AccountContents = Mapping[str, Any]
"""An account: groups by id, with all their objects."""


@dataclass
class ModelEntry:
    """Entry of a spec. `variable` is the variable that its password refers to; `id` is written into the spec, or
    None."""

    name: str
    variable: str
    database: str = "FIRST"
    has_destination: bool = True
    id: str | None = None
    was: str | None = None

    def to_spec(self) -> dict[str, Any]:
        """Return the entry as the spec has it."""
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
                "config": {**self.to_config(), "password": password},
            }
        return block

    def to_config(self) -> dict[str, Any]:
        """Return the config of its destination, without the password."""
        return {
            "host": "acme.snowflakecomputing.com",
            "port": 443,
            "database": self.database,
            "auth": "PASSWORD",
            "user": "LOADER",
        }


@dataclass
class ModelRecord:
    """Record of a key. `sent_password` is the last sent password, as far as it is recorded; with `resend` it is unknown
    whether it arrived. `existing_before` are the groups that had the name before the create. `pending_deletes` are
    kinds that a run was about to delete, so that their absence is explained."""

    group: str | None = None
    destination: str | None = None
    sent_password: str | None = None
    resend: bool = False
    existing_before: tuple[str, frozenset[str]] | None = None
    pending_deletes: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class ModelRemoval:
    """Entry below `removed:`. `scope` is `pair`, `destination` or `forget`; `name` is written if the key has no
    record."""

    id: str
    scope: str
    name: str | None = None


REMOVAL_SCOPES = ("forget", "destination", "pair")


@dataclass
class ExpectedMatches:
    """Expected matches of an apply: group by key for known groups, keys without a group, and the reasons of a refusal.
    `missing` are addresses of recorded objects that do not exist."""

    matched: dict[str, str]
    new: set[str]
    problems: set[str]
    missing: set[str]


@dataclass
class ReferenceModel:
    """Model of a project: its entries and removals by key, and its records. `completed_removals` are removals that were
    carried out, as long as the specs have them."""

    entries: dict[str, ModelEntry] = field(default_factory=dict)
    removals: dict[str, ModelRemoval] = field(default_factory=dict)
    records: dict[str, ModelRecord] = field(default_factory=dict)
    completed_removals: dict[str, ModelRemoval] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    must_be_healthy: set[str] = field(default_factory=set)
    """Destinations that a run created, and that have had a record ever since."""

    def build_specs(self, contents: AccountContents) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Build the entries and removals of the specs. An operator looks up the name of a group without a record."""
        removed: list[dict[str, Any]] = []
        for key, removal in self.removals.items():
            extra = {"pair": {}, "destination": {"only": "destination"}, "forget": {"forget": True}}[
                removal.scope
            ]
            name = None if self.has_record(key) else contents.get(removal.id, {}).get("name")
            self.removals[key] = ModelRemoval(removal.id, removal.scope, name)
            extra |= {"name": name} if name is not None else {}
            removed.append({"group": key, "id": removal.id, **extra})
        return {key: entry.to_spec() for key, entry in self.entries.items()}, removed

    def lose_state(self) -> None:
        """Forget all records."""
        self.records.clear()
        self.completed_removals.clear()
        self.must_be_healthy.clear()

    def get_records(self) -> dict[str, ModelRecord]:
        """Return the records by the keys of today."""
        records = dict(self.records)
        for key, entry in self.entries.items():
            if entry.was is not None and entry.was in records and key not in records:
                records[key] = records.pop(entry.was)
        return records

    def expect_matches(self, contents: AccountContents, recreate: Collection[str] = ()) -> ExpectedMatches:
        """Find the group of each entry: by `id:`, else by its record, else the group of exactly its name that did not
        exist before. A recorded object that does not exist is an error, unless its address is in `recreate`."""
        records, problems = self.get_records(), set()
        matched = {key: entry.id for key, entry in self.entries.items() if entry.id in contents and entry.id}
        mistyped = {key for key, entry in self.entries.items() if self._is_mistyped(entry.id, contents)}
        if mistyped:
            problems.add("unknown-id")
        for key, entry in self.entries.items():
            group = records[key].group if key in records else None
            if entry.id is None and group in contents and group and group not in matched.values():
                matched[key] = group
        missing = {
            f"{GROUP}.{key}"
            for key in self.entries.keys() - mistyped
            if self._is_group_missing(key, records, contents)
        }
        taken, new = set(matched.values()), set()
        for key, entry in self.entries.items():
            if f"{GROUP}.{key}" in missing:
                if f"{GROUP}.{key}" in recreate:
                    new.add(key)
                continue
            if key in matched or entry.id is not None:
                continue
            same_name = [
                id for id, group in contents.items() if group["name"] == entry.name and id not in taken
            ]
            before = records[key].existing_before if key in records else None
            if before is not None and before[0] == entry.name:
                same_name = [id for id in same_name if id not in before[1]]
            if len(same_name) > 1:
                problems.add("ambiguous-name")
            elif same_name:
                matched[key] = same_name[0]
            else:
                new.add(key)
        missing |= {
            f"{DESTINATION}.{key}"
            for key, id in matched.items()
            if self._is_destination_missing(key, id, records, contents)
        }
        if self._has_orphans(records, contents):
            problems.add("vanished")
        problems |= set(self._find_removal_problems(records, matched, contents))
        if missing - {*recreate}:
            problems.add("gone-or-hidden")
        if self._has_taken_name(matched, new, missing - {*recreate}, contents):
            problems.add("name-taken")
        return ExpectedMatches(matched, new, problems, missing)

    def _has_taken_name(
        self,
        matched: Mapping[str, str],
        new: Collection[str],
        missing: Collection[str],
        contents: AccountContents,
    ) -> bool:
        """Return whether a group would get a name that another group has until the end of the apply, unless both
        entries have an `id:`. Groups that exchange their names need an `id:` each."""
        keys = {id: key for key, id in matched.items()}
        takers = {key for key, id in matched.items() if contents[id]["name"] != self.entries[key].name}
        takers |= {key for key in new if f"{GROUP}.{key}" not in missing}
        waits: dict[str, set[str]] = {}
        for taker in takers:
            entry = self.entries[taker]
            holders = {
                id
                for id, group in contents.items()
                if group["name"] == entry.name and id != matched.get(taker)
            }
            waits[taker] = {keys[id] for id in holders if keys.get(id) in takers}
            for id in holders:
                key = keys.get(id)
                if key is None or (key not in takers and None in (entry.id, self.entries[key].id)):
                    return True
        return any(self._is_exchange(taker, waits) for taker in takers)

    def _is_exchange(self, key: str, waits: Mapping[str, set[str]]) -> bool:
        """Return whether a chain of names leads back to this key, and one of its entries has no `id:`."""
        paths = [[key]]
        while paths:
            path = paths.pop()
            for following in waits.get(path[-1], ()):
                if following == key:
                    if any(self.entries[other].id is None for other in path):
                        return True
                elif following not in path:
                    paths.append([*path, following])
        return False

    def _is_mistyped(self, id: str | None, contents: AccountContents) -> bool:
        """Return whether an id was never known and is similar to the id of a group."""
        if (
            id is None
            or id in contents
            or any(id in {record.group, record.destination} for record in self.records.values())
        ):
            return False
        return bool(get_close_matches(id, contents, n=1, cutoff=0.7))

    def _is_group_missing(
        self, key: str, records: Mapping[str, ModelRecord], contents: AccountContents
    ) -> bool:
        entry, record = self.entries[key], records.get(key, ModelRecord())
        if entry.id is not None:
            return entry.id not in contents
        return (
            record.group is not None and record.group not in contents and GROUP not in record.pending_deletes
        )

    def _is_destination_missing(
        self, key: str, id: str, records: Mapping[str, ModelRecord], contents: AccountContents
    ) -> bool:
        """Return whether the recorded destination is missing. A record with another id belonged to another
        group."""
        record = records.get(key, ModelRecord())
        is_known = record.destination == id and DESTINATION not in record.pending_deletes
        return self.entries[key].has_destination and is_known and "destination" not in contents[id]

    def _has_orphans(self, records: Mapping[str, ModelRecord], contents: AccountContents) -> bool:
        """Return whether recorded, existing objects are neither declared nor removed."""
        for key, record in records.items():
            entry, removal = self.entries.get(key), self.removals.get(key)
            scope = removal.scope if removal is not None else ""
            is_group_expected = entry is not None or scope in {"pair", "forget"}
            if record.group in contents and not is_group_expected:
                return True
            is_live = record.destination in contents and "destination" in contents[record.destination or ""]
            if is_live and not (entry is not None and entry.has_destination) and not scope:
                return True
        return False

    def has_record(self, key: str) -> bool:
        """Return whether the state has a record for a removal of this key."""
        return self.find_group_id(key, self.get_records()) is not None or self._is_completed(key)

    def find_group_id(self, key: str, records: Mapping[str, ModelRecord]) -> str | None:
        """Find the recorded group id of a key."""
        return (records[key].group or records[key].destination) if key in records else None

    def _is_completed(self, key: str) -> bool:
        removal, completed = self.removals[key], self.completed_removals.get(key)
        return (
            completed is not None
            and completed.id == removal.id
            and REMOVAL_SCOPES.index(removal.scope) <= REMOVAL_SCOPES.index(completed.scope)
        )

    def _find_removal_problems(
        self, records: Mapping[str, ModelRecord], matched: Mapping[str, str], contents: AccountContents
    ) -> Iterator[str]:
        """Find removals that do not certainly identify the object of their key."""
        for key, removal in self.removals.items():
            problem = self._find_removal_problem(key, removal, records, matched=matched, contents=contents)
            if problem and not (
                self._is_completed(key) and self._is_leftover(key, records, matched, contents)
            ):
                yield problem

    def _is_leftover(
        self,
        key: str,
        records: Mapping[str, ModelRecord],
        matched: Mapping[str, str],
        contents: AccountContents,
    ) -> bool:
        """Return whether a removal is complete and none of its objects exists."""
        removal = self.removals[key]
        if self.find_group_id(key, records) is not None and key not in matched:
            return False
        live_group = contents.get(removal.id, {})
        return removal.scope == "forget" or (
            "destination" not in live_group and (removal.scope != "pair" or not live_group)
        )

    def _find_removal_problem(
        self,
        key: str,
        removal: ModelRemoval,
        records: Mapping[str, ModelRecord],
        *,
        matched: Mapping[str, str],
        contents: AccountContents,
    ) -> str:
        own_id = self.find_group_id(key, records)
        if any(id == removal.id for other_key, id in matched.items() if other_key != key):
            return "removed-and-declared"
        if removal.id not in (matched.get(key), None) and key in matched:
            return "removal-other-id"
        if any(
            self.find_group_id(other_key, records) == removal.id for other_key in records if other_key != key
        ):
            return "removal-of-another"
        if own_id is not None and own_id != removal.id:
            return "removal-other-id"
        live_name = contents.get(removal.id, {}).get("name")
        if own_id is None and not self._is_completed(key):
            if live_name is None:
                return "removal-unknown-id"
            if removal.name is None:
                return "removal-needs-name"
        return (
            "removal-other-name" if removal.name is not None and live_name not in (None, removal.name) else ""
        )

    def record_run(self, run: ApplyRun, expected: ExpectedMatches, before: AccountContents) -> None:
        """Record the effects of a complete or interrupted run."""
        if run.planned is None or run.refused:
            return
        self.records = self.get_records()
        self.completed_removals = {
            key: removal for key, removal in self.completed_removals.items() if key in self.removals
        }
        actions = {
            (change.address.kind, change.address.key): change.action for change in run.planned.plan.changes
        }
        statuses = {
            (outcome.address.kind, outcome.address.key): outcome.status
            for outcome in (run.applied.outcomes if run.applied else ())
        }
        for change in run.planned.plan.forgotten:
            self._drop_record(change.address.kind, change.address.key)
            self.completed_removals[change.address.key] = self.removals[change.address.key]
        for key in run.planned.completed_removals:
            self.completed_removals[key] = self.removals[key]
        for (kind, key), action in actions.items():
            status = statuses.get((kind, key), Status.UNKNOWN if run.killed else Status.DONE)
            if action is Action.DELETE:
                self._record_deletion(kind, key, status)
                if status is Status.UNKNOWN and key in self.records:
                    self.records[key].pending_deletes.add(kind)
            if action in {Action.DELETE, Action.FORGET}:
                continue
            self.records.setdefault(key, ModelRecord())
            if action in {Action.NO_OP, Action.ADOPT} or status in {*ENDED_STATUSES, Status.UNKNOWN}:
                self.records[key].pending_deletes.discard(kind)
            if kind == GROUP:
                self._record_group(key, action, status, expected=expected, before=before)
            else:
                self._record_destination(key, action, status, expected=expected, run=run)
        for event in run.events:
            if isinstance(event, ChangeWritten):
                self._record_write(event, run)
            if isinstance(event, ChangeFinished):
                self._learn_end_of_deletion(event.outcome)
        self._record_created(run)

    def _record_deletion(self, kind: str, key: str, status: Status) -> None:
        """Record a started deletion: from then on the object is known by its id, unless no request was sent."""
        if status is not Status.UNKNOWN:
            return
        record = self.records.setdefault(key, ModelRecord())
        if kind == GROUP:
            record.group = record.group or self.removals[key].id
        else:
            record.destination = record.destination or self.removals[key].id

    def _learn_end_of_deletion(self, outcome: Outcome) -> None:
        """Record a finished deletion, at once, even if the process is killed afterwards."""
        key = outcome.address.key
        if outcome.action is Action.DELETE and outcome.status is Status.DONE:
            self._drop_record(outcome.address.kind, key)
            self.completed_removals[key] = self.removals[key]

    def _record_group(
        self, key: str, action: Action, status: Status, *, expected: ExpectedMatches, before: AccountContents
    ) -> None:
        record = self.records[key]
        if action is Action.CREATE:
            if status is Status.UNKNOWN:
                record.group = None
                name = self.entries[key].name
                record.existing_before = (
                    name,
                    frozenset(id for id, group in before.items() if group["name"] == name),
                )
            return
        if action in {Action.NO_OP, Action.ADOPT}:
            record.group, record.existing_before = expected.matched[key], None
        elif status in {*ENDED_STATUSES, Status.UNKNOWN} and (
            record.group is None or status in ENDED_STATUSES
        ):
            record.group = expected.matched[key]

    def _record_destination(
        self, key: str, action: Action, status: Status, *, expected: ExpectedMatches, run: ApplyRun
    ) -> None:
        record = self.records[key]
        assert run.planned is not None
        if action is Action.CREATE:
            if status is Status.UNKNOWN:
                self._record_lost_create(record, self.passwords[self.entries[key].variable])
            return
        id = expected.matched[key]
        if status in {*ENDED_STATUSES, Status.UNKNOWN} or action in {Action.NO_OP, Action.ADOPT}:
            record.destination = id
        if status is Status.UNKNOWN and action is Action.UPDATE and _has_password(run, key):
            record.sent_password, record.resend = None, True

    def _record_lost_create(self, record: ModelRecord, password: str) -> None:
        """Record a create without an answer: an object found later has this password, unless an earlier create had
        another."""
        was_lost_before = record.destination is None and (record.resend or record.sent_password is not None)
        is_another = was_lost_before and (record.resend or record.sent_password != password)
        record.destination, record.sent_password, record.resend = (
            None,
            None if is_another else password,
            is_another,
        )

    def _record_write(self, event: ChangeWritten, run: ApplyRun) -> None:
        record = self.records.setdefault(event.address.key, ModelRecord())
        if event.address.kind == GROUP:
            record.group, record.existing_before = event.id, None
            return
        record.destination = event.id
        if _has_password(run, event.address.key):
            record.sent_password, record.resend = (
                self.passwords[self.entries[event.address.key].variable],
                False,
            )

    def _record_created(self, run: ApplyRun) -> None:
        """Record a created destination, which has to become healthy as long as it has a record."""
        for effect in run.effects:
            if (effect.verb, effect.kind) == ("created", DESTINATION):
                self.must_be_healthy.add(effect.id)

    def _drop_record(self, kind: str, key: str) -> None:
        record = self.records.get(key)
        if record is None:
            return
        self.must_be_healthy.discard(record.group or "")
        record.pending_deletes.discard(kind)
        if kind == GROUP:
            record.group, record.existing_before = None, None
        else:
            record.destination, record.sent_password, record.resend = None, None, False
        if record == ModelRecord():
            del self.records[key]

    def must_send_password(self, key: str) -> bool:
        """Return whether the next apply has to send the password of an existing destination."""
        record = self.get_records().get(key)
        current_password = self.passwords[self.entries[key].variable]
        return record is not None and (
            record.resend or (record.sent_password is not None and record.sent_password != current_password)
        )


def _has_password(run: ApplyRun, key: str) -> bool:
    assert run.planned is not None
    return any(
        address.kind == DESTINATION and address.key == key and ("config", "password") in step.values
        for address, step in run.planned.operations.items()
    )


def find_group_creates(run: ApplyRun) -> Iterator[HistoryEntry]:
    """Find the requests that created a group."""
    for entry in run.exchanges:
        if any((effect.verb, effect.kind) == ("created", GROUP) for effect in entry.effects):
            yield entry
