"""`/v1/groups/…/users`: who may work in a group."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import Reply, invalid_input, not_found
from reconciler.emulator.intake import required_text
from reconciler.emulator.paging import page_of
from reconciler.emulator.resources import groups, read_only
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind, Order


def list_of_group(account: Account, call: Call) -> Reply:
    """The members of a group with their role in it; `active` picks those that are, or are not."""
    groups.existing(account, call.id)
    active = _active(call)
    members = [member for member in _members(account, call.id) if active in (None, member["active"])]
    items, onward = page_of(account, call, members)
    return Reply(200, "Group users retrieved successfully", {"items": items, **onward})


def add(account: Account, call: Call) -> Reply:
    """Let a user of the account in, found by email. One who is in already gets the other role."""
    groups.existing(account, call.id)
    email = required_text(call.body, "email")
    role = required_text(call.body, "role")
    user = read_only.find_user(account, email)
    if user is None:
        raise not_found("User", email)
    groups.add_member(account, call.id, user["id"], role)
    return Reply(200, "User has been added to the group")


def remove(account: Account, call: Call) -> Reply:
    """Take a member out. The user stays in the account."""
    groups.existing(account, call.id)
    user_id = call.arguments["user"]
    membership = groups.membership_id(call.id, user_id)
    if account.store.find(Kind.MEMBERSHIP, membership) is None:
        raise not_found("User", user_id)
    account.forget(Kind.MEMBERSHIP, membership)
    return Reply(200, f"User with id '{user_id}' has been removed from the group")


def _members(account: Account, group_id: str) -> list[dict[str, Any]]:
    order = Order(account.behaviour.list_order)
    memberships = account.store.listed(Kind.MEMBERSHIP, parent=group_id, order=order)
    people = ((account.store.find(Kind.USER, each["user"]), each["role"]) for each in memberships)
    return [user | {"role": role} for user, role in people if user is not None]


def _active(call: Call) -> bool | None:
    text = call.query.get("active", "").lower()
    if text not in {"", "true", "false"}:
        raise invalid_input("Query parameter 'active' must be true or false")
    return text == "true" if text else None


ROUTES = (
    Route("GET", "/v1/groups/<id>/users", list_of_group),
    Route("POST", "/v1/groups/<id>/users", add),
    Route("DELETE", "/v1/groups/<id>/users/<user>", remove),
)
