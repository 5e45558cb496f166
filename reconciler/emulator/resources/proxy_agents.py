"""`/v1/proxy`: agents through which Fivetran reaches a closed network."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from reconciler.catalogue.load import destination_facts
from reconciler.emulator.account import Account
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import Reply, conflict, invalid_input, refusal
from reconciler.emulator.ids import digest
from reconciler.emulator.intake import required_text
from reconciler.emulator.key_material import generate_chain
from reconciler.emulator.paging import page, page_of
from reconciler.emulator.references import Users, users, users_of
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind

REFERENCE = "proxy_agent_id"


def list_all(account: Account, call: Call) -> Reply:
    """All agents with the numbers of their users."""
    agents, onward = page(account, call, Kind.PROXY_AGENT)
    found = users(account, REFERENCE)
    items = []
    for agent in agents:
        used_by = found.get(agent["id"], Users())
        counts = {
            "connector_count": len(used_by.connections),
            "destination_count": len(used_by.destinations),
        }
        items.append({**agent, **counts})
    return Reply(200, "Proxy agent retrieved successfully", {"items": items, **onward})


def create(account: Account, call: Call) -> Reply:
    """An agent under a name of its own. The answer is its secrets and not itself."""
    display_name = required_text(call.body, "display_name")
    region = required_text(call.body, "group_region")
    if region not in destination_facts().regions:
        raise invalid_input("Group region not supported.")
    if account.store.has(Kind.PROXY_AGENT, label=display_name):
        raise conflict("Proxy agent with same name already exists.")
    identifier = add(account, display_name, region)
    data = _secrets(account, identifier)
    return Reply(201, "Proxy agent has been created", data, account.behaviour.created_code)


def show(account: Account, call: Call) -> Reply:
    """One agent and who uses it."""
    data = {**existing(account, call.id), "usage": users_of(account, REFERENCE, call.id).usage()}
    return Reply(200, data=data)


def delete(account: Account, call: Call) -> Reply:
    """Remove an agent that nobody uses."""
    existing(account, call.id)
    if users_of(account, REFERENCE, call.id).usage():
        raise conflict("Proxy agent have attached connections.")
    account.forget(Kind.PROXY_AGENT, call.id)
    return Reply(200, f"Agent {call.id} successfully deleted.")


def connections(account: Account, call: Call) -> Reply:
    """The ids of the connections that use an agent."""
    existing(account, call.id)
    found = users_of(account, REFERENCE, call.id).connections
    items, onward = page_of(account, call, [{"connection_id": each["id"]} for each in found])
    return Reply(200, "Proxy agent connections retrieved successfully", {"items": items, **onward})


def regenerate_secrets(account: Account, call: Call) -> Reply:
    """New secrets. The old ones are void."""
    existing(account, call.id)
    account.note("updated", Kind.PROXY_AGENT, call.id)
    return Reply(200, "Proxy agent secrets have been regenerated", _secrets(account, call.id))


def existing(account: Account, identifier: str) -> dict[str, Any]:
    """An agent that must be there. 404 otherwise, without a code of its own."""
    agent = account.store.find(Kind.PROXY_AGENT, identifier)
    if agent is None:
        raise refusal(404, "NotFound", "Proxy Agent not found.")
    return agent


def add(account: Account, display_name: str, region: str) -> str:
    """Put a new agent into the account; its id."""
    identifier = account.new_id(Kind.PROXY_AGENT)
    agent = {
        "id": identifier,
        "account_id": account.identity.account_id,
        "registered_at": account.now(),
        "region": region,
        "created_by": account.identity.user_id,
        "display_name": display_name,
        "version": None,  # told by the agent when it calls for the first time
        "status": "NOT_CONNECTED",
    }
    account.store.add(Kind.PROXY_AGENT, identifier, agent, label=display_name)
    account.note("created", Kind.PROXY_AGENT, identifier)
    return identifier


def _secrets(account: Account, identifier: str) -> dict[str, Any]:
    """What an agent signs in with; no earlier call had the same."""
    number = account.store.next_number(f"proxy-secrets/{identifier}")
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
    Route("GET", "/v1/proxy/<id>/connections", connections),
    Route("POST", "/v1/proxy/<id>/regenerate-secrets", regenerate_secrets),
)
