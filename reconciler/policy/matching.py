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
"""Alternative values. A text may be a glob and is compared without case. A text that starts with a scheme of
references, such as `vault:*`, is compared with the reference of a secret."""

ANY_VALUE = "*"
"""Pattern of any value, but not of a missing value."""

FieldCondition: TypeAlias = Mapping[str, AllowedValues]
"""Allowed values by field. All fields have to match."""


def evaluate(
    entry: EntryView, path: str, allowed: AllowedValues, *, items: Callable[[Iterable[bool]], bool]
) -> bool | None:
    """Evaluate whether a field has one of these values; None if the result is unknown.

    Of a list `all` or `any` items have to match. A secret is compared by its reference: its value is unknown,
    so plain values may match it or not.
    """
    if entry.is_unknown(path):
        return None
    value = entry.value(path)
    if path not in entry.confidential:
        return matches(allowed, value, items)
    reference_patterns = [pattern for pattern in allowed if is_reference_pattern(pattern)]
    if any(_matches_value(pattern, value) for pattern in reference_patterns):
        return True
    # Plain values in the policy may equal the secret's value, which is unknown here.
    return False if len(reference_patterns) == len(allowed) else None


def matches(allowed: AllowedValues, value: Any, items: Callable[[Iterable[bool]], bool] = all) -> bool:
    """Return whether a value matches one of `allowed`. None matches nothing; of a list `items` have to match."""
    if isinstance(value, list | tuple):
        return bool(value) and items(matches(allowed, item, items) for item in value)
    return value is not None and any(_matches_value(item, value) for item in allowed)


def meets(condition: FieldCondition, entry: EntryView) -> bool | None:
    """Evaluate whether an entry meets a condition; None if the result is unknown."""
    results = [evaluate(entry, path, allowed, items=any) for path, allowed in condition.items()]
    return False if False in results else None if None in results else True


def format_values(values: Iterable[object]) -> str:
    """Format values as a phrase: "`a`, `b` or `c`"."""
    formatted = [f"`{format_value(value)}`" for value in values]
    return " or ".join([", ".join(formatted[:-1]), formatted[-1]] if len(formatted) > 1 else formatted)


def format_value(value: object) -> str:
    """Format a value in the spelling of specs."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(format_value, value))}]"
    return str(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _matches_value(allowed: str | int | float | bool, value: Any) -> bool:
    if allowed == ANY_VALUE:
        return True
    pattern, text = format_value(allowed).casefold(), format_value(value).strip().casefold()
    # Users may spell a service, a region or a method in another way than its normal form.
    return fnmatchcase(text, pattern) or match_enum((pattern,), text) == pattern


def is_reference_pattern(value: object) -> bool:
    """Return whether a pattern is compared with references of secrets."""
    return value == ANY_VALUE or (
        isinstance(value, str) and value.partition(":")[0] in _list_schemes() and ":" in value
    )


@cache
def _list_schemes() -> frozenset[str]:
    return frozenset({*BUILT_IN_SCHEMES, *entry_points_by_name()})
