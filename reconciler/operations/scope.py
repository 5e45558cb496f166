"""Which addresses a run is about: `--target`, `--exclude` and `--changed-since`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from reconciler.engine.scope import selected, with_groups
from reconciler.engine.since import added_removals, changed_entries, unfinished_entries
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.plan import Narrowing
from reconciler.model.record import Record
from reconciler.operations.settings import Settings
from reconciler.operations.specs import Specs, declared
from reconciler.spec.revision import loaded_at, not_in_order


@dataclass(frozen=True, slots=True)
class Scope:
    """The addresses of a run. `narrowing` is None where it is about everything.

    `missed` are those whose disappearance from the specs this run has to tell; None for all. What neither revision of
    a comparison declares is somebody else's: of an old checkout it may be younger.
    """

    addresses: frozenset[Address]
    narrowing: Narrowing | None = None
    missed: frozenset[Address] | None = None


def load_baseline(settings: Settings) -> Specs | None:
    """The specs of the revision that `--changed-since` names, if it does. Raises `ReconcilerError`."""
    revision = settings.changed_since
    if revision is None:
        return None
    loaded = loaded_at(settings.project, settings.directory, revision, settings.environ)
    try:
        # A secret that was written out must not keep the change that takes it out from being planned.
        return declared(loaded, strict=False, tolerated={"literal-secret"})
    except ReconcilerError as error:
        raise not_in_order(revision, error.diagnostics) from None


def scope_of(
    settings: Settings, specs: Specs, baseline: Specs | None, records: Mapping[Address, Record]
) -> Scope:
    """What the options leave of all that is declared or removed. `records` is what is remembered.

    Raises `ReconcilerError` for a selector that names nothing.
    """
    removed = {Address(kind, each.key) for each in specs.removed for kind in (GROUP, DESTINATION)}
    known = {each.address for each in (*specs.groups, *specs.destinations)} | removed
    chosen = selected(known, settings.targets, settings.excludes)
    if baseline is None:
        is_whole = not settings.targets and not settings.excludes
        return Scope(chosen, None if is_whole else Narrowing(_entries(chosen), _entries(known)))
    changed = with_groups(_changed(baseline, specs), known)
    unfinished = with_groups(unfinished_entries(specs.destinations, records), known)
    addresses = chosen & (changed | unfinished)
    return Scope(
        addresses,
        Narrowing(
            entries=_entries(addresses),
            of=_entries(known),
            since=settings.changed_since or "",
            changed=_entries(changed),
            unfinished=_entries(changed | unfinished) - _entries(changed),
        ),
        addresses | {each.address for each in (*baseline.groups, *baseline.destinations)},
    )


def _changed(before: Specs, now: Specs) -> frozenset[Address]:
    entries = changed_entries(
        (*before.groups, *before.destinations),
        (*now.groups, *now.destinations),
    )
    return entries | added_removals(before.removed, now.removed)


def _entries(addresses: Collection[Address]) -> int:
    """A group and its destination are one entry of the specs."""
    return len({each.key for each in addresses})
