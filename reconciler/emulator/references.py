"""Find references to agents, private links and secrets managers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.store import Kind


@dataclass(slots=True)
class Usage:
    """Stored connections and destinations that refer to an object."""

    connections: list[dict[str, Any]] = field(default_factory=list)
    destinations: list[dict[str, Any]] = field(default_factory=list)

    def list_items(self) -> list[dict[str, Any]]:
        """List the users in the form of responses.

        A destination has no schema and is listed as a connection.
        """
        return [
            {"connection_id": user["id"], "schema": user.get("schema"), "service": user["service"]}
            for user in (*self.connections, *self.destinations)
        ]


def find_usage(account: Account, reference: str) -> dict[str, Usage]:
    """Find the users of every id in the field `reference` of connections and destinations."""
    usage: dict[str, Usage] = {}
    for connection in account.store.list_documents(Kind.CONNECTION):
        if connection.get(reference):
            usage.setdefault(connection[reference], Usage()).connections.append(connection)
    for destination in account.store.list_documents(Kind.DESTINATION):
        if destination.get(reference):
            usage.setdefault(destination[reference], Usage()).destinations.append(destination)
    return usage


def get_usage(account: Account, reference: str, identifier: str) -> Usage:
    """Get the users of an id."""
    return find_usage(account, reference).get(identifier, Usage())
