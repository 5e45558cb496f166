"""Handle `/v1/roles`: the built-in roles of users and teams. The emulator checks no permissions."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import Reply
from reconciler.emulator.paging import slice_page
from reconciler.emulator.routes import Route

_DESCRIPTIONS = {
    "Account Administrator": ("ACCOUNT", "Manages everything in the account"),
    "Account Analyst": ("ACCOUNT", "Manages destinations and connections, sees the account"),
    "Account Reviewer": ("ACCOUNT", "Sees everything in the account"),
    "Destination Creator": ("ACCOUNT", "Creates destinations"),
    "Destination Administrator": ("DESTINATION", "Manages a destination and its connections"),
    "Destination Analyst": ("DESTINATION", "Manages the connections of a destination"),
    "Destination Reviewer": ("DESTINATION", "Sees a destination and its connections"),
    "Connector Creator": ("DESTINATION", "Creates connections in a destination"),
    "Connector Administrator": ("CONNECTOR", "Manages a connection"),
    "Connector Collaborator": ("CONNECTOR", "Edits a connection"),
    "Connector Reviewer": ("CONNECTOR", "Sees a connection"),
    "Team Manager": ("TEAM", "Manages the members of a team"),
    "Team Member": ("TEAM", "Belongs to a team"),
}
"""Scope and description of each role."""


def list_all(account: Account, request: ApiRequest) -> Reply:
    """List all roles."""
    items, next_cursor = slice_page(account, request, [_render_role(name) for name in _DESCRIPTIONS])
    return Reply(200, "Roles list retrieved successfully", {"items": items, **next_cursor})


def _render_role(name: str) -> dict[str, Any]:
    scope, description = _DESCRIPTIONS[name]
    return {
        "name": name,
        "description": description,
        "is_custom": False,
        "scope": [scope],
        "is_deprecated": False,
        "replacement_role_name": None,
    }


ROUTES = (Route("GET", "/v1/roles", list_all),)
