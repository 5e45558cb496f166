"""Parts of JSON Schemas. They compile in the strict mode of ajv: each keyword of a type stands beside its `type`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]


def ref(name: str) -> Schema:
    """Build a reference to a definition."""
    return {"$ref": f"#/$defs/{name}"}


def name_config(service: str) -> str:
    """Name the definition of the config fields of a service."""
    return f"config_of_{service}"


def build_mapping(properties: Mapping[str, Schema]) -> Schema:
    """Build the schema of a mapping with known keys."""
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def build_condition(
    properties: Mapping[str, Any], then: Mapping[str, Schema], needed: Sequence[str]
) -> Schema:
    """Build a condition: a mapping whose keys match `properties`, with all `needed` keys, matches `then` too.

    A key with the schema `False` must be missing.
    """
    required = {"required": list(needed)} if needed else {}
    return {
        "if": {"type": "object", "properties": dict(properties), **required},
        "then": {"type": "object", "properties": dict(then)},
    }
