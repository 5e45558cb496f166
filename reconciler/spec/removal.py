"""`removed:` entries: what is to be given up, written down by a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.source import Span
from reconciler.spec.schema import RemovedEntry
from reconciler.spec.tree import Table, span_at


class Extent(Enum):
    """How much of an entry goes."""

    PAIR = auto()  # the destination, then its group
    DESTINATION = auto()  # the destination; its group stays
    MANAGEMENT = auto()  # nothing at Fivetran: it is only not managed any more


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One removal. `id` is that of the live group; `spans` say where the entry, its key and its id stand."""

    key: str
    id: str
    extent: Extent
    with_platform_connection: bool
    span: Span
    key_span: Span
    id_span: Span


def tombstones_in(root: Table, entries: Iterable[RemovedEntry]) -> Iterator[Tombstone]:
    """The removals of one file."""
    for number, entry in enumerate(entries):
        place: tuple[str | int, ...] = ("removed", number)
        extent = Extent.DESTINATION if entry.only else Extent.MANAGEMENT if entry.forget else Extent.PAIR
        yield Tombstone(
            entry.group,
            entry.id,
            extent,
            entry.with_platform_connection,
            span_at(root, place),
            span_at(root, (*place, "group")),
            span_at(root, (*place, "id")),
        )


def contradictions(
    tombstones: Iterable[Tombstone], groups: Mapping[str, Span], destinations: Mapping[str, Span]
) -> Iterator[Diagnostic]:
    """Removals of what is still declared, and second removals of the same. The mappings are the declared entries by
    key, with their places."""
    first: dict[str, Tombstone] = {}
    by_id: dict[str, Tombstone] = {}
    for tombstone in tombstones:
        other = by_id.setdefault(tombstone.id, tombstone)
        if other.key != tombstone.key:
            yield _same_object(tombstone, other)
        declared = (destinations if tombstone.extent is Extent.DESTINATION else groups).get(tombstone.key)
        earlier = first.setdefault(tombstone.key, tombstone)
        if earlier is not tombstone:
            yield Diagnostic(
                "duplicate-removal",
                f"`{tombstone.key}` is removed twice",
                tombstone.key_span,
                notes=(f"first removed at {earlier.key_span}",),
                help="keep one of the entries",
            )
        elif declared is not None:
            what = "the destination of " if tombstone.extent is Extent.DESTINATION else ""
            yield Diagnostic(
                "removed-and-declared",
                f"{what}`{tombstone.key}` is both declared and removed",
                tombstone.key_span,
                notes=(f"declared at {declared}",),
                help="delete the declaration, or the entry below `removed:`",
            )


def _same_object(tombstone: Tombstone, earlier: Tombstone) -> Diagnostic:
    """A second key for one object would be a way around whatever protects it under its own."""
    return Diagnostic(
        "duplicate-removal",
        f"`{tombstone.id}` is removed twice, as `{earlier.key}` and as `{tombstone.key}`",
        tombstone.id_span,
        notes=(f"first removed at {earlier.key_span}",),
        help="keep the entry with the key that it had in the specs",
    )
