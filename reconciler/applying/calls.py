"""Build the call of each task: one verb of the API, with everything that its worker needs.

A worker reads nothing that the main thread changes. Its only question to the main thread is whether a request that
makes an object may leave.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from reconciler.api.client import Client
from reconciler.api.errors import Cancelled, Exchange, NotFound
from reconciler.applying.create import CreateResult, RecoverableCreate
from reconciler.kinds.registry import KINDS
from reconciler.model.address import Address
from reconciler.model.plan import Action, LiveConnection
from reconciler.planning.deletions import PlannedDeletion


@dataclass(slots=True)
class DeletionCall:
    """Deletes one object. `deleted_connections` grows by each connection that was deleted before the object, and is
    complete even if the deletion of the object fails."""

    client: Client
    deletion: PlannedDeletion
    deleted_connections: list[LiveConnection] = field(default_factory=list)

    def execute(self) -> None:
        """Delete the connections, then the object. Raises `ApiError`."""
        for connection in self.deletion.connections:
            with suppress(NotFound):
                self.client.delete_connection(connection.id)
            self.deleted_connections.append(connection)
        change = self.deletion.change
        KINDS[change.address.kind].delete(self.client, change.id or "")


@dataclass(frozen=True, slots=True)
class WriteCall:
    """Writes one object: creates it, replaces the object with this `id`, or updates it."""

    creation: RecoverableCreate
    id: str | None

    def build(self) -> Callable[[], Any]:
        """Return the call of the action. A create and a replacement return a `CreateResult`."""
        match self.creation.operation.change.action:
            case Action.CREATE:
                return self.creation.execute
            case Action.REPLACE:
                return self._replace
            case Action.UPDATE:
                return self._update
        return _send_nothing

    def _update(self) -> None:
        operation = self.creation.operation
        KINDS[operation.change.address.kind].update(self.creation.client, self.id or "", operation.values)

    def _replace(self) -> CreateResult:
        KINDS[self.creation.operation.change.address.kind].delete(self.creation.client, self.id or "")
        return self.creation.execute()


def _send_nothing() -> None:
    """A change that is only tested needs no write."""


def require_permission(request_permission: Callable[[Address], bool], address: Address) -> None:
    """Return once it is recorded that the request leaves now. Raises `Cancelled` if the request must not leave."""
    if not request_permission(address):
        raise Cancelled(Exchange("POST", f"/{address.kind}s", message="nothing new leaves any more"))
