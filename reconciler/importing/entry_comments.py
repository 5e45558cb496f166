"""Write the comments of imported entries: only what a reader of the specs cannot see otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from reconciler.catalogue.load import load_service
from reconciler.catalogue.model import ServiceStage
from reconciler.importing.live_settings import (
    CONTRADICTION,
    INVISIBLE,
    NOT_ACCEPTED,
    RESERVED_NAME,
    SECRET_INSIDE,
    UNDESCRIBED_FIELD,
    UNKNOWN_FIELD,
    UNNAMEABLE_KEY,
)
from reconciler.importing.model import LeftOutField, LiveGroup
from reconciler.kinds.destination import BROKEN_STATUS, UNTESTED_STATUS, read_service
from reconciler.model.plan import LiveConnection
from reconciler.model.sanitize import to_one_line
from reconciler.model.value import format_path

_MAX_CONNECTORS = 5
_MAX_FIELDS = 8
_MAX_NAME = 60
_WIDTH = 100
_CLAUSES = {
    UNKNOWN_FIELD: ("the catalogue does not know it", "the catalogue does not know them"),
    UNDESCRIBED_FIELD: (
        UNDESCRIBED_FIELD,
        "the catalogue describes no fields of this service; `--unknown-fields write` declares them",
    ),
    SECRET_INSIDE: (
        "the catalogue does not know it and it has a secret inside",
        "the catalogue does not know them and they have secrets inside",
    ),
    CONTRADICTION: ("it contradicts another setting", "they contradict other settings"),
    NOT_ACCEPTED: ("the catalogue does not accept its value", "the catalogue does not accept their values"),
    INVISIBLE: ("its value has an invisible character", "their values have invisible characters"),
    RESERVED_NAME: ("its name has a meaning in specs", "their names have a meaning in specs"),
    UNNAMEABLE_KEY: ("specs cannot name its key", "specs cannot name their keys"),
}
"""Reasons that comments give, for one field and for several. Values that Fivetran rewrites are ordinary."""
_STATUSES = {
    BROKEN_STATUS: "Fivetran calls this destination broken.",
    UNTESTED_STATUS: "Fivetran calls this destination incomplete: no setup test has passed yet.",
}


def write_comments(
    live: LiveGroup, left_out: Sequence[LeftOutField], objects: Sequence[str] = ()
) -> tuple[str, ...]:
    """Write the comments of an entry, without `#`. `objects` describe the objects that it refers to by ids."""
    texts = [*_iter_comments(live, left_out), *objects]
    return tuple(line for text in texts for line in wrap(text, _WIDTH))


def _iter_comments(live: LiveGroup, left_out: Sequence[LeftOutField]) -> Iterator[str]:
    if live.unreadable is not None:
        yield "Its destination is not declared: the API key may not read it."
    if live.destination is not None:
        yield from _describe_service(read_service(live.destination.fields))
        if live.destination.status in _STATUSES:
            yield _STATUSES[live.destination.status]
        yield from _describe_left_out(left_out)
    if live.connections:
        yield _describe_connections(live.connections)


def _describe_left_out(left_out: Sequence[LeftOutField]) -> Iterator[str]:
    """Describe the fields that a reader would look for in the entry."""
    for reason in _CLAUSES:
        paths = [field.path for field in left_out if field.reason == reason]
        if paths:
            names = _join_some(map(format_path, paths), _MAX_FIELDS)
            yield f"Not declared, since {describe_reason(reason, len(paths))}: {names}"


def describe_reason(reason: str, count: int) -> str:
    """Describe the reason why an entry leaves out one field or several."""
    return _CLAUSES.get(reason, (reason, reason))[count > 1]


def _describe_service(name: str | None) -> Iterator[str]:
    """Describe a service that is unknown or outdated."""
    service = load_service(name) if name else None
    if service is None:
        yield f"The catalogue does not know the service {_show_name(name or '')}."
    elif service.stage is not ServiceStage.CURRENT:
        advice = f"; use `{service.successor}` for new destinations" if service.successor else ""
        state = "is no longer supported" if service.stage is ServiceStage.RETIRED else "is a legacy service"
        yield f"`{service.name}` {state}{advice}."


def _describe_connections(connections: Sequence[LiveConnection]) -> str:
    """Describe the connections that load into a destination, by their services."""
    count = len(connections)
    services = dict.fromkeys(sorted(connection.service for connection in connections))
    names = _join_some(services, _MAX_CONNECTORS)
    return (
        f"{count} connection{'' if count == 1 else 's'} {'loads' if count == 1 else 'load'} into it: {names}"
    )


def _join_some(names: Iterable[str], most: int) -> str:
    listed = [_show_name(name) for name in names]
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")


def _show_name(name: str) -> str:
    """Show a name of the API, shortened and escaped."""
    return f"`{to_one_line(name)[:_MAX_NAME]}`"
