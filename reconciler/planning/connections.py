"""List the connections of groups, on request only: one list per group."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.api.client import Client
from reconciler.api.errors import Forbidden, NotFound
from reconciler.model.plan import ConnectionList, ListedConnection
from reconciler.runtime.workers import map_parallel


def list_connections(client: Client, group_ids: Iterable[str], readers: int) -> dict[str, ConnectionList]:
    """List the connections of each group with `readers` concurrent calls. Returns them by the id of their group.

    A key may be allowed to see a group and not its connections. A group that was deleted meanwhile has none.
    Raises `ApiError`.
    """

    def list_group(group_id: str) -> ConnectionList:
        try:
            found = client.list_group_connections(group_id)
        except NotFound:
            return ConnectionList(())
        except Forbidden:
            return ConnectionList(None)
        return ConnectionList(
            tuple(
                ListedConnection(connection.id, connection.service, connection.schema_name)
                for connection in sorted(found, key=lambda connection: (connection.service, connection.id))
            )
        )

    return dict(map_parallel(list_group, group_ids, readers))
