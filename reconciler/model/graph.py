"""What depends on what, for drawing."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.address import Address
from reconciler.model.plan import Action


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One address. `title` is what people call it beside its address: another name, or a service; it may be empty.

    `action` is that of a plan; None where the account was not looked at.
    """

    address: Address
    title: str
    depends_on: tuple[Address, ...]
    action: Action | None = None
