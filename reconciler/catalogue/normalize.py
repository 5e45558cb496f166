"""Normalize declared values and values of responses, so that only real differences remain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from reconciler.catalogue.load import load_destination_facts
from reconciler.catalogue.model import Field, FieldType, Service
from reconciler.model.value import FieldPath, Fields

CONFIG = "config"

_INTEGER = re.compile(r"[+-]?[0-9]+")
_BOOLEANS = {"true": True, "false": False}


class Masked:
    """Placeholder of a secret that the API does not show: the field is set, and its value is unknown."""

    def __repr__(self) -> str:
        return "(masked)"


MASKED: Final = Masked()


def is_mask(value: object) -> bool:
    """Return whether a value is a row of stars of any length: most masks have six, one has eight."""
    return isinstance(value, str) and value[:1] == "*" and not value.strip("*")


def normalize_destination(service: Service | None, fields: Fields) -> dict[FieldPath, Any]:
    """Normalize all fields of a destination, each setting under one name only.

    The value of a deprecated field moves to its successor if the successor has none. A field that responses show under
    another name gets its value from that name.
    """
    facts = load_destination_facts()
    normalized = {path: _normalize_leaf(service, facts.fields, path, value) for path, value in fields.items()}
    for field in facts.fields.values():
        if field.deprecated_for:
            _move_value(normalized, (field.name,), (field.deprecated_for,))
    for field in service.fields.values() if service else ():
        if field.reads_as is None:
            continue
        answered_path, path = (CONFIG, field.reads_as), (CONFIG, field.name)
        if answered_path in fields and normalized.get(path) is None:  # BigQuery answers "location"
            normalized[path] = normalize_value(field, fields[answered_path])
    return normalized


def normalize_value(field: Field | None, value: Any) -> Any:
    """Normalize a value; None for all values that mean "nothing": null, "", [] and {}.

    `field` is None for a field that the catalogue does not describe. Never raises: a reference, a secret and a value of
    another type than the field's are returned as they are.
    """
    if value is None or value in ("", [], {}):  # the API leaves empty values out
        return None
    if is_mask(value):
        return MASKED
    if field is None or (field.type is FieldType.STRING and not field.enum):
        return value
    return _COERCIONS[field.type](field, value)


def match_enum(members: tuple[str, ...], value: Any) -> Any:
    """Return the member that `value` equals but for `_` and case (`SSH_TUNNEL` is `SshTunnel`), else `value`."""
    if not members or not isinstance(value, str):
        return value
    return _index_spellings(members).get(_fold(value), value)


@lru_cache(maxsize=512)
def _index_spellings(members: tuple[str, ...]) -> Mapping[str, str]:
    """Index members by the common form of all their spellings."""
    return {_fold(member): member for member in reversed(members)}


def normalize_time_zone_offset(value: Any) -> Any:
    """Normalize an offset to the API's spelling: `8` and `+8`, number or text, are "+8"; zero has no sign."""
    number = _parse_integer(value)
    if not isinstance(number, int) or isinstance(number, bool):
        return value
    return f"{number:+d}" if number else "0"


def _normalize_leaf(
    service: Service | None, top_level: Mapping[str, Field], path: FieldPath, value: Any
) -> Any:
    match path:
        case ("time_zone_offset",):
            return normalize_value(top_level["time_zone_offset"], normalize_time_zone_offset(value))
        case ("region",):
            return _normalize_region(normalize_value(top_level["region"], value))
        case (name,):
            return normalize_value(top_level.get(name), value)
        case ("config", name, *subpath):
            field = service.fields.get(name) if service else None
            for step in subpath:
                field = field.fields.get(step) if field else None
            return normalize_value(field, value)
    return value


def _normalize_region(value: Any) -> Any:
    """Normalize a region to its present name, if it is a known former name."""
    return _find_region(value) if isinstance(value, str) else value


@lru_cache(maxsize=512)
def _find_region(text: str) -> Any:
    facts = load_destination_facts()
    region = match_enum((*facts.regions, *facts.region_aliases), text)
    return facts.region_aliases.get(region) or region


def _move_value(fields: dict[FieldPath, Any], old: FieldPath, new: FieldPath) -> None:
    _copy_value(fields, old, new)
    fields.pop(old, None)


def _copy_value(fields: dict[FieldPath, Any], source: FieldPath, target: FieldPath) -> None:
    if source in fields and fields.get(target) is None:
        fields[target] = fields[source]


def _coerce_string(field: Field, value: Any) -> Any:
    return match_enum(field.enum, value)


def _coerce_integer(field: Field, value: Any) -> Any:
    return _parse_integer(value)


def _coerce_boolean(field: Field, value: Any) -> Any:
    return _BOOLEANS.get(value.casefold(), value) if isinstance(value, str) else value


def _coerce_strings(field: Field, value: Any) -> Any:
    if not isinstance(value, list):
        return value
    items = [match_enum(field.enum, item) for item in value]
    return sorted(items, key=str) if field.unordered else items


def _coerce_object(field: Field, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    leaves = {name: normalize_value(field.fields.get(name), leaf) for name, leaf in value.items()}
    return {name: leaf for name, leaf in leaves.items() if leaf is not None} or None


def _parse_integer(value: Any) -> Any:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


_COERCIONS: Final = {
    FieldType.STRING: _coerce_string,
    FieldType.INTEGER: _coerce_integer,
    FieldType.BOOLEAN: _coerce_boolean,
    FieldType.STRINGS: _coerce_strings,
    FieldType.OBJECT: _coerce_object,
}


def _fold(word: str) -> str:
    return word.replace("_", "").casefold()
