"""Read the live groups of an import: both lists, one read per destination, and connections on request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.api import responses
from reconciler.api.client import Client
from reconciler.api.errors import Forbidden, NotFound
from reconciler.importing.model import LiveGroup
from reconciler.model.plan import LiveConnection
from reconciler.planning.account import check_account
from reconciler.planning.refresh import AccountListing, Observer
from reconciler.runtime.polling import Poller
from reconciler.runtime.workers import map_parallel
from reconciler.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class AccountContent:
    """Account with its lists of groups and destinations."""

    account: responses.Account
    listing: AccountListing


def list_account(workspace: Workspace) -> AccountContent:
    """Check the account of the credentials, and list its groups and destinations. Raises ReconcilerError, ApiError."""
    account = check_account(workspace)
    return AccountContent(account, _make_observer(workspace).list_account())


def read_groups(
    workspace: Workspace, listing: AccountListing, ids: Iterable[str], *, with_connections: bool
) -> tuple[LiveGroup, ...]:
    """Read the destinations of groups, in the order of the ids. Raises ApiError."""
    wanted = list(ids)
    reads = _make_observer(workspace).read_destinations(id for id in wanted if id in listing.destinations)
    connections = list_connections(workspace, wanted) if with_connections else {}
    return tuple(
        LiveGroup(
            listing.groups[id],
            reads.found.get(id),
            _find_obstacle(id, listing, reads.forbidden.get(id), is_read=id in reads.found),
            connections.get(id),
        )
        for id in wanted
    )


def list_connections(workspace: Workspace, ids: Iterable[str]) -> dict[str, tuple[LiveConnection, ...]]:
    """List the connections of each group. A group whose connections may not be read is left out. Raises ApiError."""

    def list_of_group(id: str) -> tuple[LiveConnection, ...] | None:
        return _list_group_connections(workspace.client, id)

    found = map_parallel(list_of_group, ids, workspace.settings.readers)
    return {id: connections for id, connections in found if connections is not None}


def _list_group_connections(client: Client, id: str) -> tuple[LiveConnection, ...] | None:
    try:
        found = client.list_group_connections(id)
    except (Forbidden, NotFound):
        return None
    return tuple(
        LiveConnection(connection.id, connection.service)
        for connection in sorted(found, key=lambda connection: (connection.service, connection.id))
    )


def _find_obstacle(
    id: str, listing: AccountListing, forbidden: Forbidden | None, *, is_read: bool
) -> str | None:
    """Find the reason why the fields of a destination are unknown; None if they are known."""
    if forbidden is not None:
        return "the credentials may not read its destination (403)"
    if id in listing.destinations and not is_read:
        return "its destination is listed, but a read does not find it"
    return None


def _make_observer(workspace: Workspace) -> Observer:
    return Observer(
        workspace.client,
        Poller(workspace.settings.clock, workspace.cancelled),
        workspace.listener,
        workspace.settings.readers,
    )
