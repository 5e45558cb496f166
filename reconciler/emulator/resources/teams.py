"""`/v1/teams`: to be read only. Teams are made in the dashboard."""

from __future__ import annotations

from reconciler.emulator.account import Account
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import Reply, not_found
from reconciler.emulator.paging import page
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind


def list_all(account: Account, call: Call) -> Reply:
    """All teams."""
    items, onward = page(account, call, Kind.TEAM)
    return Reply(200, "Teams retrieved successfully", {"items": items, **onward})


def show(account: Account, call: Call) -> Reply:
    """One team."""
    team = account.store.find(Kind.TEAM, call.id)
    if team is None:
        raise not_found("Team", call.id)
    return Reply(200, "Team details retrieved successfully", team)


def add(account: Account, name: str, description: str, role: str) -> str:
    """Put a team into the account; the id."""
    identifier = account.new_id(Kind.TEAM)
    team = {"id": identifier, "name": name, "description": description, "role": role}
    account.store.add(Kind.TEAM, identifier, team)
    return identifier


ROUTES = (
    Route("GET", "/v1/teams", list_all),
    Route("GET", "/v1/teams/<id>", show),
)
