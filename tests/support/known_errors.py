"""List every known error as one request that causes it.

Words in braces stand for ids of a prepared account, as in `known_endpoints`. `code` and `message` are None if they
could not be established; `doubt` marks everything that rests on little evidence, and `switch` names the setting for the
other possibility. `given` sets switches and `setup_requests` come first; `quota` and `fault` are for errors that no
request alone provokes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulated_account import SNOWFLAKE
from known_endpoints import AGENT, CERTIFICATE, CONNECTION, INVITED, LINK, MANAGER, PROXY, TEAM, WEBHOOK

INVALID = "InvalidInput"
NEW_DESTINATION = {
    "group_id": "{free_group}",
    "service": "snowflake",
    "time_zone_offset": "0",
    "config": SNOWFLAKE,
}


@dataclass(frozen=True)
class KnownError:
    """Request and its refusal."""

    title: str
    method: str
    path: str
    status: int
    code: str | None
    message: str | None = None
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None
    setup_requests: tuple[tuple[str, str, Mapping[str, Any] | None], ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    quota: str = "off"
    fault: str = ""
    doubt: str = ""
    switch: str = ""

    def __str__(self) -> str:
        return self.title


def _omit(name: str, body: Mapping[str, Any] = NEW_DESTINATION) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def _build_destination_error(
    title: str, message: str | None, body: Mapping[str, Any], **options: Any
) -> KnownError:
    return KnownError(title, "POST", "/v1/destinations", 400, INVALID, message, body, **options)


def _build_not_found(
    title: str, method: str, path: str, code: str, message: str | None, **options: Any
) -> KnownError:
    return KnownError(title, method, path, 404, code, message, **options)


_DOUBTFUL_MESSAGE = "the message, by the pattern of others"
_DOUBTFUL_CODE = "the code"
_SAME_SCHEMA = {**CONNECTION, "group_id": "{busy_group}", "config": {"schema": "crm"}}
_SECOND_DESTINATION = {**NEW_DESTINATION, "group_id": "{group}"}

ERRORS = (
    # 400: a new destination
    _build_destination_error(
        "unknown service", "Unsupported service 'no_such'", {**NEW_DESTINATION, "service": "no_such"}
    ),
    _build_destination_error("no group id", "Field 'group_id' is required", _omit("group_id")),
    _build_destination_error("no service", "Field 'service' is required", _omit("service")),
    _build_destination_error(
        "no time zone",
        "Field 'time_zone_offset' is required",
        _omit("time_zone_offset"),
        doubt="the message, by that of other fields",
    ),
    _build_destination_error(
        "a word of another case in the config",
        "Invalid 'config' object",
        {**NEW_DESTINATION, "service": "postgres_rds_warehouse", "config": {"connection_type": "SSHTunnel"}},
    ),
    _build_destination_error(
        "a config of another type",
        "Invalid 'config' object",
        {**NEW_DESTINATION, "config": {"port": "https"}},
    ),
    KnownError(
        "a patch with a config of another type",
        "PATCH",
        "/v1/destinations/{group}",
        400,
        INVALID,
        "Invalid 'config' object",
        {"config": {"port": ["443"]}},
    ),
    _build_destination_error(
        "credentials of another method",
        None,
        {**NEW_DESTINATION, "config": {**SNOWFLAKE, "private_key": "-----BEGIN"}},
        doubt="code and message",
    ),
    _build_destination_error(
        "credentials of two methods",
        None,
        {
            **NEW_DESTINATION,
            "service": "redshift",
            "config": {"auth_type": "IAM", "password": "p", "role_arn": "arn"},
        },
        doubt="code and message",
    ),
    _build_destination_error(
        "a method that snowflake does not have",
        None,
        {**NEW_DESTINATION, "config": {"auth": "PRIVATE_KEY"}},
        doubt="code and message",
    ),
    _build_destination_error(
        "an empty region",
        "region cannot be empty",
        {**NEW_DESTINATION, "region": ""},
        doubt="seen in a mock only",
    ),
    KnownError(
        "a patch to an empty region",
        "PATCH",
        "/v1/destinations/{group}",
        400,
        INVALID,
        "region cannot be empty",
        {"region": ""},
        doubt="seen in a mock only",
    ),
    _build_destination_error(
        "a second destination",
        None,
        _SECOND_DESTINATION,
        given={"second_destination": "bad-request"},
        doubt="400 or 409",
        switch="second_destination",
    ),
    KnownError(
        "a second destination in conflict",
        "POST",
        "/v1/destinations",
        409,
        "Conflict",
        None,
        _SECOND_DESTINATION,
        doubt="400 or 409",
        switch="second_destination",
    ),
    # 400: everything else
    KnownError(
        "a proxy in an unknown region",
        "POST",
        "/v1/proxy",
        400,
        INVALID,
        "Group region not supported.",
        {**PROXY, "display_name": "b", "group_region": "MARS_NORTH_1"},
    ),
    KnownError(
        "a secrets manager without config",
        "POST",
        "/v1/external-secrets-managers",
        400,
        "BadRequest",
        "ESM config is required.",
        _omit("config", MANAGER),
    ),
    KnownError(
        "a secrets manager in use",
        "DELETE",
        "/v1/external-secrets-managers/{manager}",
        400,
        "BadRequest",
        "Failed to delete External Secrets Manager with '{manager}' id, because it is used by "
        "0 connection(s) and 1 destination(s).",
        setup_requests=(("PATCH", "/v1/destinations/{group}", {"external_secrets_manager_id": "{manager}"}),),
    ),
    *(
        KnownError(
            f"a {kind} without {name}",
            "POST",
            f"/v1/destinations/{{group}}/{kind}s",
            400,
            INVALID,
            None,
            _omit(name, body),
            doubt=_DOUBTFUL_CODE,
        )
        for kind, name, body in (
            ("certificate", "hash", CERTIFICATE),
            ("certificate", "encoded_cert", CERTIFICATE),
            ("fingerprint", "hash", {"hash": "h", "public_key": "k"}),
            ("fingerprint", "public_key", {"hash": "h", "public_key": "k"}),
        )
    ),
    *(
        KnownError(
            what, "POST", "/v1/hybrid-deployment-agents", 400, INVALID, None, body, doubt=_DOUBTFUL_CODE
        )
        for what, body in (
            ("an agent without a name", _omit("display_name", AGENT)),
            ("an agent without accepted terms", {**AGENT, "accept_terms": False}),
        )
    ),
    *(
        KnownError(
            f"{what} with a name that is no identifier",
            method,
            path,
            400,
            INVALID,
            None,
            {"name": "my-group"},
            given={"group_names": "identifier"},
            doubt="whether such names are refused at all, and how",
            switch="group_names",
        )
        for what, method, path in (
            ("a new group", "POST", "/v1/groups"),
            ("a group renamed to one", "PATCH", "/v1/groups/{group}"),
        )
    ),
    # 400: users, teams, webhooks and connections
    *(
        KnownError(
            f"{what} without {name}",
            "POST",
            path,
            400,
            INVALID,
            f"Field '{name}' is required",
            _omit(name, body),
            doubt="the message, by that of other fields",
        )
        for what, path, body, names in (
            ("a user", "/v1/users", INVITED, ("email", "given_name", "family_name")),
            ("a team", "/v1/teams", TEAM, ("name", "role")),
            ("a webhook", "/v1/webhooks/account", WEBHOOK, ("url", "events")),
            ("a connection", "/v1/connections", CONNECTION, ("group_id", "service")),
        )
        for name in names
    ),
    KnownError(
        "a connection without a schema",
        "POST",
        "/v1/connections",
        400,
        INVALID,
        "Field 'schema' is required",
        {**CONNECTION, "config": {"host": "db.acme.example"}},
    ),
    *(
        KnownError(
            f"{what} with {name} {value!r}", method, path, 400, INVALID, message, body, doubt="the message"
        )
        for name, value, message in (
            ("config", "x", "Invalid 'config' object"),
            ("auth", "x", "Invalid 'auth' object"),
            ("sync_frequency", 7, None),
            ("schedule_type", "weekly", None),
            ("networking_method", "directly", None),
            ("data_delay_sensitivity", "low", None),
            ("data_delay_threshold", "much", None),
            ("paused", "perhaps", None),
        )
        for what, method, path, body in (
            ("a connection", "POST", "/v1/connections", {**CONNECTION, name: value}),
            ("a patch of a connection", "PATCH", "/v1/connections/{connection}", {name: value}),
        )
    ),
    KnownError(
        "a connection of a service that cannot exist",
        "POST",
        "/v1/connections",
        400,
        INVALID,
        "Unsupported service 'My Service'",
        {**CONNECTION, "service": "My Service"},
        doubt="the message, by that of destinations",
    ),
    KnownError(
        "a second connection with a schema",
        "POST",
        "/v1/connections",
        400,
        INVALID,
        None,
        _SAME_SCHEMA,
        given={"duplicate_schema": "bad-request"},
        doubt="400 or 409",
        switch="duplicate_schema",
    ),
    KnownError(
        "a second connection with a schema in conflict",
        "POST",
        "/v1/connections",
        409,
        "Conflict",
        None,
        _SAME_SCHEMA,
        doubt="400 or 409",
        switch="duplicate_schema",
    ),
    KnownError(
        "a user with a known email",
        "POST",
        "/v1/users",
        400,
        INVALID,
        None,
        {**INVITED, "email": "{email}"},
        doubt="code and message",
    ),
    KnownError(
        "a list of active users in other words",
        "GET",
        "/v1/users?active=perhaps",
        400,
        INVALID,
        None,
        doubt=_DOUBTFUL_CODE,
    ),
    # 401, 403
    *(
        KnownError(
            what,
            "GET",
            "/v1/groups",
            401,
            "AuthFailed",
            None,
            headers={"Authorization": header},
            doubt=_DOUBTFUL_CODE,
        )
        for what, header in (("no credentials", ""), ("credentials of another kind", "Bearer x"))
    ),
    # 404
    *(
        _build_not_found(
            f"{method} of a missing group {suffix}".strip(),
            method,
            f"/v1/groups/no_such{suffix}",
            "NotFound_Group",
            "Cannot find entity 'Group' with id 'no_such'",
            body={"name": "x", "email": "ada@acme.example", "role": "r"},
            doubt=_DOUBTFUL_MESSAGE,
        )
        for method, suffix in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("GET", "/connections"),
            ("GET", "/public-key"),
            ("GET", "/service-account"),
            ("GET", "/users"),
            ("POST", "/users"),
            ("DELETE", "/users/no_such"),
        )
    ),
    *(
        _build_not_found(
            f"{method} of a missing destination {suffix}".strip(),
            method,
            f"/v1/destinations/no_such{suffix}",
            "NotFound_Destination",
            "Cannot find entity 'Destination' with id 'no_such'",
            body={**CERTIFICATE, "public_key": "k"},
            doubt=_DOUBTFUL_MESSAGE,
        )
        for method, suffix in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/test"),
            *(
                (each, f"/{kind}{deeper}")
                for kind in ("certificates", "fingerprints")
                for each, deeper in (("GET", ""), ("POST", ""), ("GET", "/hash"), ("DELETE", "/hash"))
            ),
        )
    ),
    _build_not_found(
        "a new destination in a missing group, with a code of its own",
        "POST",
        "/v1/destinations",
        "NotFound_Group",
        None,
        body={**NEW_DESTINATION, "group_id": "no_such"},
        given={"missing_group": "group-code"},
        doubt="documented as plain `NotFound`, others of its kind have a code of their own",
        switch="missing_group",
    ),
    _build_not_found(
        "a new destination in a missing group, as documented",
        "POST",
        "/v1/destinations",
        "NotFound",
        "Destination with id no_such not found",
        body={**NEW_DESTINATION, "group_id": "no_such"},
        doubt="see above",
        switch="missing_group",
    ),
    *(
        _build_not_found(
            f"{method} of a missing connection {suffix}".strip(),
            method,
            f"/v1/connections/no_such{suffix}",
            "NotFound_Connection",
            None,
            body={**CERTIFICATE, "public_key": "k"},
            doubt="older answers say `NotFound_Connector` or `NotFound_Integration`",
        )
        for method, suffix in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/test"),
            *(
                (each, f"/{kind}{deeper}")
                for kind in ("certificates", "fingerprints")
                for each, deeper in (("GET", ""), ("POST", ""), ("GET", "/hash"), ("DELETE", "/hash"))
            ),
        )
    ),
    _build_not_found(
        "a new connection in a missing group",
        "POST",
        "/v1/connections",
        "NotFound_Group",
        None,
        body={**CONNECTION, "group_id": "no_such"},
        doubt=_DOUBTFUL_CODE,
    ),
    *(
        _build_not_found(
            f"{method} of a missing {name} {suffix}".strip(),
            method,
            f"/v1/{name}s/no_such{suffix}",
            code,
            None,
            body={"event": "sync_end"},
            doubt=doubt,
            switch=switch,
        )
        for name, code, suffixes, doubt, switch in (
            ("user", "NotFound", ("", "/role"), "a client knows `NotFound_User` too", "missing_user"),
            ("team", "NotFound_Team", ("", "/role"), "", ""),
            ("webhook", "NotFound", ("", "/test"), "", ""),
        )
        for suffix in suffixes
        for method in (
            ("GET", "PATCH", "DELETE") if not suffix else ("POST",) if "test" in suffix else ("DELETE",)
        )
    ),
    *(
        _build_not_found(
            f"{method} of {path}",
            method,
            f"/v1/{path}",
            code,
            None,
            body={"id": "no_such", "role": "r"},
            doubt=doubt,
        )
        for method, path, code, doubt in (
            ("GET", "teams/no_such/users", "NotFound_Team", ""),
            ("GET", "teams/no_such/groups", "NotFound_Team", ""),
            ("GET", "users/no_such/groups", "NotFound", ""),
            ("POST", "teams/{team}/groups", "NotFound_Group", _DOUBTFUL_CODE),
            ("POST", "users/{member}/connections", "NotFound_Connection", _DOUBTFUL_CODE),
            *(
                (method, f"teams/{{team}}/{others}/no_such", "NotFound", _DOUBTFUL_CODE)
                for others in ("users", "groups", "connections")
                for method in ("GET", "PATCH", "DELETE")
            ),
        )
    ),
    *(
        KnownError(
            f"a membership of {path} without {name}",
            "POST",
            f"/v1/{path}",
            400,
            INVALID,
            f"Field '{name}' is required",
            _omit(name, body),
            doubt="the message, by that of other fields",
        )
        for path, body in (
            ("users/{member}/groups", {"id": "{free_group}", "role": "r"}),
            ("teams/{team}/users", {"user_id": "{guest}", "role": "r"}),
        )
        for name in body
    ),
    KnownError(
        "a second role in a group",
        "POST",
        "/v1/users/{member}/groups",
        409,
        "Conflict",
        None,
        {"id": "{group}", "role": "r"},
        doubt="the code",
    ),
    _build_not_found(
        "a webhook of a missing group",
        "POST",
        "/v1/webhooks/group/no_such",
        "NotFound_Group",
        None,
        body=WEBHOOK,
    ),
    _build_not_found(
        "a missing user with a code of its own",
        "GET",
        "/v1/users/no_such",
        "NotFound_User",
        "Cannot find entity 'User' with id 'no_such'",
        given={"missing_user": "user-code"},
        doubt=_DOUBTFUL_MESSAGE,
        switch="missing_user",
    ),
    *(
        _build_not_found(
            f"{method} of a missing agent {suffix}".strip(),
            method,
            f"/v1/hybrid-deployment-agents/no_such{suffix}",
            "NotFound_RemoteExecutionAgent",
            None,
            body={"auth_type": "AUTO"},
        )
        for method, suffix in (
            ("GET", ""),
            ("DELETE", ""),
            ("PATCH", "/re-auth"),
            ("POST", "/re-auth"),
            ("POST", "/reset-credentials"),
        )
    ),
    _build_not_found(
        "an agent for a missing group",
        "POST",
        "/v1/hybrid-deployment-agents",
        "NotFound_Group",
        None,
        body={**AGENT, "group_id": "no_such"},
        doubt=_DOUBTFUL_CODE,
    ),
    _build_not_found(
        "a user that the account does not have",
        "POST",
        "/v1/groups/{group}/users",
        "NotFound",
        None,
        body={"email": "unknown@acme.example", "role": "Destination Reviewer"},
    ),
    _build_not_found(
        "a user who is no member", "DELETE", "/v1/groups/{group}/users/no_such", "NotFound", None
    ),
    *(
        _build_not_found(
            f"{method} of a missing proxy {suffix}".strip(),
            method,
            f"/v1/proxy/no_such{suffix}",
            "NotFound",
            "Proxy Agent not found.",
        )
        for method, suffix in (
            ("GET", ""),
            ("DELETE", ""),
            ("GET", "/connections"),
            ("POST", "/regenerate-secrets"),
        )
    ),
    *(
        _build_not_found(
            f"{method} of a missing secrets manager",
            method,
            "/v1/external-secrets-managers/no_such",
            "NotFound",
            "External Secrets Manager with 'no_such' id is not found.",
            body={"config": {}},
        )
        for method in ("GET", "PATCH", "DELETE")
    ),
    *(
        KnownError(
            f"{method} of a missing private link",
            method,
            "/v1/private-links/no_such",
            404,
            None,
            body={"config": {}},
            doubt=_DOUBTFUL_CODE,
        )
        for method in ("GET", "PATCH", "DELETE")
    ),
    *(
        KnownError(
            f"{method} of an unknown hash among {kind}",
            method,
            f"/v1/destinations/{{group}}/{kind}/no_such",
            404,
            None,
            doubt=_DOUBTFUL_CODE,
        )
        for kind in ("certificates", "fingerprints")
        for method in ("GET", "DELETE")
    ),
    # 405, 406, 415
    KnownError("a method that is not there", "DELETE", "/v1/groups", 405, None, doubt=_DOUBTFUL_CODE),
    KnownError(
        "an object that the emulator does not keep",
        "POST",
        "/v1/transformations",
        405,
        None,
        body={"type": "x"},
    ),
    KnownError(
        "an answer in another language",
        "GET",
        "/v1/groups",
        406,
        None,
        headers={"Accept": "text/html"},
        doubt=_DOUBTFUL_CODE,
    ),
    *(
        KnownError(
            f"{method} of another language",
            method,
            path,
            415,
            None,
            headers={"Content-Type": "text/plain"},
            body={"name": "x"},
            doubt=_DOUBTFUL_CODE,
        )
        for method, path in (("POST", "/v1/groups"), ("PATCH", "/v1/groups/{group}"))
    ),
    # 409
    KnownError(
        "a destination with connections",
        "DELETE",
        "/v1/destinations/{busy_destination}",
        409,
        None,
        doubt="code and message",
    ),
    KnownError(
        "a destination with Fivetran's own connection",
        "DELETE",
        "/v1/destinations/{group}",
        409,
        None,
        given={"platform_connection": "created"},
        doubt="code and message; whether the connection is made",
        switch="platform_connection",
    ),
    KnownError(
        "a group with connections", "DELETE", "/v1/groups/{busy_group}", 409, None, doubt="status and code"
    ),
    KnownError(
        "a group with its destination",
        "DELETE",
        "/v1/groups/{group}",
        409,
        None,
        doubt="whether it is refused",
        switch="group_with_destination",
    ),
    KnownError(
        "a name that is taken",
        "POST",
        "/v1/groups",
        409,
        "Conflict",
        None,
        {"name": "free"},
        given={"duplicate_group_name": "conflict"},
        doubt="whether names are unique",
        switch="duplicate_group_name",
    ),
    KnownError(
        "a proxy name that is taken",
        "POST",
        "/v1/proxy",
        409,
        "Conflict",
        "Proxy agent with same name already exists.",
        PROXY,
    ),
    KnownError(
        "a proxy in use",
        "DELETE",
        "/v1/proxy/{proxy}",
        409,
        "Conflict",
        "Proxy agent have attached connections.",
        setup_requests=(
            (
                "PATCH",
                "/v1/destinations/{group}",
                {"networking_method": "ProxyAgent", "proxy_agent_id": "{proxy}"},
            ),
        ),
        doubt="whether a destination counts as a connection in the message",
    ),
    KnownError(
        "a change of a private link in creation",
        "PATCH",
        "/v1/private-links/{link}",
        409,
        "IllegalState",
        None,
        {"config": {"connection_service_name": "c"}},
        doubt="the status",
    ),
    # 429
    KnownError(
        "too many private links",
        "POST",
        "/v1/private-links",
        429,
        "TooManyRequests",
        None,
        {**LINK, "name": "one_too_many"},
        setup_requests=tuple(("POST", "/v1/private-links", {**LINK, "name": f"more_{n}"}) for n in range(4)),
        quota="paid",
    ),
    KnownError(
        "too many groups within an hour",
        "POST",
        "/v1/groups",
        429,
        "TooManyRequests",
        None,
        {"name": "one_too_many"},
        setup_requests=tuple(("POST", "/v1/groups", {"name": f"more_{n}"}) for n in range(10)),
        quota="paid,group=10",
        doubt="which creations a plan limits",
    ),
    # Errors that no request provokes
    KnownError(
        "a key without permission",
        "GET",
        "/v1/groups/{group}",
        403,
        "Forbidden",
        None,
        fault="GET /v1/groups/* status 403 code=Forbidden",
        doubt=_DOUBTFUL_CODE,
    ),
    KnownError(
        "a failure of the server",
        "POST",
        "/v1/groups",
        500,
        None,
        None,
        {"name": "lost"},
        fault="POST /v1/groups status 500",
        doubt=_DOUBTFUL_CODE,
    ),
)
