"""Conditions on fields: `{key: "*_prod", service: [snowflake, big_query]}`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, TypeAlias

from reconciler.catalogue.normalize import match_enum
from reconciler.policy.base import EntryView
from reconciler.secrets.plugin import entry_points_by_name
from reconciler.secrets.stores import BUILT_IN_SCHEMES

AllowedValues: TypeAlias = tuple[str | int | float | bool, ...]
"""Values of which any will do. A text may be a glob; case makes no difference. One that starts with the scheme of
references, such as `vault:*`, is about where a secret comes from."""

ANY_VALUE = "*"
"""Any value will do, as long as there is one."""

FieldCondition: TypeAlias = Mapping[str, AllowedValues]
"""All of these fields have to match."""


def evaluate(
    entry: EntryView, path: str, allowed: AllowedValues, *, items: Callable[[Iterable[bool]], bool]
) -> bool | None:
    """Whether a field has one of these values; None where nobody can tell.

    Of a list `all` items count, or `any` of them. A secret is told by where it comes from: it is none of any values,
    and may be each of them.
    """
    if entry.is_unknown(path):
        return None
    value = entry.value(path)
    if path not in entry.confidential:
        return matches(allowed, value, items)
    reference_patterns = [pattern for pattern in allowed if is_reference_pattern(pattern)]
    if any(_matches_value(pattern, value) for pattern in reference_patterns):
        return True
    return False if len(reference_patterns) == len(allowed) else None


def matches(allowed: AllowedValues, value: Any, items: Callable[[Iterable[bool]], bool] = all) -> bool:
    """Whether a value is one of these; nothing is none. Of a list its `items` are asked."""
    if isinstance(value, list | tuple):
        return bool(value) and items(matches(allowed, item, items) for item in value)
    return value is not None and any(_matches_value(item, value) for item in allowed)


def meets(condition: FieldCondition, entry: EntryView) -> bool | None:
    """Whether an entry meets a condition; None where nobody can tell."""
    results = [evaluate(entry, path, allowed, items=any) for path, allowed in condition.items()]
    return False if False in results else None if None in results else True


def format_values(values: Iterable[object]) -> str:
    """Values as people read them: "`a`, `b` or `c`"."""
    formatted = [f"`{format_value(value)}`" for value in values]
    return " or ".join([", ".join(formatted[:-1]), formatted[-1]] if len(formatted) > 1 else formatted)


def format_value(value: object) -> str:
    """A value as a spec would spell it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(format_value, value))}]"
    return str(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _matches_value(allowed: str | int | float | bool, value: Any) -> bool:
    if allowed == ANY_VALUE:
        return True
    pattern, text = format_value(allowed).casefold(), format_value(value).strip().casefold()
    # The normal form of a service, a region or a method may be spelled otherwise than a person would.
    return fnmatchcase(text, pattern) or match_enum((pattern,), text) == pattern


def is_reference_pattern(value: object) -> bool:
    """Whether this is about where a secret comes from."""
    return value == ANY_VALUE or (
        isinstance(value, str) and value.partition(":")[0] in _list_schemes() and ":" in value
    )


@cache
def _list_schemes() -> frozenset[str]:
    return frozenset({*BUILT_IN_SCHEMES, *entry_points_by_name()})
