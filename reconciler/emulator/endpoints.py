"""Routes of all endpoints of the API."""

from __future__ import annotations

from reconciler.emulator.resources import (
    account,
    approvals,
    connections,
    destinations,
    groups,
    hybrid_agents,
    members,
    private_links,
    proxy_agents,
    read_only,
    secrets_managers,
)

ROUTES = (
    *account.ROUTES,
    *read_only.ROUTES,
    *groups.ROUTES,
    *members.ROUTES,
    *connections.ROUTES,
    *destinations.ROUTES,
    *approvals.ROUTES,
    *hybrid_agents.ROUTES,
    *proxy_agents.ROUTES,
    *private_links.ROUTES,
    *secrets_managers.ROUTES,
)
