"""Describe and block replacements, which delete a destination and create it again, without its connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.api import responses
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Action, Change, LiveObject
from reconciler.planning.deletions import format_connections
from reconciler.planning.planner import PlannedOperation


def describe_replaced_objects(
    operations: Mapping[Address, PlannedOperation], describe: Callable[[str], LiveObject]
) -> dict[Address, PlannedOperation]:
    """Add to each replacement the object that it deletes; `describe` reads an object by its id.

    The connections are listed for the whole plan before the first deletion, so that a blocker stops all of it.
    """
    return {
        address: replace(
            operation, change=replace(operation.change, live=describe(operation.change.id or ""))
        )
        if operation.change.action is Action.REPLACE
        else operation
        for address, operation in operations.items()
    }


def find_replacement_blockers(
    operations: Mapping[Address, PlannedOperation], is_protected: Callable[[str], bool]
) -> Iterator[Diagnostic]:
    """Yield the blockers of all replacements, sorted by address. `is_protected` is about a key."""
    for address, operation in sorted(operations.items()):
        if operation.change.action is Action.REPLACE:
            yield from _explain_blockers(operation.change, is_protected(address.key))


def _explain_blockers(change: Change, is_protected: bool) -> Iterator[Diagnostic]:
    """Explain the blockers of a replacement: protection, and connections, with which Fivetran deletes nothing."""
    connections = change.live.connections if change.live is not None else ()
    if is_protected:
        yield Diagnostic(
            "protected",
            f"{change.address} is protected and is not replaced",
            change.span,
            address=change.address,
            notes=("a replacement deletes the destination and makes it again",),
            help="put the old value back, or first lift the protection in a change of its own",
        )
    if connections:
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
    """Add the connections of the destination to a refused replacement: the user has to move them before any retry."""
    if not diagnostic.code_facts.needs_connections or diagnostic.address is None:
        return diagnostic
    connections = list_connections(group_ids[diagnostic.address.key])
    note = (
        f"loading into it: {format_connections(connections)}"
        if connections
        else "no connection loads into it"
    )
    return replace(diagnostic, notes=(*diagnostic.notes, note))
