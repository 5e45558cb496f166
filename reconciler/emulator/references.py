"""Who uses an agent, a private link or a secrets manager."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.store import Kind


@dataclass(slots=True)
class Usage:
    """Connections and destinations, as they are kept."""

    connections: list[dict[str, Any]] = field(default_factory=list)
    destinations: list[dict[str, Any]] = field(default_factory=list)

    def list_items(self) -> list[dict[str, Any]]:
        """The form for answers. Destinations have no schema, and count as connections otherwise."""
        return [
            {"connection_id": user["id"], "schema": user.get("schema"), "service": user["service"]}
            for user in (*self.connections, *self.destinations)
        ]


def find_usage(account: Account, reference: str) -> dict[str, Usage]:
    """Users by the id that the field `reference` of connections and destinations names."""
    usage: dict[str, Usage] = {}
    for connection in account.store.list_documents(Kind.CONNECTION):
        if connection.get(reference):
            usage.setdefault(connection[reference], Usage()).connections.append(connection)
    for destination in account.store.list_documents(Kind.DESTINATION):
        if destination.get(reference):
            usage.setdefault(destination[reference], Usage()).destinations.append(destination)
    return usage


def get_usage(account: Account, reference: str, identifier: str) -> Usage:
    """The users of one id."""
    return find_usage(account, reference).get(identifier, Usage())
