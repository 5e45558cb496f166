"""Render objects of the account without an entry: groups, and destinations of declared groups; as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from rich.text import Text

from reconciler.kinds.destination import BROKEN_STATUS, is_unhealthy
from reconciler.model.plan import (
    ConnectionList,
    ListedConnection,
    ListedDestination,
    Plan,
    UndeclaredDestination,
    UnmanagedGroup,
)
from reconciler.model.sanitize import escape
from reconciler.report.style import BAD, QUIET, WARN, format_count, join_lines
from reconciler.report.values import format_value

_MAX_NAME_WIDTH = 40


_Object: TypeAlias = UnmanagedGroup | UndeclaredDestination


def render_unmanaged_objects(plan: Plan, *, is_verbose: bool) -> list[Text]:
    """Render each list as a block; an empty list is left out. If `is_verbose`, every connection has a line."""
    lists: tuple[tuple[str, str, Sequence[_Object]], ...] = (
        (
            "Not declared",
            f"{format_count(len(plan.undeclared), 'destination')} of declared groups",
            plan.undeclared,
        ),
        ("Not managed", format_count(len(plan.unmanaged), "group"), plan.unmanaged),
        ("Of other projects", format_count(len(plan.owned), "group"), plan.owned),
    )
    return [
        _render_list(f"{words}: {count}. Left alone.", objects, is_verbose)
        for words, count, objects in lists
        if objects
    ]


def _render_list(heading: str, objects: Sequence[_Object], is_verbose: bool) -> Text:
    names = [_format_name(found) for found in objects]
    id_width = max(len(escape(found.id)) for found in objects)
    name_width = min(max(map(len, names)), _MAX_NAME_WIDTH)
    lines = [Text(heading)]
    for name, found in zip(names, objects, strict=True):
        line = Text(f"  {escape(found.id):<{id_width}}  {name:<{name_width}}  ")
        facts = [
            *_render_owner(found),
            *_render_destination(found.destination),
            *_render_connection_count(found.connections),
        ]
        line.append_text(Text(", ").join(facts))
        line.rstrip()
        lines += [line, *(_render_connections(found.connections) if is_verbose else ())]
    return join_lines(lines)


def _format_name(found: _Object) -> str:
    return format_value(found.name) if isinstance(found, UnmanagedGroup) else str(found.address)


def _render_owner(found: _Object) -> Iterator[Text]:
    """Render the state of another project that has a group."""
    if isinstance(found, UnmanagedGroup) and found.owner:
        yield Text(f"state `{escape(found.owner)}`")


def _render_destination(destination: ListedDestination | None) -> Iterator[Text]:
    """Render the service with its region, and the status, if the group has a destination."""
    if destination is None:
        return
    yield Text(format_placement(destination))
    if destination.setup_status:
        yield Text(escape(destination.setup_status), choose_status_style(destination.setup_status))


def format_placement(destination: ListedDestination) -> str:
    """Format service and region: `snowflake in AWS_US_EAST_1`."""
    service, region = escape(destination.service), escape(destination.region)
    return f"{service} in {region}" if region else service


def choose_status_style(status: str) -> str:
    """Choose the style of the status of a destination."""
    if status == BROKEN_STATUS:
        return BAD
    return WARN if is_unhealthy(status) else ""


def _render_connection_count(found: ConnectionList | None) -> Iterator[Text]:
    if found is not None:
        yield Text(format_connection_count(found), QUIET if found.connections is None else "")


def format_connection_count(found: ConnectionList) -> str:
    """Format the number of connections, if these credentials may list them."""
    if found.connections is None:
        return "connections hidden from these credentials"
    return format_count(len(found.connections), "connection")


def _render_connections(found: ConnectionList | None) -> Iterator[Text]:
    for connection in (found.connections or ()) if found is not None else ():
        yield Text(f"      {format_connection(connection)}", QUIET)


def format_connection(connection: ListedConnection) -> str:
    """Format a connection: service, id and name."""
    return escape(f"{connection.service} {connection.id} {connection.name}".rstrip())


def serialize_unmanaged(plan: Plan) -> dict[str, Any]:
    """Serialize the lists. A fact without content has no key; nor have connections that were not read."""
    return {
        "unmanaged": [_serialize_group(group) for group in plan.unmanaged],
        "owned_elsewhere": [{**_serialize_group(group), "state": group.owner} for group in plan.owned],
        "undeclared": [
            {
                "address": str(found.address),
                "id": found.id,
                **_serialize_destination(found.destination),
                **_serialize_connections(found.connections),
            }
            for found in plan.undeclared
        ],
    }


def _serialize_group(group: UnmanagedGroup) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        **_serialize_destination(group.destination),
        **_serialize_connections(group.connections),
    }


def _serialize_destination(destination: ListedDestination | None) -> dict[str, str]:
    if destination is None:
        return {}
    facts = {
        "service": destination.service,
        "region": destination.region,
        "setup_status": destination.setup_status,
    }
    return {name: value for name, value in facts.items() if value}


def _serialize_connections(found: ConnectionList | None) -> dict[str, Any]:
    """Serialize the connections: null if these credentials may not list them."""
    if found is None:
        return {}
    if found.connections is None:
        return {"connections": None}
    return {
        "connections": [
            {"id": connection.id, "service": connection.service, "name": connection.name}
            for connection in found.connections
        ]
    }
