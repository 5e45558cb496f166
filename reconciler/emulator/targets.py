"""Which destinations something scripted is meant for."""

from __future__ import annotations

from typing import Final

from reconciler.emulator.account import Account
from reconciler.emulator.store import Kind

ANY: Final = "any"


def build_target(destination: str | None = None, group_name: str | None = None) -> str:
    """The destination with an id, or that of a group of a name even before it exists, or whichever."""
    if destination is not None:
        return f"id:{destination}"
    return ANY if group_name is None else f"name:{group_name}"


def list_matching(account: Account, identifier: str) -> tuple[str, ...]:
    """All targets that hit a destination, the most particular one first."""
    group = account.store.find(Kind.GROUP, identifier) or {}
    return build_target(identifier), build_target(group_name=group.get("name", "")), ANY
