"""Note how a plan changes the protection of entries: by their specs, by the project file, and by `forget: true`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.plan import ProtectionChange
from reconciler.model.record import Record
from reconciler.planning.facts import classify_protection
from reconciler.planning.planner import PlannedOperation


def build_protection_check(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Build the check whether the project file protects a key."""
    globs = tuple(patterns)
    return lambda key: any(fnmatchcase(key, pattern) for pattern in globs)


def note_protection(
    operations: Mapping[Address, PlannedOperation],
    records: Mapping[Address, Record],
    is_protected: Callable[[str], bool],
) -> dict[Address, PlannedOperation]:
    """Note the change of protection of each entry, at its destination, or at a group without one."""
    noted = dict(operations)
    for key in {address.key for address in operations}:
        pair = [Address(DESTINATION, key), Address(GROUP, key)]
        planned = [operations[address] for address in pair if address in operations]
        declared = is_protected(key) or any(operation.desired.protected for operation in planned)
        change = classify_protection(
            [records.get(address) for address in pair],
            [_will_be_protected(address, operations, records) for address in pair],
            is_declared=declared,
        )
        if change is not None:
            noted[planned[0].desired.address] = _add_fact(planned[0], change)
    return noted


def _will_be_protected(
    address: Address, operations: Mapping[Address, PlannedOperation], records: Mapping[Address, Record]
) -> bool:
    """Return whether a record is protected after an apply. A plan does not change records out of its scope."""
    if address in operations:
        return operations[address].record_update.protected
    return address in records and records[address].protected


def _add_fact(operation: PlannedOperation, protection: ProtectionChange) -> PlannedOperation:
    facts = replace(operation.change.facts, protection=protection)
    return replace(operation, change=replace(operation.change, facts=facts))
