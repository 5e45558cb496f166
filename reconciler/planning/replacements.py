"""Describe and block replacements, which delete a destination and create it again, without its connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from reconciler.api import responses
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Action, Change, LiveObject
from reconciler.planning.deletions import PLATFORM_CONNECTION, format_connections, is_platform_connection
from reconciler.planning.planner import PlannedOperation


class DescribeReplaced(Protocol):
    """Reader of an object that a replacement deletes, by its id."""

    def __call__(self, id: str, *, with_platform_connection: bool) -> LiveObject:
        """Read the object with its connections."""


def describe_replaced_objects(
    operations: Mapping[Address, PlannedOperation], describe: DescribeReplaced
) -> dict[Address, PlannedOperation]:
    """Add to each replacement the object that it deletes.

    The connections are listed for the whole plan before the first deletion, so that a blocker stops all of it.
    """
    return {
        address: _describe(operation, describe) if operation.change.action is Action.REPLACE else operation
        for address, operation in operations.items()
    }


def _describe(operation: PlannedOperation, describe: DescribeReplaced) -> PlannedOperation:
    change, desired = operation.change, operation.desired
    live = describe(change.id or "", with_platform_connection=desired.with_platform_connection)
    return replace(operation, change=replace(change, live=live))


def find_replacement_blockers(
    operations: Mapping[Address, PlannedOperation], is_protected: Callable[[str], bool]
) -> Iterator[Diagnostic]:
    """Yield the blockers of all replacements, sorted by address. `is_protected` is about a key."""
    for address, operation in sorted(operations.items()):
        if operation.change.action is Action.REPLACE:
            yield from _explain_blockers(operation.change, is_protected(address.key))


def _explain_blockers(change: Change, is_protected: bool) -> Iterator[Diagnostic]:
    """Explain the blockers of a replacement: protection, and connections, with which Fivetran deletes nothing."""
    live_connections = change.live.connections if change.live is not None else ()
    connections = [connection for connection in live_connections if not connection.deleted_first]
    if is_protected:
        yield Diagnostic(
            "protected",
            f"{change.address} is protected and is not replaced",
            change.span,
            address=change.address,
            notes=("a replacement deletes the destination and makes it again",),
            help="put the old value back, or first lift the protection in a change of its own",
        )
    if connections and all(map(is_platform_connection, connections)):
        yield Diagnostic(
            "platform-connection",
            f"Fivetran's own `{PLATFORM_CONNECTION}` connection blocks the replacement of {change.address}",
            change.span,
            address=change.address,
            notes=(
                format_connections(connections),
                "it holds logs of the account, which are lost with it",
            ),
            help="add `with_platform_connection: true` to its `lifecycle:` to delete it too",
        )
    elif connections:
        yield Diagnostic(
            "has-connections",
            f"{change.address} cannot be replaced: {len(connections)} of its connections would lose it",
            change.span,
            address=change.address,
            notes=(format_connections(connections),),
            help="move or delete these connections in Fivetran first",
        )


def note_connections(
    diagnostic: Diagnostic,
    list_connections: Callable[[str], Sequence[responses.Connection]],
    group_ids: Mapping[str, str],
) -> Diagnostic:
    """Add the connections of the destination to a refused replacement: connections of users have to be moved before any
    retry."""
    if not diagnostic.code_facts.needs_connections or diagnostic.address is None:
        return diagnostic
    connections = list_connections(group_ids[diagnostic.address.key])
    if not connections:
        return replace(diagnostic, notes=(*diagnostic.notes, "no connection loads into it"))
    notes = (
        "Fivetran deletes nothing that has connections",
        f"loading into it: {format_connections(connections)}",
    )
    return replace(
        diagnostic,
        notes=(*diagnostic.notes, *notes),
        help=f"put the old value back, or {_choose_permission(connections)}",
    )


def _choose_permission(connections: Sequence[responses.Connection]) -> str:
    if all(map(is_platform_connection, connections)):
        return (
            "set `lifecycle: {allow_replace: true, with_platform_connection: true}`, which deletes Fivetran's own"
            " connection too"
        )
    return "move the connections and set `lifecycle: {allow_replace: true}`"
