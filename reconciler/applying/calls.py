"""Build the call of each task: one verb of the API, with everything that its worker needs.

A worker reads no data that the main thread changes. It only asks the main thread whether a request that creates an
object may be sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from reconciler.api.client import Client
from reconciler.api.errors import ApiError, Cancelled, Exchange, NotFound
from reconciler.applying.create import CreateResult, RecoverableCreate
from reconciler.kinds.approvals import approve
from reconciler.kinds.registry import KINDS
from reconciler.model.address import Address
from reconciler.model.plan import Action, LiveConnection
from reconciler.model.trust import TrustChange
from reconciler.planning.deletions import PlannedDeletion


@dataclass(slots=True)
class DeletionCall:
    """Call that deletes one object.

    `deleted_connections` are the connections that were deleted before the object. The list is complete even if the
    deletion of the object fails.
    """

    client: Client
    deletion: PlannedDeletion
    deleted_connections: list[LiveConnection] = field(default_factory=list)

    def execute(self) -> None:
        """Delete the connections, then the object. Raises `ApiError`."""
        _delete_connections(self.client, self.deletion.connections, self.deleted_connections)
        change = self.deletion.change
        KINDS[change.address.kind].delete(self.client, change.id or "")


@dataclass(frozen=True, slots=True)
class WriteCall:
    """Call that writes one object: creates it, replaces the object with this `id`, or updates it. The servers of an
    existing object are approved before its update, so that the old approvals stay if one of them fails.

    `deleted_connections` are the connections that a replacement has deleted before the object, `trust` the approvals
    that were given.
    """

    creation: RecoverableCreate
    id: str | None
    deleted_connections: list[LiveConnection] = field(default_factory=list)
    trust: list[TrustChange] = field(default_factory=list)

    def build(self) -> Callable[[], Any]:
        """Build the call of the action. A create and a replacement return a `CreateResult`."""
        match self.creation.operation.change.action:
            case Action.CREATE:
                return self.creation.execute
            case Action.REPLACE:
                return self._replace
            case Action.UPDATE:
                return self._update
        return self._approve

    def _approve(self) -> None:
        """Approve the servers of the plan. A change that only runs setup tests has none."""
        approve_servers(
            self.creation.client, self.id or "", self.creation.operation.change.approvals, self.trust
        )

    def _update(self) -> None:
        self._approve()
        operation, client, id = self.creation.operation, self.creation.client, self.id or ""
        kind = KINDS[operation.change.address.kind]
        try:
            carried = kind.read_carried(client, id, operation.carried)
        except ApiError as error:
            error.mark_before_write()
            raise
        kind.update(client, id, operation.values, carried)

    def _replace(self) -> CreateResult:
        live = self.creation.operation.change.live
        if live is not None:
            _delete_connections(
                self.creation.client, live.connections_deleted_first, self.deleted_connections
            )
        KINDS[self.creation.operation.change.address.kind].delete(self.creation.client, self.id or "")
        return self.creation.execute()


def _delete_connections(
    client: Client, connections: Iterable[LiveConnection], deleted: list[LiveConnection]
) -> None:
    """Delete connections, and add each deleted connection to `deleted`. Raises `ApiError`."""
    for connection in connections:
        with suppress(NotFound):
            client.delete_connection(connection.id)
        deleted.append(connection)


def approve_servers(
    client: Client, id: str, approvals: Iterable[TrustChange], approved: list[TrustChange]
) -> None:
    """Approve servers of a destination, and add each to `approved`. Raises `ApiError`."""
    for approval in approvals:
        approve(client, id, approval.identity)
        approved.append(approval)


def require_permission(request_permission: Callable[[Address], bool], address: Address) -> None:
    """Require the permission to send a create. Raises `Cancelled` if the request must not be sent."""
    if not request_permission(address):
        raise Cancelled(Exchange("POST", f"/{address.kind}s", message="the run sends no new request"))
