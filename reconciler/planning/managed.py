"""Find the objects of the account that the project manages, and the groups that belong to no entry."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.address import GROUP, Address
from reconciler.model.plan import UnmanagedGroup
from reconciler.model.removal import Extent
from reconciler.planning.deletions import PlannedDeletion, list_removed_addresses
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


def find_unmanaged(
    view: AccountView, deletions: Iterable[PlannedDeletion], removed: Iterable[RemovalEntry]
) -> tuple[UnmanagedGroup, ...]:
    """Find the groups that belong to no entry, sorted by name. A removal out of scope is an entry too."""
    managed = {*view.group_ids.values(), *(deletion.change.id for deletion in deletions)}
    managed |= {entry.id for entry in removed if entry.extent is Extent.PAIR}
    unmanaged = [group for group in view.listing.groups.values() if group.id not in managed]
    return tuple(
        UnmanagedGroup(group.id, group.name)
        for group in sorted(unmanaged, key=lambda group: (group.name, group.id))
    )
