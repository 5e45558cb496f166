"""`/v1/connections`: rows that stand in the way of deletes. They are made in the dashboard."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import Reply, not_found
from reconciler.emulator.paging import page
from reconciler.emulator.resources import groups
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind


def list_of_group(account: Account, call: Call) -> Reply:
    """The connections of one group, those of one schema where the query names it."""
    groups.existing(account, call.id)
    items, onward = page(
        account, call, Kind.CONNECTION, parent=call.id, label=call.query.get("schema") or None
    )
    return Reply(200, "Group connections retrieved successfully", {"items": items, **onward})


def list_all(account: Account, call: Call) -> Reply:
    """The connections of the account, those of one group or one schema where the query names them."""
    items, onward = page(
        account,
        call,
        Kind.CONNECTION,
        parent=call.query.get("group_id") or None,
        label=call.query.get("schema") or None,
    )
    return Reply(200, "Connections retrieved successfully", {"items": items, **onward})


def show(account: Account, call: Call) -> Reply:
    """One connection."""
    return Reply(200, "Connection details retrieved successfully", existing(account, call.id))


def delete(account: Account, call: Call) -> Reply:
    """Remove a connection. What it has loaded stays in the destination."""
    existing(account, call.id)
    account.forget(Kind.CONNECTION, call.id)
    return Reply(200, f"Connection with id '{call.id}' has been deleted")


def existing(account: Account, identifier: str) -> dict[str, Any]:
    """A connection that must be there, 404 otherwise."""
    connection = account.store.find(Kind.CONNECTION, identifier)
    if connection is None:
        raise not_found("Connection", identifier)
    return connection


def add(account: Account, group_id: str, service: str, schema: str, **fields: Any) -> dict[str, Any]:
    """Put a new connection into a group, in the state right after its creation except for `fields`."""
    identifier = account.new_id(Kind.CONNECTION)
    connection: dict[str, Any] = {
        "id": identifier,
        "group_id": group_id,
        "service": service,
        "service_version": 1,
        "schema": schema,
        "connected_by": account.identity.user_id,
        "created_at": account.now(),
        "succeeded_at": None,
        "failed_at": None,
        "paused": False,
        "pause_after_trial": False,
        "sync_frequency": 360,
        "schedule_type": "auto",
        "status": {
            "setup_state": "incomplete",
            "sync_state": "scheduled",
            "update_state": "on_schedule",
            "is_historical_sync": True,
            "tasks": [],
            "warnings": [],
        },
        **fields,
    }
    account.store.add(Kind.CONNECTION, identifier, connection, parent=group_id, label=schema)
    account.note("created", Kind.CONNECTION, identifier)
    return connection


ROUTES = (
    Route("GET", "/v1/groups/<id>/connections", list_of_group),
    Route("GET", "/v1/groups/<id>/connectors", list_of_group),
    Route("GET", "/v1/connections", list_all),
    Route("GET", "/v1/connections/<id>", show),
    Route("DELETE", "/v1/connections/<id>", delete),
)
