"""Which addresses a run is about: `--target`, `--exclude` and `--changed-since`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from reconciler.engine.scope import selected, with_groups
from reconciler.engine.since import unfinished_entries
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Narrowing
from reconciler.model.record import Record
from reconciler.operations.baseline import Baseline, refuse_clashes, warn_of_changes_elsewhere
from reconciler.operations.settings import Settings
from reconciler.operations.specs import Specs


@dataclass(frozen=True, slots=True)
class Scope:
    """The addresses of a run. `narrowing` is None where it is about everything.

    `missed` are those whose disappearance from the specs this run has to report; None for all. An address that the
    branch did not lose itself belongs to others: in an old checkout it may be younger. `left_alone` are keys that only
    the revision changed; they are named in `warnings` and nowhere else.
    """

    addresses: frozenset[Address]
    narrowing: Narrowing | None = None
    missed: frozenset[Address] | None = None
    left_alone: frozenset[str] = frozenset()
    warnings: tuple[Diagnostic, ...] = ()


def scope_of(
    settings: Settings, specs: Specs, baseline: Baseline | None, records: Mapping[Address, Record]
) -> Scope:
    """What the options leave of all that is declared or removed. `records` is what is remembered.

    Raises `ReconcilerError` for a selector that names nothing, for selectors that leave nothing, and for entries that
    were changed on both sides of the comparison.
    """
    known = _addresses(specs)
    if baseline is None:
        chosen = selected(known, settings.targets, settings.excludes)
        is_whole = not settings.targets and not settings.excludes
        return Scope(chosen, None if is_whole else Narrowing(_entries(chosen), _entries(known)))
    compared = known.union(*(_addresses(each) for each in (baseline.tip, *baseline.bases)))
    chosen = selected(compared, settings.targets, settings.excludes)
    keys = {each.key for each in chosen}
    refuse_clashes(specs, baseline, keys)
    waiting = with_groups(unfinished_entries(specs.destinations, records), compared)
    ours, left = baseline.divergence.ours, baseline.left_alone
    changed = {each for each in known if each.key in ours}
    unfinished = {each for each in known & waiting if each.key not in left}
    addresses = chosen & (changed | unfinished)
    before = {each.address for base in baseline.bases for each in (*base.groups, *base.destinations)}
    return Scope(
        addresses,
        Narrowing(
            entries=_entries(addresses),
            of=_entries(known),
            since=baseline.since,
            changed=_entries(changed),
            unfinished=_entries(changed | unfinished) - _entries(changed),
            merge_bases=baseline.merge_bases,
            is_behind=baseline.is_behind,
            left_alone=len(baseline.divergence.theirs),
        ),
        missed=addresses | {each for each in before if each.key in ours},
        left_alone=left,
        warnings=tuple(warn_of_changes_elsewhere(baseline, keys, {each.key for each in waiting})),
    )


def _addresses(specs: Specs) -> frozenset[Address]:
    """All that is declared or removed."""
    removed = {Address(kind, each.key) for each in specs.removed for kind in (GROUP, DESTINATION)}
    return frozenset({each.address for each in (*specs.groups, *specs.destinations)} | removed)


def _entries(addresses: Collection[Address]) -> int:
    """A group and its destination are one entry of the specs."""
    return len({each.key for each in addresses})
