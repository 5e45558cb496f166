"""Deletions and their conditions: written down by a person, blocked by users' connections and by protection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from reconciler.api import wire
from reconciler.api.errors import Forbidden, NotFound
from reconciler.engine.field_changes import applied_values
from reconciler.engine.removal_identity import RemovalIdentity
from reconciler.kinds.destination import SERVICE
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import Action, Change, Connection, LiveObject, Reason, Risk
from reconciler.model.record import Record
from reconciler.model.removal import Extent, Removed
from reconciler.model.resource import Observed
from reconciler.model.value import FieldPath
from reconciler.spec.removal import Tombstone, removal_line

PLATFORM_CONNECTION = "fivetran_metadata"
PLATFORM_SERVICES = frozenset({"fivetran_log", "fivetran_metadata", "fivetran_platform"})
"""Fivetran's own connection, which it may put beside a destination by itself. People know it by its schema, the
API by its service, which has been called differently over time."""


REGION: FieldPath = ("region",)

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Removal:
    """One object to give up, and what is remembered of that once it is done."""

    change: Change
    removed: Removed

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Fivetran's own connections, which have to go before it."""
        return self.change.live.deleted_first if self.change.live is not None else ()


@dataclass(frozen=True, slots=True)
class _Found:
    """What there is of what a tombstone deletes, as people see it and with all that loads into it."""

    live: LiveObject
    connections: tuple[wire.Connection, ...]
    has_destination: bool


def listed(connections: Sequence[wire.Connection | Connection]) -> str:
    """Connections by id and service, the first few by name."""
    shown = ", ".join(f"`{each.id}` ({each.service})" for each in connections[:_SHOWN])
    return shown + (f" and {len(connections) - _SHOWN} more" if len(connections) > _SHOWN else "")


def replacement_blockers(change: Change, protected: bool) -> Iterator[Diagnostic]:
    """What refuses to delete and create again: protection, and any connection, since Fivetran deletes nothing
    that has one."""
    connections = change.live.connections if change.live is not None else ()
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
    """What tombstones come to. With `problems` there is no plan, `blockers` refuse the apply, `notes` do neither.
    `done` are those that are in effect already and not remembered so, by key."""

    removals: tuple[Removal, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    blockers: tuple[Diagnostic, ...] = ()
    notes: tuple[Diagnostic, ...] = ()
    done: Mapping[str, Removed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Undertaker:
    """Turns tombstones into removals, each of which means the object that its `identity` says.

    `destinations` are service and region by id. `connections` asks the API for those of a group, and raises `NotFound`
    where it is gone; `observe` asks for one object by its kind and id, `is_gone` as often as a read may be late. All
    may raise other `ApiError`s.
    """

    identity: RemovalIdentity
    destinations: Mapping[str, tuple[str, str]]
    protected: tuple[str, ...]
    connections: Callable[[str], list[wire.Connection]]
    observe: Callable[[str, str], Observed | None]
    is_gone: Callable[[str, str], bool]

    def removals(self, tombstones: Iterable[Tombstone]) -> Removals:
        """The removals in the order in which they must happen: a destination before its group."""
        parts = [self._removals_of(each) for each in tombstones]
        return Removals(
            tuple(each for part in parts for each in part.removals),
            tuple(each for part in parts for each in part.problems),
            tuple(each for part in parts for each in part.blockers),
            tuple(each for part in parts for each in part.notes),
            {key: done for part in parts for key, done in part.done.items()},
        )

    def _removals_of(self, tombstone: Tombstone) -> Removals:
        try:
            problem = self.identity.problem(tombstone)
            if problem is None:
                return self._identified(tombstone)
            is_left_over = self._is_left_over(tombstone)
        except Forbidden as error:
            return Removals(problems=(_unseen(tombstone, error),))
        return Removals(notes=(_satisfied(tombstone),)) if is_left_over else Removals(problems=(problem,))

    def _identified(self, tombstone: Tombstone) -> Removals:
        if tombstone.extent is Extent.MANAGEMENT:
            forgotten = tuple(self._forgotten(tombstone))
            return Removals(forgotten, notes=() if forgotten else (_satisfied(tombstone),))
        found = self._find(tombstone)
        if found is not None:
            return Removals(
                tuple(self._deleted(tombstone, found)), blockers=tuple(self._blockers(tombstone, found))
            )
        done = {tombstone.key: Removed(tombstone.id, tombstone.extent)}
        if self.identity.is_remembered(tombstone):
            return Removals(
                tuple(self._forgotten(tombstone)),
                notes=(_satisfied(tombstone),),
                done={} if self.identity.was_carried_out(tombstone) else done,
            )
        # The group is there, and has the name that the entry says.
        if tombstone.extent is Extent.DESTINATION:
            return Removals(notes=(_satisfied(tombstone),), done=done)
        return Removals(problems=(self.identity.unknown_id(tombstone),))

    def _is_left_over(self, tombstone: Tombstone) -> bool:
        """Whether nothing is left to do of an entry that was carried out, whatever its key or its id stands for now."""
        if not self.identity.is_left_over(tombstone):
            return False
        match tombstone.extent:
            case Extent.MANAGEMENT:
                return True
            case Extent.DESTINATION:
                is_listed, kind = tombstone.id in self.destinations, DESTINATION
            case Extent.PAIR:
                is_listed, kind = tombstone.id in self.identity.groups, GROUP
        return not is_listed and self.observe(kind, tombstone.id) is None

    def replaced(self, id: str) -> LiveObject:
        """What a replacement of the destination `id` deletes."""
        connections = tuple(Connection(each.id, each.service) for each in self.connections(id))
        return LiveObject(self.identity.groups.get(id, ""), None, *self._placed(id), connections)

    def _forgotten(self, tombstone: Tombstone) -> Iterator[Removal]:
        """Only what an earlier run remembers can be forgotten."""
        live = None
        if tombstone.id in self.identity.groups:
            live = self._live(tombstone, self.identity.groups[tombstone.id])
        for address in given_up(tombstone):
            record = self.identity.records.get(address)
            if record is not None:
                yield _removal(tombstone, address, Action.FORGET, record, live)

    def _find(self, tombstone: Tombstone) -> _Found | None:
        """What there is of an entry; None where all that it deletes is gone.

        A list is no proof, neither of what it leaves out nor of what it shows: one may still show a group that was
        deleted a moment ago. Whether something is gone is asked by its id.
        """
        id = tombstone.id
        kind = DESTINATION if tombstone.extent is Extent.DESTINATION else GROUP
        name = self._name(id) if kind == GROUP else ""
        if name is None:
            return None
        destination = None if id in self.destinations else self.observe(DESTINATION, id)
        has_destination = id in self.destinations or destination is not None
        if kind == DESTINATION and not has_destination:
            return None
        try:
            connections = self.connections(id)
        except NotFound:
            # Of two reads that say different things one is late.
            if self.is_gone(kind, id):
                return None
            raise
        live = self._live(tombstone, name or self._name(id) or "", destination, connections)
        return _Found(live, tuple(connections), has_destination)

    def _name(self, id: str) -> str | None:
        """The name of a group; None where it is gone."""
        if id in self.identity.groups:
            return self.identity.groups[id]
        group = self.observe(GROUP, id)
        return group.name if group is not None else None

    def _live(
        self,
        tombstone: Tombstone,
        name: str,
        destination: Observed | None = None,
        connections: Iterable[wire.Connection] = (),
    ) -> LiveObject:
        last = self.identity.last_name(tombstone.key)
        return LiveObject(
            name,
            last if last != name else None,
            *(placement(destination) if destination is not None else self._placed(tombstone.id)),
            tuple(
                Connection(each.id, each.service, tombstone.with_platform_connection and _is_own(each))
                for each in connections
            ),
        )

    def _placed(self, id: str) -> tuple[str, str]:
        return self.destinations.get(id, ("", ""))

    def _deleted(self, tombstone: Tombstone, found: _Found) -> Iterator[Removal]:
        live = found.live
        for address in given_up(tombstone):
            if address.kind == DESTINATION and not found.has_destination:
                continue
            record = self.identity.records.get(address)
            known = record if record is not None and record.id == tombstone.id else None
            yield _removal(tombstone, address, Action.DELETE, known, live)
            live = replace(live, connections=())  # they go with the first of the two

    def _blockers(self, tombstone: Tombstone, found: _Found) -> Iterator[Diagnostic]:
        """What refuses a deletion."""
        names = (tombstone.key, found.live.name)
        if any(self.is_protected(name) for name in names if name):
            yield _protected(tombstone, found.live)
        theirs = [each for each in found.connections if not _is_own(each)]
        if theirs:
            yield _in_use(tombstone, found.live, theirs)
        elif found.connections and not tombstone.with_platform_connection:
            yield _platform_connection(tombstone, found.live)

    def is_protected(self, key: str) -> bool:
        """Whether the project file or an earlier run protects an entry. For what somebody removes under another key
        than it had, the name of its group is asked about too."""
        remembered = (self.identity.records.get(Address(kind, key)) for kind in (GROUP, DESTINATION))
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


def given_up(tombstone: Tombstone) -> tuple[Address, ...]:
    """What goes, in the order in which it must go."""
    destination, group = Address(DESTINATION, tombstone.key), Address(GROUP, tombstone.key)
    return (destination,) if tombstone.extent is Extent.DESTINATION else (destination, group)


def _is_own(connection: wire.Connection) -> bool:
    return connection.service in PLATFORM_SERVICES


def placement(destination: Observed) -> tuple[str, str]:
    """Service and region of a destination."""
    return str(destination.fields.get(SERVICE) or ""), str(destination.fields.get(REGION) or "")


def _removal(
    tombstone: Tombstone,
    address: Address,
    action: Action,
    record: Record | None,
    live: LiveObject | None,
) -> Removal:
    id = record.id if record is not None else tombstone.id
    change = Change(
        address=address,
        action=action,
        reasons=(Reason.REMOVED,),
        id=id,
        span=tombstone.span,
        risk=Risk.DESTROYS if action is Action.DELETE else Risk.IN_PLACE,
        applied=applied_values(KINDS[address.kind], record),
        live=live,
    )
    return Removal(change, Removed(tombstone.id, tombstone.extent))


def _satisfied(tombstone: Tombstone) -> Diagnostic:
    is_kept = tombstone.extent is Extent.MANAGEMENT
    return Diagnostic(
        "removal-done",
        f"`{tombstone.key}` (id `{tombstone.id}`) is {'not managed any more' if is_kept else 'gone already'}",
        tombstone.span,
        Severity.WARNING,
        help="delete this entry below `removed:`",
    )


def _unseen(tombstone: Tombstone, error: Forbidden) -> Diagnostic:
    return Diagnostic(
        "forbidden",
        f"these credentials may not see `{tombstone.id}`, so that nobody can say what is there of `{tombstone.key}`",
        tombstone.id_span,
        address=Address(GROUP, tombstone.key),
        notes=(f"{error.method} {error.address} answered {error.status}: {error.message}",),
        help="use a key whose role may manage this group",
    )


def _protected(tombstone: Tombstone, live: LiveObject) -> Diagnostic:
    return Diagnostic(
        "protected",
        f"`{tombstone.key}` is protected and is not deleted",
        tombstone.key_span,
        address=Address(GROUP, tombstone.key),
        notes=(
            _shown_as(tombstone, live),
            "protection is remembered, so deleting the lines that declare it does not lift it",
        ),
        help="first lift the protection in a change of its own, and apply that",
    )


def _shown_as(tombstone: Tombstone, live: LiveObject) -> str:
    """How people know it in the dashboard."""
    service = f", {live.service}" if live.service else ""
    return f"at Fivetran it is `{live.name}` (`{tombstone.id}`{service})"


def _in_use(tombstone: Tombstone, live: LiveObject, connections: list[wire.Connection]) -> Diagnostic:
    number = "1 connection loads" if len(connections) == 1 else f"{len(connections)} connections load"
    return Diagnostic(
        "has-connections",
        f"`{tombstone.key}` is in use: {number} into it",
        tombstone.key_span,
        address=Address(DESTINATION, tombstone.key),
        notes=(_shown_as(tombstone, live), listed(connections)),
        help="move or delete these connections in Fivetran first",
    )


def _platform_connection(tombstone: Tombstone, live: LiveObject) -> Diagnostic:
    return Diagnostic(
        "platform-connection",
        f"Fivetran's own `{PLATFORM_CONNECTION}` connection blocks the removal of `{tombstone.key}`",
        tombstone.key_span,
        address=Address(DESTINATION, tombstone.key),
        notes=(_shown_as(tombstone, live), "it holds logs of the account, which are lost with it"),
        help="add `with_platform_connection: true` to this entry to delete it too",
    )


def _vanished(address: Address, id: str) -> Diagnostic:
    extent = Extent.DESTINATION if address.kind == DESTINATION else Extent.PAIR
    return Diagnostic(
        "vanished",
        f"{address} is managed, and no spec declares it any more",
        address=address,
        notes=("nothing is ever deleted, nor silently given up, because its lines are gone",),
        help=(
            f"if it has another key now, write `was: {address.key}` there; to delete it, write"
            f" `{removal_line(address.key, id, extent=extent)}` below `removed:`; `forget: true` there only lets it go"
        ),
    )
