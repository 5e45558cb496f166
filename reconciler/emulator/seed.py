"""Load and dump seeds: an account as one document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from reconciler.emulator import approvals
from reconciler.emulator.account import ADMINISTRATOR, Account, Identity, build_user
from reconciler.emulator.agent_outages import is_online
from reconciler.emulator.connection import SetupState
from reconciler.emulator.destination import Destination, DestinationSettings
from reconciler.emulator.masking import mask_secrets
from reconciler.emulator.memberships import USERS_IN_GROUPS
from reconciler.emulator.resources import (
    connections,
    groups,
    hybrid_agents,
    private_links,
    proxy_agents,
    secrets_managers,
    users,
)
from reconciler.emulator.resources.hybrid_agents import Environment
from reconciler.emulator.resources.private_links import LinkState
from reconciler.emulator.scenario import Scenario, dump_scenario, load_scenario
from reconciler.emulator.store import Kind

_ALWAYS_WRITTEN = frozenset({"service", "region", "time_zone_offset"})
_CONTENT_KINDS = (
    Kind.GROUP,
    Kind.PRIVATE_LINK,
    Kind.HYBRID_AGENT,
    Kind.PROXY_AGENT,
    Kind.SECRETS_MANAGER,
)
_LISTS_WITH_SECRETS = ("groups", "secrets_managers")
_Text = Annotated[str, Field(min_length=1)]


class _Identified(Protocol):
    @property
    def id(self) -> str | None: ...


_Item = TypeVar("_Item", bound=_Identified)


class _SeedModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SeedAccount(_SeedModel):
    """Identity of the account."""

    id: _Text
    name: str = ""


class SeedUser(_SeedModel):
    """A user beside the owner of the account. Without a `role`, only groups admit the user."""

    id: _Text | None = None
    email: _Text
    given_name: str = "Ada"
    family_name: str = "Lovelace"
    phone: str | None = None
    picture: str | None = None
    role: str | None = None
    active: bool = True
    verified: bool = True
    invited: bool = False
    logged_in_at: _Text | None = None
    created_at: _Text | None = None


class SeedOwner(SeedUser):
    """The user of the API key."""

    id: _Text
    role: str | None = ADMINISTRATOR


class SeedMember(_SeedModel):
    """A user in a group."""

    email: _Text
    role: _Text


class SeedConnection(_SeedModel):
    """A connection of a group. The platform connection of Fivetran has the service `fivetran_log`."""

    id: _Text | None = None
    service: _Text
    schema_name: Annotated[_Text, Field(alias="schema")]
    setup_state: SetupState = "incomplete"
    paused: bool = False
    config: dict[str, Any] = {}
    created_at: _Text | None = None


class SeedFingerprint(_SeedModel):
    """An approved fingerprint of the SSH host of a destination."""

    hash: _Text
    public_key: str = ""
    validated_date: _Text | None = None


class SeedCertificate(SeedFingerprint):
    """An approved certificate of a destination."""

    name: str = ""
    sha1: str = ""
    sha256: str = ""


class SeedGroup(_SeedModel):
    """A group. Without an `id`, the id is generated. Approvals belong to its destination."""

    name: _Text
    id: _Text | None = None
    created_at: str | None = None
    destination: DestinationSettings | None = None
    connections: list[SeedConnection] = []
    users: list[SeedMember] = []
    certificates: list[SeedCertificate] = []
    fingerprints: list[SeedFingerprint] = []


class SeedPrivateLink(_SeedModel):
    """A private link, of any service: a snapshot may have a service that is newer than this release.

    Work in progress takes the time of the switch `private_link_seconds`.
    """

    id: _Text | None = None
    name: _Text
    region: _Text
    service: _Text
    config: dict[str, Any] = {}
    state: LinkState = "OK"
    created_at: _Text | None = None


class SeedHybridAgent(_SeedModel):
    """A hybrid deployment agent, of a group with an id in the seed or of no group.

    An agent without `online` has never been online.
    """

    id: _Text | None = None
    display_name: _Text
    group_id: _Text | None = None
    deployment_type: Environment = "DOCKER"
    registered_at: _Text | None = None
    online: bool | None = None


class SeedProxyAgent(_SeedModel):
    """A proxy agent. Without `online` it has never been online."""

    id: _Text | None = None
    display_name: _Text
    region: _Text = "GCP_US_EAST4"
    registered_at: _Text | None = None
    online: bool | None = None


class SeedSecretsManager(_SeedModel):
    """A connection to a secrets manager, of any type: a snapshot may have a type that is newer than this release."""

    id: _Text | None = None
    type: _Text
    name: _Text
    config: dict[str, Any] = {}
    is_hybrid_deployment: bool = False
    created_at: _Text | None = None
    updated_at: _Text | None = None


class SeedSnapshot(_SeedModel):
    """Origin of a seed that `reconciler snapshot` has written.

    `connections` and `trust` say which lists were read. `unreadable` are the ids of destinations whose config could not
    be read: requests about them answer 403.
    """

    taken_at: _Text
    connections: bool = False
    trust: bool = False
    unreadable: list[_Text] = []


def _refuse_duplicates(nouns: str, key: str, values: Iterable[str | None]) -> None:
    """Refuse a value that two objects have. Raises PydanticCustomError."""
    counts = Counter(value for value in values if value is not None)
    duplicates = [value for value, number in counts.items() if number > 1]
    if duplicates:
        raise PydanticCustomError(
            "invalid-seed",
            "two {nouns} have the {key} `{value}`",
            {
                "nouns": nouns,
                "key": key,
                "value": duplicates[0],
                "help": f"give each of the {nouns} an {key} of its own"
                + (", or none" if key == "id" else ""),
            },
        )


class Seed(Scenario, _SeedModel):
    """An account as a document."""

    version: Literal[1]
    snapshot: SeedSnapshot | None = None
    account: SeedAccount | None = None
    owner: SeedOwner | None = None
    users: list[SeedUser] = []
    groups: list[SeedGroup] = []
    private_links: list[SeedPrivateLink] = []
    hybrid_agents: list[SeedHybridAgent] = []
    proxy_agents: list[SeedProxyAgent] = []
    secrets_managers: list[SeedSecretsManager] = []

    @property
    def unreadable(self) -> list[str]:
        """Return the ids of the destinations whose config the snapshot lacks."""
        return self.snapshot.unreadable if self.snapshot is not None else []

    @field_validator("groups", "private_links", "hybrid_agents", "proxy_agents", "secrets_managers")
    @classmethod
    def _check_unique_ids(cls, items: list[_Item], info: ValidationInfo) -> list[_Item]:
        _refuse_duplicates(str(info.field_name).replace("_", " "), "id", (item.id for item in items))
        return items

    @field_validator("users")
    @classmethod
    def _check_unique_users(cls, others: list[SeedUser], info: ValidationInfo) -> list[SeedUser]:
        everyone = [*others, *filter(None, [info.data.get("owner")])]
        _refuse_duplicates("users", "id", (user.id for user in everyone))
        _refuse_duplicates("users", "email", (user.email.lower() for user in everyone))
        return others

    @field_validator("groups")
    @classmethod
    def _check_unique_connections(cls, groups: list[SeedGroup]) -> list[SeedGroup]:
        ids = (connection.id for group in groups for connection in group.connections)
        _refuse_duplicates("connections", "id", ids)
        return groups

    @field_validator("hybrid_agents")
    @classmethod
    def _check_groups_of_agents(
        cls, agents: list[SeedHybridAgent], info: ValidationInfo
    ) -> list[SeedHybridAgent]:
        known = {group.id for group in info.data.get("groups", ())} | {None}
        missing = [agent.group_id for agent in agents if agent.group_id not in known]
        if missing and "groups" in info.data:
            raise PydanticCustomError(
                "invalid-seed",
                "no group has the id `{id}` of a hybrid agent",
                {"id": missing[0], "help": "give the group of the agent this id below `groups:`"},
            )
        return agents


def has_content(account: Account) -> bool:
    """Check whether the account has anything that a seed can describe, beside its owner."""
    has_objects = any(map(account.store.has, _CONTENT_KINDS))
    return has_objects or len(account.store.list_documents(Kind.USER, limit=2)) > 1


def load_seed(account: Account, seed: Seed) -> None:
    """Load a seed into an account, in one transaction. The history gets no entry."""
    with account.store.transaction():
        load_scenario(account, seed)
        if seed.account is not None:
            identity = account.identity
            account.set_identity(
                Identity(seed.account.id, seed.account.name or seed.account.id, identity.user_id)
            )
        _load_users(account, seed)
        for group in seed.groups:
            _load_group(account, group)
        _load_companions(account, seed)
        # A seed is no request: its effects must not appear in the history of the next request.
        account.take_effects()


def _load_users(account: Account, seed: Seed) -> None:
    if seed.owner is not None:
        account.set_owner(build_user(seed.owner.id, **_build_user_fields(account, seed.owner)))
    for user in seed.users:
        _add_user(account, user)


def _add_user(account: Account, user: SeedUser) -> dict[str, Any]:
    return users.add_user(account, identifier=user.id, **_build_user_fields(account, user))


def _build_user_fields(account: Account, user: SeedUser) -> dict[str, Any]:
    """Build all fields but the id. Without a time of the last login, only an invited user has never logged in."""
    created_at = user.created_at or account.now()
    logged_in_at = user.logged_in_at or (None if user.invited else created_at)
    times = {"created_at": created_at, "logged_in_at": logged_in_at}
    return {**user.model_dump(exclude={"id"}), **times}


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
        fields = connection.model_dump(by_alias=True, exclude={"id", "created_at"})
        created_at = connection.created_at or account.now()
        connections.add(account, identifier, identifier=connection.id, created_at=created_at, **fields)
    for member in group.users:
        user = users.find_user(account, member.email) or _add_user(account, SeedUser(email=member.email))
        USERS_IN_GROUPS.put(account, user["id"], identifier, member.role)
    _load_approvals(account, Kind.CERTIFICATE, identifier, group.certificates, type="TLS")
    _load_approvals(account, Kind.FINGERPRINT, identifier, group.fingerprints)


def _load_approvals(
    account: Account, kind: Kind, owner: str, approved: Iterable[SeedFingerprint], **facts: str
) -> None:
    for approval in approved:
        document = approval.model_dump(exclude={"validated_date"}) | facts
        approvals.approve(account, kind, owner, document, approved_at=approval.validated_date)


def _load_companions(account: Account, seed: Seed) -> None:
    """Load the private links, agents and secrets managers that destinations can refer to."""
    for link in seed.private_links:
        private_links.add(
            account,
            link.name,
            link.region,
            link.service,
            link.config,
            identifier=link.id,
            state=link.state,
            created_at=link.created_at,
        )
    for hybrid_agent in seed.hybrid_agents:
        added = hybrid_agents.add(
            account,
            hybrid_agent.group_id,
            hybrid_agent.display_name,
            hybrid_agent.deployment_type,
            identifier=hybrid_agent.id,
            registered_at=hybrid_agent.registered_at,
        )
        if hybrid_agent.online is not None:
            hybrid_agents.set_online(account, added["id"], hybrid_agent.online)
    for proxy_agent in seed.proxy_agents:
        identifier = proxy_agents.add(
            account,
            proxy_agent.display_name,
            proxy_agent.region,
            identifier=proxy_agent.id,
            registered_at=proxy_agent.registered_at,
        )
        if proxy_agent.online is not None:
            proxy_agents.set_online(account, identifier, proxy_agent.online)
    for manager in seed.secrets_managers:
        secrets_managers.add(
            account,
            manager.type,
            manager.name,
            manager.config,
            manager.is_hybrid_deployment,
            identifier=manager.id,
            created_at=manager.created_at,
            updated_at=manager.updated_at,
        )


def dump(account: Account, *, show_secrets: bool = False) -> dict[str, Any]:
    """Dump the account in the form of a seed. Secrets are masked unless `show_secrets`."""
    with account.store.transaction():
        seed: dict[str, Any] = {
            "version": 1,
            "account": {"id": account.identity.account_id, "name": account.identity.account_name},
        }
        seed |= _dump_users(account)
        seed["groups"] = [_dump_group(account, group) for group in account.store.list_documents(Kind.GROUP)]
        seed["private_links"] = _select(SeedPrivateLink, private_links.list_current(account))
        seed["hybrid_agents"] = _select(SeedHybridAgent, _list_agents(account, Kind.HYBRID_AGENT))
        seed["proxy_agents"] = _select(SeedProxyAgent, _list_agents(account, Kind.PROXY_AGENT))
        managers = account.store.list_documents(Kind.SECRETS_MANAGER)
        seed["secrets_managers"] = _select(SeedSecretsManager, managers)
        seed |= dump_scenario(account)
    content = {name: value for name, value in seed.items() if value != []}
    if show_secrets:
        return content
    return content | {name: mask_secrets(content[name]) for name in _LISTS_WITH_SECRETS if name in content}


def _dump_group(account: Account, group: dict[str, Any]) -> dict[str, Any]:
    content = {name: group[name] for name in ("id", "name", "created_at")}
    document = account.store.find(Kind.DESTINATION, group["id"])
    if document is not None:
        content["destination"] = _select_settings(document)
    connections_of_group = account.store.list_documents(Kind.CONNECTION, parent=group["id"])
    if connections_of_group:
        content["connections"] = _select(SeedConnection, map(_flatten_status, connections_of_group))
    members = [
        {"email": user["email"], "role": membership["role"]}
        for membership in account.store.list_documents(Kind.MEMBERSHIP, parent=group["id"])
        if membership["user"] != account.identity.user_id
        and (user := account.store.find(Kind.USER, membership["user"])) is not None
    ]
    lists = {
        "users": members,
        "certificates": _select(SeedCertificate, _list_approvals(account, Kind.CERTIFICATE, group["id"])),
        "fingerprints": _select(SeedFingerprint, _list_approvals(account, Kind.FINGERPRINT, group["id"])),
    }
    return content | {name: items for name, items in lists.items() if items}


def _list_approvals(account: Account, kind: Kind, owner: str) -> list[dict[str, Any]]:
    return account.store.list_documents(kind, parent=owner)


def _dump_users(account: Account) -> dict[str, Any]:
    owner_id = account.identity.user_id
    others = [user for user in account.store.list_documents(Kind.USER) if user["id"] != owner_id]
    (owner,) = _select(SeedOwner, [account.owner])
    return {"owner": owner, "users": _select(SeedUser, others)}


def _list_agents(account: Account, kind: Kind) -> list[dict[str, Any]]:
    """List agents with `online`, None for an agent that has never been online."""
    agents = account.store.list_documents(kind)
    return [{**agent, "online": None if agent["version"] is None else is_online(agent)} for agent in agents]


def _flatten_status(connection: dict[str, Any]) -> dict[str, Any]:
    return {**connection, "setup_state": connection["status"]["setup_state"]}


def _select(model: type[_SeedModel], documents: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Select from documents the values that a seed has to say, since they differ from the defaults."""
    defaults = {field.alias or name: field.default for name, field in model.model_fields.items()}
    return [
        {name: document[name] for name, default in defaults.items() if document.get(name, default) != default}
        for document in documents
    ]


def _select_settings(document: dict[str, Any]) -> dict[str, Any]:
    """Select the settings that differ from the defaults; service, region and time zone always."""
    defaults = DestinationSettings(service=document["service"]).to_document()
    return {
        name: document[name]
        for name, default in defaults.items()
        if name in _ALWAYS_WRITTEN or document[name] != default
    }
