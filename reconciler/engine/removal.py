"""Deletions and their conditions: written down by a person, blocked by users' connections and by protection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from reconciler.api import wire
from reconciler.api.errors import NotFound
from reconciler.engine.field_changes import applied_values
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import Action, Change, Reason, Risk
from reconciler.model.record import Record
from reconciler.model.resource import Desired
from reconciler.spec.removal import Extent, Tombstone

PLATFORM_CONNECTION = "fivetran_metadata"
PLATFORM_SERVICES = frozenset({"fivetran_log", "fivetran_metadata", "fivetran_platform"})
"""Fivetran's own connection, which it may put beside a destination by itself. People know it by its schema, the
API by its service, which has been called differently over time."""


_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Removal:
    """One object to give up. `connections` are ids of Fivetran's own connections that have to go before it."""

    change: Change
    connections: tuple[str, ...] = ()


def listed(connections: list[wire.Connection]) -> str:
    """Connections by id and service, the first few by name."""
    shown = ", ".join(f"`{each.id}` ({each.service})" for each in connections[:_SHOWN])
    return shown + (f" and {len(connections) - _SHOWN} more" if len(connections) > _SHOWN else "")


def replacement_blockers(
    change: Change, connections: list[wire.Connection], protected: bool
) -> Iterator[Diagnostic]:
    """What refuses to delete and create again: protection, and any connection, since Fivetran deletes nothing
    that has one."""
    if protected:
        yield Diagnostic(
            "protected",
            f"{change.address} is protected and is not replaced",
            change.span,
            address=change.address,
            notes=("a replacement deletes the destination and makes it again",),
            help="put the old value back, or first lift the protection in a change of its own",
        )
    if connections:
        yield Diagnostic(
            "has-connections",
            f"{change.address} cannot be replaced: {len(connections)} of its connections would lose it",
            change.span,
            address=change.address,
            notes=(listed(connections),),
            help="move or delete these connections in Fivetran first",
        )


@dataclass(frozen=True, slots=True)
class Removals:
    """What the tombstones of a project come to. `blockers` refuse the apply, `notes` do not."""

    removals: tuple[Removal, ...]
    blockers: tuple[Diagnostic, ...]
    notes: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class Undertaker:
    """Turns tombstones into removals. `groups` are names by the ids that exist, `destinations` ids; `connections` asks
    the API for those of a group, and raises `NotFound` where it is gone."""

    groups: Mapping[str, str]
    destinations: Collection[str]
    records: Mapping[Address, Record]
    protected: tuple[str, ...]
    connections: Callable[[str], list[wire.Connection]]

    def removals(self, tombstones: tuple[Tombstone, ...]) -> Removals:
        """The removals in the order in which they must happen: a destination before its group."""
        removals: list[Removal] = []
        blockers: list[Diagnostic] = []
        notes: list[Diagnostic] = []
        for tombstone in tombstones:
            if tombstone.extent is Extent.MANAGEMENT:
                removals += self._forgotten(tombstone)
            elif (connections := self._connections(tombstone)) is None:
                notes.append(_satisfied(tombstone))
                removals += self._forgotten(tombstone)
            else:
                found, own = self._blockers(tombstone, connections)
                blockers += found
                removals += self._deleted(tombstone, own)
        return Removals(tuple(removals), tuple(blockers), tuple(notes))

    def _forgotten(self, tombstone: Tombstone) -> Iterator[Removal]:
        """Only what an earlier run remembers can be forgotten."""
        for address in given_up(tombstone):
            if address in self.records:
                record = self.records[address]
                yield Removal(_change(tombstone, address, Action.FORGET, record.id, record))

    def _connections(self, tombstone: Tombstone) -> list[wire.Connection] | None:
        """What loads into a group that is to be given up; None where everything is gone already.

        A list may still show a group that was deleted a moment ago. Asked for by its id, it is gone.
        """
        if self._is_satisfied(tombstone):
            return None
        try:
            return self.connections(tombstone.id)
        except NotFound:
            return None

    def _is_satisfied(self, tombstone: Tombstone) -> bool:
        if tombstone.id in self.destinations:
            return False
        return tombstone.extent is Extent.DESTINATION or tombstone.id not in self.groups

    def _deleted(self, tombstone: Tombstone, own: tuple[str, ...]) -> Iterator[Removal]:
        for address in given_up(tombstone):
            existing = self.destinations if address.kind == DESTINATION else self.groups
            if tombstone.id in existing:
                record = self.records.get(address)
                known = record if record is not None and record.id == tombstone.id else None
                yield Removal(_change(tombstone, address, Action.DELETE, tombstone.id, known), own)
                own = ()  # they go with the first of the two

    def _blockers(
        self, tombstone: Tombstone, connections: list[wire.Connection]
    ) -> tuple[list[Diagnostic], tuple[str, ...]]:
        """What refuses a deletion, and the connections of Fivetran's own that have to go with it."""
        names = (tombstone.key, self.groups.get(tombstone.id, ""))
        blockers = [_protected(tombstone)] if any(self.is_protected(name) for name in names if name) else []
        own = [each for each in connections if each.service in PLATFORM_SERVICES]
        theirs = [each for each in connections if each.service not in PLATFORM_SERVICES]
        if theirs:
            blockers.append(_in_use(tombstone, theirs))
        elif own and not tombstone.with_platform_connection:
            blockers.append(_platform_connection(tombstone))
        return blockers, tuple(each.id for each in own)

    def is_protected(self, key: str) -> bool:
        """Whether the project file or an earlier run protects an entry. For what somebody removes under another key
        than it had, the name of its group is asked about too."""
        remembered = (self.records.get(Address(kind, key)) for kind in (GROUP, DESTINATION))
        by_key = any(fnmatchcase(key, pattern) for pattern in self.protected)
        return by_key or any(record.protected for record in remembered if record is not None)


def vanished(
    records: Mapping[Address, Record],
    declared: Collection[Address],
    tombstones: tuple[Tombstone, ...],
    existing: Mapping[str, Collection[str]],
) -> list[Diagnostic]:
    """Managed objects that no spec declares any more and that nobody gave up. `existing` has the live ids by kind.

    An entry that merely vanishes, by a lost file or a renamed key, never deletes anything and never goes unnoticed.
    """
    gone = {address for tombstone in tombstones for address in given_up(tombstone)}
    return [
        _vanished(address, record.id)
        for address, record in sorted(records.items())
        if record.id is not None
        and address not in declared
        and address not in gone
        and record.id in existing.get(address.kind, ())
        and not (address.kind == DESTINATION and _goes_with_its_group(address, records, declared, gone))
    ]


def _goes_with_its_group(
    address: Address,
    records: Mapping[Address, Record],
    declared: Collection[Address],
    gone: Collection[Address],
) -> bool:
    """One finding for a pair that vanished as a whole is enough."""
    group = Address(GROUP, address.key)
    return group in records and group not in declared and group not in gone


def contradicted(
    tombstones: Iterable[Tombstone], bound: Mapping[str, str], declared: Iterable[Desired]
) -> list[Diagnostic]:
    """Removals of what an entry of another key stands for: by its `id:`, by memory, `was:` or its name.

    `bound` has the id of the live group by key. One plan must not change an object and delete it as well.
    """
    standing = {(each.address.kind, bound.get(each.address.key)): each for each in declared}
    found = [
        (
            tombstone,
            standing.get((DESTINATION if tombstone.extent is Extent.DESTINATION else GROUP, tombstone.id)),
        )
        for tombstone in tombstones
        if tombstone.extent is not Extent.MANAGEMENT
    ]
    return [_contradicted(tombstone, each) for tombstone, each in found if each is not None]


def given_up(tombstone: Tombstone) -> tuple[Address, ...]:
    """What goes, in the order in which it must go."""
    destination, group = Address(DESTINATION, tombstone.key), Address(GROUP, tombstone.key)
    return (destination,) if tombstone.extent is Extent.DESTINATION else (destination, group)


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


def _change(
    tombstone: Tombstone, address: Address, action: Action, id: str | None, record: Record | None
) -> Change:
    return Change(
        address=address,
        action=action,
        reasons=(Reason.REMOVED,),
        id=id,
        span=tombstone.span,
        risk=Risk.DESTROYS if action is Action.DELETE else Risk.IN_PLACE,
        applied=applied_values(KINDS[address.kind], record),
    )


def _satisfied(tombstone: Tombstone) -> Diagnostic:
    return Diagnostic(
        "removal-done",
        f"`{tombstone.key}` (id `{tombstone.id}`) is gone already",
        tombstone.span,
        Severity.WARNING,
        help="delete this entry below `removed:`",
    )


def _protected(tombstone: Tombstone) -> Diagnostic:
    return Diagnostic(
        "protected",
        f"`{tombstone.key}` is protected and is not deleted",
        tombstone.key_span,
        address=Address(GROUP, tombstone.key),
        notes=("protection is remembered, so deleting the lines that declare it does not lift it",),
        help="first lift the protection in a change of its own, and apply that",
    )


def _in_use(tombstone: Tombstone, connections: list[wire.Connection]) -> Diagnostic:
    number = "1 connection loads" if len(connections) == 1 else f"{len(connections)} connections load"
    return Diagnostic(
        "has-connections",
        f"`{tombstone.key}` is in use: {number} into it",
        tombstone.key_span,
        address=Address(DESTINATION, tombstone.key),
        notes=(listed(connections),),
        help="move or delete these connections in Fivetran first",
    )


def _platform_connection(tombstone: Tombstone) -> Diagnostic:
    return Diagnostic(
        "platform-connection",
        f"Fivetran's own `{PLATFORM_CONNECTION}` connection blocks the removal of `{tombstone.key}`",
        tombstone.key_span,
        address=Address(DESTINATION, tombstone.key),
        notes=("it holds logs of the account, which are lost with it",),
        help="add `with_platform_connection: true` to this entry to delete it too",
    )


def _vanished(address: Address, id: str | None) -> Diagnostic:
    only = ", only: destination" if address.kind == DESTINATION else ""
    return Diagnostic(
        "vanished",
        f"{address} is managed, and no spec declares it any more",
        address=address,
        notes=("nothing is ever deleted, nor silently given up, because its lines are gone",),
        help=(
            f"if it has another key now, write `was: {address.key}` there; to delete it, write"
            f" `- {{group: {address.key}, id: {id}{only}}}` below `removed:`; `forget: true` there only lets it go"
        ),
    )
