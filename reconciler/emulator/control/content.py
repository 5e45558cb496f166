"""Handle control requests about the content of the account: everything at once, or one object."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from werkzeug.wrappers import Request

from reconciler.emulator.control.bodies import read_body, read_query
from reconciler.emulator.control.endpoint import (
    ControlError,
    ControlledEmulator,
    Endpoint,
    shows_secrets,
)
from reconciler.emulator.destination import DestinationSettings
from reconciler.emulator.scenario import load_start
from reconciler.emulator.seed import Seed, dump, load_seed
from reconciler.emulator.store import Kind

_Text = Annotated[str, Field(min_length=1)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GroupAddition(_Body):
    """A new group. Without an id, the id is generated."""

    name: _Text
    id: _Text | None = None


class GroupChoice(_Body):
    """A group by its name or id."""

    group: _Text


class GroupRename(GroupChoice):
    """A new name of a group."""

    name: _Text


class DestinationAddition(GroupChoice):
    """A new destination of a group."""

    destination: DestinationSettings


class DestinationEdit(GroupChoice):
    """Changed fields of the destination of a group. None removes a key of the config."""

    destination: dict[str, Any]


class ConnectionAddition(GroupChoice):
    """A new connection of a group."""

    service: _Text
    schema_name: Annotated[_Text, Field(alias="schema")]


class ConnectionChoice(_Body):
    """A connection by its schema or id."""

    connection: _Text


def show_account(emulator: ControlledEmulator, request: Request) -> Any:
    """Show the account in the form of a seed."""
    return dump(emulator.account, show_secrets=shows_secrets(request))


def reset(emulator: ControlledEmulator, request: Request) -> Any:
    """Reset the account, and load the seed of the body, if any.

    Switches, faults and scenario become as at the start.
    """
    has_seed = bool(request.get_data(cache=True).strip())
    seed = read_body(request, Seed, emulator.read_document) if has_seed else None
    account, initial = emulator.account, emulator.initial
    account.reset()
    emulator.late_requests.clear()
    emulator.quota.reset()
    account.behaviour = initial.behaviour
    emulator.faults.clear()
    emulator.faults.add(*initial.faults)
    if seed is not None:
        load_seed(account, seed)
    load_start(account, initial.scenario)
    return show_account(emulator, request)


def add_group(emulator: ControlledEmulator, request: Request) -> Any:
    """Add a group."""
    body = read_body(request, GroupAddition, emulator.read_document)
    if body.id is not None and emulator.account.store.find(Kind.GROUP, body.id) is not None:
        raise ControlError(409, f"there is a group with the id `{body.id}`")
    return {"id": emulator.dashboard.add_group(body.name, body.id), "name": body.name}


def rename_group(emulator: ControlledEmulator, request: Request) -> Any:
    """Rename a group."""
    body = read_body(request, GroupRename, emulator.read_document)
    identifier = emulator.dashboard.find_group(body.group)
    emulator.dashboard.rename_group(identifier, body.name)
    return {"id": identifier, "name": body.name}


def delete_group(emulator: ControlledEmulator, request: Request) -> Any:
    """Delete a group that has neither connections nor a destination."""
    identifier = emulator.dashboard.find_group(read_query(request, GroupChoice).group)
    emulator.dashboard.delete(Kind.GROUP, identifier)
    return {"deleted": identifier}


def add_destination(emulator: ControlledEmulator, request: Request) -> Any:
    """Add a destination to a group."""
    body = read_body(request, DestinationAddition, emulator.read_document)
    identifier = emulator.dashboard.find_group(body.group)
    emulator.dashboard.create_destination(identifier, body.destination)
    return {"id": identifier, "service": body.destination.service}


def change_destination(emulator: ControlledEmulator, request: Request) -> Any:
    """Change fields of a destination."""
    body = read_body(request, DestinationEdit, emulator.read_document)
    identifier = emulator.dashboard.find_destination(body.group)
    emulator.dashboard.change_settings(identifier, body.destination)
    return {"id": identifier, "changed": sorted(body.destination)}


def delete_destination(emulator: ControlledEmulator, request: Request) -> Any:
    """Delete a destination whose group has no connections."""
    identifier = emulator.dashboard.find_destination(read_query(request, GroupChoice).group)
    emulator.dashboard.delete(Kind.DESTINATION, identifier)
    return {"deleted": identifier}


def add_connection(emulator: ControlledEmulator, request: Request) -> Any:
    """Add a connection to a group."""
    body = read_body(request, ConnectionAddition, emulator.read_document)
    group_id = emulator.dashboard.find_group(body.group)
    identifier = emulator.dashboard.add_connection(group_id, body.service, body.schema_name)
    return {"id": identifier, "group_id": group_id, "schema": body.schema_name}


def delete_connection(emulator: ControlledEmulator, request: Request) -> Any:
    """Delete a connection."""
    identifier = emulator.dashboard.find_connection(read_query(request, ConnectionChoice).connection)
    emulator.dashboard.delete(Kind.CONNECTION, identifier)
    return {"deleted": identifier}


ENDPOINTS = (
    Endpoint("GET", "/account", "shows the account as a seed", show_account),
    Endpoint("POST", "/reset", "resets the account, and loads the seed of the body", reset),
    Endpoint("POST", "/groups", "adds a group: name, id", add_group),
    Endpoint("PATCH", "/groups", "renames a group: group, name", rename_group),
    Endpoint("DELETE", "/groups", "deletes a group: ?group=", delete_group),
    Endpoint("POST", "/destinations", "adds a destination: group, destination", add_destination),
    Endpoint("PATCH", "/destinations", "changes a destination: group, destination", change_destination),
    Endpoint("DELETE", "/destinations", "deletes a destination: ?group=", delete_destination),
    Endpoint("POST", "/connections", "adds a connection: group, service, schema", add_connection),
    Endpoint("DELETE", "/connections", "deletes a connection: ?connection=", delete_connection),
)
