"""Find out whether the agent in front of a destination is offline."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.destination import Destination
from reconciler.emulator.store import Kind

AGENT_VERSION = "1.0.0"
"""Version that every agent reports in its first call."""


def find_outage(account: Account, destination: Destination) -> str | None:
    """Find the name of the offline agent that makes the setup tests of a destination fail, None if there is none."""
    if account.behaviour.offline_agent == "tests-pass":
        return None
    for kind, identifier in (
        (Kind.HYBRID_AGENT, destination.hybrid_deployment_agent_id),
        (Kind.PROXY_AGENT, destination.proxy_agent_id),
    ):
        agent = account.store.find(kind, identifier) if identifier else None
        if agent is not None and _is_offline(agent):
            return str(agent["display_name"])
    return None


def is_online(agent: dict[str, Any]) -> bool:
    """Return whether an agent is online. A hybrid agent has a flag, a proxy agent a status."""
    return bool(agent["online"]) if "online" in agent else agent["status"] == "CONNECTED"


def _is_offline(agent: dict[str, Any]) -> bool:
    """Check whether an agent that was online has gone offline.

    A new agent is offline too, but nobody could start it for the emulator: its destinations are tested as if it ran.
    """
    return agent["version"] is not None and not is_online(agent)
