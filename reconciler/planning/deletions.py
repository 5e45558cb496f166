"""Deletions of `removed:` entries, and the blockers of a deletion: connections of users, and protection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from reconciler.api import responses
from reconciler.api.client import Client
from reconciler.api.errors import Forbidden, NotFound
from reconciler.kinds.destination import SERVICE
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import Action, Change, LiveConnection, LiveObject, ProtectionChange, Reason
from reconciler.model.record import Record
from reconciler.model.removal import CompletedRemoval, Extent
from reconciler.model.resource import Observed
from reconciler.model.risk import Risk
from reconciler.model.value import FieldPath
from reconciler.planning.fields import list_applied_values
from reconciler.planning.refresh import AccountView
from reconciler.planning.removal_identity import RemovalIdentity
from reconciler.runtime.polling import Poller
from reconciler.spec.removal import RemovalEntry

PLATFORM_CONNECTION = "fivetran_metadata"
PLATFORM_SERVICES = frozenset({"fivetran_log", "fivetran_metadata", "fivetran_platform"})
"""Services of the connection that Fivetran may create beside a destination by itself.

Users know that connection by its schema, the API by its service, whose name has changed over time.
"""


REGION: FieldPath = ("region",)

_MAX_LISTED = 5


@dataclass(frozen=True, slots=True)
class PlannedDeletion:
    """One object to delete or forget, and the removal to record afterwards."""

    change: Change
    removed: CompletedRemoval

    @property
    def connections(self) -> tuple[LiveConnection, ...]:
        """The connections of Fivetran itself, which have to be deleted first."""
        return self.change.live.connections_deleted_first if self.change.live is not None else ()


@dataclass(frozen=True, slots=True)
class _LiveTarget:
    """The existing objects of a removal, in the form that plans show, with their connections."""

    live: LiveObject
    connections: tuple[responses.Connection, ...]
    has_destination: bool


def format_connections(connections: Sequence[responses.Connection | LiveConnection]) -> str:
    """Format connections by id and service; more than a few are counted."""
    shown = ", ".join(f"`{connection.id}` ({connection.service})" for connection in connections[:_MAX_LISTED])
    return shown + (f" and {len(connections) - _MAX_LISTED} more" if len(connections) > _MAX_LISTED else "")


@dataclass(frozen=True, slots=True)
class DeletionPlan:
    """The outcome of planning `removed:` entries.

    `problems` leave removals out of the plan, which are `refused`; `blockers` refuse the apply, `notes` are warnings.
    `completed_removals` are removals, by key, that are in effect already and not yet recorded.
    """

    deletions: tuple[PlannedDeletion, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    blockers: tuple[Diagnostic, ...] = ()
    notes: tuple[Diagnostic, ...] = ()
    completed_removals: Mapping[str, CompletedRemoval] = field(default_factory=dict)
    refused: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class DeletionPlanner:
    """Planner of the deletions of `removed:` entries, each about the object that `identity` confirms.

    `destinations` are service and region by id. `list_connections` lists the connections of a group, and raises
    `NotFound` for a deleted group. `observe` reads one object by kind and id; `is_gone` polls until a late read
    cannot be the cause. All three may raise other `ApiError`s.
    """

    identity: RemovalIdentity
    destinations: Mapping[str, tuple[str, str]]
    protected: tuple[str, ...]
    list_connections: Callable[[str], list[responses.Connection]]
    observe: Callable[[str, str], Observed | None]
    is_gone: Callable[[str, str], bool]

    def plan_deletions(self, entries: Iterable[RemovalEntry]) -> DeletionPlan:
        """Plan the deletions in the order in which they must happen: a destination before its group."""
        planned = [(entry, self._plan_removal(entry)) for entry in entries]
        parts = [part for _, part in planned]
        return DeletionPlan(
            tuple(deletion for part in parts for deletion in part.deletions),
            tuple(problem for part in parts for problem in part.problems),
            tuple(blocker for part in parts for blocker in part.blockers),
            tuple(note for part in parts for note in part.notes),
            {key: removal for part in parts for key, removal in part.completed_removals.items()},
            tuple(list_removed_addresses(entry)[-1] for entry, part in planned if part.problems),
        )

    def _plan_removal(self, entry: RemovalEntry) -> DeletionPlan:
        try:
            problem = self.identity.find_problem(entry)
            if problem is None:
                return self._plan_identified(entry)
            is_obsolete = self._is_obsolete(entry)
        except Forbidden as error:
            return DeletionPlan(problems=(_explain_forbidden(entry, error),))
        return (
            DeletionPlan(notes=(_explain_done(entry),)) if is_obsolete else DeletionPlan(problems=(problem,))
        )

    def _plan_identified(self, entry: RemovalEntry) -> DeletionPlan:
        if entry.extent is Extent.MANAGEMENT:
            deletions = tuple(self._forget(entry))
            return DeletionPlan(deletions, notes=() if deletions else (_explain_done(entry),))
        target = self._find_live(entry)
        if target is not None:
            return DeletionPlan(
                tuple(self._delete(entry, target)), blockers=tuple(self._find_blockers(entry, target))
            )
        done = {entry.key: CompletedRemoval(entry.id, entry.extent)}
        if self.identity.is_recorded(entry):
            return DeletionPlan(
                tuple(self._forget(entry)),
                notes=(_explain_done(entry),),
                completed_removals={} if self.identity.is_completed(entry) else done,
            )
        # Only the destination was deleted: its group exists and has the name that the entry confirms.
        if entry.extent is Extent.DESTINATION:
            return DeletionPlan(notes=(_explain_done(entry),), completed_removals=done)
        return DeletionPlan(problems=(self.identity.explain_unknown_id(entry),))

    def _is_obsolete(self, entry: RemovalEntry) -> bool:
        """Return whether an entry was carried out before, even if its key or id belongs to another object now."""
        if not self.identity.is_obsolete(entry):
            return False
        match entry.extent:
            case Extent.MANAGEMENT:
                return True
            case Extent.DESTINATION:
                is_listed, kind = entry.id in self.destinations, DESTINATION
            case Extent.PAIR:
                is_listed, kind = entry.id in self.identity.groups, GROUP
        return not is_listed and self.observe(kind, entry.id) is None

    def describe_replaced(self, id: str, *, with_platform_connection: bool) -> LiveObject:
        """Describe the destination `id` that a replacement deletes. Lists its connections."""
        connections = tuple(
            LiveConnection(
                connection.id,
                connection.service,
                with_platform_connection and is_platform_connection(connection),
            )
            for connection in self.list_connections(id)
        )
        return LiveObject(self.identity.groups.get(id, ""), None, *self._get_placement(id), connections)

    def _forget(self, entry: RemovalEntry) -> Iterator[PlannedDeletion]:
        """Plan to forget the records of an entry. An object without a record needs no forgetting."""
        live = None
        if entry.id in self.identity.groups:
            live = self._build_live_object(entry, self.identity.groups[entry.id])
        forgotten = [
            (address, record)
            for address in list_removed_addresses(entry)
            if (record := self.identity.records.get(address)) is not None
        ]
        protection = self._classify_forgotten(entry.key, [record for _, record in forgotten])
        for address, record in forgotten:
            deletion = _build_deletion(entry, address, Action.FORGET, record, live)
            facts = replace(deletion.change.facts, protection=protection)
            yield replace(deletion, change=replace(deletion.change, facts=facts))
            protection = None  # it is a fact about the entry, and noted once

    def _classify_forgotten(self, key: str, records: Iterable[Record]) -> ProtectionChange | None:
        """Classify the protection of an entry that is no longer managed. Records lose their protection; a pattern of
        the project file goes on protecting the key."""
        if any(fnmatchcase(key, pattern) for pattern in self.protected):
            return ProtectionChange.KEPT
        return ProtectionChange.LOST if any(record.protected for record in records) else None

    def _find_live(self, entry: RemovalEntry) -> _LiveTarget | None:
        """Find the existing objects of an entry; None if none exists.

        A list proves neither presence nor absence: it may still show a group that was deleted a moment ago. A read by
        id decides.
        """
        id = entry.id
        kind = DESTINATION if entry.extent is Extent.DESTINATION else GROUP
        name = self._find_name(id) if kind == GROUP else ""
        if name is None:
            return None
        destination = None if id in self.destinations else self.observe(DESTINATION, id)
        has_destination = id in self.destinations or destination is not None
        if kind == DESTINATION and not has_destination:
            return None
        try:
            connections = self.list_connections(id)
        except NotFound:
            # One read shows the object and this one does not, so one of the two is late.
            if self.is_gone(kind, id):
                return None
            raise
        live = self._build_live_object(entry, name or self._find_name(id) or "", destination, connections)
        return _LiveTarget(live, tuple(connections), has_destination)

    def _find_name(self, id: str) -> str | None:
        """Find the name of a group; None for a deleted group."""
        if id in self.identity.groups:
            return self.identity.groups[id]
        group = self.observe(GROUP, id)
        return group.name if group is not None else None

    def _build_live_object(
        self,
        entry: RemovalEntry,
        name: str,
        destination: Observed | None = None,
        connections: Iterable[responses.Connection] = (),
    ) -> LiveObject:
        last_name = self.identity.get_last_name(entry.key)
        return LiveObject(
            name,
            last_name if last_name != name else None,
            *(read_placement(destination) if destination is not None else self._get_placement(entry.id)),
            tuple(
                LiveConnection(
                    connection.id,
                    connection.service,
                    entry.with_platform_connection and is_platform_connection(connection),
                )
                for connection in connections
            ),
        )

    def _get_placement(self, id: str) -> tuple[str, str]:
        return self.destinations.get(id, ("", ""))

    def _delete(self, entry: RemovalEntry, target: _LiveTarget) -> Iterator[PlannedDeletion]:
        live = target.live
        for address in list_removed_addresses(entry):
            if address.kind == DESTINATION and not target.has_destination:
                continue
            record = self.identity.records.get(address)
            known = record if record is not None and record.id == entry.id else None
            yield _build_deletion(entry, address, Action.DELETE, known, live)
            live = replace(live, connections=())  # they are deleted with the first of the two objects

    def _find_blockers(self, entry: RemovalEntry, target: _LiveTarget) -> Iterator[Diagnostic]:
        """Yield the blockers of a deletion: protection, and connections."""
        names = (entry.key, target.live.name)
        if any(self.is_protected(name) for name in names if name):
            yield _explain_protected(entry, target.live)
        user_connections = [
            connection for connection in target.connections if not is_platform_connection(connection)
        ]
        if user_connections:
            yield _explain_in_use(entry, target.live, user_connections)
        elif target.connections and not entry.with_platform_connection:
            yield _explain_platform_connection(entry, target.live)

    def is_protected(self, key: str) -> bool:
        """Return whether the project file or the record of an entry protects it.

        `key` may be a group name as well: an entry may be removed under another key than its specs had.
        """
        records = (self.identity.records.get(Address(kind, key)) for kind in (GROUP, DESTINATION))
        by_key = any(fnmatchcase(key, pattern) for pattern in self.protected)
        return by_key or any(record.protected for record in records if record is not None)


def build_deletion_planner(
    client: Client,
    poller: Poller,
    identity: RemovalIdentity,
    view: AccountView,
    protected: tuple[str, ...],
) -> DeletionPlanner:
    """Build the planner for one account. `protected` are globs of keys."""
    placements = {id: read_placement(destination) for id, destination in view.details.found.items()}
    # Only destinations of entries are read by id; the list adds the destinations of removed entries.
    placements |= {
        id: (destination.service, destination.region) for id, destination in view.listing.summaries.items()
    }

    def observe(kind: str, id: str) -> Observed | None:
        return KINDS[kind].observe(client, id)

    return DeletionPlanner(
        identity,
        placements,
        protected,
        list_connections=client.list_group_connections,
        observe=observe,
        is_gone=lambda kind, id: poller.poll_until(lambda: observe(kind, id) is None or None) is not None,
    )


def list_removed_addresses(entry: RemovalEntry) -> tuple[Address, ...]:
    """List the addresses that an entry removes, in the order of their deletion."""
    destination, group = Address(DESTINATION, entry.key), Address(GROUP, entry.key)
    return (destination,) if entry.extent is Extent.DESTINATION else (destination, group)


def is_platform_connection(connection: responses.Connection | LiveConnection) -> bool:
    """Return whether a connection is the connection that Fivetran itself creates beside a destination."""
    return connection.service in PLATFORM_SERVICES


def read_placement(destination: Observed) -> tuple[str, str]:
    """Read service and region of a destination."""
    return str(destination.fields.get(SERVICE) or ""), str(destination.fields.get(REGION) or "")


def _build_deletion(
    entry: RemovalEntry,
    address: Address,
    action: Action,
    record: Record | None,
    live: LiveObject | None,
) -> PlannedDeletion:
    id = record.id if record is not None else entry.id
    change = Change(
        address=address,
        action=action,
        reasons=(Reason.REMOVED,),
        id=id,
        span=entry.span,
        risk=Risk.DESTROYS if action is Action.DELETE else Risk.IN_PLACE,
        applied=list_applied_values(KINDS[address.kind], record),
        live=live,
    )
    return PlannedDeletion(change, CompletedRemoval(entry.id, entry.extent))


def _explain_done(entry: RemovalEntry) -> Diagnostic:
    is_kept = entry.extent is Extent.MANAGEMENT
    return Diagnostic(
        "removal-done",
        f"`{entry.key}` (id `{entry.id}`) is {'not managed any more' if is_kept else 'gone already'}",
        entry.span,
        Severity.WARNING,
        help="delete this entry below `removed:`",
    )


def _explain_forbidden(entry: RemovalEntry, error: Forbidden) -> Diagnostic:
    return Diagnostic(
        "forbidden",
        f"these credentials may not see `{entry.id}`, so it is unknown which objects of `{entry.key}` exist",
        entry.id_span,
        address=Address(GROUP, entry.key),
        notes=(f"{error.method} {error.address} answered {error.status}: {error.message}",),
        help="use a key whose role may manage this group",
    )


def _explain_protected(entry: RemovalEntry, live: LiveObject) -> Diagnostic:
    return Diagnostic(
        "protected",
        f"`{entry.key}` is protected and is not deleted",
        entry.key_span,
        address=Address(GROUP, entry.key),
        notes=(
            _describe_live(entry, live),
            "protection is recorded in the state, so deleting the lines that declare it does not lift it",
        ),
        help="first lift the protection in a change of its own, and apply that",
    )


def _describe_live(entry: RemovalEntry, live: LiveObject) -> str:
    """Describe an object as the dashboard of Fivetran shows it."""
    service = f", {live.service}" if live.service else ""
    return f"at Fivetran it is `{live.name}` (`{entry.id}`{service})"


def _explain_in_use(
    entry: RemovalEntry, live: LiveObject, connections: list[responses.Connection]
) -> Diagnostic:
    number = "1 connection loads" if len(connections) == 1 else f"{len(connections)} connections load"
    return Diagnostic(
        "has-connections",
        f"`{entry.key}` is in use: {number} into it",
        entry.key_span,
        address=Address(DESTINATION, entry.key),
        notes=(_describe_live(entry, live), format_connections(connections)),
        help="move or delete these connections in Fivetran first",
    )


def _explain_platform_connection(entry: RemovalEntry, live: LiveObject) -> Diagnostic:
    return Diagnostic(
        "platform-connection",
        f"Fivetran's own `{PLATFORM_CONNECTION}` connection blocks the removal of `{entry.key}`",
        entry.key_span,
        address=Address(DESTINATION, entry.key),
        notes=(_describe_live(entry, live), "it holds logs of the account, which are lost with it"),
        help="add `with_platform_connection: true` to this entry to delete it too",
    )
