"""Find orphans: managed objects that no spec declares and no `removed:` entry names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.record import Record
from reconciler.model.removal import Extent
from reconciler.planning.deletions import list_removed_addresses
from reconciler.spec.removal import RemovalEntry, render_removal


def find_orphans(
    records: Mapping[Address, Record],
    declared: Collection[Address],
    removals: Iterable[RemovalEntry],
    existing: Mapping[str, Collection[str]],
) -> list[Diagnostic]:
    """Report every orphan among the records. `existing` has the live ids by kind.

    A vanished entry, as by a lost file or a renamed key, never deletes an object and never goes unnoticed.
    """
    removed = {address for entry in removals for address in list_removed_addresses(entry)}
    return [
        _explain_orphaned(address, record.id)
        for address, record in sorted(records.items())
        if record.id is not None
        and address not in declared
        and address not in removed
        and record.id in existing.get(address.kind, ())
        and not (address.kind == DESTINATION and _is_covered_by_group(address, records, declared, removed))
    ]


def _is_covered_by_group(
    address: Address,
    records: Mapping[Address, Record],
    declared: Collection[Address],
    removed: Collection[Address],
) -> bool:
    """Return whether the finding about its group covers a destination: one finding is enough for a pair."""
    group = Address(GROUP, address.key)
    return group in records and group not in declared and group not in removed


def _explain_orphaned(address: Address, id: str) -> Diagnostic:
    extent = Extent.DESTINATION if address.kind == DESTINATION else Extent.PAIR
    return Diagnostic(
        "vanished",
        f"{address} is managed, and no spec declares it any more",
        address=address,
        notes=("a missing declaration never deletes an object, nor ends its management silently",),
        help=(
            f"if it has another key now, write `was: {address.key}` there; to delete it, write"
            f" `{render_removal(address.key, id, extent=extent)}` below `removed:`;"
            " `forget: true` there only ends its management"
        ),
    )
