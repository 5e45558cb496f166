"""Handle `/v1/users/…/groups`, `/v1/teams/…/users` and the like: roles in groups, connections and teams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import ErrorReply, Reply, conflict, error_reply
from reconciler.emulator.memberships import (
    TEAMS_IN_CONNECTIONS,
    TEAMS_IN_GROUPS,
    USERS_IN_CONNECTIONS,
    USERS_IN_GROUPS,
    USERS_IN_TEAMS,
    Relation,
)
from reconciler.emulator.paging import slice_page
from reconciler.emulator.request_parsing import require_text
from reconciler.emulator.resources import connections, groups, teams, users
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind, Order

_REQUIRE: dict[Kind, Callable[[Account, str], Any]] = {
    Kind.USER: users.require,
    Kind.TEAM: teams.require,
    Kind.GROUP: groups.require,
    Kind.CONNECTION: connections.require,
}


@dataclass(frozen=True, slots=True)
class MembershipResource:
    """Endpoints of the memberships of one relation, below the object `above`, which is its holder or its target.

    `id_key` is the key of the other object in requests and responses. The other fields are messages of responses.
    """

    relation: Relation
    above: Kind
    id_key: str
    listed: str
    shown: str
    created: str
    updated: str
    removed: str

    @property
    def below(self) -> Kind:
        """Return the kind of the other objects."""
        relation = self.relation
        return relation.target if self.above is relation.holder else relation.holder

    def build_routes(self) -> tuple[Route, ...]:
        """Build the routes: list, create, show, update and delete."""
        path = f"/v1/{self.above}s/<id>/{self.below}s"
        return (
            Route("GET", path, self.list_all),
            Route("POST", path, self.create),
            Route("GET", f"{path}/<other>", self.show),
            Route("PATCH", f"{path}/<other>", self.update),
            Route("DELETE", f"{path}/<other>", self.delete),
        )

    def list_all(self, account: Account, request: ApiRequest) -> Reply:
        """List all memberships."""
        _REQUIRE[self.above](account, request.id)
        is_holder = self.above is self.relation.holder
        memberships = account.store.list_documents(
            self.relation.kind,
            parent=None if is_holder else request.id,
            label=request.id if is_holder else None,
            order=Order(account.behaviour.list_order),
        )
        items, next_cursor = slice_page(account, request, list(map(self._render, memberships)))
        return Reply(200, self.listed, {"items": items, **next_cursor})

    def create(self, account: Account, request: ApiRequest) -> Reply:
        """Create a membership. Raises a 409 if there is one."""
        _REQUIRE[self.above](account, request.id)
        other = require_text(request.body, self.id_key)
        role = require_text(request.body, "role")
        _REQUIRE[self.below](account, other)
        if self.relation.find(account, *self._order_pair(request.id, other)) is not None:
            raise conflict(f"The {self.below} '{other}' has a role already")
        membership = self._put(account, request, other, role, "created")
        return Reply(201, self.created, self._render(membership), account.behaviour.created_code)

    def show(self, account: Account, request: ApiRequest) -> Reply:
        """Show a membership."""
        return Reply(200, self.shown, self._render(self._require(account, request)))

    def update(self, account: Account, request: ApiRequest) -> Reply:
        """Change the role of a membership."""
        self._require(account, request)
        role = require_text(request.body, "role")
        membership = self._put(account, request, request.arguments["other"], role, "updated")
        return Reply(200, self.updated, self._render(membership))

    def delete(self, account: Account, request: ApiRequest) -> Reply:
        """Delete a membership."""
        self._require(account, request)
        self.relation.remove(account, *self._order_pair(request.id, request.arguments["other"]))
        return Reply(200, self.removed)

    def _order_pair(self, above: str, below: str) -> tuple[str, str]:
        """Order the ids of both objects: the holder first."""
        return (above, below) if self.above is self.relation.holder else (below, above)

    def _put(self, account: Account, request: ApiRequest, other: str, role: str, verb: str) -> dict[str, Any]:
        account.record_effect(verb, self.relation.kind, f"{request.id}/{other}")
        return self.relation.put(account, *self._order_pair(request.id, other), role)

    def _require(self, account: Account, request: ApiRequest) -> dict[str, Any]:
        _REQUIRE[self.above](account, request.id)
        other = request.arguments["other"]
        membership = self.relation.find(account, *self._order_pair(request.id, other))
        if membership is None:
            raise _build_missing_error(self.below, other)
        return membership

    def _render(self, membership: dict[str, Any]) -> dict[str, Any]:
        return {
            self.id_key: membership[self.below],
            "role": membership["role"],
            "created_at": membership["created_at"],
        }


def _build_missing_error(kind: Kind, identifier: str) -> ErrorReply:
    return error_reply(404, "NotFound", f"Membership of {kind} '{identifier}' not found")


def _build_resource(relation: Relation, listed: str, shown: str) -> MembershipResource:
    """Build the endpoints of a user or a team in groups or connections."""
    noun = f"{relation.target.title()} membership"
    return MembershipResource(
        relation=relation,
        above=relation.holder,
        id_key="id",
        listed=f"{listed} retrieved successfully",
        shown=f"{shown} retrieved successfully",
        created=f"{noun} has been created",
        updated=f"{noun} has been updated",
        removed=f"{noun} has been deleted",
    )


_TEAM_USERS = MembershipResource(
    relation=USERS_IN_TEAMS,
    above=Kind.TEAM,
    id_key="user_id",
    listed="Team users retrieved successfully",
    shown="Team user details retrieved successfully",
    created="User has been added to the team",
    updated="User role has been updated",
    removed="User has been removed from the team",
)
_RESOURCES = (
    _TEAM_USERS,
    _build_resource(TEAMS_IN_GROUPS, "Team group memberships", "Team group membership"),
    _build_resource(TEAMS_IN_CONNECTIONS, "Team connection memberships", "Team connection membership"),
    _build_resource(USERS_IN_GROUPS, "User memberships in groups", "User membership in group"),
    _build_resource(USERS_IN_CONNECTIONS, "User memberships in connections", "User membership in connection"),
)

ROUTES = tuple(route for resource in _RESOURCES for route in resource.build_routes())
