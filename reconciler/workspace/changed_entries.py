"""Compare entries across revisions, and find the changes of the branch and of the base.

An entry counts with its result: after defaults, profile, entry and overrides were merged. Position, spelling
and order of its lines do not matter. Group, destination and removal of one key are one entry.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from reconciler.model.address import GROUP, Address
from reconciler.model.removal import Extent
from reconciler.model.resource import Desired
from reconciler.model.source import Span
from reconciler.spec.removal import RemovalEntry

_NO_SPAN = Span("", 0, 0, 0, 0)

Claim: TypeAlias = tuple[str, str]
"""Name that must be unique in a project: kind (`key`, `id` or `name`) and text."""


@dataclass(frozen=True, slots=True)
class EntryVersion:
    """One revision's version of an entry. Versions with the same result are equal."""

    declared: Mapping[Address, tuple[Desired, str]] = field(default_factory=dict)
    removed: tuple[str, str | None, Extent, bool] | None = None
    claims: frozenset[Claim] = field(default=frozenset(), compare=False)


RevisionEntries: TypeAlias = Mapping[str, EntryVersion]
"""All entries of one revision, by key."""

_NO_VERSION = EntryVersion()


@dataclass(frozen=True, slots=True)
class MergeConflict:
    """A conflict between a changed entry of the branch and the base's entry `other_key`.

    Both are the same entry, or both have the same `claim`.
    """

    key: str
    other_key: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class Divergence:
    """Keys by the side that changed them: the branch (`ours`), or only the base (`theirs`).

    For `dropped_removals` the base dropped a removal that was completed or given up: nothing is left to do.
    """

    ours: frozenset[str]
    theirs: frozenset[str]
    dropped_removals: frozenset[str]
    conflicts: tuple[MergeConflict, ...]


def collect_versions(declared: Iterable[Desired], removed: Iterable[RemovalEntry]) -> dict[str, EntryVersion]:
    """Collect the versions of one revision's entries, by key."""
    entries: dict[str, list[Desired]] = {}
    for desired in declared:
        entries.setdefault(desired.address.key, []).append(desired)
    removals = {removal.key: removal for removal in removed}
    return {
        key: _build_version(key, entries.get(key, []), removals.get(key))
        for key in entries.keys() | removals.keys()
    }


def find_divergence(
    bases: Collection[RevisionEntries], theirs: RevisionEntries, ours: RevisionEntries
) -> Divergence:
    """Find the changes of each side since the merge base.

    Two branches that were merged crosswise have several `bases`. A difference from any base counts as a
    change, since the choice of one base could undo changes of one side.
    """
    keys = {
        key for key in theirs.keys() | ours.keys() if _get_version(theirs, key) != _get_version(ours, key)
    }
    before = {key: [_get_version(base, key) for base in bases] for key in keys}
    by_us, by_them = (
        {key for key in keys if any(_is_changed(base, _get_version(side, key)) for base in before[key])}
        for side in (ours, theirs)
    )
    dropped = {key for key in keys if any(base != _get_version(theirs, key) for base in before[key])}
    return Divergence(
        ours=frozenset(by_us),
        theirs=frozenset(by_them - by_us),
        dropped_removals=frozenset(dropped - by_them - by_us),
        conflicts=tuple(_find_conflicts(_collect_claims(ours, by_us), _collect_claims(theirs, by_them))),
    )


def _build_version(key: str, declared: Collection[Desired], removal: RemovalEntry | None) -> EntryVersion:
    claims: set[Claim] = {("key", key)}
    claims |= {("key", entry.moved_from.key) for entry in declared if entry.moved_from is not None}
    claims |= {
        ("id", entry.id) for entry in (*declared, removal) if entry is not None and entry.id is not None
    }
    claims |= {("name", entry.name) for entry in declared if entry.address.kind == GROUP}
    return EntryVersion(
        declared={entry.address: _to_comparable(entry) for entry in declared},
        removed=_list_terms(removal) if removal else None,
        claims=frozenset(claims),
    )


def _list_terms(removal: RemovalEntry) -> tuple[str, str | None, Extent, bool]:
    return removal.id, removal.name, removal.extent, removal.with_platform_connection


def _to_comparable(desired: Desired) -> tuple[Desired, str]:
    """Reduce an entry to the facts that decide about requests and tests. `1` and `true` stay different."""
    fields = sorted((path, _encode_value(value)) for path, value in desired.fields.items())
    return replace(desired, fields={}, span=_NO_SPAN, spans={}, key_spans={}, id_span=None), json.dumps(
        fields
    )


def _encode_value(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def _get_version(versions: RevisionEntries, key: str) -> EntryVersion:
    return versions.get(key, _NO_VERSION)


def _is_changed(before: EntryVersion, now: EntryVersion) -> bool:
    """Return whether a version declares another result.

    A removal that is no longer declared is no change.
    """
    return now.declared != before.declared or now.removed not in {None, before.removed}


def _collect_claims(versions: RevisionEntries, keys: Collection[str]) -> dict[str, frozenset[Claim]]:
    """Collect the claims of these entries. An entry that disappeared still claims its key."""
    removed = {key: frozenset({("key", key)}) for key in keys}
    return removed | {key: versions[key].claims for key in keys if key in versions}


def _find_conflicts(
    ours: Mapping[str, Collection[Claim]], theirs: Mapping[str, Collection[Claim]]
) -> Iterator[MergeConflict]:
    taken = {claim: key for key, claims in theirs.items() for claim in claims}
    moved = {claim for key, claims in ours.items() for claim in claims if claim != ("key", key)}
    for key, claims in sorted(ours.items()):
        if key in theirs:
            if ("key", key) not in moved:  # else the error belongs to the entry with the new key
                yield MergeConflict(key, key, ("key", key))
        elif shared := sorted(taken.keys() & claims):
            yield MergeConflict(key, taken[shared[0]], shared[0])
