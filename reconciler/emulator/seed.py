"""Load and dump seeds: an account as one document."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from reconciler.emulator.account import Account, Identity
from reconciler.emulator.destination import Destination, DestinationSettings
from reconciler.emulator.masking import mask_secrets
from reconciler.emulator.resources import connections, groups, read_only
from reconciler.emulator.scenario import Scenario, dump_scenario, load_scenario
from reconciler.emulator.store import Kind

_DEFAULT_NAMES = ("Ada", "Lovelace")
_ALWAYS_WRITTEN = frozenset({"service", "region", "time_zone_offset"})
_Text = Annotated[str, Field(min_length=1)]


class _SeedModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SeedAccount(_SeedModel):
    """Identity of the account."""

    id: _Text
    name: str = ""


class SeedUser(_SeedModel):
    """A user beside the owner of the account."""

    email: _Text
    given_name: str = "Ada"
    family_name: str = "Lovelace"
    role: str | None = None
    active: bool = True


class SeedMember(_SeedModel):
    """A user in a group."""

    email: _Text
    role: _Text


class SeedConnection(_SeedModel):
    """A connection of a group. The platform connection of Fivetran has the service `fivetran_log`."""

    service: _Text
    schema_name: Annotated[_Text, Field(alias="schema")]


class SeedGroup(_SeedModel):
    """A group. Without an `id`, the id is generated."""

    name: _Text
    id: _Text | None = None
    created_at: str | None = None
    destination: DestinationSettings | None = None
    connections: list[SeedConnection] = []
    users: list[SeedMember] = []


class Seed(Scenario, _SeedModel):
    """An account as a document."""

    version: Literal[1]
    account: SeedAccount | None = None
    users: list[SeedUser] = []
    groups: list[SeedGroup] = []

    @field_validator("groups")
    @classmethod
    def _check_unique_ids(cls, groups: list[SeedGroup]) -> list[SeedGroup]:
        ids = Counter(group.id for group in groups if group.id is not None)
        duplicates = [identifier for identifier, number in ids.items() if number > 1]
        if duplicates:
            raise PydanticCustomError(
                "invalid-seed",
                "two groups have the id `{id}`",
                {"id": duplicates[0], "help": "give each group an id of its own, or none"},
            )
        return groups


def load_seed(account: Account, seed: Seed) -> None:
    """Load a seed into an account, in one transaction. The history gets no entry."""
    with account.store.transaction():
        load_scenario(account, seed)
        if seed.account is not None:
            identity = account.identity
            account.set_identity(
                Identity(seed.account.id, seed.account.name or seed.account.id, identity.user_id)
            )
        for user in seed.users:
            read_only.add_user(
                account, user.email, (user.given_name, user.family_name), user.role, user.active
            )
        for group in seed.groups:
            _load_group(account, group)
        # A seed is no request: its effects must not appear in the history of the next request.
        account.take_effects()


def _load_group(account: Account, group: SeedGroup) -> None:
    stored = groups.add(account, group.name, group.id)
    identifier = stored["id"]
    if group.created_at:
        stored["created_at"] = group.created_at
        account.store.replace(Kind.GROUP, identifier, stored, label=group.name)
    if group.destination is not None:
        # A broken destination was connected once; otherwise it would be incomplete.
        was_healthy = group.destination.setup_status != "incomplete"
        settings = group.destination.to_document()
        destination = Destination(id=identifier, **settings, connected_once=was_healthy)
        account.store.add(Kind.DESTINATION, identifier, destination.to_document(), parent=identifier)
    for connection in group.connections:
        connections.add(account, identifier, connection.service, connection.schema_name)
    for member in group.users:
        user = read_only.find_user(account, member.email)
        user_id = (
            user["id"] if user else read_only.add_user(account, member.email, _DEFAULT_NAMES, None, True)
        )
        groups.add_member(account, identifier, user_id, member.role)


def dump(account: Account, *, show_secrets: bool = False) -> dict[str, Any]:
    """Dump the account in the form of a seed. Secrets are masked unless `show_secrets`."""
    with account.store.transaction():
        seed: dict[str, Any] = {
            "version": 1,
            "account": {"id": account.identity.account_id, "name": account.identity.account_name},
        }
        seed["users"] = [
            {name: user[name] for name in ("email", "given_name", "family_name", "role", "active")}
            for user in account.store.list_documents(Kind.USER)
            if user["id"] != account.identity.user_id
        ]
        seed["groups"] = [_dump_group(account, group) for group in account.store.list_documents(Kind.GROUP)]
        seed |= dump_scenario(account)
    content = {name: value for name, value in seed.items() if value != []}
    return content if show_secrets else {**content, "groups": mask_secrets(content.get("groups", []))}


def _dump_group(account: Account, group: dict[str, Any]) -> dict[str, Any]:
    content = {name: group[name] for name in ("id", "name", "created_at")}
    document = account.store.find(Kind.DESTINATION, group["id"])
    if document is not None:
        content["destination"] = _select_settings(document)
    stored_connections = account.store.list_documents(Kind.CONNECTION, parent=group["id"])
    if stored_connections:
        content["connections"] = [
            {name: connection[name] for name in ("service", "schema")} for connection in stored_connections
        ]
    members = [
        {
            "email": read_only.USERS.require(account, membership["user"])["email"],
            "role": membership["role"],
        }
        for membership in account.store.list_documents(Kind.MEMBERSHIP, parent=group["id"])
        if membership["user"] != account.identity.user_id
    ]
    return {**content, "users": members} if members else content


def _select_settings(document: dict[str, Any]) -> dict[str, Any]:
    """Select the settings that differ from the defaults; service, region and time zone always."""
    defaults = DestinationSettings(service=document["service"]).to_document()
    return {
        name: document[name]
        for name, default in defaults.items()
        if name in _ALWAYS_WRITTEN or document[name] != default
    }
