"""Handle `/v1/groups/…/users`: members of a group."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import Reply, invalid_input, not_found
from reconciler.emulator.paging import slice_page
from reconciler.emulator.request_parsing import require_text
from reconciler.emulator.resources import groups, read_only
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind, Order


def list_for_group(account: Account, request: ApiRequest) -> Reply:
    """List the members of a group with their roles. The query `active` filters by activity."""
    groups.require(account, request.id)
    active = _parse_active(request)
    members = [member for member in _list_members(account, request.id) if active in (None, member["active"])]
    items, next_cursor = slice_page(account, request, members)
    return Reply(200, "Group users retrieved successfully", {"items": items, **next_cursor})


def add(account: Account, request: ApiRequest) -> Reply:
    """Add a user of the account to a group, by email. A member gets the new role."""
    groups.require(account, request.id)
    email = require_text(request.body, "email")
    role = require_text(request.body, "role")
    user = read_only.find_user(account, email)
    if user is None:
        raise not_found("User", email)
    groups.add_member(account, request.id, user["id"], role)
    return Reply(200, "User has been added to the group")


def remove(account: Account, request: ApiRequest) -> Reply:
    """Remove a member from a group. The user stays in the account."""
    groups.require(account, request.id)
    user_id = request.arguments["user"]
    membership = groups.build_membership_id(request.id, user_id)
    if account.store.find(Kind.MEMBERSHIP, membership) is None:
        raise not_found("User", user_id)
    account.delete(Kind.MEMBERSHIP, membership)
    return Reply(200, f"User with id '{user_id}' has been removed from the group")


def _list_members(account: Account, group_id: str) -> list[dict[str, Any]]:
    order = Order(account.behaviour.list_order)
    memberships = account.store.list_documents(Kind.MEMBERSHIP, parent=group_id, order=order)
    users_and_roles = (
        (account.store.find(Kind.USER, membership["user"]), membership["role"]) for membership in memberships
    )
    return [user | {"role": role} for user, role in users_and_roles if user is not None]


def _parse_active(request: ApiRequest) -> bool | None:
    text = request.query.get("active", "").lower()
    if text not in {"", "true", "false"}:
        raise invalid_input("Query parameter 'active' must be true or false")
    return text == "true" if text else None


ROUTES = (
    Route("GET", "/v1/groups/<id>/users", list_for_group),
    Route("POST", "/v1/groups/<id>/users", add),
    Route("DELETE", "/v1/groups/<id>/users/<user>", remove),
)
