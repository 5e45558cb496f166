"""`/v1/users`: the people of the account. They are made in the dashboard."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account, new_user
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import Reply, not_found
from reconciler.emulator.paging import page
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind


def list_all(account: Account, call: Call) -> Reply:
    """Everyone, the owner of the key first."""
    items, onward = page(account, call, Kind.USER)
    return Reply(200, "Users retrieved successfully", {"items": items, **onward})


def show(account: Account, call: Call) -> Reply:
    """One user."""
    return Reply(200, "User details retrieved successfully", existing(account, call.id))


def existing(account: Account, identifier: str) -> dict[str, Any]:
    """A user that must be there, 404 otherwise."""
    user = account.store.find(Kind.USER, identifier)
    if user is None:
        raise not_found("User", identifier)
    return user


def of_email(account: Account, email: str) -> dict[str, Any] | None:
    """The user of an address, whatever its capitals."""
    found = account.store.listed(Kind.USER, limit=1, label=email.lower())
    return found[0] if found else None


def add(account: Account, email: str, names: tuple[str, str], role: str | None, active: bool) -> str:
    """Put a user into the account; the id."""
    identifier = account.new_id(Kind.USER)
    user = new_user(identifier, created_at=account.now(), email=email, names=names, role=role, active=active)
    account.store.add(Kind.USER, identifier, user, label=email.lower())
    return identifier


ROUTES = (
    Route("GET", "/v1/users", list_all),
    Route("GET", "/v1/users/<id>", show),
)
