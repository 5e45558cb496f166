"""Name the private links, agents and secrets managers that live destinations refer to by their ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from reconciler.api.client import Client
from reconciler.api.errors import Forbidden, NotFound
from reconciler.importing.model import LiveGroup
from reconciler.kinds.account_objects import OBJECT_FIELDS, ObjectField, get_object_name
from reconciler.model.value import FieldPath, Fields
from reconciler.spec.characters import find_forbidden_in_value

_NAMEABLE = tuple(each for each in OBJECT_FIELDS if each.name_key)


@dataclass(frozen=True, slots=True)
class ObjectNames:
    """Names of the objects of an account by their ids, for each list that was read."""

    by_source: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def describe(self, fields: Fields) -> Iterator[str]:
        """Describe the objects that a destination refers to by their ids."""
        for each in _NAMEABLE:
            name = self._find_name(each, fields.get(each.path))
            if name:
                yield f"`{each.path[0]}` is the {each.noun} `{name}`."

    def replace_ids(self, block: dict[str, Any]) -> dict[str, Any]:
        """Replace the ids in a destination block by names. An id stays if no name is known, or if several objects have
        the name."""
        keys = {each.path[0]: each for each in _NAMEABLE}
        replaced: dict[str, Any] = {}
        for key, value in block.items():
            name = self._find_name(keys[key], value) if key in keys else ""
            if name and self._is_unique(keys[key], name):
                replaced[keys[key].name_key] = name
            else:
                replaced[key] = value
        return replaced

    def _find_name(self, object_field: ObjectField, id: Any) -> str:
        """Find the name of an object; empty if it is unknown, or if a spec cannot write it."""
        name = self.by_source.get(object_field.source, {}).get(id, "") if isinstance(id, str) else ""
        return name if name.strip() and find_forbidden_in_value(name) is None else ""

    def _is_unique(self, object_field: ObjectField, name: str) -> bool:
        return Counter(self.by_source[object_field.source].values())[name] == 1


NO_OBJECT_NAMES = ObjectNames()


def read_object_names(client: Client, groups: Iterable[LiveGroup]) -> ObjectNames:
    """Read the list of each kind of object that one of the groups refers to. A list that these credentials may not read
    gives no names. Raises ApiError."""
    destinations = [group.destination.fields for group in groups if group.destination is not None]
    by_source: dict[str, Mapping[str, str]] = {}
    for each in _NAMEABLE:
        if any(_refers_to(fields, each.path) for fields in destinations):
            with suppress(Forbidden, NotFound):
                by_source[each.source] = {
                    item.id: get_object_name(item) for item in each.list_objects(client)
                }
    return ObjectNames(by_source)


def _refers_to(fields: Fields, path: FieldPath) -> bool:
    return isinstance(fields.get(path), str) and bool(fields[path])
