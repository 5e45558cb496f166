"""Assign keys of entries to live groups, from their names.

The keys depend on the groups alone and not on the order of a list, so that a second import of the same account assigns
the same keys.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from reconciler.importing.model import LiveGroup, Omission
from reconciler.importing.transliteration import transliterate
from reconciler.kinds.destination import read_service
from reconciler.model.address import KEY_PATTERN
from reconciler.spec.characters import describe_character, find_forbidden_in_value

_PREFIX = "group"
_WORDS_OF_YAML = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Keys that a program which reads YAML 1.1 takes for truth values."""
_REGION = ("region",)


def assign_keys(
    groups: Sequence[LiveGroup], taken: Collection[str], fixed: Mapping[str, str] | None = None
) -> tuple[Mapping[str, str], tuple[Omission, ...]]:
    """Assign a key to each live group, by the id of the group. Returns the keys in the order of `groups`.

    `taken` are keys that specs have already, `fixed` are keys by group id that another source gives. A group whose
    name no spec can declare, or whose fixed key is taken, is an omission.
    """
    fixed = fixed or {}
    uses = Counter(fixed[live.id] for live in groups if live.id in fixed)
    omissions = {
        live.id: omission
        for live in groups
        if (omission := _find_omission(live, taken, fixed.get(live.id), uses))
    }
    named = [live for live in groups if live.id not in omissions]
    keys = {live.id: fixed[live.id] for live in named if live.id in fixed}
    used = {*taken, *fixed.values()}
    rivals = _group_by_key([live for live in named if live.id not in fixed])
    rest: list[tuple[str, LiveGroup]] = []
    for key, group_of_key in sorted(rivals.items()):
        owner = _find_owner(key, group_of_key) if key not in used else None
        if owner is not None:
            keys[owner.id] = key
            used.add(key)
        rest += [(key, live) for live in group_of_key if live is not owner]
    for key, live in rest:
        keys[live.id] = next(
            candidate for candidate in _suggest_keys(key, live, rivals[key]) if candidate not in used
        )
        used.add(keys[live.id])
    return {live.id: keys[live.id] for live in named}, tuple(omissions.values())


def suggest_key(text: str) -> str | None:
    """Suggest a key for a name; None if the name has neither letters nor digits."""
    key = transliterate(text)
    if not key:
        return None
    return key if KEY_PATTERN.fullmatch(key) and key not in _WORDS_OF_YAML else f"{_PREFIX}_{key}"


def _group_by_key(groups: Iterable[LiveGroup]) -> Mapping[str, list[LiveGroup]]:
    """Group the live groups by the key that their names suggest, each list sorted by id."""
    rivals: dict[str, list[LiveGroup]] = defaultdict(list)
    for live in sorted(groups, key=lambda live: live.id):
        rivals[suggest_key(live.name) or suggest_key(live.id) or _PREFIX].append(live)
    return rivals


def _find_owner(key: str, rivals: Sequence[LiveGroup]) -> LiveGroup | None:
    """Find the group that gets the key without a suffix: the only one, or else the only one with the key as name."""
    if len(rivals) == 1:
        return rivals[0]
    exact = [live for live in rivals if live.name == key]
    return exact[0] if len(exact) == 1 else None


def _suggest_keys(key: str, live: LiveGroup, rivals: Sequence[LiveGroup]) -> Iterator[str]:
    """Suggest keys with a suffix for a group, the most telling first: the service or region that no rival has, and
    then the id."""
    for describe in (_describe_service, _describe_region, _describe_both):
        suffix = describe(live)
        if suffix and Counter(map(describe, rivals))[suffix] == 1:
            yield f"{key}_{suffix}"
    with_id = f"{key}_{transliterate(live.id) or _PREFIX}"
    yield with_id
    number = 2
    while True:
        yield f"{with_id}_{number}"
        number += 1


def _describe_service(live: LiveGroup) -> str:
    return transliterate(read_service(live.destination.fields) or "") if live.destination else ""


def _describe_region(live: LiveGroup) -> str:
    region = live.destination.fields.get(_REGION) if live.destination else None
    return transliterate(region) if isinstance(region, str) else ""


def _describe_both(live: LiveGroup) -> str:
    return "_".join(filter(None, [_describe_service(live), _describe_region(live)]))


def _find_omission(
    live: LiveGroup, taken: Collection[str], key: str | None, uses: Mapping[str, int]
) -> Omission | None:
    """Find the reason why a group gets no key. `key` is its fixed key, `uses` counts the groups of each fixed key."""
    if not live.name:
        return Omission(live, "the group has no name", "give the group a name in the Fivetran dashboard")
    if (character := find_forbidden_in_value(live.name)) is not None:
        return Omission(
            live,
            f"its name has the invisible character {describe_character(character)}, which no spec may have",
            "rename the group in the Fivetran dashboard",
        )
    return None if key is None else _find_key_problem(live, taken, key, uses)


def _find_key_problem(
    live: LiveGroup, taken: Collection[str], key: str, uses: Mapping[str, int]
) -> Omission | None:
    """Find the reason why a group cannot get its fixed key."""
    if not KEY_PATTERN.fullmatch(key):
        return Omission(live, f"`{key}` is no key", "choose another key", key)
    if key in taken:
        return Omission(live, f"the specs have the key `{key}` already", "rename one of the two", key)
    if uses[key] > 1:
        return Omission(live, f"two groups have the key `{key}`", "rename one of the two", key)
    return None
