"""List every known endpoint as one successful request, with the required content of its answer.

Words in braces stand for ids and hashes of a prepared account (`prepare_account`). If the evidence is not enough to be
sure, `doubt` names the uncertain part, and `switch` names the setting of the emulator for the other possibility.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from emulated_account import SNOWFLAKE, EmulatedAccount

CERTIFICATE_HASH = "r+u4QL4M/vZeY+DL15zONWVLFb9K3oPOmLdRsXYa2+c="
FINGERPRINT_HASH = "eUtPirI6yy/Zg0R+1bq1V2Wc4fXJ9oYvUoS3hQm5t0k="
PUBLIC_KEY = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC6 key of the tests"
CERTIFICATE = {"hash": CERTIFICATE_HASH, "encoded_cert": "MIID9DCCAtygAwIBAgIBQjANBgkqhkiG9w0BAQUFADCB"}
FINGERPRINT = {"hash": FINGERPRINT_HASH, "public_key": PUBLIC_KEY}
AGENT = {"group_id": "{group}", "display_name": "agent", "env_type": "DOCKER", "accept_terms": True}
PROXY = {"display_name": "proxy", "group_region": "GCP_US_EAST4"}
LINK = {
    "name": "link_1",
    "region": "AWS_US_EAST_1",
    "service": "REDSHIFT_AWS",
    "config": {"connection_service_name": "com.amazonaws.vpce.us-east-1.vpce-svc-1"},
}
CONNECTION = {
    "group_id": "{free_group}",
    "service": "postgres",
    "config": {"schema_prefix": "shop", "host": "db.acme.example", "password": "correct horse"},
}
INVITED = {"email": "new@acme.example", "given_name": "Grace", "family_name": "Hopper", "phone": "+123"}
TEAM = {"name": "finance", "description": "Those who count", "role": "Account Reviewer"}
WEBHOOK = {"url": "https://hook.acme.example", "events": ["sync_end"], "secret": "correct horse"}
MANAGER = {"type": "HASHICORP_VAULT", "name": "vault", "config": {"vault_address": "https://vault.example"}}

GROUP_KEYS = frozenset({"id", "name", "created_at"})
USER_KEYS = frozenset(
    {"id", "email", "given_name", "family_name", "verified", "invited", "picture", "phone", "role"}
    | {"logged_in_at", "created_at", "active"}
)
DESTINATION_KEYS = frozenset(
    {"id", "service", "region", "group_id", "time_zone_offset", "setup_status", "networking_method"}
    | {"daylight_saving_time_enabled"}
)
CONNECTION_KEYS = frozenset(
    {"id", "group_id", "service", "service_version", "schema", "connected_by", "created_at", "paused"}
    | {"pause_after_trial", "sync_frequency", "schedule_type", "data_delay_sensitivity", "status"}
)
TEAM_KEYS = frozenset({"id", "name", "description", "role"})
WEBHOOK_KEYS = frozenset({"id", "type", "url", "events", "active", "secret", "created_at", "created_by"})
CERTIFICATE_KEYS = frozenset(
    {"id", "name", "hash", "type", "sha1", "sha256", "public_key", "validated_date", "validated_by"}
)
FINGERPRINT_KEYS = frozenset({"id", "hash", "public_key", "validated_date", "validated_by"})
AGENT_KEYS = frozenset(
    {"id", "version", "enabled", "online", "display_name", "group_id", "registered_at", "created_by"}
    | {"deployment_type", "updated_at", "last_used_at"}
)
PROXY_KEYS = frozenset(
    {"id", "account_id", "registered_at", "region", "created_by", "display_name", "version", "status"}
)
SECRET_KEYS = frozenset(
    {"agent_id", "auth_token", "client_cert", "client_private_key", "orchestrator_host", "orchestrator_port"}
)
LINK_KEYS = frozenset(
    {"id", "name", "region", "service", "state", "host", "account_id", "cloud_provider", "created_at"}
    | {"created_by", "state_summary", "resource_upstream_status"}
)
MANAGER_KEYS = frozenset({"id", "type", "name", "config", "is_hybrid_deployment", "created_at", "updated_at"})


@dataclass(frozen=True)
class Endpoint:
    """Request and its success. `keys` are the keys that `data`, or an item of its page, must have at least; None if
    there is no data. A `message` of None is not known."""

    method: str
    path: str
    message: str | None
    keys: frozenset[str] | None
    body: Mapping[str, Any] | None = None
    status: int = 200
    paged: bool = False
    may_be_empty: bool = False
    doubt: str = ""
    switch: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _build_list_endpoint(path: str, message: str, keys: frozenset[str], **options: Any) -> Endpoint:
    return Endpoint("GET", path, message, keys, paged=True, **options)


def _build_membership_endpoints(
    path: str, known: str, other: str, key: str, messages: tuple[str, str, str, str, str]
) -> tuple[Endpoint, ...]:
    """Build the endpoints of memberships below `path`: of the object `known`, and a new one of the object `other`."""
    keys = frozenset({key, "role", "created_at"})
    listed, created, shown, updated, removed = messages
    return (
        _build_list_endpoint(path, listed, keys),
        Endpoint("POST", path, created, keys, {key: other, "role": "r"}, 201),
        Endpoint("GET", f"{path}/{known}", shown, keys),
        Endpoint("PATCH", f"{path}/{known}", updated, keys, {"role": "other"}),
        Endpoint("DELETE", f"{path}/{known}", removed, None, doubt="whether the answer has data"),
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/account/info",
        "Account information retrieved successfully",
        frozenset({"account_id", "account_name"}),
        doubt="`user_id` or `system_key_id`, by the kind of the key",
    ),
    # Groups
    _build_list_endpoint("/v1/groups", "Groups retrieved successfully", GROUP_KEYS),
    Endpoint("POST", "/v1/groups", "Group has been created", GROUP_KEYS, {"name": "another"}, 201),
    Endpoint("GET", "/v1/groups/{group}", "Group details retrieved successfully", GROUP_KEYS),
    Endpoint("PATCH", "/v1/groups/{group}", "Group has been updated", GROUP_KEYS, {"name": "renamed"}),
    Endpoint("DELETE", "/v1/groups/{free_group}", "Group with id '{free_group}' has been deleted", None),
    _build_list_endpoint(
        "/v1/groups/{busy_group}/connections",
        "Group connections retrieved successfully",
        CONNECTION_KEYS,
    ),
    Endpoint(
        "GET",
        "/v1/groups/{group}/public-key",
        "Group SSH public key retrieved successfully",
        frozenset({"public_key"}),
        doubt="whether the key ends with a newline",
        switch="public_key_ending",
    ),
    Endpoint(
        "GET",
        "/v1/groups/{group}/service-account",
        "Group service account retrieved successfully",
        frozenset({"service_account"}),
        doubt="the project in the address",
        switch="service_account_project",
    ),
    _build_list_endpoint("/v1/groups/{group}/users", "Group users retrieved successfully", USER_KEYS),
    Endpoint(
        "POST",
        "/v1/groups/{group}/users",
        "User has been added to the group",
        None,
        {"email": "{email}", "role": "Destination Reviewer"},
    ),
    Endpoint(
        "DELETE",
        "/v1/groups/{group}/users/{member}",
        "User with id '{member}' has been removed from the group",
        None,
    ),
    # Users, teams, webhooks and roles
    _build_list_endpoint("/v1/users", "Users list retrieved successfully", USER_KEYS),
    Endpoint("POST", "/v1/users", "User has been created", USER_KEYS, INVITED, 201),
    Endpoint("GET", "/v1/users/{member}", "User details retrieved successfully", USER_KEYS),
    Endpoint("PATCH", "/v1/users/{member}", "User has been updated", USER_KEYS, {"given_name": "G"}),
    Endpoint("DELETE", "/v1/users/{member}", "User with id '{member}' has been deleted", None),
    Endpoint("DELETE", "/v1/users/{member}/role", "User role in account has been removed", None),
    _build_list_endpoint("/v1/teams", "Teams retrieved successfully", TEAM_KEYS),
    Endpoint("POST", "/v1/teams", "Team has been created", TEAM_KEYS, TEAM, 201),
    Endpoint("GET", "/v1/teams/{team}", "Team details retrieved successfully", TEAM_KEYS),
    Endpoint("PATCH", "/v1/teams/{team}", "Team has been updated", TEAM_KEYS, {"name": "sales"}),
    Endpoint("DELETE", "/v1/teams/{team}", "Team has been deleted", None),
    Endpoint("DELETE", "/v1/teams/{team}/role", "Team role in account has been removed", None),
    _build_list_endpoint("/v1/webhooks", "Webhooks retrieved successfully", WEBHOOK_KEYS),
    Endpoint("POST", "/v1/webhooks/account", "Account webhook has been created", WEBHOOK_KEYS, WEBHOOK),
    Endpoint(
        "POST",
        "/v1/webhooks/group/{group}",
        "Group webhook has been created",
        WEBHOOK_KEYS | {"group_id"},
        WEBHOOK,
    ),
    Endpoint("GET", "/v1/webhooks/{webhook}", "Webhook details retrieved successfully", WEBHOOK_KEYS),
    Endpoint("PATCH", "/v1/webhooks/{webhook}", "Webhook has been updated", WEBHOOK_KEYS, {"active": False}),
    Endpoint("DELETE", "/v1/webhooks/{webhook}", "Webhook with id '{webhook}' has been deleted", None),
    Endpoint(
        "POST",
        "/v1/webhooks/{webhook}/test",
        "Webhook test completed successfully",
        frozenset({"succeed", "status", "message"}),
        {"event": "sync_end"},
    ),
    _build_list_endpoint(
        "/v1/roles",
        "Roles list retrieved successfully",
        frozenset({"name", "description", "scope", "is_custom", "is_deprecated"}),
    ),
    # Memberships of users and teams
    *(
        endpoint
        for holder, target, listed, shown in (
            ("team", "group", "Team group memberships", "Team group membership"),
            ("team", "connection", "Team connection memberships", "Team connection membership"),
            ("user", "group", "User memberships in groups", "User membership in group"),
            ("user", "connection", "User memberships in connections", "User membership in connection"),
        )
        for endpoint in _build_membership_endpoints(
            f"/v1/{holder}s/{{{'member' if holder == 'user' else holder}}}/{target}s",
            f"{{{target}}}",
            f"{{free_{target}}}",
            "id",
            (
                f"{listed} retrieved successfully",
                f"{target.title()} membership has been created",
                f"{shown} retrieved successfully",
                f"{target.title()} membership has been updated",
                f"{target.title()} membership has been deleted",
            ),
        )
    ),
    *_build_membership_endpoints(
        "/v1/teams/{team}/users",
        "{member}",
        "{guest}",
        "user_id",
        (
            "Team users retrieved successfully",
            "User has been added to the team",
            "Team user details retrieved successfully",
            "User role has been updated",
            "User has been removed from the team",
        ),
    ),
    # Connections
    _build_list_endpoint("/v1/connections", "Connections list retrieved successfully", CONNECTION_KEYS),
    Endpoint(
        "POST",
        "/v1/connections",
        "Connection has been created",
        CONNECTION_KEYS | {"config", "setup_tests"},
        CONNECTION,
        201,
        doubt="whether setup tests run by default",
    ),
    Endpoint(
        "GET",
        "/v1/connections/{connection}",
        "Connection details retrieved successfully",
        CONNECTION_KEYS | {"config"},
    ),
    Endpoint(
        "PATCH",
        "/v1/connections/{connection}",
        "Connection has been updated",
        CONNECTION_KEYS | {"config", "setup_tests"},
        {"paused": True},
    ),
    Endpoint(
        "DELETE",
        "/v1/connections/{connection}",
        "Connection with id '{connection}' has been deleted",
        None,
    ),
    Endpoint(
        "POST",
        "/v1/connections/{connection}/test",
        "Setup tests have been completed",
        CONNECTION_KEYS | {"config", "setup_tests"},
    ),
    _build_list_endpoint(
        "/v1/connections/{connection}/certificates",
        "Connection certificates retrieved successfully",
        CERTIFICATE_KEYS,
    ),
    Endpoint(
        "POST",
        "/v1/connections/{free_connection}/certificates",
        "The certificate has been approved.",
        CERTIFICATE_KEYS,
        CERTIFICATE,
        201,
        doubt="documented as 200; a client that insists on 201 works",
        switch="approval_status",
    ),
    Endpoint(
        "GET",
        "/v1/connections/{connection}/certificates/{certificate}",
        "Connection certificate details retrieved successfully",
        CERTIFICATE_KEYS,
    ),
    Endpoint(
        "DELETE",
        "/v1/connections/{connection}/certificates/{certificate}",
        "Certificate '{certificate_hash}' has been revoked for connection '{connection}'",
        None,
    ),
    _build_list_endpoint(
        "/v1/connections/{connection}/fingerprints",
        "Connection fingerprints retrieved successfully",
        FINGERPRINT_KEYS,
    ),
    Endpoint(
        "POST",
        "/v1/connections/{free_connection}/fingerprints",
        "The fingerprint has been approved.",
        FINGERPRINT_KEYS,
        FINGERPRINT,
        201,
        doubt="documented as 200 and as 201",
        switch="approval_status",
    ),
    Endpoint(
        "GET",
        "/v1/connections/{connection}/fingerprints/{fingerprint}",
        "Connection fingerprint details retrieved successfully",
        FINGERPRINT_KEYS,
    ),
    Endpoint(
        "DELETE",
        "/v1/connections/{connection}/fingerprints/{fingerprint}",
        "Fingerprint with hash '{fingerprint_hash}' has been revoked for connection with id '{connection}'",
        None,
    ),
    # Lists of objects that the emulator does not keep
    *(
        _build_list_endpoint(path, message, frozenset({"id"}), may_be_empty=True)
        for path, message in (
            ("/v1/external-logging", "External logging services retrieved successfully"),
            ("/v1/system-keys", "System keys retrieved successfully"),
            ("/v1/transformations", "Transformations list retrieved successfully"),
            ("/v1/transformation-projects", "Transformation projects retrieved successfully"),
        )
    ),
    # Destinations
    _build_list_endpoint("/v1/destinations", "Destinations list retrieved successfully", DESTINATION_KEYS),
    Endpoint(
        "POST",
        "/v1/destinations",
        "Destination has been created",
        DESTINATION_KEYS | {"config", "setup_tests"},
        {"group_id": "{free_group}", "service": "snowflake", "time_zone_offset": "-5", "config": SNOWFLAKE},
        201,
        doubt="the code of a 201: live `Success`, documented `Created`",
        switch="created_code",
    ),
    Endpoint(
        "GET",
        "/v1/destinations/{group}",
        "Destination details retrieved successfully",
        DESTINATION_KEYS | {"config"},
        doubt="ids that are not set: absent or null",
        switch="optional_ids",
    ),
    Endpoint(
        "PATCH",
        "/v1/destinations/{group}",
        "Destination has been updated",
        DESTINATION_KEYS | {"config", "setup_tests"},
        {"config": {"port": 1433}},
        doubt="whether a time zone must be sent: documented yes, known clients leave it out",
    ),
    Endpoint("DELETE", "/v1/destinations/{group}", "Destination with id '{group}' has been deleted", None),
    Endpoint(
        "POST",
        "/v1/destinations/{group}/test",
        "Setup tests have been completed",
        DESTINATION_KEYS - {"networking_method"} | {"config", "setup_tests"},
        {"trust_certificates": True, "trust_fingerprints": True},
        doubt="it once left out networking and ids",
        switch="test_answer",
    ),
    # Approvals
    _build_list_endpoint(
        "/v1/destinations/{group}/certificates",
        "Destination certificates retrieved successfully",
        CERTIFICATE_KEYS,
    ),
    Endpoint(
        "POST",
        "/v1/destinations/{free_destination}/certificates",
        "The certificate has been approved.",
        CERTIFICATE_KEYS,
        CERTIFICATE,
        201,
        doubt="documented as 200; a client that insists on 201 works",
    ),
    Endpoint(
        "GET",
        "/v1/destinations/{group}/certificates/{certificate}",
        "Destination certificate details retrieved successfully",
        CERTIFICATE_KEYS,
    ),
    Endpoint(
        "DELETE",
        "/v1/destinations/{group}/certificates/{certificate}",
        "Certificate '{certificate_hash}' has been revoked for destination '{group}'",
        None,
        doubt="whether the message has the hash or what the path called it",
    ),
    _build_list_endpoint(
        "/v1/destinations/{group}/fingerprints",
        "Destination fingerprints retrieved successfully",
        FINGERPRINT_KEYS,
    ),
    Endpoint(
        "POST",
        "/v1/destinations/{free_destination}/fingerprints",
        "The fingerprint has been approved.",
        FINGERPRINT_KEYS,
        FINGERPRINT,
        201,
        doubt="documented as 200 and as 201; the message is seen with and without its full stop",
    ),
    Endpoint(
        "GET",
        "/v1/destinations/{group}/fingerprints/{fingerprint}",
        "Destination fingerprint details retrieved successfully",
        FINGERPRINT_KEYS,
    ),
    Endpoint(
        "DELETE",
        "/v1/destinations/{group}/fingerprints/{fingerprint}",
        "Fingerprint with hash = '{fingerprint_hash}' has been revoked for destination id = '{group}'",
        None,
        doubt="whether the message has the hash or what the path called it",
    ),
    Endpoint(
        "POST",
        "/v1/certificates",
        "The certificate has been approved",
        None,
        {**CERTIFICATE, "destination_id": "{free_destination}"},
        doubt="out of use; whether it answers 200 or 201, and whether with data",
    ),
    Endpoint(
        "POST",
        "/v1/fingerprints",
        None,
        None,
        {**FINGERPRINT, "destination_id": "{free_destination}"},
        doubt="out of use; whether it answers 200 or 201, and whether with data",
    ),
    # Hybrid deployment agents
    _build_list_endpoint(
        "/v1/hybrid-deployment-agents",
        "Hybrid deployment agents retrieved successfully",
        AGENT_KEYS | {"usage"},
    ),
    Endpoint(
        "POST",
        "/v1/hybrid-deployment-agents",
        "Hybrid deployment agent has been created",
        AGENT_KEYS | {"files", "token"},
        AGENT,
        201,
    ),
    Endpoint(
        "GET",
        "/v1/hybrid-deployment-agents/{agent}",
        "Hybrid deployment agent details retrieved successfully",
        AGENT_KEYS | {"usage"},
    ),
    Endpoint(
        "DELETE",
        "/v1/hybrid-deployment-agents/{agent}",
        "Hybrid deployment agent with id = {agent} has been deleted.",
        None,
    ),
    Endpoint(
        "PATCH",
        "/v1/hybrid-deployment-agents/{agent}/re-auth",
        "Hybrid deployment agent re-authentication successful",
        AGENT_KEYS | {"files", "token"},
        {"auth_type": "AUTO"},
        doubt="the method: documented as PATCH, sent as POST by clients of Fivetran",
    ),
    Endpoint(
        "POST",
        "/v1/hybrid-deployment-agents/{agent}/re-auth",
        "Hybrid deployment agent re-authentication successful",
        AGENT_KEYS | {"files", "token"},
        {"auth_type": "AUTO"},
        doubt="the method: documented as PATCH, sent as POST by clients of Fivetran",
    ),
    Endpoint(
        "POST",
        "/v1/hybrid-deployment-agents/{agent}/reset-credentials",
        "Successfully reset credentials the agent with id = {agent}",
        frozenset({"files", "token"}),
    ),
    # Proxy agents
    _build_list_endpoint(
        "/v1/proxy",
        "Proxy agent retrieved successfully",
        PROXY_KEYS | {"connector_count", "destination_count"},
    ),
    Endpoint(
        "POST", "/v1/proxy", "Proxy agent has been created", SECRET_KEYS, {**PROXY, "display_name": "b"}, 201
    ),
    Endpoint("GET", "/v1/proxy/{proxy}", None, PROXY_KEYS | {"usage"}),
    Endpoint("DELETE", "/v1/proxy/{proxy}", "Agent {proxy} successfully deleted.", None),
    _build_list_endpoint(
        "/v1/proxy/{proxy}/connections",
        "Proxy agent connections retrieved successfully",
        frozenset({"connection_id"}),
        may_be_empty=True,
    ),
    Endpoint(
        "POST",
        "/v1/proxy/{proxy}/regenerate-secrets",
        "Proxy agent secrets have been regenerated",
        SECRET_KEYS,
    ),
    # Private links
    _build_list_endpoint("/v1/private-links", "Private links retrieved successfully", LINK_KEYS | {"config"}),
    Endpoint(
        "POST",
        "/v1/private-links",
        "Private link has been created",
        LINK_KEYS,
        {**LINK, "name": "link_2"},
        201,
    ),
    Endpoint("GET", "/v1/private-links/{link}", "Private link details retrieved successfully", LINK_KEYS),
    Endpoint(
        "PATCH",
        "/v1/private-links/{ready_link}",
        "Private link has been updated",
        LINK_KEYS,
        {"config": {"connection_service_name": "com.amazonaws.vpce.us-east-1.vpce-svc-2"}},
        doubt="how long a link is in creation, while it takes no change",
    ),
    Endpoint(
        "DELETE",
        "/v1/private-links/{link}",
        "Private link with id '{link}' is marked for deletion",
        None,
        doubt="whether a link in creation can be deleted",
    ),
    # External secrets managers
    _build_list_endpoint("/v1/external-secrets-managers", "Operation performed successfully", MANAGER_KEYS),
    Endpoint(
        "POST",
        "/v1/external-secrets-managers",
        "External Secrets Manager has been created",
        MANAGER_KEYS,
        {**MANAGER, "name": "vault 2"},
        201,
    ),
    Endpoint(
        "GET", "/v1/external-secrets-managers/{manager}", "Operation performed successfully", MANAGER_KEYS
    ),
    Endpoint(
        "PATCH",
        "/v1/external-secrets-managers/{manager}",
        "Resource updated successfully",
        MANAGER_KEYS,
        {"config": {"vault_address": "https://other.example"}},
    ),
    Endpoint(
        "DELETE",
        "/v1/external-secrets-managers/{manager}",
        "External Secrets Manager '{manager}' has been deleted.",
        None,
    ),
)


def fill_placeholders(value: Any, names: Mapping[str, str]) -> Any:
    """Replace the words in braces in a body or a path."""
    if isinstance(value, str):
        return value.format_map(names)
    if isinstance(value, Mapping):
        return {key: fill_placeholders(item, names) for key, item in value.items()}
    return value


def prepare_account(account: EmulatedAccount) -> dict[str, str]:
    """Put one object of every kind into an account. Returns the values for the words in braces."""
    group, busy_destination, free_destination = (
        account.must_create("snowflake", SNOWFLAKE, group_id=account.create_group(name))
        for name in ("warehouse", "busy_warehouse", "free_warehouse")
    )
    busy_group = account.create_group("busy")
    connection = account.dashboard.add_connection(busy_group, "salesforce", "crm")
    free_connection = account.dashboard.add_connection(busy_destination, "postgres", "shop")
    guest = account.dashboard.add_user("ada@acme.example")
    member = account.dashboard.add_user("grace@acme.example")
    names = {
        "group": group,
        "busy_group": busy_group,
        "busy_destination": busy_destination,
        "free_group": account.create_group("free"),
        "free_destination": free_destination,
        "email": "ada@acme.example",
        "guest": guest,
        "connection": connection,
        "free_connection": free_connection,
        "team": account.dashboard.add_team("finance"),
        "webhook": account.dashboard.add_webhook("https://hook.acme.example", ["sync_end"]),
        "member": member,
        "certificate_hash": CERTIFICATE_HASH,
        "fingerprint_hash": FINGERPRINT_HASH,
    }
    for path, body in (
        (f"/v1/groups/{group}/users", {"email": "grace@acme.example", "role": "Destination Reviewer"}),
        (f"/v1/destinations/{group}/certificates", CERTIFICATE),
        (f"/v1/destinations/{group}/fingerprints", FINGERPRINT),
        (f"/v1/users/{member}/connections", {"id": connection, "role": "Connector Reviewer"}),
        (f"/v1/teams/{names['team']}/users", {"user_id": member, "role": "Team Member"}),
        (f"/v1/teams/{names['team']}/groups", {"id": group, "role": "Destination Reviewer"}),
        (f"/v1/teams/{names['team']}/connections", {"id": connection, "role": "Connector Reviewer"}),
        (f"/v1/connections/{connection}/certificates", CERTIFICATE),
        (f"/v1/connections/{connection}/fingerprints", FINGERPRINT),
        ("/v1/hybrid-deployment-agents", AGENT),
        ("/v1/proxy", PROXY),
        ("/v1/private-links", {**LINK, "name": "ready"}),
        ("/v1/external-secrets-managers", MANAGER),
    ):
        account.post(path, fill_placeholders(body, names))
    account.clock.time += timedelta(days=1)  # time for the creation of a private link
    account.post("/v1/private-links", LINK)
    for name, path in (
        ("certificate", f"/v1/destinations/{group}/certificates"),
        ("fingerprint", f"/v1/destinations/{group}/fingerprints"),
        ("agent", "/v1/hybrid-deployment-agents"),
        ("proxy", "/v1/proxy"),
        ("ready_link", "/v1/private-links"),
        ("manager", "/v1/external-secrets-managers"),
    ):
        response = account.get(path)
        names[name] = response.data["items"][0]["id"] if response.status == 200 else "not_there"
    response = account.get("/v1/private-links")
    names["link"] = response.data["items"][-1]["id"] if response.status == 200 else "not_there"
    return names
