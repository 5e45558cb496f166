"""Conditions on fields: `{key: "*_prod", service: [snowflake, big_query]}`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, TypeAlias

from reconciler.catalogue.canonical import in_spelling_of
from reconciler.policy.base import Entry
from reconciler.secrets.plugin import installed
from reconciler.secrets.stores import BUILT_IN

Wanted: TypeAlias = tuple[str | int | float | bool, ...]
"""Values of which any will do. A text may be a glob; case makes no difference. One that starts with the scheme of
references, such as `vault:*`, is about where a secret comes from."""

ANY = "*"
"""Any value will do, as long as there is one."""

Condition: TypeAlias = Mapping[str, Wanted]
"""All of these fields have to match."""


def judged(
    entry: Entry, path: str, wanted: Wanted, *, items: Callable[[Iterable[bool]], bool]
) -> bool | None:
    """Whether a field has one of these values; None where nobody can tell.

    Of a list `all` items count, or `any` of them. A secret is told by where it comes from: it is none of any values,
    and may be each of them.
    """
    if entry.is_undecided(path):
        return None
    value = entry.value(path)
    if path not in entry.confidential:
        return matches(wanted, value, items)
    places = [each for each in wanted if is_place(each)]
    if any(_is(each, value) for each in places):
        return True
    return False if len(places) == len(wanted) else None


def matches(wanted: Wanted, value: Any, items: Callable[[Iterable[bool]], bool] = all) -> bool:
    """Whether a value is one of these; nothing is none. Of a list its `items` are asked."""
    if isinstance(value, list | tuple):
        return bool(value) and items(matches(wanted, each, items) for each in value)
    return value is not None and any(_is(each, value) for each in wanted)


def meets(condition: Condition, entry: Entry) -> bool | None:
    """Whether an entry meets a condition; None where nobody can tell."""
    answers = [judged(entry, path, wanted, items=any) for path, wanted in condition.items()]
    return False if False in answers else None if None in answers else True


def listed(wanted: Iterable[object]) -> str:
    """Values as people read them: "`a`, `b` or `c`"."""
    told = [f"`{shown(each)}`" for each in wanted]
    return " or ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def shown(value: object) -> str:
    """A value as a spec would spell it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    return str(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _is(wanted: str | int | float | bool, value: Any) -> bool:
    if wanted == ANY:
        return True
    want, have = shown(wanted).casefold(), shown(value).strip().casefold()
    # The normal form of a service, a region or a method may be spelled otherwise than a person would.
    return fnmatchcase(have, want) or in_spelling_of((want,), have) == want


def is_place(wanted: object) -> bool:
    """Whether this is about where a secret comes from."""
    return wanted == ANY or (
        isinstance(wanted, str) and wanted.partition(":")[0] in _schemes() and ":" in wanted
    )


@cache
def _schemes() -> frozenset[str]:
    return frozenset({*BUILT_IN, *installed()})
