"""The schemas for editors compile in the strict mode of ajv, with and without the profiles of a project."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from strict_json_schema import find_strict_violations

from reconciler.kinds.project_services import NO_SERVICES, ProjectServices
from reconciler.operations.schema import PROJECT, SPEC, build_schema

pytestmark = pytest.mark.sampled(every=3)

SERVICES = ProjectServices(
    {"bare": None, "lake": "managed_data_lake", "snow": "snowflake"},
    "big_query",
    {"over": "snowflake", "odd": None},
)


@pytest.mark.parametrize("kind", [SPEC, PROJECT])
@pytest.mark.parametrize("services", [NO_SERVICES, SERVICES], ids=["general", "of a project"])
def test_schemas_compile_in_strict_mode(kind: str, services: ProjectServices) -> None:
    schema = build_schema(kind, services)
    Draft202012Validator.check_schema(schema)
    assert find_strict_violations(schema) == []


@pytest.mark.parametrize(
    "schema",
    [
        {"enumDescriptions": []},
        {"type": "string", "format": "regex"},
        {"type": ["string", "number"]},
        {"properties": {}},
        {"required": ["a"], "type": "object"},
        {"type": "object", "properties": {"a": {}}, "oneOf": [{"required": ["a"]}]},
        {"if": {"const": 1}},
        {"then": {"const": 1}},
        {"minimum": 1, "type": "string"},
        {"type": "array", "items": {"pattern": "x"}},
        {"type": "array", "prefixItems": [{}, {}]},
        {"$ref": "#/$defs/nowhere"},
    ],
    ids=str,
)
def test_the_strict_mode_refuses(schema: dict[str, Any]) -> None:
    assert find_strict_violations(schema) != []


def test_the_strict_mode_accepts_types_of_the_surrounding_schema() -> None:
    part = {"properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]}
    assert find_strict_violations({"type": "object", "allOf": [part], "not": part}) == []
