"""Which addresses a run is about: `--target`, `--exclude` and `--changed-since`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import ScopeSummary
from reconciler.model.record import Record
from reconciler.model.resource import Desired
from reconciler.planning.planner import has_outstanding_tests
from reconciler.planning.targets import add_groups, select_addresses
from reconciler.workspace.baseline import Baseline, refuse_merge_conflicts, warn_if_behind
from reconciler.workspace.settings import Settings
from reconciler.workspace.specs import Specs


@dataclass(frozen=True, slots=True)
class Scope:
    """The addresses of a run. `narrowing` is None where it is about everything.

    `missed` are those whose disappearance from the specs this run has to report; None for all. An address that the
    branch did not lose itself belongs to others: in an old checkout it may be younger. `left_alone` are keys that only
    the revision changed; they are named in `warnings` and nowhere else.
    """

    addresses: frozenset[Address]
    summary: ScopeSummary | None = None
    orphan_candidates: frozenset[Address] | None = None
    left_alone: frozenset[str] = frozenset()
    warnings: tuple[Diagnostic, ...] = ()


def resolve_scope(
    settings: Settings, specs: Specs, baseline: Baseline | None, records: Mapping[Address, Record]
) -> Scope:
    """What the options leave of all that is declared or removed. `records` is what is remembered.

    Raises `ReconcilerError` for a selector that names nothing, for selectors that leave nothing, and for entries that
    were changed on both sides of the comparison.
    """
    known = _list_addresses(specs)
    if baseline is None:
        selection = select_addresses(known, settings.targets, settings.excludes)
        is_whole = not settings.targets and not settings.excludes
        return Scope(
            selection, None if is_whole else ScopeSummary(_count_entries(selection), _count_entries(known))
        )
    comparable = known.union(*(_list_addresses(each) for each in (baseline.tip, *baseline.bases)))
    selection = select_addresses(comparable, settings.targets, settings.excludes)
    keys = {each.key for each in selection}
    refuse_merge_conflicts(specs, baseline, keys)
    unfinished_addresses = add_groups(_find_unfinished_entries(specs.destinations, records), comparable)
    ours, left_alone = baseline.divergence.ours, baseline.left_alone
    changed = {each for each in known if each.key in ours}
    unfinished = {each for each in known & unfinished_addresses if each.key not in left_alone}
    addresses = selection & (changed | unfinished)
    before = {each.address for base in baseline.bases for each in (*base.groups, *base.destinations)}
    return Scope(
        addresses,
        ScopeSummary(
            entries=_count_entries(addresses),
            of=_count_entries(known),
            since=baseline.revision,
            changed=_count_entries(changed),
            unfinished=_count_entries(changed | unfinished) - _count_entries(changed),
            merge_bases=baseline.merge_bases,
            is_behind=baseline.is_behind,
            left_alone=len(baseline.divergence.theirs),
        ),
        orphan_candidates=addresses | {each for each in before if each.key in ours},
        left_alone=left_alone,
        warnings=tuple(warn_if_behind(baseline, keys, {each.key for each in unfinished_addresses})),
    )


def _list_addresses(specs: Specs) -> frozenset[Address]:
    """All that is declared or removed."""
    removed = {Address(kind, each.key) for each in specs.removed for kind in (GROUP, DESTINATION)}
    return frozenset({each.address for each in (*specs.groups, *specs.destinations)} | removed)


def _count_entries(addresses: Collection[Address]) -> int:
    """A group and its destination are one entry of the specs."""
    return len({address.key for address in addresses})


def _find_unfinished_entries(
    declared: Collection[Desired], records: Mapping[Address, Record]
) -> frozenset[Address]:
    """Addresses with an intent that nothing is known about, or with tests that have not passed and must."""
    interrupted = {address for address, record in records.items() if record.intent is not None}
    untested = {
        desired.address
        for desired in declared
        if has_outstanding_tests(desired, records.get(desired.address))
    }
    return frozenset(interrupted | untested)
