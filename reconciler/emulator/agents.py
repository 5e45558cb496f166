"""List hybrid and proxy agents together, and let them go online or offline."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.agent_outages import is_online
from reconciler.emulator.resources import hybrid_agents, proxy_agents
from reconciler.emulator.store import Kind
from reconciler.emulator.unknown_names import build_ambiguous_object, build_unknown_object

_SETTERS = {Kind.HYBRID_AGENT: hybrid_agents.set_online, Kind.PROXY_AGENT: proxy_agents.set_online}


def list_agents(account: Account) -> list[dict[str, Any]]:
    """List hybrid and proxy agents: kind, id, name, and whether the agent is online."""
    return [
        {
            "kind": str(kind),
            "id": agent["id"],
            "name": agent["display_name"],
            "online": is_online(agent),
        }
        for kind in _SETTERS
        for agent in account.store.list_documents(kind)
    ]


def set_online(account: Account, name: str, online: bool) -> str:
    """Let an agent, by id or display name, go online or offline. Returns its id.

    Raises `ErrorReply`: a 404 for an unknown name, a 409 if several agents have the name.
    """
    named = _list_named(account, name)
    if not named:
        raise build_unknown_object("agent", name, (agent["name"] for agent in list_agents(account)))
    if len(named) > 1:
        raise build_ambiguous_object("agent", name, (agent["id"] for agent in named))
    _set_state(account, named[0], online)
    return str(named[0]["id"])


def disconnect_all(account: Account, name: str) -> None:
    """Let every agent of an id or display name go offline, if there is any."""
    for agent in _list_named(account, name):
        _set_state(account, agent, False)


def _list_named(account: Account, name: str) -> list[dict[str, Any]]:
    return [agent for agent in list_agents(account) if name in (agent["id"], agent["name"])]


def _set_state(account: Account, agent: dict[str, Any], online: bool) -> None:
    _SETTERS[Kind(agent["kind"])](account, agent["id"], online)
