"""What is different from an earlier revision of the specs, and what an earlier run left unfinished.

An entry counts by what it comes to: after defaults, profile, entry and overrides were merged. Where its lines stand,
how they are written and in which order means nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from reconciler.engine.planner import tests_outstanding
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.record import Record
from reconciler.model.removal import Extent
from reconciler.model.resource import Desired
from reconciler.model.source import Span
from reconciler.spec.removal import Tombstone

_NOWHERE = Span("", 0, 0, 0, 0)


def changed_entries(before: Iterable[Desired], now: Iterable[Desired]) -> frozenset[Address]:
    """Addresses that were added, that vanished, or of which the specs say something else."""
    earlier, today = ({each.address: _effective(each) for each in side} for side in (before, now))
    return frozenset(each for each in earlier.keys() | today.keys() if earlier.get(each) != today.get(each))


def _effective(desired: Desired) -> tuple[Desired, str]:
    """All that decides what is sent or tested. Values are told apart by type too: `1` is not `true`."""
    fields = sorted((path, _written(value)) for path, value in desired.fields.items())
    return replace(desired, fields={}, span=_NOWHERE, spans={}, id_span=None), json.dumps(fields)


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def added_removals(before: Iterable[Tombstone], now: Iterable[Tombstone]) -> frozenset[Address]:
    """Both addresses of each removal that was not written down before, or not in this way."""
    known = {_terms(each) for each in before}
    added = {each.key for each in now if _terms(each) not in known}
    return frozenset(Address(kind, key) for key in added for kind in (GROUP, DESTINATION))


def _terms(tombstone: Tombstone) -> tuple[str, str, str | None, Extent, bool]:
    return (
        tombstone.key,
        tombstone.id,
        tombstone.name,
        tombstone.extent,
        tombstone.with_platform_connection,
    )


def unfinished_entries(
    declared: Collection[Desired], records: Mapping[Address, Record]
) -> frozenset[Address]:
    """Addresses with an intent that nothing is known about, or with tests that have not passed and must."""
    interrupted = {address for address, record in records.items() if record.intent is not None}
    untested = {each.address for each in declared if tests_outstanding(each, records.get(each.address))}
    return frozenset(interrupted | untested)
