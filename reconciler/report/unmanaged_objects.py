"""Render objects of the account without an entry: groups, and destinations of declared groups; as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from reconciler.kinds.destination import BROKEN_STATUS, is_unhealthy
from reconciler.model.plan import (
    ConnectionList,
    ListedConnection,
    ListedDestination,
    Plan,
)
from reconciler.model.sanitize import escape
from reconciler.report.style import BAD, QUIET, WARN, format_count, join_lines
from reconciler.report.values import format_value

_MAX_NAME_WIDTH = 40


@dataclass(frozen=True, slots=True)
class _Row:
    """Row of a list: the id of a group, a name, the destination, and the connections."""

    id: str
    name: str
    destination: ListedDestination | None
    connections: ConnectionList | None


def render_unmanaged_objects(plan: Plan, *, is_verbose: bool) -> list[Text]:
    """Render both lists as blocks; an empty list is left out. If `is_verbose`, every connection has a line."""
    blocks = []
    if plan.undeclared:
        count = format_count(len(plan.undeclared), "destination")
        rows = [
            _Row(found.id, str(found.address), found.destination, found.connections)
            for found in plan.undeclared
        ]
        blocks.append(
            _render_list(f"Not declared: {count} of declared groups. Left alone.", rows, is_verbose)
        )
    if plan.unmanaged:
        count = format_count(len(plan.unmanaged), "group")
        rows = [
            _Row(group.id, format_value(group.name), group.destination, group.connections)
            for group in plan.unmanaged
        ]
        blocks.append(_render_list(f"Not managed: {count}. Left alone.", rows, is_verbose))
    return blocks


def _render_list(heading: str, rows: Sequence[_Row], is_verbose: bool) -> Text:
    id_width = max(len(escape(row.id)) for row in rows)
    name_width = min(max(len(row.name) for row in rows), _MAX_NAME_WIDTH)
    lines = [Text(heading)]
    for row in rows:
        line = Text(f"  {escape(row.id):<{id_width}}  {row.name:<{name_width}}  ")
        facts = [*_render_destination(row.destination), *_render_connection_count(row.connections)]
        line.append_text(Text(", ").join(facts))
        line.rstrip()
        lines += [line, *(_render_connections(row.connections) if is_verbose else ())]
    return join_lines(lines)


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
    """Serialize both lists. A fact without content has no key; nor have connections that were not read."""
    return {
        "unmanaged": [
            {
                "id": group.id,
                "name": group.name,
                **_serialize_destination(group.destination),
                **_serialize_connections(group.connections),
            }
            for group in plan.unmanaged
        ],
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
