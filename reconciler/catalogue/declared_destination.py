"""Declared destination under check, with the look-ups that the checks share."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from reconciler.catalogue.load import load_destination_facts
from reconciler.catalogue.model import Condition, Field, Service
from reconciler.catalogue.normalize import CONFIG, normalize_value
from reconciler.model.value import FieldPath, Fields, Reference

WITHOUT_A_LIST = ("Directly", "PrivateLink")
"""Networking methods of a service that lists none. It has no fields of a tunnel, and a proxy agent works for services
only that list it."""


_METHODS: tuple[FieldPath, ...] = (("networking_method",), (CONFIG, "connection_type"))
_TUNNEL_HOST: FieldPath = (CONFIG, "tunnel_host")


@dataclasses.dataclass(frozen=True)
class DeclaredDestination:
    """Declaration of one destination. `service` is None if the catalogue does not know it. `spellings` are the numbers
    and truth values as the file spells them.

    The declaration of a destination that `is_new` is all that Fivetran gets to know, so that defaults hold. An existing
    destination has values that a declaration leaves out.
    """

    service: Service | None
    fields: Fields
    spellings: Mapping[FieldPath, str] = dataclasses.field(default_factory=dict)
    is_new: bool = True

    def find_field(self, path: FieldPath) -> Field | None:
        """Find the facts of the catalogue about a field; None if the catalogue lacks the field."""
        # Every check asks for fields, so this is no `match`, which takes twice the time.
        if len(path) == 2 and path[0] == CONFIG:
            return self.service.fields.get(path[1]) if self.service else None
        return load_destination_facts().fields.get(path[0]) if len(path) == 1 else None

    def iter_fields(self) -> Iterator[tuple[FieldPath, Field]]:
        """Iterate over every field that this destination can have, declared or not."""
        for name, field in load_destination_facts().fields.items():
            yield (name,), field
        for name, field in self.service.fields.items() if self.service else ():
            yield (CONFIG, name), field

    @cached_property
    def declared_fields(self) -> tuple[tuple[FieldPath, Field], ...]:
        """The declared fields that the catalogue knows, in the order of the catalogue."""
        top_level = {path[0] for path in self.fields if len(path) == 1}
        config = {path[1] for path in self.fields if len(path) == 2 and path[0] == CONFIG}
        known = self.service.fields if self.service else {}
        return (
            *(
                ((name,), field)
                for name, field in load_destination_facts().fields.items()
                if name in top_level
            ),
            *(((CONFIG, name), field) for name, field in known.items() if name in config),
        )

    @cached_property
    def values(self) -> Mapping[FieldPath, Any]:
        """The normalized values of the declared fields that are set."""
        normalized = (
            (path, normalize_value(self.find_field(path), value)) for path, value in self.fields.items()
        )
        return {path: value for path, value in normalized if value is not None}

    def iter_required(self) -> Iterator[tuple[FieldPath, Field]]:
        """Iterate over the fields that the API definition requires, always or because of another setting."""
        for field in load_destination_facts().required_fields:
            yield (field.name,), field
        for field in self.service.required_fields if self.service else ():
            yield (CONFIG, field.name), field

    def has_value(self, path: FieldPath) -> bool:
        """Return whether a field is declared with a value, or with a reference to a value."""
        return path in self.values

    @property
    def is_tunnelled(self) -> bool:
        """Return whether Fivetran is to go through an SSH tunnel: either field for the networking method says so, or
        the host of a tunnel is declared."""
        methods = [self.values.get(path) for path in _METHODS]
        return "SshTunnel" in methods or self.has_value(_TUNNEL_HOST)

    def satisfies(self, condition: Condition) -> bool | None:
        """Return whether other fields of `config` meet a condition; None if a value is not known yet."""
        results = [self._has_one_of(name, allowed) for name, allowed in condition.items()]
        if False in results:
            return False
        return None if None in results else True

    def find_selector(self, condition: Condition) -> tuple[FieldPath, Any] | None:
        """Find the first declared field, with its value, that meets a part of a condition; None: defaults meet it."""
        candidates = (
            (path, value)
            for name, allowed in condition.items()
            for path, value in self._iter_settings(name)
            if value in allowed
        )
        return next(candidates, None)

    def _has_one_of(self, name: str, allowed: tuple[Any, ...]) -> bool | None:
        field = self.find_field((CONFIG, name))
        values = [value for _, value in self._iter_settings(name)]
        if not values and self.is_new and field and field.default is not None:
            values = [field.default]
        if any(value in allowed for value in values):
            return True
        return False if values and all(_is_definite(field, value) for value in values) else None

    def _iter_settings(self, name: str) -> Iterator[tuple[FieldPath, Any]]:
        """Iterate over a field of `config` and the equivalent top-level field, as far as they are declared."""
        field = self.find_field((CONFIG, name))
        path: FieldPath = (CONFIG, name)
        if path in self.values:
            yield path, self.values[path]
        if field and field.mirrors and self.has_value(path := (field.mirrors,)):
            yield path, normalize_value(field, self.fields[path])

    def list_services_methods(self) -> tuple[str, ...] | None:
        """List the networking methods that the service is known for; None if the catalogue does not know it or its
        fields."""
        if self.service is None or self.service.free_form:
            return None
        mirror = self.service.networking_field
        if mirror is None:
            return WITHOUT_A_LIST
        return tuple(mirror.mirrored_as.get(member, member) for member in mirror.enum)


def _is_definite(field: Field | None, value: Any) -> bool:
    """Return whether a value is known and valid. A reference is unknown until the run fetches it; a misspelt value is a
    finding of its own and must not cause further findings."""
    if isinstance(value, Reference):
        return False
    return field is None or not field.enum or value in field.enum
