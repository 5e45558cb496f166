"""Check the shape of every known answer: keys, types and fixed values.

Unknown keys are refused, so that a key that an emulator invents is found, and a key that may be missing is optional
here. A shape belongs to a method and a path; `check_response` looks it up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

Text = Annotated[str, Field(min_length=1)]
Timestamp = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")]
Offset = Annotated[str, Field(pattern=r"^(0|-([1-9]|1[01])|\+([1-9]|1[0-2]))$")]
Sha1Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Sha256Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Shape(BaseModel):
    """Strict shape: `"1"` is no number and `1` is no flag."""

    model_config = ConfigDict(strict=True, extra="forbid")


Item = TypeVar("Item")


class Page(Shape, Generic[Item]):
    items: list[Item]
    next_cursor: Text | None = None


class AccountInfo(Shape):
    account_id: Text
    account_name: Text
    user_id: Text | None = None
    system_key_id: Text | None = None


class Group(Shape):
    id: Text
    name: Text
    created_at: Timestamp


class PublicKey(Shape):
    public_key: Annotated[str, Field(pattern=r"^ssh-rsa [A-Za-z0-9+/=]+( [^\n]*)?\n?$")]


class ServiceAccount(Shape):
    service_account: Annotated[str, Field(pattern=r"^g-[a-z-]+@[a-z0-9-]+\.iam\.gserviceaccount\.com$")]


class User(Shape):
    id: Text
    email: Text
    given_name: str | None = None
    family_name: str | None = None
    verified: bool | None = None
    invited: bool | None = None
    picture: str | None = None
    phone: str | None = None
    role: str | None = None
    active: bool | None = None
    logged_in_at: Timestamp | None = None
    created_at: Timestamp | None = None
    user_type: str | None = None
    has_api_key: bool | None = None


class ConnectionStatus(Shape):
    setup_state: Literal["connected", "incomplete", "broken"]
    sync_state: Text
    update_state: Text
    is_historical_sync: bool
    tasks: list[dict[str, Any]]
    warnings: list[dict[str, Any]]


class Connection(Shape):
    """Connection, as far as its destination's owner sees it; connections have many more keys that no test here
    creates."""

    model_config = ConfigDict(strict=True, extra="allow")

    id: Text
    group_id: Text
    service: Text
    service_version: int
    schema_name: Text = Field(alias="schema")
    connected_by: Text
    created_at: Timestamp
    succeeded_at: str | None
    failed_at: str | None
    sync_frequency: int
    status: ConnectionStatus


class ConnectionDetails(Connection):
    config: dict[str, Any]


class AccountTeam(Shape):
    id: Text
    name: Text
    description: str | None = None
    role: str | None


class Webhook(Shape):
    id: Text
    type: Literal["account", "group"]
    url: Text
    events: list[str]
    active: bool
    secret: Literal["******"]
    created_at: Timestamp
    created_by: Text
    group_id: Text | None = None


class WebhookTest(Shape):
    succeed: bool
    status: int
    message: str | None = None


class Membership(Shape):
    """Role in the object `id`, or of the user `user_id`."""

    id: Text | None = None
    user_id: Text | None = None
    role: Text
    created_at: Timestamp


class Role(Shape):
    name: Text
    description: Text
    scope: list[Literal["ACCOUNT", "DESTINATION", "CONNECTOR", "TEAM"]]
    is_custom: bool
    is_deprecated: bool | None
    replacement_role_name: str | None


class SetupTest(Shape):
    title: Text
    status: Literal["PASSED", "SKIPPED", "WARNING", "FAILED", "JOB_FAILED"]
    message: str
    details: Any = None


class ListedDestination(Shape):
    """Listed destination. `region` is left out for hybrid deployments; a test answer may leave out the address."""

    id: Text
    group_id: Text
    service: Text
    time_zone_offset: Offset
    setup_status: Literal[
        "connected", "incomplete", "broken", "CONNECTED", "INCOMPLETE", "BROKEN"
    ]  # a switch
    daylight_saving_time_enabled: bool
    region: Text | None = None
    networking_method: Literal["Directly", "PrivateLink", "SshTunnel", "ProxyAgent"] | None = None
    private_link_id: Text | None = None
    local_processing_agent_id: Text | None = None
    hybrid_deployment_agent_id: Text | None = None
    proxy_agent_id: Text | None = None
    external_secrets_manager_id: Text | None = None


class ReadDestination(ListedDestination):
    config: dict[str, Any]


class WrittenDestination(ReadDestination):
    setup_tests: list[SetupTest] | None = None


class TestedDestination(ReadDestination):
    setup_tests: list[SetupTest]


class Certificate(Shape):
    id: Text
    hash: Text
    name: str
    type: Literal["TLS"]
    sha1: Sha1Hex
    sha256: Sha256Hex
    public_key: str
    validated_date: Timestamp
    validated_by: Text


class Fingerprint(Shape):
    id: Text
    hash: Text
    public_key: Text
    validated_date: Timestamp
    validated_by: Text


class AgentUsage(Shape):
    connection_id: Text
    schema_name: str | None = Field(alias="schema")
    service: Text


class AgentFiles(Shape):
    config_json: Text
    auth_json: Text
    docker_compose_yaml: Text


class _AgentBase(Shape):
    id: Text
    version: str | None = None
    enabled: bool
    online: bool
    display_name: Text
    group_id: Text | None = None
    registered_at: Timestamp
    created_by: Text | None = None
    deployment_type: str | None = None
    updated_at: Timestamp | None = None
    last_used_at: Timestamp | None = None


class Agent(_AgentBase):
    usage: list[AgentUsage]


class NewAgent(_AgentBase):
    files: AgentFiles
    token: Text


class AgentCredentials(Shape):
    files: AgentFiles
    token: Text


class ProxyUsage(Shape):
    """Usage by a connection or by a destination, which has no schema."""

    id: Text | None = None
    connection_id: Text | None = None
    destination_id: Text | None = None
    service: Text | None = None
    schema_name: str | None = Field(default=None, alias="schema")


class _ProxyBase(Shape):
    id: Text
    account_id: Text
    registered_at: Timestamp | None
    region: Text
    created_by: Text
    display_name: Text
    version: str | None = None
    status: str | None = None


class ListedProxy(_ProxyBase):
    connector_count: int
    destination_count: int


class Proxy(_ProxyBase):
    usage: list[ProxyUsage]
    connector_count: int | None = None
    destination_count: int | None = None


class ProxySecrets(Shape):
    agent_id: Text
    auth_token: Text
    client_cert: Text
    client_private_key: Text
    orchestrator_host: Text
    orchestrator_port: int | Text
    proxy_server_uri: Text | None = None


class ProxyConnection(Shape):
    connection_id: Text


class PrivateLink(Shape):
    id: Text
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,23}$")]
    region: Text
    service: Text
    state: Literal["CREATING", "UPDATING", "DESTROYING", "OK", "FAIL"]
    state_summary: str | None = None
    host: str | None = None
    account_id: Text
    cloud_provider: Literal["AWS", "GCP", "AZURE"]
    created_at: Timestamp
    created_by: Text
    resource_upstream_status: str | None = None
    config: dict[str, Any] | None = None


class SecretsManager(Shape):
    id: Text
    type: Literal["AWS_SECRET_MANAGER", "AZURE_KEY_VAULT", "HASHICORP_VAULT"]
    name: Text
    config: dict[str, Any]
    is_hybrid_deployment: bool
    created_at: Timestamp
    updated_at: Timestamp | None


class ErrorBody(Shape):
    code: Text
    message: Text


class SuccessBody(Shape):
    """Body of a success without data."""

    code: Literal["Success"]
    message: Text | None = None


@dataclass(frozen=True)
class EndpointShape:
    """Endpoint: the statuses of success, and the type of `data`; None without data."""

    method: str
    path: str
    data: Any
    statuses: frozenset[int] = frozenset({200})

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # The last part may hold slashes: the raw hash of a certificate is base64.
        pattern = re.sub(r"\{hash\}$", ".+", self.path)
        return re.compile(re.sub(r"\{\w+\}", "[^/]+", pattern))

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.data)

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request belongs to this endpoint."""
        return method == self.method and self._pattern.fullmatch(path) is not None

    def validate(self, data: Any) -> None:
        """Validate the data of a success. Raises ValidationError."""
        self._adapter.validate_python(data)


_OK = frozenset({200})
_CREATED = frozenset({201})
_APPROVED = frozenset({200, 201})

ENDPOINT_SHAPES = (
    EndpointShape("GET", "/v1/account/info", AccountInfo),
    EndpointShape("GET", "/v1/groups", Page[Group]),
    EndpointShape("POST", "/v1/groups", Group, _CREATED),
    EndpointShape("GET", "/v1/groups/{id}", Group),
    EndpointShape("PATCH", "/v1/groups/{id}", Group),
    EndpointShape("DELETE", "/v1/groups/{id}", None),
    EndpointShape("GET", "/v1/groups/{id}/connections", Page[Connection]),
    EndpointShape("GET", "/v1/groups/{id}/connectors", Page[Connection]),
    EndpointShape("GET", "/v1/groups/{id}/public-key", PublicKey),
    EndpointShape("GET", "/v1/groups/{id}/service-account", ServiceAccount),
    EndpointShape("GET", "/v1/groups/{id}/users", Page[User]),
    EndpointShape("POST", "/v1/groups/{id}/users", None),
    EndpointShape("DELETE", "/v1/groups/{id}/users/{user}", None),
    EndpointShape("GET", "/v1/users", Page[User]),
    EndpointShape("POST", "/v1/users", User, _CREATED),
    EndpointShape("GET", "/v1/users/{id}", User),
    EndpointShape("PATCH", "/v1/users/{id}", User),
    EndpointShape("DELETE", "/v1/users/{id}", None),
    EndpointShape("DELETE", "/v1/users/{id}/role", None),
    EndpointShape("GET", "/v1/teams", Page[AccountTeam]),
    EndpointShape("POST", "/v1/teams", AccountTeam, _CREATED),
    EndpointShape("GET", "/v1/teams/{id}", AccountTeam),
    EndpointShape("PATCH", "/v1/teams/{id}", AccountTeam),
    EndpointShape("DELETE", "/v1/teams/{id}", None),
    EndpointShape("DELETE", "/v1/teams/{id}/role", None),
    EndpointShape("GET", "/v1/webhooks", Page[Webhook]),
    EndpointShape("POST", "/v1/webhooks/account", Webhook),
    EndpointShape("POST", "/v1/webhooks/group/{id}", Webhook),
    EndpointShape("GET", "/v1/webhooks/{id}", Webhook),
    EndpointShape("PATCH", "/v1/webhooks/{id}", Webhook),
    EndpointShape("DELETE", "/v1/webhooks/{id}", None),
    EndpointShape("POST", "/v1/webhooks/{id}/test", WebhookTest),
    EndpointShape("GET", "/v1/roles", Page[Role]),
    *(
        EndpointShape(method, path, data, statuses)
        for holder, targets in (
            ("users", ("groups", "connections")),
            ("teams", ("users", "groups", "connections")),
        )
        for target in targets
        for method, path, data, statuses in (
            ("GET", f"/v1/{holder}/{{id}}/{target}", Page[Membership], _OK),
            ("POST", f"/v1/{holder}/{{id}}/{target}", Membership, _CREATED),
            ("GET", f"/v1/{holder}/{{id}}/{target}/{{other}}", Membership, _OK),
            ("PATCH", f"/v1/{holder}/{{id}}/{target}/{{other}}", Membership, _OK),
            ("DELETE", f"/v1/{holder}/{{id}}/{target}/{{other}}", None, _OK),
        )
    ),
    EndpointShape("GET", "/v1/connections", Page[Connection]),
    EndpointShape("POST", "/v1/connections", ConnectionDetails, _CREATED),
    EndpointShape("GET", "/v1/connections/{id}", ConnectionDetails),
    EndpointShape("PATCH", "/v1/connections/{id}", ConnectionDetails),
    EndpointShape("DELETE", "/v1/connections/{id}", None),
    EndpointShape("POST", "/v1/connections/{id}/test", ConnectionDetails),
    EndpointShape("GET", "/v1/connections/{id}/certificates", Page[Certificate]),
    EndpointShape("POST", "/v1/connections/{id}/certificates", Certificate, _APPROVED),
    EndpointShape("GET", "/v1/connections/{id}/certificates/{hash}", Certificate),
    EndpointShape("DELETE", "/v1/connections/{id}/certificates/{hash}", None),
    EndpointShape("GET", "/v1/connections/{id}/fingerprints", Page[Fingerprint]),
    EndpointShape("POST", "/v1/connections/{id}/fingerprints", Fingerprint, _APPROVED),
    EndpointShape("GET", "/v1/connections/{id}/fingerprints/{hash}", Fingerprint),
    EndpointShape("DELETE", "/v1/connections/{id}/fingerprints/{hash}", None),
    EndpointShape("GET", "/v1/external-logging", Page[dict[str, Any]]),
    EndpointShape("GET", "/v1/system-keys", Page[dict[str, Any]]),
    EndpointShape("GET", "/v1/transformations", Page[dict[str, Any]]),
    EndpointShape("GET", "/v1/transformation-projects", Page[dict[str, Any]]),
    EndpointShape("GET", "/v1/destinations", Page[ListedDestination]),
    EndpointShape("POST", "/v1/destinations", WrittenDestination, _CREATED),
    EndpointShape("GET", "/v1/destinations/{id}", ReadDestination),
    EndpointShape("PATCH", "/v1/destinations/{id}", WrittenDestination),
    EndpointShape("DELETE", "/v1/destinations/{id}", None),
    EndpointShape("POST", "/v1/destinations/{id}/test", TestedDestination),
    EndpointShape("GET", "/v1/destinations/{id}/certificates", Page[Certificate]),
    EndpointShape("POST", "/v1/destinations/{id}/certificates", Certificate, _APPROVED),
    EndpointShape("GET", "/v1/destinations/{id}/certificates/{hash}", Certificate),
    EndpointShape("DELETE", "/v1/destinations/{id}/certificates/{hash}", None),
    EndpointShape("GET", "/v1/destinations/{id}/fingerprints", Page[Fingerprint]),
    EndpointShape("POST", "/v1/destinations/{id}/fingerprints", Fingerprint, _APPROVED),
    EndpointShape("GET", "/v1/destinations/{id}/fingerprints/{hash}", Fingerprint),
    EndpointShape("DELETE", "/v1/destinations/{id}/fingerprints/{hash}", None),
    EndpointShape("POST", "/v1/certificates", Certificate | None, _APPROVED),
    EndpointShape("POST", "/v1/fingerprints", Fingerprint | None, _APPROVED),
    EndpointShape("GET", "/v1/hybrid-deployment-agents", Page[Agent]),
    EndpointShape("POST", "/v1/hybrid-deployment-agents", NewAgent, _CREATED),
    EndpointShape("GET", "/v1/hybrid-deployment-agents/{id}", Agent),
    EndpointShape("DELETE", "/v1/hybrid-deployment-agents/{id}", None),
    EndpointShape("PATCH", "/v1/hybrid-deployment-agents/{id}/re-auth", NewAgent),
    EndpointShape("POST", "/v1/hybrid-deployment-agents/{id}/re-auth", NewAgent),
    EndpointShape("POST", "/v1/hybrid-deployment-agents/{id}/reset-credentials", AgentCredentials),
    EndpointShape("GET", "/v1/proxy", Page[ListedProxy]),
    EndpointShape("POST", "/v1/proxy", ProxySecrets, _CREATED),
    EndpointShape("GET", "/v1/proxy/{id}", Proxy),
    EndpointShape("DELETE", "/v1/proxy/{id}", None),
    EndpointShape("GET", "/v1/proxy/{id}/connections", Page[ProxyConnection]),
    EndpointShape("POST", "/v1/proxy/{id}/regenerate-secrets", ProxySecrets),
    EndpointShape("GET", "/v1/private-links", Page[PrivateLink]),
    EndpointShape("POST", "/v1/private-links", PrivateLink, _CREATED),
    EndpointShape("GET", "/v1/private-links/{id}", PrivateLink),
    EndpointShape("PATCH", "/v1/private-links/{id}", PrivateLink),
    EndpointShape("DELETE", "/v1/private-links/{id}", None),
    EndpointShape("GET", "/v1/external-secrets-managers", Page[SecretsManager]),
    EndpointShape("POST", "/v1/external-secrets-managers", SecretsManager, _CREATED),
    EndpointShape("GET", "/v1/external-secrets-managers/{id}", SecretsManager),
    EndpointShape("PATCH", "/v1/external-secrets-managers/{id}", SecretsManager),
    EndpointShape("DELETE", "/v1/external-secrets-managers/{id}", None),
)


def check_response(method: str, path: str, status: int, document: Any) -> None:
    """Check the shape of an answer. `path` is without its query. Raises AssertionError.

    An error is `code` and `message` and nothing else. A success of an endpoint that is not in the table is only checked
    for its envelope.
    """
    request_line = f"{method} {path} -> {status}"
    assert isinstance(document, Mapping), f"{request_line}: not an object: {document!r}"
    shape = next((each for each in ENDPOINT_SHAPES if each.matches(method, path)), None)
    try:
        if status >= 400:
            ErrorBody.model_validate(document)
            assert document["code"] not in {"Success", "Created"}, request_line
        elif shape is None:
            assert set(document) <= {"code", "message", "data"}, request_line
        else:
            assert status in shape.statuses, f"{request_line}: expected one of {sorted(shape.statuses)}"
            assert document["code"] in ({"Success", "Created"} if status == 201 else {"Success"}), (
                request_line
            )
            if shape.data is None:
                SuccessBody.model_validate(document)
            else:
                assert set(document) <= {"code", "message", "data"}, request_line
                shape.validate(document.get("data"))
    except ValidationError as error:
        raise AssertionError(f"{request_line}: {error}\nin {document!r}") from error
