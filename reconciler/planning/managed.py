"""Find the objects of the account that the project manages, and the objects that belong to no entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.plan import ConnectionList, UndeclaredDestination, UnmanagedGroup
from reconciler.model.removal import Extent
from reconciler.planning.deletions import PlannedDeletion, list_removed_addresses
from reconciler.planning.owners import Owners, find_group_owner
from reconciler.planning.refresh import AccountView
from reconciler.spec.removal import RemovalEntry
from reconciler.workspace.specs import Specs


def find_managed(specs: Specs, view: AccountView) -> frozenset[Address]:
    """Find all declared or removed addresses whose objects exist, in scope or not."""
    ids = {Address(GROUP, key): id for key, id in view.group_ids.items()}
    ids |= {entry.address: view.group_ids.get(entry.address.key, "") for entry in specs.destinations}
    ids |= {
        address: entry.id
        for entry in specs.removed
        if entry.extent is not Extent.MANAGEMENT
        for address in list_removed_addresses(entry)
    }
    existing = view.existing_ids
    return frozenset(address for address, id in ids.items() if id in existing[address.kind])


@dataclass(frozen=True, slots=True)
class UnmanagedObjects:
    """Objects of the account that no entry declares: groups sorted by name, and destinations of declared groups sorted
    by key. `owned` are the groups that the states of other projects have."""

    groups: tuple[UnmanagedGroup, ...]
    destinations: tuple[UndeclaredDestination, ...]
    owned: tuple[UnmanagedGroup, ...] = ()

    @property
    def group_ids(self) -> tuple[str, ...]:
        """The ids of all groups with an object that no project is known to declare."""
        return (*(group.id for group in self.groups), *(found.id for found in self.destinations))

    def add_connections(self, connections: Mapping[str, ConnectionList]) -> UnmanagedObjects:
        """Add the connections of each group. `connections` are by the id of their group."""
        return replace(
            self,
            groups=tuple(replace(group, connections=connections.get(group.id)) for group in self.groups),
            destinations=tuple(
                replace(found, connections=connections.get(found.id)) for found in self.destinations
            ),
        )


def find_unmanaged(
    specs: Specs,
    view: AccountView,
    deletions: Iterable[PlannedDeletion],
    records: Iterable[Address],
    owners: Owners,
) -> UnmanagedObjects:
    """Find the objects that belong to no entry. A removal out of scope is an entry too."""
    groups, owned = [], []
    for group in _find_groups(view, deletions, specs.removed):
        claim = find_group_owner(owners, view.listing.groups[group.id])
        if claim is None:
            groups.append(group)
        else:
            owned.append(replace(group, owner=claim.place.replace("`", "")))
    destinations = _find_destinations(specs, view, frozenset(records))
    return UnmanagedObjects(tuple(groups), destinations, tuple(owned))


def note_statuses(deletions: Iterable[PlannedDeletion], view: AccountView) -> tuple[PlannedDeletion, ...]:
    """Note the status of each destination that is deleted or no longer managed, as the list shows it."""
    return tuple(_note_status(deletion, view) for deletion in deletions)


def _note_status(deletion: PlannedDeletion, view: AccountView) -> PlannedDeletion:
    change = deletion.change
    live = view.listing.summaries.get(change.id or "") if change.address.kind == DESTINATION else None
    if live is None:
        return deletion
    facts = replace(change.facts, setup_status=live.setup_status)
    return replace(deletion, change=replace(change, facts=facts))


def _find_groups(
    view: AccountView, deletions: Iterable[PlannedDeletion], removed: Iterable[RemovalEntry]
) -> tuple[UnmanagedGroup, ...]:
    managed = {*view.group_ids.values(), *(deletion.change.id for deletion in deletions)}
    managed |= {entry.id for entry in removed if entry.extent is Extent.PAIR}
    unmanaged = [group for group in view.listing.groups.values() if group.id not in managed]
    return tuple(
        UnmanagedGroup(group.id, group.name, view.listing.summaries.get(group.id))
        for group in sorted(unmanaged, key=lambda group: (group.name, group.id))
    )


def _find_destinations(
    specs: Specs, view: AccountView, recorded: frozenset[Address]
) -> tuple[UndeclaredDestination, ...]:
    """Find the destinations of declared groups that no entry declares. A recorded destination without an entry is a
    blocker of the plan instead, and a destination to be removed has its entry."""
    declared = {entry.address for entry in specs.destinations} | recorded
    declared |= {address for entry in specs.removed for address in list_removed_addresses(entry)}
    found = {
        Address(DESTINATION, key): (id, view.listing.summaries.get(id))
        for key, id in sorted(view.group_ids.items())
    }
    return tuple(
        UndeclaredDestination(address, id, destination)
        for address, (id, destination) in found.items()
        if destination is not None and address not in declared
    )
