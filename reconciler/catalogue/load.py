"""Load the catalogue's TOML files. Each service is read when a command first needs it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources.abc import Traversable
from itertools import chain
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

from pydantic import ConfigDict, TypeAdapter

from reconciler.catalogue.model import DestinationFacts, Field, Need, Region, RiskFacts, Service
from reconciler.catalogue.names import SUFFIX, find_resource, load_service_names
from reconciler.model.risk import FieldRisk

__all__ = [
    "build_field",
    "build_service",
    "load_destination_facts",
    "load_risks",
    "load_service",
    "load_service_names",
]

Table: TypeAlias = dict[str, Any]
"""TOML table of a file, unchecked."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Part in `parts/*.toml`: shared fields, as tables, since a service may override single keys of a field."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    fields: dict[str, Table] = field(default_factory=dict)
    starter: tuple[str, ...] = ()
    creation: tuple[Need, ...] = ()


@cache
def load_service(name: str) -> Service | None:
    """Load one service with its parts merged in; None for a name that the catalogue does not know.

    Raises `pydantic.ValidationError` for a key that no TOML file may have: such a key is a bug of this program.
    """
    if name not in load_service_names():
        return None
    return build_service(name, _read_toml(find_resource("services") / f"{name}{SUFFIX}"))


def build_service(name: str, table: Table) -> Service:
    """Build a service of `services/NAME.toml`. Raises as `load_service`.

    `parts` names the files that the service builds on: later parts override earlier parts, the service overrides all.
    `first` names the most important fields; the other fields follow in file order. A `starter` of the service replaces
    the starters of the parts. The needs of a creation are those of the parts and those of the service.
    """
    composition = ("parts", "first", "fields")
    parts = [_load_part(part) for part in table.get("parts", ())]
    starter = table.get("starter") or list(chain.from_iterable(part.starter for part in parts))
    facts = {key: value for key, value in table.items() if key not in composition}
    service = _SERVICE.validate_python({"name": name, **facts, "starter": starter})
    creation = (*chain.from_iterable(part.creation for part in parts), *service.creation)
    tables: dict[str, Table] = {}
    for fields in (*(part.fields for part in parts), table.get("fields", {})):
        _merge_tables(tables, fields)
    ordered = {name: tables[name] for name in table.get("first", ())} | tables
    return replace(service, fields=_build_fields(ordered), creation=creation)


@cache
def load_destination_facts() -> DestinationFacts:
    """Load the facts that hold for destinations of every service. Raises as `load_service`.

    `networking_methods` of the file lists, for each method, the fields that go with it.
    """
    table = _read_toml(find_resource("destination.toml"))
    regions = [
        *(Region(name) for name in table.pop("regions")),
        *(Region(name, listed=False) for name in table.pop("unlisted_regions")),
    ]
    fields, companions = table.pop("fields"), table.pop("networking_methods")
    facts = _DESTINATION.validate_python(
        {
            **table,
            "fields": {},
            "regions": {region.name: region for region in regions},
            "networking_methods": list(companions),
            "companions": companions,
        }
    )
    return replace(
        facts,
        fields=_build_fields(fields),
        regions=MappingProxyType(facts.regions),
        region_aliases=MappingProxyType(facts.region_aliases),
        companions=MappingProxyType(facts.companions),
    )


@cache
def load_risks() -> Mapping[FieldRisk, RiskFacts]:
    """Load the facts about changes of fields, by the kind of their consequences. Raises as `load_service`."""
    return MappingProxyType(_RISKS.validate_python(_read_toml(find_resource("risks.toml"))))


@cache
def _load_part(name: str) -> _Part:
    return _PART.validate_python(_read_toml(find_resource("parts") / f"{name}{SUFFIX}"))


def _merge_tables(tables: dict[str, Table], over: Mapping[str, Table]) -> None:
    """Add fields, or override single keys of present fields, which keep their position."""
    for name, table in over.items():
        tables[name] = tables.get(name, {}) | table


def _build_fields(tables: Mapping[str, Table]) -> Mapping[str, Field]:
    return MappingProxyType({name: build_field(name, table) for name, table in tables.items()})


def build_field(name: str, table: Table) -> Field:
    """Build a field of a `[fields.NAME]` table. Raises `pydantic.ValidationError` for a table that is out of order.

    A table must have a `description`, which users read. Fields that code builds need none, so `Field` has a default.
    """
    facts = {key: value for key, value in table.items() if key != "fields"}
    field = _FIELD.validate_python({"name": name, "description": None} | facts)
    return replace(field, fields=_build_fields(table.get("fields", {})))


def _read_toml(file: Traversable) -> Table:
    return tomllib.loads(file.read_text(encoding="utf-8"))


_FIELD = TypeAdapter(Field)
_SERVICE = TypeAdapter(Service)
_DESTINATION = TypeAdapter(DestinationFacts)
_PART = TypeAdapter(_Part)
_RISKS = TypeAdapter(dict[FieldRisk, RiskFacts])
