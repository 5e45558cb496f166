"""Handle `/v1/hybrid-deployment-agents`: agents that run in the customer's network."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, Literal, TypeAlias, get_args

from reconciler.emulator.account import Account
from reconciler.emulator.agent_outages import AGENT_VERSION
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import Reply, invalid_field, invalid_input, not_found
from reconciler.emulator.ids import digest
from reconciler.emulator.paging import list_page
from reconciler.emulator.references import Usage, find_usage, get_usage
from reconciler.emulator.request_parsing import parse_flag, parse_text, require_text
from reconciler.emulator.resources import groups
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind

REFERENCE = "hybrid_deployment_agent_id"

Environment: TypeAlias = Literal["DOCKER", "PODMAN", "KUBERNETES", "SNOWPARK"]

_ENVIRONMENTS = frozenset(get_args(Environment))
_AUTHENTICATIONS = frozenset({"AUTO", "MANUAL"})


def list_all(account: Account, request: ApiRequest) -> Reply:
    """List all agents, of one group if the query names it."""
    agents, next_cursor = list_page(
        account, request, Kind.HYBRID_AGENT, parent=request.query.get("groupId") or None
    )
    usage = find_usage(account, REFERENCE)
    items = [{**agent, "usage": usage.get(agent["id"], Usage()).list_items()} for agent in agents]
    return Reply(200, "Hybrid deployment agents retrieved successfully", {"items": items, **next_cursor})


def create(account: Account, request: ApiRequest) -> Reply:
    """Create an agent and show its secrets. No later response shows them."""
    display_name = require_text(request.body, "display_name")
    environment = require_text(request.body, "env_type")
    if environment not in _ENVIRONMENTS:
        raise invalid_field("env_type")
    if not parse_flag(request.body, "accept_terms", False):
        raise invalid_input("The terms must be accepted")
    _check_authentication(request)
    group_id = parse_text(request.body, "group_id") or None
    if group_id is not None:
        groups.require(account, group_id)
    agent = add(account, group_id, display_name, environment)
    data = {**agent, **_generate_secrets(account, agent)}
    return Reply(201, "Hybrid deployment agent has been created", data, account.behaviour.created_code)


def show(account: Account, request: ApiRequest) -> Reply:
    """Show an agent with its users."""
    data = {**require(account, request.id), "usage": get_usage(account, REFERENCE, request.id).list_items()}
    return Reply(200, "Hybrid deployment agent details retrieved successfully", data)


def delete(account: Account, request: ApiRequest) -> Reply:
    """Delete an agent, even if connections or destinations refer to it."""
    require(account, request.id)
    account.delete(Kind.HYBRID_AGENT, request.id)
    return Reply(200, f"Hybrid deployment agent with id = {request.id} has been deleted.")


def reauthenticate(account: Account, request: ApiRequest) -> Reply:
    """Give an agent new secrets, and show both."""
    agent = require(account, request.id)
    _check_authentication(request)
    agent["updated_at"] = account.now()
    account.store.replace(Kind.HYBRID_AGENT, request.id, agent)
    account.record_effect("updated", Kind.HYBRID_AGENT, request.id)
    data = {**agent, **_generate_secrets(account, agent)}
    return Reply(200, "Hybrid deployment agent re-authentication successful", data)


def reset_credentials(account: Account, request: ApiRequest) -> Reply:
    """Give an agent new secrets, and show the secrets only."""
    agent = require(account, request.id)
    account.record_effect("updated", Kind.HYBRID_AGENT, request.id)
    return Reply(
        200,
        f"Successfully reset credentials the agent with id = {request.id}",
        _generate_secrets(account, agent),
    )


def require(account: Account, identifier: str) -> dict[str, Any]:
    """Get an existing agent. Raises a 404 with Fivetran's internal name of the entity."""
    agent = account.store.find(Kind.HYBRID_AGENT, identifier)
    if agent is None:
        raise not_found("RemoteExecutionAgent", identifier)
    return agent


def add(
    account: Account,
    group_id: str | None,
    display_name: str,
    environment: str,
    *,
    identifier: str | None = None,
    registered_at: str | None = None,
) -> dict[str, Any]:
    """Add an agent to the account, for a group or for no group."""
    now = registered_at or account.now()
    agent: dict[str, Any] = {
        "id": identifier or account.new_id(Kind.HYBRID_AGENT),
        "version": None,  # reported by the agent in its first call
        "enabled": True,
        "online": False,
        "display_name": display_name,
        "group_id": group_id,
        "registered_at": now,
        "created_by": account.identity.user_id,
        "deployment_type": environment,
        "updated_at": now,
        "last_used_at": None,
    }
    account.store.add(Kind.HYBRID_AGENT, agent["id"], agent, parent=group_id or "")
    account.record_effect("created", Kind.HYBRID_AGENT, agent["id"])
    return agent


def set_online(account: Account, identifier: str, online: bool) -> None:
    """Let an agent call Fivetran, or fall silent. After its first call it has a version and a time of use."""
    agent = require(account, identifier)
    last_used_at = account.now() if online or agent["version"] is None else agent["last_used_at"]
    changed = {**agent, "online": online, "version": AGENT_VERSION, "last_used_at": last_used_at}
    account.store.replace(Kind.HYBRID_AGENT, identifier, changed)


def _check_authentication(request: ApiRequest) -> None:
    if parse_text(request.body, "auth_type") not in {None, *_AUTHENTICATIONS}:
        raise invalid_field("auth_type")


def _generate_secrets(account: Account, agent: dict[str, Any]) -> dict[str, Any]:
    """Generate files and a token, new in every call."""
    number = account.store.increment(f"agent-secrets/{agent['id']}")
    token = b64encode(digest(agent["id"], "token", number, size=32)).decode()
    files = {
        "config_json": json.dumps({"controller_id": agent["id"], "token": token}),
        "auth_json": json.dumps({"client_id": agent["id"], "number": number}),
        "docker_compose_yaml": f"services:\n  controller:\n    environment:\n      TOKEN: {token}\n",
    }
    encoded = {name: b64encode(content.encode()).decode() for name, content in files.items()}
    return {"files": encoded, "token": token}


ROUTES = (
    Route("GET", "/v1/hybrid-deployment-agents", list_all),
    Route("POST", "/v1/hybrid-deployment-agents", create),
    Route("GET", "/v1/hybrid-deployment-agents/<id>", show),
    Route("DELETE", "/v1/hybrid-deployment-agents/<id>", delete),
    # The definition of the API has PATCH, clients of Fivetran send POST.
    Route("PATCH", "/v1/hybrid-deployment-agents/<id>/re-auth", reauthenticate),
    Route("POST", "/v1/hybrid-deployment-agents/<id>/re-auth", reauthenticate),
    Route("POST", "/v1/hybrid-deployment-agents/<id>/reset-credentials", reset_credentials),
)
