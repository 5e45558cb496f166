"""Handle `/v1/groups`: create, list, show, rename, delete, and a group's public key and service account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.emulator import approvals, visibility
from reconciler.emulator.account import ADMINISTRATOR, Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import (
    Reply,
    conflict,
    invalid_field,
    invalid_input,
    missing_field,
    not_found,
)
from reconciler.emulator.key_material import generate_group_public_key
from reconciler.emulator.memberships import USERS_IN_GROUPS, remove_memberships
from reconciler.emulator.paging import list_page
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def list_all(account: Account, request: ApiRequest) -> Reply:
    """List all groups, oldest first."""
    items, next_cursor = list_page(account, request, Kind.GROUP)
    return Reply(200, "Groups retrieved successfully", {"items": items, **next_cursor})


def create(account: Account, request: ApiRequest) -> Reply:
    """Create a group. Not idempotent: a repeated request creates another group of the same name."""
    group = add(account, _parse_name(account, request.body))
    visibility.grant_to_creator(account, group["id"])
    return Reply(201, "Group has been created", group, account.behaviour.created_code)


def show(account: Account, request: ApiRequest) -> Reply:
    """Show a group."""
    return Reply(200, "Group details retrieved successfully", require(account, request.id))


def rename(account: Account, request: ApiRequest) -> Reply:
    """Rename a group. Id and creation time stay; a request without a name changes nothing."""
    group = require(account, request.id)
    if request.body.get("name") is not None:
        group["name"] = _parse_name(account, request.body, current=group["name"])
        account.store.replace(Kind.GROUP, request.id, group, label=group["name"])
        account.record_effect("renamed", Kind.GROUP, request.id)
    return Reply(200, "Group has been updated", group)


def delete(account: Account, request: ApiRequest) -> Reply:
    """Delete a group that has no connections, and by default no destination either."""
    require(account, request.id)
    if account.store.has(Kind.CONNECTION, parent=request.id):
        raise conflict("Group has connections")
    if account.store.find(Kind.DESTINATION, request.id) is not None:
        if account.behaviour.group_with_destination == "conflict":
            raise conflict("Group has a destination")
        account.delete(Kind.DESTINATION, request.id)
        approvals.remove_all(account, request.id)
    for kind in (Kind.HYBRID_AGENT, Kind.WEBHOOK, Kind.VISIBILITY):
        account.store.remove_documents(kind, parent=request.id)
    remove_memberships(account, Kind.GROUP, request.id)
    account.delete(Kind.GROUP, request.id)
    return Reply(200, f"Group with id '{request.id}' has been deleted")


def show_public_key(account: Account, request: ApiRequest) -> Reply:
    """Show the public key that a bastion host must admit for the group's connections."""
    require(account, request.id)
    ending = "\n" if account.behaviour.public_key_ending == "newline" else ""
    data = {"public_key": generate_group_public_key(request.id) + ending}
    return Reply(200, "Group SSH public key retrieved successfully", data)


def show_service_account(account: Account, request: ApiRequest) -> Reply:
    """Show the Google service account of the group."""
    require(account, request.id)
    project = account.behaviour.service_account_project
    address = f"g-{request.id.replace('_', '-')}@{project}.iam.gserviceaccount.com"
    return Reply(200, "Group service account retrieved successfully", {"service_account": address})


def add(account: Account, name: str, identifier: str | None = None) -> dict[str, Any]:
    """Add a group to the account, under a generated id unless `identifier` is given."""
    group = {"id": identifier or account.new_id(Kind.GROUP), "name": name, "created_at": account.now()}
    account.store.add(Kind.GROUP, group["id"], group, label=name)
    account.record_effect("created", Kind.GROUP, group["id"])
    USERS_IN_GROUPS.put(account, account.identity.user_id, group["id"], ADMINISTRATOR)
    return group


def require(account: Account, identifier: str) -> dict[str, Any]:
    """Get an existing group. Raises a 404."""
    group = account.store.find(Kind.GROUP, identifier)
    if group is None:
        raise not_found("Group", identifier)
    return group


def _parse_name(account: Account, body: Mapping[str, Any], current: str | None = None) -> str:
    """Parse and check the name in a body. `current` is the present name of the group. Raises a 400 or 409."""
    name = body.get("name")
    if name is None or name == "":
        raise missing_field("name")
    if not isinstance(name, str):
        raise invalid_field("name")
    if account.behaviour.group_names == "identifier" and not _IDENTIFIER.fullmatch(name):
        raise invalid_input(f"Group name '{name}' is invalid")
    if name != current and account.store.has(Kind.GROUP, label=name):
        message = f"Group with name '{name}' already exists"
        if account.behaviour.duplicate_group_name == "conflict":
            raise conflict(message)
        if account.behaviour.duplicate_group_name == "bad-request":
            raise invalid_input(message)
    return name


ROUTES = (
    Route("GET", "/v1/groups", list_all),
    Route("POST", "/v1/groups", create),
    Route("GET", "/v1/groups/<id>", show),
    Route("PATCH", "/v1/groups/<id>", rename),
    Route("DELETE", "/v1/groups/<id>", delete),
    Route("GET", "/v1/groups/<id>/public-key", show_public_key),
    Route("GET", "/v1/groups/<id>/service-account", show_service_account),
)
