"""Check that a JSON Schema of draft 2020-12 compiles in the strict mode of ajv, which schema collections demand.

The rules are those of ajv's documentation of `strict: true`, without plug-ins: known keywords only, no formats, a
`type` beside each keyword of a type, no unions of types, required properties that the same schema describes, no keyword
that another one makes useless, and tuples of a fixed length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_BY_TYPE = {
    "object": {
        "properties", "required", "additionalProperties", "propertyNames", "patternProperties", "minProperties",
        "maxProperties", "dependentRequired", "dependentSchemas", "unevaluatedProperties",
    },
    "array": {"items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains", "unevaluatedItems"},
    "string": {"pattern", "minLength", "maxLength"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}  # fmt: skip
_IN_PLACE_LISTS = {"allOf", "anyOf", "oneOf"}
_IN_PLACE = {"not", "if", "then", "else"}
_MAPPINGS = {"properties", "patternProperties", "dependentSchemas", "$defs"}
_CHILDREN = {"additionalProperties", "propertyNames", "items", "contains"}
_ANNOTATIONS = {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
_CORE = {"$schema", "$id", "$ref", "$comment", "type", "enum", "const"}
_KNOWN = set().union(*_BY_TYPE.values(), _IN_PLACE_LISTS, _IN_PLACE, _MAPPINGS, _ANNOTATIONS, _CORE)


def find_strict_violations(schema: Mapping[str, Any]) -> list[str]:
    """Find all violations, each with the place in the schema."""
    return sorted(set(_check(schema, "#", frozenset(), schema)))


def _check(schema: Any, place: str, types: frozenset[str], root: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    own_type = schema.get("type")
    if isinstance(own_type, list):
        yield f"{place}: union of types"
    elif own_type is not None:
        types = frozenset({own_type, "number"} if own_type == "integer" else {own_type})
    yield from (f"{place}: unknown keyword {key}" for key in schema.keys() - _KNOWN)
    yield from _check_types(schema, place, types)
    yield from _check_combinations(schema, place, root)
    yield from _check_parts(schema, place, types, root)


def _check_types(schema: Mapping[str, Any], place: str, types: frozenset[str]) -> Iterator[str]:
    for name, keywords in _BY_TYPE.items():
        for key in schema.keys() & keywords:
            if name not in types:
                yield f"{place}: {key} without type {name}"


def _check_combinations(schema: Mapping[str, Any], place: str, root: Mapping[str, Any]) -> Iterator[str]:
    undefined = set(schema.get("required", ())) - set(schema.get("properties", ()))
    yield from (f"{place}: required {name} is not described" for name in sorted(undefined))
    if ("if" in schema) != ("then" in schema or "else" in schema):
        yield f"{place}: if and then belong together"
    if "prefixItems" in schema and (
        schema.get("minItems") != len(schema["prefixItems"]) or schema.get("items") is not False
    ):
        yield f"{place}: tuple without a fixed length"
    reference = schema.get("$ref")
    if reference is not None and reference.removeprefix("#/$defs/") not in root.get("$defs", {}):
        yield f"{place}: nothing at {reference}"


def _check_parts(
    schema: Mapping[str, Any], place: str, types: frozenset[str], root: Mapping[str, Any]
) -> Iterator[str]:
    for key, value in schema.items():
        if key in _IN_PLACE_LISTS:
            for index, part in enumerate(value):
                yield from _check(part, f"{place}/{key}/{index}", types, root)
        elif key in _IN_PLACE:
            yield from _check(value, f"{place}/{key}", types, root)
        elif key in _CHILDREN:
            names = frozenset({"string"} if key == "propertyNames" else ())
            yield from _check(value, f"{place}/{key}", names, root)
        elif key in _MAPPINGS:
            for name, part in value.items():
                yield from _check(part, f"{place}/{key}/{name}", frozenset(), root)
