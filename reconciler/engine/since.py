"""What a branch changed since it left its base, what only the base changed, and what an earlier run left unfinished.

An entry counts by what it comes to: after defaults, profile, entry and overrides were merged. Where its lines stand,
how they are written and in which order means nothing. Group, destination and removal of one key are one entry.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from reconciler.engine.planner import tests_outstanding
from reconciler.model.address import GROUP, Address
from reconciler.model.record import Record
from reconciler.model.removal import Extent
from reconciler.model.resource import Desired
from reconciler.model.source import Span
from reconciler.spec.removal import Tombstone

_NOWHERE = Span("", 0, 0, 0, 0)

Claim: TypeAlias = tuple[str, str]
"""What only one entry of a project can have: a `key`, an `id` or a `name`."""


@dataclass(frozen=True, slots=True)
class Version:
    """What one revision says about a key. Two versions that come to the same are equal."""

    declared: Mapping[Address, tuple[Desired, str]] = field(default_factory=dict)
    removed: tuple[str, str | None, Extent, bool] | None = None
    claims: frozenset[Claim] = field(default=frozenset(), compare=False)


Versions: TypeAlias = Mapping[str, Version]
"""All that one revision says, by key."""

_NOTHING = Version()


@dataclass(frozen=True, slots=True)
class Clash:
    """An entry that the branch changed, and that does not go with what the base made of the entry `other`: it is the
    same entry, or both have this `claim`."""

    key: str
    other: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class Divergence:
    """Keys by who changed them: the branch, or only the base. Of `cleared` ones the base dropped the removal, which was
    carried out or given up; there is nothing left to do about them."""

    ours: frozenset[str]
    theirs: frozenset[str]
    cleared: frozenset[str]
    clashes: tuple[Clash, ...]


def collect_versions(declared: Iterable[Desired], removed: Iterable[Tombstone]) -> dict[str, Version]:
    """What a revision says, by key."""
    entries: dict[str, list[Desired]] = {}
    for desired in declared:
        entries.setdefault(desired.address.key, []).append(desired)
    removals = {tombstone.key: tombstone for tombstone in removed}
    return {
        key: _build_version(key, entries.get(key, []), removals.get(key))
        for key in entries.keys() | removals.keys()
    }


def find_divergence(bases: Collection[Versions], theirs: Versions, ours: Versions) -> Divergence:
    """Who changed what since the merge base.

    Where two branches were merged crosswise there are several `bases`. What differs from any of them counts as changed,
    since a choice among them could undo what one side has.
    """
    keys = {key for key in theirs.keys() | ours.keys() if _version_at(theirs, key) != _version_at(ours, key)}
    before = {key: [_version_at(base, key) for base in bases] for key in keys}
    by_us, by_them = (
        {key for key in keys if any(_wants_another(base, _version_at(side, key)) for base in before[key])}
        for side in (ours, theirs)
    )
    cleared = {key for key in keys if any(base != _version_at(theirs, key) for base in before[key])}
    return Divergence(
        ours=frozenset(by_us),
        theirs=frozenset(by_them - by_us),
        cleared=frozenset(cleared - by_them - by_us),
        clashes=tuple(_find_clashes(_collect_claims(ours, by_us), _collect_claims(theirs, by_them))),
    )


def unfinished_entries(
    declared: Collection[Desired], records: Mapping[Address, Record]
) -> frozenset[Address]:
    """Addresses with an intent that nothing is known about, or with tests that have not passed and must."""
    interrupted = {address for address, record in records.items() if record.intent is not None}
    untested = {each.address for each in declared if tests_outstanding(each, records.get(each.address))}
    return frozenset(interrupted | untested)


def _build_version(key: str, declared: Collection[Desired], removal: Tombstone | None) -> Version:
    claims: set[Claim] = {("key", key)}
    claims |= {("key", each.formerly.key) for each in declared if each.formerly is not None}
    claims |= {("id", each.id) for each in (*declared, removal) if each is not None and each.id is not None}
    claims |= {("name", each.name) for each in declared if each.address.kind == GROUP}
    return Version(
        declared={each.address: _effective(each) for each in declared},
        removed=_list_terms(removal) if removal else None,
        claims=frozenset(claims),
    )


def _list_terms(removal: Tombstone) -> tuple[str, str | None, Extent, bool]:
    return removal.id, removal.name, removal.extent, removal.with_platform_connection


def _effective(desired: Desired) -> tuple[Desired, str]:
    """All that decides what is sent or tested. Values are told apart by type too: `1` is not `true`."""
    fields = sorted((path, _written(value)) for path, value in desired.fields.items())
    return replace(desired, fields={}, span=_NOWHERE, spans={}, id_span=None), json.dumps(fields)


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def _version_at(versions: Versions, key: str) -> Version:
    return versions.get(key, _NOTHING)


def _wants_another(before: Version, now: Version) -> bool:
    """Whether something else is wanted. A removal that is no longer written down wants nothing."""
    return now.declared != before.declared or now.removed not in {None, before.removed}


def _collect_claims(versions: Versions, keys: Collection[str]) -> dict[str, frozenset[Claim]]:
    """What these entries claim. One that is gone without a word still has a claim on its key."""
    gone = {key: frozenset({("key", key)}) for key in keys}
    return gone | {key: versions[key].claims for key in keys if key in versions}


def _find_clashes(
    ours: Mapping[str, Collection[Claim]], theirs: Mapping[str, Collection[Claim]]
) -> Iterator[Clash]:
    taken = {claim: key for key, claims in theirs.items() for claim in claims}
    moved = {claim for key, claims in ours.items() for claim in claims if claim != ("key", key)}
    for key, claims in sorted(ours.items()):
        if key in theirs:
            if ("key", key) not in moved:  # else the entry has the error that has another key now
                yield Clash(key, key, ("key", key))
        elif shared := sorted(taken.keys() & claims):
            yield Clash(key, taken[shared[0]], shared[0])
