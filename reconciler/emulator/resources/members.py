"""Handle `/v1/groups/…/users`: users of a group, by a membership or by a role in the whole account."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import Reply
from reconciler.emulator.memberships import USERS_IN_GROUPS
from reconciler.emulator.paging import slice_page
from reconciler.emulator.request_parsing import require_text
from reconciler.emulator.resources import groups, users
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind, Order


def list_for_group(account: Account, request: ApiRequest) -> Reply:
    """List the users of a group with their roles in it. The query `active` filters by activity."""
    groups.require(account, request.id)
    active = users.parse_active(request)
    shown = [user for user in _list_users(account, request.id) if active in (None, user["active"])]
    items, next_cursor = slice_page(account, request, shown)
    return Reply(200, "Group users retrieved successfully", {"items": items, **next_cursor})


def add(account: Account, request: ApiRequest) -> Reply:
    """Add a user of the account to a group, by email. A member gets the new role."""
    groups.require(account, request.id)
    email = require_text(request.body, "email")
    role = require_text(request.body, "role")
    user = users.find_user(account, email)
    if user is None:
        raise users.build_missing_error(account, email)
    USERS_IN_GROUPS.put(account, user["id"], request.id, role)
    return Reply(200, "User has been added to the group")


def remove(account: Account, request: ApiRequest) -> Reply:
    """Remove the membership of a user. A user with an account-wide role stays listed in the group."""
    groups.require(account, request.id)
    user_id = request.arguments["user"]
    if USERS_IN_GROUPS.find(account, user_id, request.id) is not None:
        USERS_IN_GROUPS.remove(account, user_id, request.id)
    elif not users.require(account, user_id)["role"]:
        raise users.build_missing_error(account, user_id)
    return Reply(200, f"User with id '{user_id}' has been removed from the group")


def _list_users(account: Account, group_id: str) -> list[dict[str, Any]]:
    """List members, and users with an account-wide role. Without a membership, the role is an empty text."""
    memberships = account.store.list_documents(Kind.MEMBERSHIP, parent=group_id)
    roles = {membership["user"]: membership["role"] for membership in memberships}
    order = Order(account.behaviour.list_order)
    return [
        user | {"role": roles.get(user["id"], "")}
        for user in account.store.list_documents(Kind.USER, order=order)
        if user["id"] in roles or user["role"]
    ]


ROUTES = (
    Route("GET", "/v1/groups/<id>/users", list_for_group),
    Route("POST", "/v1/groups/<id>/users", add),
    Route("DELETE", "/v1/groups/<id>/users/<user>", remove),
)
