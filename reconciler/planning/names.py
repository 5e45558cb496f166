"""Check the names that a plan gives to groups, and order renames so that no two groups have one name meanwhile.

Without its `id:` or a record, a group is found by its name alone, and Fivetran does not document whether names are
unique. So a group may take the name of another group only if that group gives the name up in the same plan, or if both
entries have their `id:`. Pure: reads nothing, sends nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.kinds.group import NAME
from reconciler.model.address import GROUP, Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import Action
from reconciler.model.resource import Desired, Observed
from reconciler.planning.planner import PlannedOperation

_MAX_ALIKE = 3
ALIKE = "the two differ in case, in blanks or in characters that look alike"


def fold_name(name: str) -> str:
    """Fold the differences between names that readers overlook: case, blanks, lookalike characters."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


@dataclass(frozen=True, slots=True)
class NameFacts:
    """Facts about the names of live groups.

    `live` are the groups by id, `owners` the entries of matched groups by id. `removed` are the keys of the removals
    that delete a group in this plan, by id.
    """

    live: Mapping[str, Observed]
    owners: Mapping[str, Desired]
    removed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NameResolution:
    """Operations with the renames that they wait for, and the findings about names that are taken."""

    operations: Mapping[Address, PlannedOperation]
    problems: tuple[Diagnostic, ...] = ()


def resolve_names(operations: Mapping[Address, PlannedOperation], facts: NameFacts) -> NameResolution:
    """Check each create and rename of a group, and let it wait for the rename that frees its name.

    The names after the apply decide, so entries may exchange names. A cycle of renames has no order without two groups
    of one name, so that each of its entries needs an `id:`.
    """
    taking = {
        address: operation for address, operation in sorted(operations.items()) if _takes_name(operation)
    }
    holders = _index_holders(facts.live)
    problems: list[Diagnostic] = []
    waits: dict[Address, tuple[Address, ...]] = {}
    for address, operation in taking.items():
        freed: list[Address] = []
        for holder in holders.get(operation.desired.name, ()):
            if holder.id == operation.change.id:
                continue
            owner = facts.owners.get(holder.id)
            if owner is not None and owner.address in taking:
                freed.append(owner.address)
            elif holder.id in facts.removed or not _have_ids(operation.desired, owner):
                problems.append(_explain_taken(operation, holder, owner, facts.removed.get(holder.id)))
        waits[address] = tuple(freed)
    cycles = list(_find_cycles(waits))
    for cycle in cycles:
        if not _have_ids(*(taking[address].desired for address in cycle)):
            problems.append(_explain_cycle([taking[address] for address in cycle]))
    in_cycle = {address for cycle in cycles for address in cycle}
    return NameResolution(
        {
            address: _let_wait(operation, _drop_cycle(address, waits.get(address, ()), in_cycle))
            for address, operation in operations.items()
        },
        tuple(problems),
    )


def _takes_name(operation: PlannedOperation) -> bool:
    """Return whether an operation gives a group a name that it does not have."""
    change = operation.change
    if change.address.kind != GROUP:
        return False
    return change.action is Action.CREATE or (change.action is Action.UPDATE and NAME in operation.values)


def _index_holders(live: Mapping[str, Observed]) -> dict[str, list[Observed]]:
    """Index the live groups by name, each list sorted by id."""
    holders: dict[str, list[Observed]] = {}
    for _, group in sorted(live.items()):
        holders.setdefault(group.name, []).append(group)
    return holders


def _have_ids(*entries: Desired | None) -> bool:
    return all(entry is not None and entry.id is not None for entry in entries)


def _find_cycles(waits: Mapping[Address, Collection[Address]]) -> Iterator[list[Address]]:
    """Find the cycles of renames, each once: entries that wait for each other."""
    seen: set[Address] = set()
    for address in waits:
        reachable = _list_reachable(address, waits)
        if address in reachable and address not in seen:
            cycle = [
                other for other in waits if other in reachable and address in _list_reachable(other, waits)
            ]
            seen |= {*cycle}
            yield cycle


def _list_reachable(start: Address, waits: Mapping[Address, Collection[Address]]) -> set[Address]:
    reachable: set[Address] = set()
    pending = [*waits.get(start, ())]
    while pending:
        address = pending.pop()
        if address not in reachable:
            reachable.add(address)
            pending += waits.get(address, ())
    return reachable


def _drop_cycle(
    address: Address, freed: Sequence[Address], in_cycle: Collection[Address]
) -> tuple[Address, ...]:
    """Drop the waits inside a cycle, which would never end."""
    return tuple(other for other in freed if not (address in in_cycle and other in in_cycle))


def _let_wait(operation: PlannedOperation, freed: tuple[Address, ...]) -> PlannedOperation:
    return replace(operation, change=replace(operation.change, waits_for=freed)) if freed else operation


def _explain_taken(
    operation: PlannedOperation, holder: Observed, owner: Desired | None, removed_key: str | None
) -> Diagnostic:
    change, desired = operation.change, operation.desired
    verb = "created as" if change.action is Action.CREATE else "renamed to"
    if removed_key is not None:
        note = f"the removal of `{removed_key}` deletes that group, and deletions come last"
        advice = f"apply the removal first: `--target {removed_key}`"
    elif owner is None:
        note = "that group belongs to no entry"
        advice = (
            f"if that group is meant, write `id: {holder.id}` into the entry; else choose another name"
            if change.action is Action.CREATE
            else "choose another name, or declare that group too, and write its `id:` into each of the two entries"
        )
    else:
        note = f"that group belongs to {owner.address}, declared at {owner.span}"
        advice = f"choose another name{_suggest_ids(operation, holder, owner)}"
    return Diagnostic(
        "name-taken",
        f"{change.address} cannot be {verb} `{desired.name}`: the group `{holder.id}` has this name",
        span=desired.spans.get(NAME) or desired.span,
        address=change.address,
        notes=(note, "without an `id:` or a state, groups are found by their names alone"),
        help=advice,
    )


def _suggest_ids(operation: PlannedOperation, holder: Observed, owner: Desired) -> str:
    """Suggest the missing ids with which two entries may share a name. A new group has no id yet."""
    if operation.change.action is Action.CREATE:
        return ""
    ids = {operation.desired.address: operation.change.id, owner.address: holder.id}
    missing = [
        f"`id: {ids[entry.address]}` into {entry.address}"
        for entry in (operation.desired, owner)
        if entry.id is None
    ]
    return f", or write {' and '.join(missing)}"


def _explain_cycle(cycle: Sequence[PlannedOperation]) -> Diagnostic:
    first = cycle[0]
    addresses = " and ".join(str(operation.change.address) for operation in cycle)
    ids = " and ".join(
        f"`id: {operation.change.id}` into {operation.change.address}"
        for operation in cycle
        if operation.desired.id is None
    )
    return Diagnostic(
        "name-taken",
        f"{addresses} exchange their names, and meanwhile two groups would have one name",
        span=first.desired.spans.get(NAME) or first.desired.span,
        address=first.change.address,
        notes=("without an `id:` or a state, groups are found by their names alone",),
        help=f"give one of them a free name and apply that first, or write {ids}",
    )


def warn_lookalikes(
    operations: Iterable[PlannedOperation], unmanaged: Iterable[Observed]
) -> Iterator[Diagnostic]:
    """Warn of groups to be created that almost have the names of `unmanaged` groups."""
    by_name: dict[str, list[Observed]] = {}
    for group in unmanaged:
        by_name.setdefault(fold_name(group.name), []).append(group)
    for operation in operations:
        change, desired = operation.change, operation.desired
        if change.action is not Action.CREATE or change.address.kind != GROUP:
            continue
        alike = [group for group in by_name.get(fold_name(desired.name), []) if group.name != desired.name]
        if alike:
            yield _explain_lookalike(desired, sorted(alike, key=lambda group: group.id))


def _explain_lookalike(desired: Desired, alike: Sequence[Observed]) -> Diagnostic:
    names = ", ".join(f"`{group.name}` (`{group.id}`)" for group in alike)
    return Diagnostic(
        "similar-name",
        f"{desired.address} would be created as `{desired.name}`, and no entry declares {names}",
        span=desired.spans.get(NAME) or desired.span,
        severity=Severity.WARNING,
        address=desired.address,
        notes=("the names differ only in case, in blanks or in characters that look alike",),
        help="; ".join(
            f"if `{group.id}` is meant, write `id: {group.id}` into the entry" for group in alike[:_MAX_ALIKE]
        ),
    )
