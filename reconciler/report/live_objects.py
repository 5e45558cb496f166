"""Format live objects that a change deletes, replaces or stops managing, by their names at Fivetran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model.address import DESTINATION
from reconciler.model.plan import Change, LiveConnection, LiveObject
from reconciler.model.sanitize import escape
from reconciler.report.style import format_count
from reconciler.report.values import format_value

_MAX_CONNECTIONS = 5


def list_live_rows(change: Change) -> Iterator[tuple[str, str]]:
    """List name, service and connections as rows of (label, text)."""
    live = change.live
    if live is None:
        return
    yield "name", format_name(live)
    if change.address.kind == DESTINATION and live.service:
        yield "service", format_service(live)
    if live.connections:
        yield "connections", summarize_connections(live)


def format_live_object(change: Change) -> str:
    """Format name, service and connections on one line; empty if nothing is known."""
    return ", ".join(value for _, value in list_live_rows(change))


def format_identified_object(change: Change) -> str:
    """Format the object on one line with its id."""
    return f"id {escape(change.id or '')}, {format_live_object(change)}"


def format_name(live: LiveObject) -> str:
    """Format the name in quotes, and the last applied name if it differs."""
    renamed = f" (renamed outside the specs: was {format_value(live.last_name)})" if live.last_name else ""
    return f"{format_value(live.name)}{renamed}"


def format_service(live: LiveObject) -> str:
    """Format a service: `snowflake in AWS_US_EAST_1`."""
    return escape(f"{live.service} in {live.region}" if live.region else live.service)


def summarize_connections(live: LiveObject) -> str:
    """Summarize the connections: all deleted connections, and the first few other connections."""
    blocking = [connection for connection in live.connections if not connection.deleted_first]
    parts = [
        f"{connection} (deleted first)" for connection in format_connections(live.connections_deleted_first)
    ]
    parts += [f"{connection} (blocks it)" for connection in format_connections(blocking[:_MAX_CONNECTIONS])]
    more = len(blocking) - _MAX_CONNECTIONS
    return ", ".join(parts) + (f" and {format_count(more, 'more connection')}" if more > 0 else "")


def format_connections(connections: Iterable[LiveConnection]) -> list[str]:
    """Format each connection by its service and id."""
    return [escape(f"{connection.service} {connection.id}") for connection in connections]
