"""Routes of all endpoints of the API."""

from __future__ import annotations

from reconciler.emulator.resources import (
    account,
    approvals,
    connections,
    destinations,
    empty_lists,
    groups,
    hybrid_agents,
    members,
    memberships,
    private_links,
    proxy_agents,
    roles,
    secrets_managers,
    teams,
    users,
    webhooks,
)

ROUTES = (
    *account.ROUTES,
    *users.ROUTES,
    *teams.ROUTES,
    *webhooks.ROUTES,
    *memberships.ROUTES,
    *groups.ROUTES,
    *members.ROUTES,
    *connections.ROUTES,
    *destinations.ROUTES,
    *approvals.ROUTES,
    *hybrid_agents.ROUTES,
    *proxy_agents.ROUTES,
    *private_links.ROUTES,
    *secrets_managers.ROUTES,
    *roles.ROUTES,
    *empty_lists.ROUTES,
)
