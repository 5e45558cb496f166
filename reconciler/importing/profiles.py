"""Factor the common fields of imported entries into profiles, where that saves lines.

The entries of one service are one cluster, or are split by the values of one field, again and again, as long as smaller
clusters save more lines. Each cluster has one profile: the fields that all its entries declare, with the values of most
entries. An entry keeps what differs, and never inherits a field that it does not declare, so the merged entries declare
exactly what they declared before.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler.catalogue.normalize import CONFIG
from reconciler.importing.keys import suggest_key
from reconciler.importing.model import FactoredEntries, ImportedEntry
from reconciler.importing.transliteration import transliterate
from reconciler.kinds.destination import SERVICE, DestinationKind
from reconciler.kinds.destination_body import TIME_ZONE_OFFSET
from reconciler.model.address import DESTINATION
from reconciler.model.value import FieldPath
from reconciler.spec.merge_files import PROFILE

_MIN_MEMBERS = 3
_MAX_VALUES = 8
"""A field with more values than this does not split a cluster."""
_MAX_DEPTH = 3
_MAX_LABEL = 24
_PROFILE_COST = 2
"""Lines that a profile must save beside its own, since readers have to look it up."""
_TELLING_WORTH = 3
"""Lines that another split must save beside those of a split by a more telling field."""
_CAMEL_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class _Leaves:
    """Leaves of the destination of an entry. `tokens` are the comparable forms of the values that a profile may have;
    the other leaves are secrets and unchecked fields."""

    entry: ImportedEntry
    values: Mapping[FieldPath, Any]
    tokens: Mapping[FieldPath, str]

    @property
    def service(self) -> str:
        return str(self.values[SERVICE])


@dataclass(frozen=True, slots=True)
class _Cluster:
    """Entries that share a profile, with the tokens of its fields. `name` is the wanted name of the profile, `saved`
    the number of lines that it saves, `counts` the numbers of all tokens, by field."""

    name: str
    members: Sequence[_Leaves]
    counts: Mapping[FieldPath, Counter[str]]
    shared: Mapping[FieldPath, str]
    saved: int


def factor_profiles(entries: Sequence[ImportedEntry], taken: Collection[str]) -> FactoredEntries:
    """Factor the common fields of entries into profiles. `taken` are the names of profiles that specs have already.

    The order of the entries stays and decides nothing.
    """
    names = set(taken)
    profiles: dict[str, Mapping[str, Any]] = {}
    profile_by_key: dict[str, tuple[str, Mapping[FieldPath, str]]] = {}
    for service, members in sorted(_group_by_service(entries).items()):
        root = _build_cluster(suggest_key(service) or PROFILE, members)
        for cluster in _find_clusters(root):
            name = _choose_name(cluster.name, names)
            names.add(name)
            profiles[name] = _build_profile(cluster)
            profile_by_key |= {member.entry.key: (name, cluster.shared) for member in cluster.members}
    return FactoredEntries(
        tuple(
            _use_profile(entry, *profile_by_key[entry.key]) if entry.key in profile_by_key else entry
            for entry in entries
        ),
        profiles,
    )


def _group_by_service(entries: Iterable[ImportedEntry]) -> Mapping[str, list[_Leaves]]:
    """Group the leaves of entries with a destination by service, sorted by key."""
    groups: dict[str, list[_Leaves]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.key):
        if DESTINATION in entry.content:
            leaves = _list_leaves(entry)
            groups[leaves.service].append(leaves)
    return groups


def _list_leaves(entry: ImportedEntry) -> _Leaves:
    values = dict(_iter_leaves(entry.content[DESTINATION]))
    tokens = {path: _to_token(value) for path, value in values.items() if _may_be_shared(value)}
    return _Leaves(entry, values, tokens)


def _iter_leaves(block: Mapping[str, Any]) -> Iterator[tuple[FieldPath, Any]]:
    for name, value in block.items():
        if name == CONFIG:
            yield from (((CONFIG, field), member) for field, member in value.items())
        else:
            yield (name,), value


def _may_be_shared(value: Any) -> bool:
    """Return whether a profile may have a value. A mapping is a reference to a secret, or would be merged with the
    mapping of an entry, and not replaced by it."""
    return not isinstance(value, Mapping)


def _to_token(value: Any) -> str:
    """Convert a value to a text that is equal only for equal values: `1` is not `true`, and not `"1"`."""
    return f'"{value}' if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _find_clusters(whole: _Cluster, depth: int = _MAX_DEPTH) -> list[_Cluster]:
    """Find the parts of a cluster that save the most lines; none if no profile saves lines."""
    if len(whole.members) < _MIN_MEMBERS:
        return []
    best, best_saved = None, max(whole.saved, 0)
    for path in _list_splitting_fields(whole) if depth else ():
        parts = _split(whole, path)
        saved = sum(max(part.saved, 0) for part in parts)
        if saved > best_saved + _TELLING_WORTH * (best is not None):
            best, best_saved = parts, saved
    if best is None:
        return [whole] if whole.saved > 0 else []
    return [cluster for part in best for cluster in _find_clusters(part, depth - 1)]


def _build_cluster(name: str, members: Sequence[_Leaves]) -> _Cluster:
    """Build a cluster: its profile has the fields that all entries declare and most entries declare alike."""
    counts = _count_tokens(members)
    shared, repeated = {}, 0
    for path, count_by_token in counts.items():
        token, count = max(count_by_token.items(), key=lambda item: item[1])
        if count >= _MIN_MEMBERS and 2 * count > len(members) == count_by_token.total():
            shared[path] = token
            repeated += count
    headers = 1 + any(path[0] == CONFIG for path in shared)
    saved = repeated - len(members) - len(shared) - headers - _PROFILE_COST
    return _Cluster(name, members, counts, shared, saved)


def _count_tokens(members: Sequence[_Leaves]) -> Mapping[FieldPath, Counter[str]]:
    """Count the values of each field."""
    tokens: dict[FieldPath, list[str]] = defaultdict(list)
    for member in members:
        for path, token in member.tokens.items():
            tokens[path].append(token)
    return {path: Counter(tokens_of_field) for path, tokens_of_field in tokens.items()}


def _list_splitting_fields(cluster: _Cluster) -> list[FieldPath]:
    """List the fields with a few values, the most telling first. No value is a value too."""
    fields = [
        path
        for path, counts in cluster.counts.items()
        if 2 <= len(counts) + (counts.total() < len(cluster.members)) <= _MAX_VALUES
    ]
    service = cluster.members[0].service
    return sorted(fields, key=lambda path: (_rank_field(path, service), path))


def _rank_field(path: FieldPath, service: str) -> int:
    """Rank a field by how much its value tells a reader: regions and choices come first."""
    if path[0] != CONFIG:
        return 0
    catalogue_field = DestinationKind().get_field(path, service)
    return 1 if catalogue_field is not None and catalogue_field.enum else 2


def _split(cluster: _Cluster, path: FieldPath) -> list[_Cluster]:
    """Split a cluster by the value of a field. Entries with a rare value stay together, under the name as it is."""
    parts: dict[str | None, list[_Leaves]] = defaultdict(list)
    for member in cluster.members:
        parts[member.tokens.get(path)].append(member)
    large = {token: part for token, part in parts.items() if len(part) >= _MIN_MEMBERS}
    small = [member for member in cluster.members if member.tokens.get(path) not in large]
    named = [
        (f"{cluster.name}_{_describe_value(path, part[0])}", part)
        for _, part in sorted(large.items(), key=lambda item: (item[0] is None, item[0] or ""))
    ]
    return [_build_cluster(name, part) for name, part in [*named, (cluster.name, small)] if part]


def _describe_value(path: FieldPath, member: _Leaves) -> str:
    """Describe the value of a field by words for the name of a profile. An undeclared field has its default."""
    catalogue_field = DestinationKind().get_field(path, member.service)
    default = catalogue_field.default if catalogue_field else None
    match member.values.get(path, default):
        case bool() as value:
            return path[-1] if value else f"not_{path[-1]}"
        case str() as value if path == TIME_ZONE_OFFSET:
            return f"utc_{transliterate(value.replace('-', 'minus '))}"
        case str() as value:
            word = transliterate(_CAMEL_BOUNDARY.sub("_", value))
            return word if word and len(word) <= _MAX_LABEL else path[-1]
        case int() | float() as value:
            return f"{path[-1]}_{transliterate(str(value))}"
        case None:
            return f"without_{path[-1]}"
    return path[-1]


def _choose_name(wanted: str, taken: Collection[str]) -> str:
    """Choose a free name."""
    number = 2
    name = wanted
    while name in taken:
        name = f"{wanted}_{number}"
        number += 1
    return name


def _build_profile(cluster: _Cluster) -> Mapping[str, Any]:
    """Build the plain data of a profile, in the order of the entries."""
    owner = {
        path: next(member for member in cluster.members if member.tokens[path] == token)
        for path, token in cluster.shared.items()
    }
    first = cluster.members[0]
    return _build_block({path: owner[path].values[path] for path in first.values if path in owner})


def _use_profile(entry: ImportedEntry, name: str, shared: Mapping[FieldPath, str]) -> ImportedEntry:
    """Name the profile in an entry, and keep what differs."""
    leaves = _list_leaves(entry)
    kept = {
        path: value
        for path, value in leaves.values.items()
        if path not in shared or leaves.tokens.get(path) != shared[path]
    }
    block = {PROFILE: name, **_build_block(kept)}
    return replace(entry, content={**entry.content, DESTINATION: block})


def _build_block(values: Mapping[FieldPath, Any]) -> dict[str, Any]:
    block: dict[str, Any] = {}
    for path, value in values.items():
        if path[0] == CONFIG and len(path) > 1:
            block.setdefault(CONFIG, {})[path[1]] = value
        else:
            block[path[0]] = value
    return block
