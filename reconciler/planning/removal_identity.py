"""Check the identity of `removed:` entries: a mistyped id must never delete an object of another owner.

An id alone is enough if the state has it for the same key, in a record or as a completed removal. Otherwise the entry
has to give the live name of the group too. Pure: reads nothing, sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.kinds.group import NAME
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.record import Record
from reconciler.model.removal import CompletedRemoval, Extent
from reconciler.model.resource import Desired
from reconciler.model.suggestions import find_nearest
from reconciler.planning.names import ALIKE, fold_name
from reconciler.spec.characters import describe_character, find_forbidden_in_value
from reconciler.spec.removal import RemovalEntry, render_removal


@dataclass(frozen=True, slots=True)
class RemovalIdentity:
    """The facts that the identity of removals is checked against.

    `groups` are the live names by id, `records` are by present address, `removals` are completed removals by
    key. `group_ids` are the ids of matched live groups by key, `declared_by_id` their entries by id, and `keys_by_id`
    the keys that records have for an id.
    """

    groups: Mapping[str, str]
    records: Mapping[Address, Record]
    removals: Mapping[str, CompletedRemoval] = field(default_factory=dict)
    group_ids: Mapping[str, str] = field(default_factory=dict)
    declared_by_id: Mapping[str, Desired] = field(default_factory=dict)
    keys_by_id: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def find_problem(self, entry: RemovalEntry) -> Diagnostic | None:
        """Explain why the id of an entry may be of another object than the meant object; None if it is not."""
        return self._check_other_entries(entry) or (
            self._check_with_record(entry) if self.is_recorded(entry) else self._check_without_record(entry)
        )

    def is_recorded(self, entry: RemovalEntry) -> bool:
        """Return whether the state has an id for the key of an entry."""
        return bool(self._list_recorded_ids(entry.key)) or self.is_completed(entry)

    def is_obsolete(self, entry: RemovalEntry) -> bool:
        """Return whether an entry was carried out, and its key has been free since or is declared again."""
        key = entry.key
        return self.is_completed(entry) and (not self._list_recorded_ids(key) or key in self.group_ids)

    def get_last_name(self, key: str) -> str | None:
        """Return the last applied name of the group of an entry."""
        record = self.records.get(Address(GROUP, key))
        name = record.applied.get(NAME) if record is not None else None
        return name if isinstance(name, str) else None

    def explain_unknown_id(self, entry: RemovalEntry) -> Diagnostic:
        """Explain an id that neither the account nor the state has."""
        namesakes = [id for id, name in self.groups.items() if name == entry.name]
        suggestion = find_nearest(entry.id, self.groups)
        if len(namesakes) == 1:
            notes: tuple[str, ...] = (f"the group `{entry.name}` has the id `{namesakes[0]}`",)
        else:
            notes = (
                (f"the most similar id is `{suggestion}`, of `{self.groups[suggestion]}`",)
                if suggestion
                else ()
            )
        return self._build_diagnostic(
            "removal-unknown-id",
            entry,
            f"no group of this account has the id `{entry.id}`, and the state has no record of `{entry.key}`",
            notes,
            "if this removal was carried out already, delete this entry; else correct its `id:`",
        )

    def is_completed(self, entry: RemovalEntry) -> bool:
        """Return whether an earlier run carried out an entry."""
        removed = self.removals.get(entry.key)
        return removed is not None and removed.id == entry.id and removed.covers(entry.extent)

    def _list_recorded_ids(self, key: str) -> list[str]:
        """List the ids that the records have for a key. With two ids, neither id is the id of the whole entry."""
        records = (self.records.get(Address(kind, key)) for kind in (GROUP, DESTINATION))
        ids = (record.id for record in records if record is not None)
        return list(dict.fromkeys(id for id in ids if id is not None))

    def _check_other_entries(self, entry: RemovalEntry) -> Diagnostic | None:
        """Check that no other entry claims the object, by `id:`, record, `was:` or name.

        Otherwise one plan would change an object and delete it as well.
        """
        declared = self.declared_by_id.get(entry.id)
        if declared is not None and declared.address.key != entry.key:
            return _explain_conflicting_removal(entry, declared)
        group_id = self.group_ids.get(entry.key)
        if group_id is not None and group_id != entry.id:
            return self._explain_other_id(entry, group_id, f"the group of `{entry.key}` is `{group_id}`")
        other_keys = self.keys_by_id.get(entry.id, frozenset()) - {entry.key}
        return self._explain_other_key(entry, min(other_keys)) if other_keys else None

    def _check_with_record(self, entry: RemovalEntry) -> Diagnostic | None:
        for recorded_id in self._list_recorded_ids(entry.key):
            if recorded_id != entry.id:
                return self._explain_other_id(
                    entry, recorded_id, f"`{entry.key}` is recorded as `{recorded_id}`"
                )
        names = {self.groups.get(entry.id), self.get_last_name(entry.key)}
        if entry.name is not None and entry.id in self.groups and entry.name not in names:
            return self._explain_other_name(entry)
        return None

    def _check_without_record(self, entry: RemovalEntry) -> Diagnostic | None:
        if entry.id not in self.groups:
            return self.explain_unknown_id(entry)
        if entry.name is None:
            return self._explain_missing_name(entry)
        return self._explain_other_name(entry) if entry.name != self.groups[entry.id] else None

    def _explain_other_id(self, entry: RemovalEntry, expected_id: str, reason: str) -> Diagnostic:
        return self._build_diagnostic(
            "removal-other-id",
            entry,
            f"{reason}, and this entry says `{entry.id}`",
            tuple(self._describe_ids(expected_id, entry.id)),
            f"write {self._format_line(entry, expected_id)}, or delete this entry if it was carried out already;"
            f" `reconciler state forget {entry.key}` corrects a wrong record",
        )

    def _explain_other_key(self, entry: RemovalEntry, other_key: str) -> Diagnostic:
        own = self._list_recorded_ids(entry.key)
        suggestions = [f"write {self._format_line(entry, id)}" for id in own[:1]]
        suggestions.append(
            f"to remove `{other_key}`, write {self._format_line(entry, entry.id, key=other_key)}"
        )
        return self._build_diagnostic(
            "removal-of-another",
            entry,
            f"`{entry.key}` is removed as `{entry.id}`, which is recorded as the id of `{other_key}`",
            tuple(self._describe_ids(*own[:1], entry.id)),
            "; ".join(suggestions),
        )

    def _explain_missing_name(self, entry: RemovalEntry) -> Diagnostic:
        return self._build_diagnostic(
            "removal-needs-name",
            entry,
            f"the state has no record of `{entry.key}`, so its id alone does not identify the group",
            tuple(self._describe_ids(entry.id)),
            self._suggest_live_name(entry),
        )

    def _explain_other_name(self, entry: RemovalEntry) -> Diagnostic:
        live = self.groups[entry.id]
        is_lookalike = fold_name(live) == fold_name(entry.name or "")
        return self._build_diagnostic(
            "removal-other-name",
            entry,
            f"the group `{entry.id}` is called `{live}`, and this entry says `{entry.name}`",
            (ALIKE,) if is_lookalike else (),
            self._suggest_live_name(entry),
        )

    def _suggest_live_name(self, entry: RemovalEntry) -> str:
        name = self.groups[entry.id]
        forbidden = find_forbidden_in_value(name)
        if forbidden is not None:
            what = describe_character(forbidden)
            return (
                f"its name contains {what}, which no spec may contain: give it another name in Fivetran first"
            )
        return f"if that group is meant, write {self._format_line(entry, entry.id, name=name)}"

    def _describe_ids(self, *ids: str) -> Iterator[str]:
        for id in ids:
            if id in self.groups:
                yield f"`{id}` is the group `{self.groups[id]}`"
            else:
                yield f"no group of this account has the id `{id}`"

    def _format_line(self, entry: RemovalEntry, id: str, *, key: str = "", name: str | None = None) -> str:
        more = entry.with_platform_connection
        line = render_removal(key or entry.key, id, name, entry.extent, with_platform_connection=more)
        return f"`{line}`"

    def _build_diagnostic(
        self, code: str, entry: RemovalEntry, message: str, notes: tuple[str, ...], advice: str
    ) -> Diagnostic:
        return Diagnostic(
            code,
            message,
            entry.id_span,
            address=_get_address(entry),
            notes=notes,
            help=advice,
        )


def build_removal_identity(
    groups: Mapping[str, str],
    records: Mapping[Address, Record],
    removals: Mapping[str, CompletedRemoval],
    declared: Iterable[Desired],
    group_ids: Mapping[str, str],
) -> RemovalIdentity:
    """Build the identity from the `declared` groups and the ids of their live groups by key."""
    keys_by_id: dict[str, frozenset[str]] = {}
    for address, record in records.items():
        if record.id is not None:
            keys_by_id[record.id] = keys_by_id.get(record.id, frozenset()) | {address.key}
    declared_by_id = {
        group_ids[desired.address.key]: desired for desired in declared if desired.address.key in group_ids
    }
    return RemovalIdentity(groups, records, removals, group_ids, declared_by_id, keys_by_id)


def _get_address(entry: RemovalEntry) -> Address:
    return Address(DESTINATION if entry.extent is Extent.DESTINATION else GROUP, entry.key)


def _explain_conflicting_removal(entry: RemovalEntry, declared: Desired) -> Diagnostic:
    return Diagnostic(
        "removed-and-declared",
        f"`{entry.key}` is removed as `{entry.id}`, which is the id of {declared.address}",
        entry.id_span,
        address=declared.address,
        notes=(f"declared at {declared.span}",),
        help=(
            "to keep it, delete the entry below `removed:`; to replace it by a new object, apply the removal first, "
            f"without `{declared.address.key}`"
        ),
    )
