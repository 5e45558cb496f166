"""Handle `/v1/users`, `/v1/teams` and `/v1/webhooks`: read-only for the API. Only the dashboard creates objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.emulator.account import Account, build_user
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import Reply, not_found
from reconciler.emulator.paging import list_page
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind


@dataclass(frozen=True, slots=True)
class ReadOnlyResource:
    """Endpoints of one kind of objects, shown as stored."""

    kind: Kind

    def build_routes(self) -> tuple[Route, ...]:
        """Build the routes: list and show."""
        return (
            Route("GET", f"/v1/{self.kind}s", self.list_all),
            Route("GET", f"/v1/{self.kind}s/<id>", self.show),
        )

    def list_all(self, account: Account, call: ApiRequest) -> Reply:
        """List all objects, oldest first."""
        items, onward = list_page(account, call, self.kind)
        return Reply(200, f"{self.kind.title()}s retrieved successfully", {"items": items, **onward})

    def show(self, account: Account, call: ApiRequest) -> Reply:
        """Show an object."""
        shown = self.require(account, call.id)
        return Reply(200, f"{self.kind.title()} details retrieved successfully", shown)

    def require(self, account: Account, identifier: str) -> dict[str, Any]:
        """Get an existing object. Raises a 404."""
        found = account.store.find(self.kind, identifier)
        if found is None:
            raise not_found(self.kind.title(), identifier)
        return found


USERS = ReadOnlyResource(Kind.USER)
TEAMS = ReadOnlyResource(Kind.TEAM)
WEBHOOKS = ReadOnlyResource(Kind.WEBHOOK)

ROUTES = (*USERS.build_routes(), *TEAMS.build_routes(), *WEBHOOKS.build_routes())


def find_user(account: Account, email: str) -> dict[str, Any] | None:
    """Find a user by email, upper or lower case. None if no user has the email."""
    found = account.store.list_documents(Kind.USER, limit=1, label=email.lower())
    return found[0] if found else None


def add_user(account: Account, email: str, names: tuple[str, str], role: str | None, active: bool) -> str:
    """Add a user to the account and return the id."""
    identifier = account.new_id(Kind.USER)
    user = build_user(
        identifier, created_at=account.now(), email=email, names=names, role=role, active=active
    )
    account.store.add(Kind.USER, identifier, user, label=email.lower())
    return identifier


def add_team(account: Account, name: str, description: str, role: str) -> str:
    """Add a team to the account and return the id."""
    identifier = account.new_id(Kind.TEAM)
    team = {"id": identifier, "name": name, "description": description, "role": role}
    account.store.add(Kind.TEAM, identifier, team)
    return identifier


def add_webhook(account: Account, url: str, events: Sequence[str], group_id: str | None) -> str:
    """Add a webhook to the account, of one group or of all, and return the id."""
    identifier = account.new_id(Kind.WEBHOOK)
    webhook: dict[str, Any] = {
        "id": identifier,
        "type": "account" if group_id is None else "group",
        "url": url,
        "events": list(events),
        "active": True,
        "secret": "******",
        "created_at": account.now(),
        "created_by": account.identity.user_id,
    }
    if group_id is not None:
        webhook["group_id"] = group_id
    account.store.add(Kind.WEBHOOK, identifier, webhook)
    return identifier
