"""What Fivetran shows of what a change deletes, replaces or gives up, in words and as JSON objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.model.address import DESTINATION
from reconciler.model.plan import Change, Connection, LiveObject
from reconciler.report.neutral import neutral
from reconciler.report.style import counted
from reconciler.report.values import value_text

_CONNECTIONS_SHOWN = 5


def live_data(live: LiveObject | None) -> dict[str, Any] | None:
    """The object as JSON; None where nothing is known of it."""
    if live is None:
        return None
    return {
        "name": live.name,
        "last_name": live.last_name,
        "service": live.service,
        "region": live.region,
        "connections": [
            {**connection_data(each), "deleted_first": each.deleted_first} for each in live.connections
        ],
    }


def connection_data(connection: Connection) -> dict[str, str]:
    """A connection as JSON."""
    return {"id": connection.id, "service": connection.service}


def live_rows(change: Change) -> Iterator[tuple[str, str]]:
    """Name, service and connections, one under the other."""
    live = change.live
    if live is None:
        return
    yield "name", name_text(live)
    if change.address.kind == DESTINATION and live.service:
        yield "service", service_text(live)
    if live.connections:
        yield "connections", connections_text(live)


def live_text(change: Change) -> str:
    """The same on one line; nothing where nothing is known."""
    return ", ".join(told for _, told in live_rows(change))


def identified_text(change: Change) -> str:
    """The same with the id."""
    return f"id {neutral(change.id or '')}, {live_text(change)}"


def name_text(live: LiveObject) -> str:
    """The name in quotes, and the last one that was applied where that is another."""
    renamed = f" (renamed outside the specs: was {value_text(live.last_name)})" if live.last_name else ""
    return f"{value_text(live.name)}{renamed}"


def service_text(live: LiveObject) -> str:
    """`snowflake in AWS_US_EAST_1`."""
    return neutral(f"{live.service} in {live.region}" if live.region else live.service)


def connections_text(live: LiveObject) -> str:
    """All connections that are deleted, and the first few of those that are not."""
    others = [each for each in live.connections if not each.deleted_first]
    told = [f"{each} (deleted first)" for each in connection_texts(live.deleted_first)]
    told += [f"{each} (blocks it)" for each in connection_texts(others[:_CONNECTIONS_SHOWN])]
    more = len(others) - _CONNECTIONS_SHOWN
    return ", ".join(told) + (f" and {counted(more, 'more connection')}" if more > 0 else "")


def connection_texts(connections: Iterable[Connection]) -> list[str]:
    """Each by its service and id."""
    return [neutral(f"{each.service} {each.id}") for each in connections]
