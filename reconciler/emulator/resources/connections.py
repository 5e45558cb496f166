"""Handle `/v1/connections`: connections block deletions. Only the dashboard creates them."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import Reply, not_found
from reconciler.emulator.paging import list_page
from reconciler.emulator.resources import groups
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind


def list_for_group(account: Account, request: ApiRequest) -> Reply:
    """List the connections of a group, of one schema if the query names it."""
    groups.require(account, request.id)
    items, next_cursor = list_page(
        account, request, Kind.CONNECTION, parent=request.id, label=request.query.get("schema") or None
    )
    return Reply(200, "Group connections retrieved successfully", {"items": items, **next_cursor})


def list_all(account: Account, request: ApiRequest) -> Reply:
    """List the connections of the account, of one group or one schema if the query names them."""
    items, next_cursor = list_page(
        account,
        request,
        Kind.CONNECTION,
        parent=request.query.get("group_id") or None,
        label=request.query.get("schema") or None,
    )
    return Reply(200, "Connections retrieved successfully", {"items": items, **next_cursor})


def show(account: Account, request: ApiRequest) -> Reply:
    """Show a connection."""
    return Reply(200, "Connection details retrieved successfully", require(account, request.id))


def delete(account: Account, request: ApiRequest) -> Reply:
    """Delete a connection. Its loaded data stay in the destination."""
    require(account, request.id)
    account.delete(Kind.CONNECTION, request.id)
    return Reply(200, f"Connection with id '{request.id}' has been deleted")


def require(account: Account, identifier: str) -> dict[str, Any]:
    """Get an existing connection. Raises a 404."""
    connection = account.store.find(Kind.CONNECTION, identifier)
    if connection is None:
        raise not_found("Connection", identifier)
    return connection


def add(account: Account, group_id: str, service: str, schema: str, **fields: Any) -> dict[str, Any]:
    """Add a connection to a group, in its state after creation except for `fields`."""
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
    account.record_effect("created", Kind.CONNECTION, identifier)
    return connection


ROUTES = (
    Route("GET", "/v1/groups/<id>/connections", list_for_group),
    Route("GET", "/v1/groups/<id>/connectors", list_for_group),
    Route("GET", "/v1/connections", list_all),
    Route("GET", "/v1/connections/<id>", show),
    Route("DELETE", "/v1/connections/<id>", delete),
)
