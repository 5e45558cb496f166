"""Keep memberships: roles of users and teams in groups, connections and teams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.store import Kind


@dataclass(frozen=True, slots=True)
class Relation:
    """Memberships of one kind: a holder, which is a user or a team, has a role in a target."""

    kind: Kind
    holder: Kind
    target: Kind

    def find(self, account: Account, holder: str, target: str) -> dict[str, Any] | None:
        """Find the membership of a holder in a target. None if there is none."""
        return account.store.find(self.kind, _build_key(holder, target))

    def put(self, account: Account, holder: str, target: str, role: str) -> dict[str, Any]:
        """Give a holder a role in a target, in place of its present role."""
        membership = self.find(account, holder, target)
        if membership is None:
            membership = {self.holder: holder, self.target: target, "role": role, "created_at": account.now()}
            key = _build_key(holder, target)
            account.store.add(self.kind, key, membership, parent=target, label=holder)
        else:
            membership["role"] = role
            account.store.replace(self.kind, _build_key(holder, target), membership, label=holder)
        return membership

    def remove(self, account: Account, holder: str, target: str) -> None:
        """Remove an existing membership, and record the effect."""
        account.delete(self.kind, _build_key(holder, target))


USERS_IN_GROUPS = Relation(Kind.MEMBERSHIP, Kind.USER, Kind.GROUP)
USERS_IN_CONNECTIONS = Relation(Kind.USER_IN_CONNECTION, Kind.USER, Kind.CONNECTION)
USERS_IN_TEAMS = Relation(Kind.USER_IN_TEAM, Kind.USER, Kind.TEAM)
TEAMS_IN_GROUPS = Relation(Kind.TEAM_IN_GROUP, Kind.TEAM, Kind.GROUP)
TEAMS_IN_CONNECTIONS = Relation(Kind.TEAM_IN_CONNECTION, Kind.TEAM, Kind.CONNECTION)

_RELATIONS = (USERS_IN_GROUPS, USERS_IN_CONNECTIONS, USERS_IN_TEAMS, TEAMS_IN_GROUPS, TEAMS_IN_CONNECTIONS)


def remove_memberships(account: Account, kind: Kind, identifier: str) -> None:
    """Remove all memberships of an object that is deleted, as a holder and as a target."""
    for relation in _RELATIONS:
        if relation.holder is kind:
            account.store.remove_documents(relation.kind, label=identifier)
        if relation.target is kind:
            account.store.remove_documents(relation.kind, parent=identifier)


def _build_key(holder: str, target: str) -> str:
    return f"{target}/{holder}"
