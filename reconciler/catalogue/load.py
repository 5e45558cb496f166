"""The catalogue's TOML files as values. Each service is read when it is first asked for."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources.abc import Traversable
from itertools import chain
from types import MappingProxyType
from typing import Any

from reconciler.catalogue.model import DestinationFacts, Field, Region, Service
from reconciler.catalogue.names import SUFFIX, find_resource, load_service_names
from reconciler.catalogue.toml_schema import DestinationFile, FieldRow, PartFile, ServiceFile

__all__ = ["load_destination_facts", "load_service", "load_service_names"]


@cache
def load_service(name: str) -> Service | None:
    """One service with its parts merged in, or None where the catalogue does not know it.

    Raises `pydantic.ValidationError` for a key that no TOML file may have: that is a bug of ours.
    """
    if name not in load_service_names():
        return None
    row = ServiceFile.model_validate(_read_toml(find_resource("services") / f"{name}{SUFFIX}"))
    tables: dict[str, dict[str, Any]] = {}
    parts = [_load_part(part) for part in row.parts]
    for part in parts:
        _merge_tables(tables, part.fields)
    _merge_tables(tables, row.fields)
    tables = {name: tables[name] for name in row.first} | tables
    return Service(
        name=name,
        title=row.title,
        description=row.description,
        stage=row.stage,
        successor=row.successor,
        free_form=row.free_form,
        external_secrets=frozenset(row.external_secrets),
        starter=frozenset(row.starter or chain.from_iterable(part.starter for part in parts)),
        fields=_build_fields(tables),
    )


@cache
def load_destination_facts() -> DestinationFacts:
    """What holds for destinations of every service."""
    row = DestinationFile.model_validate(_read_toml(find_resource("destination.toml")))
    regions = [
        *(Region(name) for name in row.regions),
        *(Region(name, listed=False) for name in row.unlisted_regions),
    ]
    return DestinationFacts(
        fields=_build_fields(row.fields),
        regions=MappingProxyType({region.name: region for region in regions}),
        region_aliases=MappingProxyType(row.region_aliases),
        time_zone_offsets=row.time_zone_offsets,
        networking_methods=tuple(row.networking_methods),
        companions=MappingProxyType(row.networking_methods),
    )


@cache
def _load_part(name: str) -> PartFile:
    return PartFile.model_validate(_read_toml(find_resource("parts") / f"{name}{SUFFIX}"))


def _merge_tables(tables: dict[str, dict[str, Any]], over: Mapping[str, dict[str, Any]]) -> None:
    """Add fields, or override single keys of fields that are there; these keep their position."""
    for name, table in over.items():
        tables[name] = tables.get(name, {}) | table


def _build_fields(tables: Mapping[str, dict[str, Any]]) -> Mapping[str, Field]:
    return MappingProxyType({name: _build_field(name, table) for name, table in tables.items()})


def _build_field(name: str, table: dict[str, Any]) -> Field:
    row = FieldRow.model_validate(table)
    settings = {key: getattr(row, key) for key in row.model_fields_set if key != "fields"}
    return Field(name=name, fields=_build_fields(row.fields), **settings)


def _read_toml(file: Traversable) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))
