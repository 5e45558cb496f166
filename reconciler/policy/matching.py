"""Conditions on fields: `{key: "*_prod", service: [snowflake, big_query]}`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from reconciler.catalogue.canonical import in_spelling_of
from reconciler.policy.base import Entry

Wanted: TypeAlias = tuple[str | int | float | bool, ...]
"""Values of which any will do. A text may be a glob; case and `_` make no difference."""

ANY = "*"
"""Any value will do, as long as there is one."""

Condition: TypeAlias = Mapping[str, Wanted]
"""All of these fields have to match."""


def matches(wanted: Wanted, value: Any) -> bool:
    """Whether a value is one of these. A list is one if all its items are; nothing is none."""
    if isinstance(value, list | tuple):
        return bool(value) and all(matches(wanted, each) for each in value)
    return value is not None and any(_is(each, value) for each in wanted)


def meets(condition: Condition, entry: Entry) -> bool | None:
    """Whether an entry meets a condition; None where only a plan can tell."""
    answers = [_meets(entry, path, wanted) for path, wanted in condition.items()]
    return False if False in answers else None if None in answers else True


def listed(wanted: Iterable[object]) -> str:
    """Values as people read them: "`a`, `b` or `c`"."""
    told = [f"`{shown(each)}`" for each in wanted]
    return " or ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def shown(value: object) -> str:
    """A value as a spec would spell it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_hidden(entry: Entry, path: str, wanted: Wanted) -> bool:
    """Whether a field has a secret for a value, and what is wanted are values and not places that secrets come from."""
    return path in entry.confidential and not any(
        isinstance(each, str) and (each == ANY or ":" in each) for each in wanted
    )


def _meets(entry: Entry, path: str, wanted: Wanted) -> bool | None:
    if entry.is_undecided(path) or is_hidden(entry, path, wanted):
        return None
    return matches(wanted, entry.value(path))


def _is(wanted: str | int | float | bool, value: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value or wanted == ANY
    if isinstance(wanted, str):
        # The normal form of a service, a region or a method may be spelled otherwise than a person would.
        return fnmatchcase(str(value), wanted) or in_spelling_of((wanted,), str(value)) == wanted
    return bool(wanted == value)
