"""Replace the names of private links, agents and secrets managers by their ids, before a plan compares anything.

Costs one list per kind of object, and only if an entry in scope uses a name of that kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, TypeAlias

from reconciler.api.client import Client
from reconciler.kinds.account_objects import (
    FIELDS_BY_NAME_KEY,
    HYBRID_AGENTS,
    LINKS,
    OBJECT_FIELDS,
    ObjectField,
    get_object_name,
)
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.resource import Desired
from reconciler.model.suggestions import did_you_mean
from reconciler.model.value import FieldPath, ObjectName, format_path

_REGION: FieldPath = ("region",)
_AWAITED = frozenset({LINKS, HYBRID_AGENTS})


@dataclass(frozen=True, slots=True)
class NamedObject:
    """Object of the account that an entry names, with the field that refers to it."""

    desired: Desired
    field: ObjectField
    item: Any

    @property
    def fault(self) -> str:
        """Return why the object cannot be used now; empty if it can."""
        return self.field.describe_fault(self.item)


@dataclass(frozen=True, slots=True)
class ResolvedNames:
    """Entries whose names are replaced by ids. An entry with a wrong name is left out, with a finding in `problems`.

    `objects` are the named objects of all other entries.
    """

    entries: tuple[Desired, ...]
    problems: tuple[Diagnostic, ...] = ()
    objects: tuple[NamedObject, ...] = ()

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """Return a warning for each object that cannot be used now, and for each link to another region."""
        return tuple(_warn_of_objects(self.objects))


ListObjects: TypeAlias = Callable[[ObjectField], Sequence[Any]]
"""List the objects that a field may refer to. May raise `ApiError`."""


def list_from_account(client: Client) -> ListObjects:
    """Return the function that reads each list from the account."""
    return lambda field: field.list_objects(client)


@dataclass(frozen=True, slots=True)
class _MadeUpObject:
    """Object of a sandbox, which has any object that its specs name. The emulated account takes any id."""

    name: str
    state: str = ""
    region: str = ""
    online: bool | None = None
    status: str = ""

    @property
    def id(self) -> str:
        """Return an id that resembles the name."""
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_") or "unnamed"


def make_up_objects(entries: Iterable[Desired]) -> ListObjects:
    """Return the function that lists the objects which the entries of a sandbox name."""
    names: dict[str, dict[str, _MadeUpObject]] = {}
    for value in chain.from_iterable(desired.fields.values() for desired in entries):
        if isinstance(value, ObjectName):
            source = FIELDS_BY_NAME_KEY[value.scheme].source
            names.setdefault(source, {})[value.locator] = _MadeUpObject(value.locator)
    return lambda field: list(names.get(field.source, {}).values())


def list_named_fields(desired: Desired) -> list[ObjectField]:
    """List the fields of an entry that have a name in place of an id."""
    return [
        FIELDS_BY_NAME_KEY[value.scheme] for value in desired.fields.values() if isinstance(value, ObjectName)
    ]


def resolve_object_names(list_objects: ListObjects, entries: Iterable[Desired]) -> ResolvedNames:
    """Resolve the names in entries. Raises `ApiError` if a list cannot be read."""
    resolver = _NameResolver(list_objects)
    resolved = [resolver.resolve(entry) for entry in entries]
    return ResolvedNames(
        tuple(entry for entry in resolved if entry is not None),
        tuple(resolver.problems),
        tuple(resolver.objects),
    )


@dataclass(slots=True)
class _NameResolver:
    """Resolver of one plan: reads each list once."""

    list_objects: ListObjects
    problems: list[Diagnostic] = field(default_factory=list)
    objects: list[NamedObject] = field(default_factory=list)
    _lists: dict[str, Sequence[Any]] = field(default_factory=dict)

    def resolve(self, desired: Desired) -> Desired | None:
        """Replace the names of an entry by ids; None if a name is wrong."""
        names = {path: value for path, value in desired.fields.items() if isinstance(value, ObjectName)}
        if not names:
            return desired
        found = {path: self._find(desired, path, name) for path, name in names.items()}
        if None in found.values():
            return None
        return replace(desired, fields={**desired.fields, **found})

    def find_by_id(self, desired: Desired) -> Iterator[NamedObject]:
        """Find the links and hybrid agents that an entry refers to by their ids."""
        for object_field in OBJECT_FIELDS:
            id = desired.fields.get(object_field.path)
            if object_field.source in _AWAITED and isinstance(id, str):
                matches = (item for item in self._list(object_field) if item.id == id)
                yield from (NamedObject(desired, object_field, item) for item in matches)

    def _find(self, desired: Desired, path: FieldPath, name: ObjectName) -> str | None:
        """Find the id of a named object; None, with a problem, unless exactly one object has the name."""
        object_field = FIELDS_BY_NAME_KEY[name.scheme]
        items = self._list(object_field)
        matches = [item for item in items if get_object_name(item) == name.locator]
        if len(matches) != 1:
            explain = _explain_ambiguous if matches else _explain_unknown
            self.problems.append(explain(desired, path, object_field, matches or items))
            return None
        self.objects.append(NamedObject(desired, object_field, matches[0]))
        return str(matches[0].id)

    def _list(self, object_field: ObjectField) -> Sequence[Any]:
        if object_field.source not in self._lists:
            self._lists[object_field.source] = self.list_objects(object_field)
        return self._lists[object_field.source]


def _explain_unknown(
    desired: Desired, path: FieldPath, object_field: ObjectField, items: Sequence[Any]
) -> Diagnostic:
    name, noun = str(desired.fields[path]), object_field.noun
    by_id = next((item for item in items if item.id == name), None)
    advice = (
        f"this is an id: write `{format_path(path)}: {name}`"
        if by_id is not None
        else did_you_mean(name, [get_object_name(item) for item in items])
    )
    return _locate(
        desired,
        path,
        "not-in-account",
        f"no {noun} of this account is called `{name}`, or these credentials do not see it",
        advice or f"make the {noun} in Fivetran first, or correct the name",
    )


def _explain_ambiguous(
    desired: Desired, path: FieldPath, object_field: ObjectField, matches: Sequence[Any]
) -> Diagnostic:
    name, noun = str(desired.fields[path]), object_field.noun
    ids = ", ".join(sorted(f"`{item.id}`" for item in matches))
    return _locate(
        desired,
        path,
        "not-in-account",
        f"{len(matches)} {noun}s are called `{name}`: {ids}",
        f"name one of them by its id, as `{format_path(path)}:`",
    )


def _warn_of_objects(objects: Iterable[NamedObject]) -> Iterator[Diagnostic]:
    for named in objects:
        desired, object_field = named.desired, named.field
        name, noun = get_object_name(named.item), object_field.noun
        if named.fault:
            finding = _locate(
                desired,
                object_field.path,
                "not-ready",
                f"the {noun} `{name}` {named.fault}",
                f"look at the {noun} in Fivetran, or wait for it with `apply --wait 20m`",
            )
            yield replace(finding, severity=Severity.WARNING)
        region, declared = getattr(named.item, "region", ""), desired.fields.get(_REGION)
        if region and isinstance(declared, str) and region != declared:
            finding = _locate(
                desired,
                object_field.path,
                "other-region",
                f"the {noun} `{name}` is in region `{region}`, and {desired.address} in `{declared}`",
                f"use a {noun} of the region of the destination",
            )
            yield replace(finding, severity=Severity.WARNING)


def _locate(desired: Desired, path: FieldPath, code: str, message: str, advice: str) -> Diagnostic:
    return Diagnostic(
        code, message, span=desired.spans.get(path, desired.span), address=desired.address, help=advice
    )


def find_awaited_objects(client: Client, entries: Iterable[Desired]) -> tuple[NamedObject, ...]:
    """Find the links and hybrid agents that entries refer to, by name or id, and that become usable by themselves.

    Raises `ApiError`. A name or id that no list shows is left out: the plan explains it.
    """
    resolver = _NameResolver(list_from_account(client))
    resolved = [entry for entry in map(resolver.resolve, entries) if entry is not None]
    found = (named for entry in resolved for named in resolver.find_by_id(entry))
    return tuple(named for named in found if named.fault and not named.field.is_fatal(named.item))
