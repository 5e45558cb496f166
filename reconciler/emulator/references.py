"""Who uses an agent, a private link or a secrets manager."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.store import Kind


@dataclass(slots=True)
class Users:
    """Connections and destinations, as they are kept."""

    connections: list[dict[str, Any]] = field(default_factory=list)
    destinations: list[dict[str, Any]] = field(default_factory=list)

    def usage(self) -> list[dict[str, Any]]:
        """The form for answers. Destinations have no schema, and count as connections otherwise."""
        return [
            {"connection_id": each["id"], "schema": each.get("schema"), "service": each["service"]}
            for each in (*self.connections, *self.destinations)
        ]


def users(account: Account, reference: str) -> dict[str, Users]:
    """Users by the id that the field `reference` of connections and destinations names."""
    found: dict[str, Users] = {}
    for connection in account.store.listed(Kind.CONNECTION):
        if connection.get(reference):
            found.setdefault(connection[reference], Users()).connections.append(connection)
    for destination in account.store.listed(Kind.DESTINATION):
        if destination.get(reference):
            found.setdefault(destination[reference], Users()).destinations.append(destination)
    return found


def users_of(account: Account, reference: str, identifier: str) -> Users:
    """The users of one id."""
    return users(account, reference).get(identifier, Users())
