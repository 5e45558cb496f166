"""`/v1/hybrid-deployment-agents`: programs that work in the customer's own network."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import Reply, invalid_input, not_found, unusable
from reconciler.emulator.ids import digest
from reconciler.emulator.intake import flag, required_text, text
from reconciler.emulator.paging import page
from reconciler.emulator.references import Users, users, users_of
from reconciler.emulator.resources import groups
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind

REFERENCE = "hybrid_deployment_agent_id"

_ENVIRONMENTS = frozenset({"DOCKER", "PODMAN", "KUBERNETES", "SNOWPARK"})
_AUTHENTICATIONS = frozenset({"AUTO", "MANUAL"})


def list_all(account: Account, call: Call) -> Reply:
    """All agents, those of one group where the query names it."""
    agents, onward = page(account, call, Kind.HYBRID_AGENT, parent=call.query.get("groupId") or None)
    found = users(account, REFERENCE)
    items = [{**agent, "usage": found.get(agent["id"], Users()).usage()} for agent in agents]
    return Reply(200, "Hybrid deployment agents retrieved successfully", {"items": items, **onward})


def create(account: Account, call: Call) -> Reply:
    """An agent with the secrets that it starts with; they are not shown again."""
    display_name = required_text(call.body, "display_name")
    environment = required_text(call.body, "env_type")
    if environment not in _ENVIRONMENTS:
        raise unusable("env_type")
    if not flag(call.body, "accept_terms", False):
        raise invalid_input("The terms must be accepted")
    _check_authentication(call)
    group_id = text(call.body, "group_id") or None
    if group_id is not None:
        groups.existing(account, group_id)
    agent = add(account, group_id, display_name, environment)
    data = {**agent, **_secrets(account, agent)}
    return Reply(201, "Hybrid deployment agent has been created", data, account.behaviour.created_code)


def show(account: Account, call: Call) -> Reply:
    """One agent and what it works for."""
    data = {**existing(account, call.id), "usage": users_of(account, REFERENCE, call.id).usage()}
    return Reply(200, "Hybrid deployment agent details retrieved successfully", data)


def delete(account: Account, call: Call) -> Reply:
    """Remove an agent, whoever still names it."""
    existing(account, call.id)
    account.forget(Kind.HYBRID_AGENT, call.id)
    return Reply(200, f"Hybrid deployment agent with id = {call.id} has been deleted.")


def authenticate_again(account: Account, call: Call) -> Reply:
    """The agent with new secrets."""
    agent = existing(account, call.id)
    _check_authentication(call)
    agent["updated_at"] = account.now()
    account.store.replace(Kind.HYBRID_AGENT, call.id, agent)
    account.note("updated", Kind.HYBRID_AGENT, call.id)
    data = {**agent, **_secrets(account, agent)}
    return Reply(200, "Hybrid deployment agent re-authentication successful", data)


def reset_credentials(account: Account, call: Call) -> Reply:
    """New secrets and nothing else."""
    agent = existing(account, call.id)
    account.note("updated", Kind.HYBRID_AGENT, call.id)
    return Reply(
        200, f"Successfully reset credentials the agent with id = {call.id}", _secrets(account, agent)
    )


def existing(account: Account, identifier: str) -> dict[str, Any]:
    """An agent that must be there. 404 otherwise, under the name that Fivetran uses inside."""
    agent = account.store.find(Kind.HYBRID_AGENT, identifier)
    if agent is None:
        raise not_found("RemoteExecutionAgent", identifier)
    return agent


def add(account: Account, group_id: str | None, display_name: str, environment: str) -> dict[str, Any]:
    """Put a new agent into the account, for a group or for none."""
    identifier = account.new_id(Kind.HYBRID_AGENT)
    now = account.now()
    agent: dict[str, Any] = {
        "id": identifier,
        "version": None,  # told by the agent when it calls for the first time
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
    account.store.add(Kind.HYBRID_AGENT, identifier, agent, parent=group_id or "")
    account.note("created", Kind.HYBRID_AGENT, identifier)
    return agent


def _check_authentication(call: Call) -> None:
    if text(call.body, "auth_type") not in {None, *_AUTHENTICATIONS}:
        raise unusable("auth_type")


def _secrets(account: Account, agent: dict[str, Any]) -> dict[str, Any]:
    """Files and token that no earlier call had."""
    number = account.store.next_number(f"agent-secrets/{agent['id']}")
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
    Route("PATCH", "/v1/hybrid-deployment-agents/<id>/re-auth", authenticate_again),
    Route("POST", "/v1/hybrid-deployment-agents/<id>/reset-credentials", reset_credentials),
)
