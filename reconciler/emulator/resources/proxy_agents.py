"""Handle `/v1/proxy`: agents through which Fivetran reaches a closed network."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from reconciler.catalogue.load import load_destination_facts
from reconciler.emulator.account import Account
from reconciler.emulator.agent_outages import AGENT_VERSION
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import Reply, conflict, error_reply, invalid_input
from reconciler.emulator.ids import digest
from reconciler.emulator.key_material import generate_chain
from reconciler.emulator.paging import list_page, slice_page
from reconciler.emulator.references import Usage, find_usage, get_usage
from reconciler.emulator.request_parsing import require_text
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind

REFERENCE = "proxy_agent_id"


def list_all(account: Account, request: ApiRequest) -> Reply:
    """List all agents with the numbers of their users."""
    agents, next_cursor = list_page(account, request, Kind.PROXY_AGENT)
    usage_by_agent = find_usage(account, REFERENCE)
    items = []
    for agent in agents:
        usage = usage_by_agent.get(agent["id"], Usage())
        counts = {
            "connector_count": len(usage.connections),
            "destination_count": len(usage.destinations),
        }
        items.append({**agent, **counts})
    return Reply(200, "Proxy agent retrieved successfully", {"items": items, **next_cursor})


def create(account: Account, request: ApiRequest) -> Reply:
    """Create an agent under a unique name. The response has its secrets and not the agent."""
    display_name = require_text(request.body, "display_name")
    region = require_text(request.body, "group_region")
    if region not in load_destination_facts().regions:
        raise invalid_input("Group region not supported.")
    if account.store.has(Kind.PROXY_AGENT, label=display_name):
        raise conflict("Proxy agent with same name already exists.")
    identifier = add(account, display_name, region)
    data = _generate_secrets(account, identifier)
    return Reply(201, "Proxy agent has been created", data, account.behaviour.created_code)


def show(account: Account, request: ApiRequest) -> Reply:
    """Show an agent with its users."""
    data = {**require(account, request.id), "usage": get_usage(account, REFERENCE, request.id).list_items()}
    return Reply(200, data=data)


def delete(account: Account, request: ApiRequest) -> Reply:
    """Delete an agent without users. Raises a 409."""
    require(account, request.id)
    if get_usage(account, REFERENCE, request.id).list_items():
        raise conflict("Proxy agent have attached connections.")
    account.delete(Kind.PROXY_AGENT, request.id)
    return Reply(200, f"Agent {request.id} successfully deleted.")


def list_connections(account: Account, request: ApiRequest) -> Reply:
    """List the ids of the connections that use an agent."""
    require(account, request.id)
    using = get_usage(account, REFERENCE, request.id).connections
    items, next_cursor = slice_page(
        account, request, [{"connection_id": connection["id"]} for connection in using]
    )
    return Reply(200, "Proxy agent connections retrieved successfully", {"items": items, **next_cursor})


def regenerate_secrets(account: Account, request: ApiRequest) -> Reply:
    """Generate new secrets. The old secrets become invalid."""
    require(account, request.id)
    account.record_effect("updated", Kind.PROXY_AGENT, request.id)
    return Reply(200, "Proxy agent secrets have been regenerated", _generate_secrets(account, request.id))


def require(account: Account, identifier: str) -> dict[str, Any]:
    """Get an existing agent. Raises a 404 with the general code."""
    agent = account.store.find(Kind.PROXY_AGENT, identifier)
    if agent is None:
        raise error_reply(404, "NotFound", "Proxy Agent not found.")
    return agent


def add(
    account: Account,
    display_name: str,
    region: str,
    *,
    identifier: str | None = None,
    registered_at: str | None = None,
) -> str:
    """Add an agent to the account and return its id."""
    identifier = identifier or account.new_id(Kind.PROXY_AGENT)
    agent = {
        "id": identifier,
        "account_id": account.identity.account_id,
        "registered_at": registered_at or account.now(),
        "region": region,
        "created_by": account.identity.user_id,
        "display_name": display_name,
        "version": None,  # reported by the agent in its first call
        "status": "NOT_CONNECTED",
    }
    account.store.add(Kind.PROXY_AGENT, identifier, agent, label=display_name)
    account.record_effect("created", Kind.PROXY_AGENT, identifier)
    return identifier


def set_online(account: Account, identifier: str, online: bool) -> None:
    """Connect an agent to Fivetran, or disconnect it. After its first connection it has a version."""
    agent = require(account, identifier)
    changed = {
        **agent,
        "status": "CONNECTED" if online else "NOT_CONNECTED",
        "version": AGENT_VERSION,
    }
    account.store.replace(Kind.PROXY_AGENT, identifier, changed, label=agent["display_name"])


def _generate_secrets(account: Account, identifier: str) -> dict[str, Any]:
    """Generate the credentials of an agent, new in every call."""
    number = account.store.increment(f"proxy-secrets/{identifier}")
    certificate, _ = generate_chain(identifier, number)
    return {
        "agent_id": identifier,
        "auth_token": b64encode(digest(identifier, "token", number, size=32)).decode(),
        "client_cert": certificate,
        "client_private_key": b64encode(digest(identifier, "key", number, size=64)).decode(),
        "orchestrator_host": "orchestrator.fivetran.example",
        "orchestrator_port": 443,
    }


ROUTES = (
    Route("GET", "/v1/proxy", list_all),
    Route("POST", "/v1/proxy", create),
    Route("GET", "/v1/proxy/<id>", show),
    Route("DELETE", "/v1/proxy/<id>", delete),
    Route("GET", "/v1/proxy/<id>/connections", list_connections),
    Route("POST", "/v1/proxy/<id>/regenerate-secrets", regenerate_secrets),
)
