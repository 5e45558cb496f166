"""Build the call of each task: one verb of the API, with everything that its worker needs.

A worker reads nothing that the main thread changes. Its only question to the main thread is whether a request that
makes an object may leave.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from reconciler.api.client import Client
from reconciler.api.errors import Cancelled, Exchange, NotFound
from reconciler.applying.create import CreateResult, RecoverableCreate
from reconciler.kinds.registry import KINDS
from reconciler.model.address import Address
from reconciler.model.event import Event
from reconciler.model.plan import Action, LiveConnection
from reconciler.planning.deletions import PlannedDeletion
from reconciler.planning.planner import PlannedOperation
from reconciler.runtime.polling import Poller


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
    """Writes one object. `id` is the object's id, None for a create; `parent` is the id of its group, None for a group.

    `known_ids` are ids of other objects, which a create must not take for its own. `request_permission` returns whether
    a request that makes an object may leave now, once it is recorded that it leaves. `listener` takes events from any
    thread.
    """

    client: Client
    operation: PlannedOperation
    id: str | None
    parent: str | None
    known_ids: Collection[str]
    poller: Poller
    listener: Callable[[Event], None]
    request_permission: Callable[[Address], bool]

    def build(self) -> Callable[[], Any]:
        """Return the call of the action. A create and a replacement return a `CreateResult`."""
        match self.operation.change.action:
            case Action.CREATE:
                return self._build_create(self.parent, self.known_ids).execute
            case Action.REPLACE:
                return self._replace
            case Action.UPDATE:
                return self._update
        return _send_nothing

    def _update(self) -> None:
        kind = KINDS[self.operation.change.address.kind]
        kind.update(self.client, self.id or "", self.operation.values)

    def _replace(self) -> CreateResult:
        """Delete the object, and create it again in the same group: a destination has the id of its group."""
        KINDS[self.operation.change.address.kind].delete(self.client, self.id or "")
        return self._build_create(self.id, ()).execute()

    def _build_create(self, parent: str | None, known_ids: Collection[str]) -> RecoverableCreate:
        before_send = partial(_require_permission, self.request_permission, self.operation.change.address)
        return RecoverableCreate(
            self.client, self.operation, parent, known_ids, self.poller, self.listener, before_send
        )


def _send_nothing() -> None:
    """A change that is only tested needs no write."""


def _require_permission(request_permission: Callable[[Address], bool], address: Address) -> None:
    """Return once it is recorded that the request leaves now. Raises `Cancelled` if the request must not leave."""
    if not request_permission(address):
        raise Cancelled(Exchange("POST", f"/{address.kind}s", message="nothing new leaves any more"))
