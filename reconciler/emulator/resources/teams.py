"""Handle `/v1/teams`: create, list, show, update and delete teams of the account."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import ErrorReply, Reply, not_found
from reconciler.emulator.memberships import remove_memberships
from reconciler.emulator.request_parsing import parse_text, require_text
from reconciler.emulator.resources.collection import Collection
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind

_CHANGEABLE = ("name", "description", "role")


def _build_missing_error(account: Account, identifier: str) -> ErrorReply:
    return not_found("Team", identifier)


_TEAMS = Collection(Kind.TEAM, "Teams retrieved successfully", _build_missing_error)
require = _TEAMS.require


def create(account: Account, request: ApiRequest) -> Reply:
    """Create a team."""
    name, role = require_text(request.body, "name"), require_text(request.body, "role")
    team = add_team(account, name, parse_text(request.body, "description") or "", role)
    account.record_effect("created", Kind.TEAM, team["id"])
    return Reply(201, "Team has been created", team, account.behaviour.created_code)


def update(account: Account, request: ApiRequest) -> Reply:
    """Change the fields of a team that the request has."""
    team = require(account, request.id)
    sent = {name: parse_text(request.body, name) for name in _CHANGEABLE}
    team |= {name: value for name, value in sent.items() if value is not None}
    _save(account, team)
    return Reply(200, "Team has been updated", team)


def remove_role(account: Account, request: ApiRequest) -> Reply:
    """Remove the account-wide role of a team."""
    _save(account, require(account, request.id) | {"role": None})
    return Reply(200, "Team role in account has been removed")


def delete(account: Account, request: ApiRequest) -> Reply:
    """Delete a team, with all memberships."""
    require(account, request.id)
    remove_memberships(account, Kind.TEAM, request.id)
    account.delete(Kind.TEAM, request.id)
    return Reply(200, "Team has been deleted")


def add_team(account: Account, name: str, description: str, role: str) -> dict[str, Any]:
    """Add a team to the account."""
    identifier = account.new_id(Kind.TEAM)
    team = {"id": identifier, "name": name, "description": description, "role": role}
    account.store.add(Kind.TEAM, identifier, team)
    return team


def _save(account: Account, team: dict[str, Any]) -> None:
    account.store.replace(Kind.TEAM, team["id"], team)
    account.record_effect("updated", Kind.TEAM, team["id"])


ROUTES = (
    *_TEAMS.build_routes(),
    Route("POST", "/v1/teams", create),
    Route("PATCH", "/v1/teams/<id>", update),
    Route("DELETE", "/v1/teams/<id>", delete),
    Route("DELETE", "/v1/teams/<id>/role", remove_role),
)
