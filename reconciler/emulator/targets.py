"""Build targets: the destinations of a script or of a network fact."""

from __future__ import annotations

from typing import Final

from reconciler.emulator.account import Account
from reconciler.emulator.store import Kind

ANY: Final = "any"


def build_target(destination: str | None = None, group_name: str | None = None) -> str:
    """Build the target of a destination by id, of a group's destination by name, or of any destination.

    A group may be named before it exists.
    """
    if destination is not None:
        return f"id:{destination}"
    return ANY if group_name is None else f"name:{group_name}"


def list_matching(account: Account, identifier: str) -> tuple[str, ...]:
    """List all targets that select a destination, the most specific first."""
    group = account.store.find(Kind.GROUP, identifier) or {}
    return build_target(identifier), build_target(group_name=group.get("name", "")), ANY
