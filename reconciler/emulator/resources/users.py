"""Handle `/v1/users`: invite, list, show, update and delete users of the account."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account, build_user
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import ErrorReply, Reply, error_reply, invalid_input, not_found
from reconciler.emulator.memberships import remove_memberships
from reconciler.emulator.paging import slice_page
from reconciler.emulator.request_parsing import parse_text, require_text
from reconciler.emulator.resources.collection import Collection
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind, Order

_CHANGEABLE = ("given_name", "family_name", "phone", "picture", "role")


def build_missing_error(account: Account, name: str) -> ErrorReply:
    """Build the 404 of a user, by id or email."""
    if account.behaviour.missing_user == "user-code":
        return not_found("User", name)
    return error_reply(404, "NotFound", f"User with id '{name}' not found")


_USERS = Collection(Kind.USER, "Users list retrieved successfully", build_missing_error)
require = _USERS.require


def list_all(account: Account, request: ApiRequest) -> Reply:
    """List all users, oldest first. The query `active` filters by activity."""
    active = parse_active(request)
    if active is None:
        return _USERS.list_all(account, request)
    users = account.store.list_documents(Kind.USER, order=Order(account.behaviour.list_order))
    items, next_cursor = slice_page(account, request, [user for user in users if user["active"] is active])
    return Reply(200, _USERS.listed, {"items": items, **next_cursor})


def invite(account: Account, request: ApiRequest) -> Reply:
    """Invite a user under a unique email. The user has not logged in yet."""
    email = require_text(request.body, "email")
    names = {name: require_text(request.body, name) for name in ("given_name", "family_name")}
    others = {name: parse_text(request.body, name) or None for name in ("phone", "picture", "role")}
    if find_user(account, email) is not None:
        raise invalid_input(f"User with email '{email}' already exists")
    user = add_user(account, email, **names, **others, verified=False, invited=True, logged_in_at=None)
    account.record_effect("created", Kind.USER, user["id"])
    return Reply(201, "User has been created", user, account.behaviour.created_code)


def update(account: Account, request: ApiRequest) -> Reply:
    """Change the fields of a user that the request has. The email stays."""
    user = require(account, request.id)
    sent = {name: parse_text(request.body, name) for name in _CHANGEABLE}
    user |= {name: value for name, value in sent.items() if value is not None}
    _save(account, user)
    return Reply(200, "User has been updated", user)


def remove_role(account: Account, request: ApiRequest) -> Reply:
    """Remove the account-wide role of a user. Roles in groups stay."""
    _save(account, require(account, request.id) | {"role": None})
    return Reply(200, "User role in account has been removed")


def delete(account: Account, request: ApiRequest) -> Reply:
    """Delete a user, with all memberships."""
    require(account, request.id)
    remove_memberships(account, Kind.USER, request.id)
    account.delete(Kind.USER, request.id)
    return Reply(200, f"User with id '{request.id}' has been deleted")


def find_user(account: Account, email: str) -> dict[str, Any] | None:
    """Find a user by email, upper or lower case. None if no user has the email."""
    found = account.store.list_documents(Kind.USER, limit=1, label=email.lower())
    return found[0] if found else None


def add_user(account: Account, email: str, *, identifier: str | None = None, **fields: Any) -> dict[str, Any]:
    """Add a user to the account, under a generated id unless `identifier` is given."""
    identifier = identifier or account.new_id(Kind.USER)
    user = build_user(identifier, **{"created_at": account.now(), "email": email, **fields})
    account.store.add(Kind.USER, identifier, user, label=email.lower())
    return user


def parse_active(request: ApiRequest) -> bool | None:
    """Parse the query `active`, None if it is absent. Raises a 400."""
    text = request.query.get("active", "").lower()
    if text not in {"", "true", "false"}:
        raise invalid_input("Query parameter 'active' must be true or false")
    return text == "true" if text else None


def _save(account: Account, user: dict[str, Any]) -> None:
    account.store.replace(Kind.USER, user["id"], user, label=user["email"].lower())
    account.record_effect("updated", Kind.USER, user["id"])


ROUTES = (
    Route("GET", "/v1/users", list_all),
    Route("POST", "/v1/users", invite),
    Route("GET", "/v1/users/<id>", _USERS.show),
    Route("PATCH", "/v1/users/<id>", update),
    Route("DELETE", "/v1/users/<id>", delete),
    Route("DELETE", "/v1/users/<id>/role", remove_role),
)
