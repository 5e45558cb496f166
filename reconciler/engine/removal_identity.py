"""Which object a `removed:` entry is about, so that a slip in an id never reaches an object of somebody else.

An id alone is believed where an earlier run remembers it of that very key, in a record or as a removal that was carried
out. Otherwise the entry has to say the live name of the group too. Pure: reads nothing, sends nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.kinds.group import NAME
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.nearest import nearest
from reconciler.model.record import Record
from reconciler.model.removal import Extent, Removed
from reconciler.model.resource import Desired
from reconciler.spec.characters import described, forbidden_in_value
from reconciler.spec.removal import Tombstone, removal_line


@dataclass(frozen=True, slots=True)
class RemovalIdentity:
    """What the identity of removals is held against. `groups` are the live names by id, `records` what is remembered,
    by the addresses of today, `removals` what was carried out, by key; `bound` are the ids of the live groups that
    entries of the specs stand for, by key, and `standing` these entries by id; `keys` are those that the records give
    an id."""

    groups: Mapping[str, str]
    records: Mapping[Address, Record]
    removals: Mapping[str, Removed] = field(default_factory=dict)
    bound: Mapping[str, str] = field(default_factory=dict)
    standing: Mapping[str, Desired] = field(default_factory=dict)
    keys: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def problem(self, tombstone: Tombstone) -> Diagnostic | None:
        """Why nobody can say that an entry means the object that has its id; None where that is certain."""
        return self._problem_of_others(tombstone) or (
            self._problem_with_memory(tombstone)
            if self.is_remembered(tombstone)
            else self._problem_without_memory(tombstone)
        )

    def is_remembered(self, tombstone: Tombstone) -> bool:
        """Whether an earlier run knows what the key of an entry stood for."""
        return bool(self._recorded(tombstone.key)) or self.was_carried_out(tombstone)

    def is_left_over(self, tombstone: Tombstone) -> bool:
        """Whether an entry was carried out, and its key has been free since or stands for a declared group again."""
        key = tombstone.key
        return self.was_carried_out(tombstone) and (not self._recorded(key) or key in self.bound)

    def last_name(self, key: str) -> str | None:
        """The name that was last applied to the group of an entry."""
        record = self.records.get(Address(GROUP, key))
        name = record.applied.get(NAME) if record is not None else None
        return name if isinstance(name, str) else None

    def unknown_id(self, tombstone: Tombstone) -> Diagnostic:
        """An id that nothing has, and that nothing is remembered of."""
        namesakes = [id for id, name in self.groups.items() if name == tombstone.name]
        near = nearest(tombstone.id, self.groups)
        if len(namesakes) == 1:
            notes: tuple[str, ...] = (f"the group `{tombstone.name}` has the id `{namesakes[0]}`",)
        else:
            notes = (f"the id that is most like it is `{near}`, of `{self.groups[near]}`",) if near else ()
        return self._wrong(
            "removal-unknown-id",
            tombstone,
            f"no group of this account has the id `{tombstone.id}`, and nothing is remembered of `{tombstone.key}`",
            notes,
            "if this removal was carried out already, delete this entry; else correct its `id:`",
        )

    def was_carried_out(self, tombstone: Tombstone) -> bool:
        """Whether an earlier run did what an entry asks for."""
        removed = self.removals.get(tombstone.key)
        return removed is not None and removed.id == tombstone.id and removed.vouches_for(tombstone.extent)

    def _recorded(self, key: str) -> list[str]:
        """The id that the records have of an entry. If they have two, neither means the whole entry."""
        records = (self.records.get(Address(kind, key)) for kind in (GROUP, DESTINATION))
        ids = (record.id for record in records if record is not None)
        return list(dict.fromkeys(id for id in ids if id is not None))

    def _problem_of_others(self, tombstone: Tombstone) -> Diagnostic | None:
        """An object that another entry stands for: by its `id:`, by memory, `was:` or its name. One plan must not
        change an object and delete it as well."""
        declared = self.standing.get(tombstone.id)
        if declared is not None and declared.address.key != tombstone.key:
            return _contradicted(tombstone, declared)
        bound = self.bound.get(tombstone.key)
        if bound is not None and bound != tombstone.id:
            return self._another_id(tombstone, bound, f"the group of `{tombstone.key}` is `{bound}`")
        others = self.keys.get(tombstone.id, frozenset()) - {tombstone.key}
        return self._of_another_key(tombstone, min(others)) if others else None

    def _problem_with_memory(self, tombstone: Tombstone) -> Diagnostic | None:
        for recorded in self._recorded(tombstone.key):
            if recorded != tombstone.id:
                return self._another_id(
                    tombstone, recorded, f"`{tombstone.key}` is remembered as `{recorded}`"
                )
        names = {self.groups.get(tombstone.id), self.last_name(tombstone.key)}
        if tombstone.name is not None and tombstone.id in self.groups and tombstone.name not in names:
            return self._another_name(tombstone)
        return None

    def _problem_without_memory(self, tombstone: Tombstone) -> Diagnostic | None:
        if tombstone.id not in self.groups:
            return self.unknown_id(tombstone)
        if tombstone.name is None:
            return self._nameless(tombstone)
        return self._another_name(tombstone) if tombstone.name != self.groups[tombstone.id] else None

    def _another_id(self, tombstone: Tombstone, own: str, why: str) -> Diagnostic:
        return self._wrong(
            "removal-other-id",
            tombstone,
            f"{why}, and this entry says `{tombstone.id}`",
            tuple(self._described(own, tombstone.id)),
            f"write {self._line(tombstone, own)}, or delete this entry if it was carried out already; a memory that is"
            f" wrong is corrected by `reconciler state forget {tombstone.key}`",
        )

    def _of_another_key(self, tombstone: Tombstone, other: str) -> Diagnostic:
        own = self._recorded(tombstone.key)
        meant = [f"write {self._line(tombstone, id)}" for id in own[:1]]
        meant.append(f"to remove `{other}`, write {self._line(tombstone, tombstone.id, key=other)}")
        return self._wrong(
            "removal-of-another",
            tombstone,
            f"`{tombstone.key}` is removed as `{tombstone.id}`, and that is remembered as the id of `{other}`",
            tuple(self._described(*own[:1], tombstone.id)),
            "; ".join(meant),
        )

    def _nameless(self, tombstone: Tombstone) -> Diagnostic:
        return self._wrong(
            "removal-needs-name",
            tombstone,
            f"nothing is remembered of `{tombstone.key}`, so that its id alone does not say what is meant",
            tuple(self._described(tombstone.id)),
            self._with_live_name(tombstone),
        )

    def _another_name(self, tombstone: Tombstone) -> Diagnostic:
        live = self.groups[tombstone.id]
        alike = _folded(live) == _folded(tombstone.name or "")
        return self._wrong(
            "removal-other-name",
            tombstone,
            f"the group `{tombstone.id}` is called `{live}`, and this entry says `{tombstone.name}`",
            ("the two differ in case, in blanks or in characters that look alike",) if alike else (),
            self._with_live_name(tombstone),
        )

    def _with_live_name(self, tombstone: Tombstone) -> str:
        name = self.groups[tombstone.id]
        forbidden = forbidden_in_value(name)
        if forbidden is not None:
            what = described(forbidden)
            return f"its name holds {what}, which no spec may hold: give it another name in Fivetran first"
        return f"if that group is meant, write {self._line(tombstone, tombstone.id, name=name)}"

    def _described(self, *ids: str) -> Iterator[str]:
        for id in ids:
            if id in self.groups:
                yield f"`{id}` is the group `{self.groups[id]}`"
            else:
                yield f"no group of this account has the id `{id}`"

    def _line(self, tombstone: Tombstone, id: str, *, key: str = "", name: str | None = None) -> str:
        more = tombstone.with_platform_connection
        line = removal_line(key or tombstone.key, id, name, tombstone.extent, with_platform_connection=more)
        return f"`{line}`"

    def _wrong(
        self, code: str, tombstone: Tombstone, message: str, notes: tuple[str, ...], advice: str
    ) -> Diagnostic:
        return Diagnostic(
            code,
            message,
            tombstone.id_span,
            address=_address(tombstone),
            notes=notes,
            help=advice,
        )


def identity_of(
    groups: Mapping[str, str],
    records: Mapping[Address, Record],
    removals: Mapping[str, Removed],
    declared: Iterable[Desired],
    bound: Mapping[str, str],
) -> RemovalIdentity:
    """The same from `declared` groups and the ids to which their keys are `bound`."""
    keys: dict[str, frozenset[str]] = {}
    for address, record in records.items():
        if record.id is not None:
            keys[record.id] = keys.get(record.id, frozenset()) | {address.key}
    standing = {bound[each.address.key]: each for each in declared if each.address.key in bound}
    return RemovalIdentity(groups, records, removals, bound, standing, keys)


def _address(tombstone: Tombstone) -> Address:
    return Address(DESTINATION if tombstone.extent is Extent.DESTINATION else GROUP, tombstone.key)


def _folded(name: str) -> str:
    """What is left of a name of all that people overlook."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _contradicted(tombstone: Tombstone, declared: Desired) -> Diagnostic:
    return Diagnostic(
        "removed-and-declared",
        f"`{tombstone.key}` is removed as `{tombstone.id}`, and that is what {declared.address} stands for",
        tombstone.id_span,
        address=declared.address,
        notes=(f"declared at {declared.span}",),
        help=(
            "to keep it, delete the entry below `removed:`; to replace it by a new one, apply the removal first, "
            f"without `{declared.address.key}`"
        ),
    )
