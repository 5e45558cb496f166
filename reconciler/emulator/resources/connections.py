"""Handle `/v1/connections`: create, list, show, update, test and delete connections. Connections block deletions.

The emulator knows no services of connections: it keeps every `config`, and every setup test passes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.emulator import approvals
from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.connection import build_settings, describe_schema, parse_settings, render_item
from reconciler.emulator.envelope import (
    ErrorReply,
    Reply,
    conflict,
    invalid_input,
    missing_field,
    not_found,
)
from reconciler.emulator.masking import mask_secrets
from reconciler.emulator.memberships import remove_memberships
from reconciler.emulator.paging import list_page
from reconciler.emulator.request_parsing import parse_flag, require_text
from reconciler.emulator.resources import groups
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind

_SERVICE = re.compile(r"[a-z0-9_]+")
_TEST_RESULTS = [{"title": "Validate Login", "status": "PASSED", "message": ""}]


def list_for_group(account: Account, request: ApiRequest) -> Reply:
    """List the connections of a group, of one schema if the query names it."""
    groups.require(account, request.id)
    data = _list_page(account, request, group_id=request.id)
    return Reply(200, "Group connections retrieved successfully", data)


def list_all(account: Account, request: ApiRequest) -> Reply:
    """List the connections of the account, of one group or one schema if the query names them."""
    data = _list_page(account, request, group_id=request.query.get("group_id") or None)
    return Reply(200, "Connections list retrieved successfully", data)


def create(account: Account, request: ApiRequest) -> Reply:
    """Create a connection in a group, and run its setup tests unless the request declines."""
    group_id = require_text(request.body, "group_id")
    service = require_text(request.body, "service")
    if not _SERVICE.fullmatch(service):
        raise invalid_input(f"Unsupported service '{service}'")
    settings = parse_settings(request.body)
    schema = describe_schema(settings.get("config", {}))
    runs_tests = parse_flag(request.body, "run_setup_tests", True)
    groups.require(account, group_id)
    if not schema:
        raise missing_field("schema")
    if account.store.has(Kind.CONNECTION, parent=group_id, label=schema):
        raise _build_duplicate_error(account, schema)
    connection = add(account, group_id, service, schema, **settings)
    results = _run_tests(account, connection) if runs_tests else {}
    data = {**_render_details(connection), **results}
    return Reply(201, "Connection has been created", data, account.behaviour.created_code)


def show(account: Account, request: ApiRequest) -> Reply:
    """Show a connection with its config."""
    data = _render_details(require(account, request.id))
    return Reply(200, "Connection details retrieved successfully", data)


def update(account: Account, request: ApiRequest) -> Reply:
    """Merge the request into a connection, and run its setup tests unless the request declines.

    Group, service and schema stay.
    """
    connection = require(account, request.id)
    settings = parse_settings(request.body)
    runs_tests = parse_flag(request.body, "run_setup_tests", True)
    config = {**connection.get("config", {}), **settings.get("config", {})}
    # Another networking method ends the use of a proxy: clients of Fivetran send no empty id then.
    leaves_proxy = settings.get("networking_method") not in {None, "ProxyAgent"}
    connection |= {**({"proxy_agent_id": None} if leaves_proxy else {}), **settings, "config": config}
    connection["status"]["sync_state"] = "paused" if connection["paused"] else "scheduled"
    _save(account, connection)
    account.record_effect("updated", Kind.CONNECTION, request.id)
    results = _run_tests(account, connection) if runs_tests else {}
    return Reply(200, "Connection has been updated", {**_render_details(connection), **results})


def run_setup_tests(account: Account, request: ApiRequest) -> Reply:
    """Run the setup tests of a connection."""
    connection = require(account, request.id)
    results = _run_tests(account, connection)
    return Reply(200, "Setup tests have been completed", {**_render_details(connection), **results})


def delete(account: Account, request: ApiRequest) -> Reply:
    """Delete a connection. Its loaded data stay in the destination."""
    require(account, request.id)
    account.delete(Kind.CONNECTION, request.id)
    remove_memberships(account, Kind.CONNECTION, request.id)
    approvals.remove_all(account, approvals.build_connection_key(request.id))
    return Reply(200, f"Connection with id '{request.id}' has been deleted")


def require(account: Account, identifier: str) -> dict[str, Any]:
    """Get an existing connection. Raises a 404."""
    connection = account.store.find(Kind.CONNECTION, identifier)
    if connection is None:
        raise not_found("Connection", identifier)
    return connection


def add(
    account: Account,
    group_id: str,
    service: str,
    schema: str,
    *,
    identifier: str | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Add a connection to a group, in its state after creation except for `fields`."""
    identifier = identifier or account.new_id(Kind.CONNECTION)
    connection = {
        "id": identifier,
        "group_id": group_id,
        "service": service,
        "schema": schema,
        "connected_by": account.identity.user_id,
        "created_at": account.now(),
        **build_settings(**fields),
    }
    account.store.add(Kind.CONNECTION, identifier, connection, parent=group_id, label=schema)
    account.record_effect("created", Kind.CONNECTION, identifier)
    return connection


def _list_page(account: Account, request: ApiRequest, *, group_id: str | None) -> dict[str, Any]:
    connections, next_cursor = list_page(
        account, request, Kind.CONNECTION, parent=group_id, label=request.query.get("schema") or None
    )
    return {"items": list(map(render_item, connections)), **next_cursor}


def _build_duplicate_error(account: Account, schema: str) -> ErrorReply:
    message = f"Connection with schema '{schema}' already exists in the destination"
    if account.behaviour.duplicate_schema == "conflict":
        return conflict(message)
    return invalid_input(message)


def _run_tests(account: Account, connection: dict[str, Any]) -> dict[str, Any]:
    """Run setup tests, which pass. Returns the field of the response with their results."""
    connection["status"]["setup_state"] = "connected"
    _save(account, connection)
    account.record_effect("tested", Kind.CONNECTION, connection["id"])
    return {"setup_tests": _TEST_RESULTS}


def _save(account: Account, connection: dict[str, Any]) -> None:
    account.store.replace(Kind.CONNECTION, connection["id"], connection, label=connection["schema"])


def _render_details(connection: Mapping[str, Any]) -> dict[str, Any]:
    return {**render_item(connection), "config": mask_secrets(connection.get("config", {}))}


ROUTES = (
    Route("GET", "/v1/groups/<id>/connections", list_for_group),
    Route("GET", "/v1/groups/<id>/connectors", list_for_group),
    Route("GET", "/v1/connections", list_all),
    Route("POST", "/v1/connections", create),
    Route("GET", "/v1/connections/<id>", show),
    Route("PATCH", "/v1/connections/<id>", update),
    Route("DELETE", "/v1/connections/<id>", delete),
    Route("POST", "/v1/connections/<id>/test", run_setup_tests),
)
