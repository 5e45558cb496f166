"""Check references of destinations to agents, private links and secrets managers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.resources import hybrid_agents, private_links, proxy_agents, secrets_managers

_LOOKUPS = {
    hybrid_agents.REFERENCE: hybrid_agents.require,
    "private_link_id": private_links.require,
    proxy_agents.REFERENCE: proxy_agents.require,
    secrets_managers.REFERENCE: secrets_managers.require,
}


def check_references(account: Account, settings: Mapping[str, Any]) -> None:
    """Check that the settings of a destination refer to existing objects, if the switch demands it. Raises a 404."""
    if account.behaviour.companion_references == "checked":
        for name, require in _LOOKUPS.items():
            if settings.get(name) is not None:
                require(account, settings[name])
