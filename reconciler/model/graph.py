"""Define the nodes of the dependency graph."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.address import Address
from reconciler.model.plan import Action


@dataclass(frozen=True, slots=True)
class GraphNode:
    """Address in the graph. `title` is a second name for users: the name of the group, or a service; it may be empty.

    `action` is the planned action; None if the account was not read. `setup_status` is the status of an existing
    destination, as Fivetran shows it.
    """

    address: Address
    title: str
    depends_on: tuple[Address, ...]
    action: Action | None = None
    setup_status: str = ""
