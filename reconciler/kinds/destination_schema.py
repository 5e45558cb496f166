"""JSON Schema of the `destination:` block, generated from the catalogue and the models of the block.

About single values the schema is as strict as `validate --strict`: it accepts the same values. Rules between
values and missing values are left to `validate`, since a part of a destination may come from defaults, a
profile or an override. The schema of a project knows its profiles, and which fields `config` has if the service comes
from a profile or from the defaults.

The schemas compile in the strict mode of ajv: they have no keywords of single editors, and a `type` beside each keyword
of a type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.catalogue.check import SERVICE
from reconciler.catalogue.load import load_destination_facts, load_service, load_service_names
from reconciler.catalogue.model import Field, FieldType, Service, ServiceStage
from reconciler.catalogue.normalize import CONFIG
from reconciler.catalogue.region_checks import AWS_REGION_PATTERN
from reconciler.kinds.account_objects import FIELDS_BY_NAME_KEY
from reconciler.kinds.destination_spec import EXTRA_CONFIG, Options
from reconciler.kinds.inherited_schema import (
    build_entry_conditions,
    build_overridden,
    build_profile_conditions,
    build_profile_name,
    build_proposals,
)
from reconciler.kinds.project_services import NO_SERVICES, ProjectServices
from reconciler.kinds.schema_parts import Schema, build_condition, build_mapping, name_config, ref
from reconciler.model.variable_mark import NAME
from reconciler.spec.merge import UNSET
from reconciler.spec.merge_files import PROFILE
from reconciler.spec.reference import SECRET, VALUE

DESTINATION = "destination"
DEFAULTS = "default_destination"
PROFILES = "profile"
"""Names of the definitions: for entries, for the defaults, and for profiles."""

_SERVICE_CONFIG = "config_by_service"
_VARIABLE = "variable"
_NUMBER = "^[+-]?[0-9]+$"
_BOOLEAN = "^(?:[tT][rR][uU][eE]|[fF][aA][lL][sS][eE])$"


def build_definitions(project: ProjectServices = NO_SERVICES) -> dict[str, Schema]:
    """Build the `$defs` of a schema that refers to `DESTINATION`, `DEFAULTS`, `PROFILES` or `name_overridden`."""
    services = [service for name in load_service_names() if (service := load_service(name))]
    known = [service for service in services if not service.free_form]
    settings = _build_settings(services)
    layer = build_mapping({PROFILE: build_profile_name(project, ref(_VARIABLE)), **settings})
    by_service = ref(_SERVICE_CONFIG)
    configs = {service.name: _build_config(service) for service in known}
    return {
        DESTINATION: layer | {"allOf": [by_service, *build_entry_conditions(project)]},
        DEFAULTS: build_mapping(settings) | {"allOf": [by_service]},
        PROFILES: build_mapping(settings) | {"allOf": [by_service, *build_profile_conditions(project)]},
        **build_overridden(layer, project),
        **(build_proposals(configs[project.default]) if project.default is not None else {}),
        _SERVICE_CONFIG: {"allOf": [_build_service_condition(service) for service in known]},
        **_build_value_definitions(),
        **{name_config(name): config for name, config in configs.items()},
    }


def _build_value_definitions() -> dict[str, Schema]:
    """Build the definitions of values that may stand in place of plain values."""
    return {
        SECRET: _build_reference(SECRET, "A secret, by its source. It is never shown."),
        VALUE: _build_reference(VALUE, "A value, by its source. Plans show it."),
        UNSET: {"description": "Drops the inherited value."}
        | build_mapping({UNSET: {"const": True}})
        | {"required": [UNSET]},
        _VARIABLE: {
            "type": "string",
            "description": "A text with a variable, `${NAME}`.",
            "pattern": rf"(?:^|[^$])\$\{{{NAME}\}}",
        },
    }


def _build_settings(services: Iterable[Service]) -> dict[str, Schema]:
    fields = {name: _build_top_level_field(field) for name, field in load_destination_facts().fields.items()}
    return {
        SERVICE[0]: _build_service(services),
        **fields,
        **_build_object_names(),
        CONFIG: {
            "type": "object",
            "description": "The service's own fields. Only declared ones are changed.",
        },
        EXTRA_CONFIG: {
            "type": "object",
            "description": "More fields of `config`, passed on unchecked and never shown.",
        },
        **_build_options(),
    }


def _build_object_names() -> dict[str, Schema]:
    """Build the keys that refer to objects of the account by their names."""
    return {
        key: {
            "description": f"Name of the {field.noun}, in place of {field.path[0]}.",
            "anyOf": [{"type": "string", "minLength": 1}, ref(UNSET)],
        }
        for key, field in FIELDS_BY_NAME_KEY.items()
    }


def _build_service(services: Iterable[Service]) -> Schema:
    names = [_describe_service(service) for service in services]
    return {"description": "Kind of warehouse.", "anyOf": [*names, ref(VALUE), ref(SECRET), ref(UNSET)]}


def _describe_service(service: Service) -> Schema:
    name: Schema = {"const": service.name, "description": f"{service.title}. {service.description}"}
    if service.stage is not ServiceStage.CURRENT:
        successor = f"; use {service.successor}" if service.successor else ""
        name["description"] += f" ({service.stage}{successor})"
        name["deprecated"] = True
    return name


def _build_service_condition(service: Service) -> Schema:
    """Build the rule of a service, which applies if the same block names the service."""
    return build_condition(
        {SERVICE[0]: {"const": service.name}}, {CONFIG: ref(name_config(service.name))}, [SERVICE[0]]
    )


def _build_config(service: Service) -> Schema:
    needed = _list_needed(service)
    fields = {
        name: _build_leaf(field, is_needed=name in needed)
        for name, field in service.fields.items()
        if not field.read_only
    }
    return {
        "description": f"Fields of {service.title}.",
        **build_mapping({**fields, UNSET: {"const": True}}),
    }


def _list_needed(service: Service) -> set[str]:
    """List the fields that every new destination of a service needs. A schema cannot know whether one is new, so it
    only describes them."""
    needs = [
        need
        for need in service.creation
        if not (need.when or need.when_set or need.when_unset or need.instead)
    ]
    return {name for need in needs for name in need.fields}


def _build_top_level_field(field: Field) -> Schema:
    facts = load_destination_facts()
    if field.name == "time_zone_offset":
        values = [{"enum": list(facts.time_zone_offsets)}, *_build_offsets(facts.time_zone_offsets)]
        return _add_description(field, [*values, ref(_VARIABLE)])
    if field.name == "region":
        values = [{"enum": list(facts.regions)}, {"enum": list(facts.region_aliases)}]
        return _add_description(field, [*values, ref(_VARIABLE)])
    return _build_leaf(field)


def _build_offsets(offsets: Iterable[str]) -> list[Schema]:
    """Build the schemas of all notations of offsets: `8` and `+8`, as a number or as text."""
    numbers = [int(offset) for offset in offsets]
    positive = "|".join(str(number) for number in numbers if number >= 0)
    negative = "|".join(str(-number) for number in numbers if number <= 0)
    return [
        {"type": "integer", "minimum": min(numbers), "maximum": max(numbers)},
        {"type": "string", "pattern": rf"^(?:\+?0*(?:{positive})|-0*(?:{negative}))$"},
    ]


def _build_leaf(field: Field, *, is_needed: bool = False) -> Schema:
    return _add_description(field, [] if field.sensitive else _build_values(field), is_needed=is_needed)


def _add_description(field: Field, values: list[Schema], *, is_needed: bool = False) -> Schema:
    alternatives = [*values, ref(SECRET), *([] if field.sensitive else [ref(VALUE)]), ref(UNSET)]
    alternatives += [{"type": "null"}] if field.clearable else []
    schema: Schema = {"description": _describe_field(field, is_needed=is_needed or field.required)}
    if field.default is not None:
        schema["default"] = field.default
    if field.example is not None and not field.sensitive:
        schema["examples"] = [field.example]
    if field.deprecated_for:
        schema["deprecated"] = True
    return {**schema, "anyOf": alternatives}


def _describe_field(field: Field, *, is_needed: bool) -> str:
    sentences = [field.description]
    sentences += [f"Deprecated: call it {field.deprecated_for}."] if field.deprecated_for else []
    sentences += ["A new destination needs it."] if is_needed else []
    sentences += ["Immutable."] if field.immutable else []
    sentences += ["Sensitive: refer to it."] if field.sensitive else []
    return " ".join(sentences)


def _build_values(field: Field) -> list[Schema]:
    """Build the schemas of a field's plain values. Numbers and booleans may be texts, as in the API."""
    match field.type:
        case FieldType.STRING if field.enum:
            return [{"enum": list(field.enum)}, _build_enum_pattern(field.enum), ref(_VARIABLE)]
        case FieldType.STRING:
            return [_build_text(field), *([ref(_VARIABLE)] if field.is_aws_region else [])]
        case FieldType.INTEGER:
            bounds = {"minimum": field.minimum, "maximum": field.maximum}
            number = {key: bound for key, bound in bounds.items() if bound is not None}
            return [{"type": "integer", **number}, {"type": "string", "pattern": _NUMBER}, ref(_VARIABLE)]
        case FieldType.BOOLEAN:
            return [{"type": "boolean"}, {"type": "string", "pattern": _BOOLEAN}, ref(_VARIABLE)]
        case FieldType.STRINGS:
            return [{"type": "array", "items": {"anyOf": [{"type": "string"}, ref(SECRET), ref(VALUE)]}}]
        case FieldType.OBJECT:
            return [{"type": "object"}]


def _build_text(field: Field) -> Schema:
    text: Schema = {"type": "string"}
    if field.is_aws_region:
        text["pattern"] = AWS_REGION_PATTERN
    elif not field.clearable:
        text["minLength"] = 1  # an empty text clears a field
    return text


def _build_enum_pattern(members: Iterable[str]) -> Schema:
    """Build a pattern that ignores case and `_`, since Fivetran's own responses vary in them."""
    spellings = "|".join(_build_spelling_pattern(member) for member in members)
    return {"type": "string", "pattern": f"^(?:{spellings})$"}


def _build_spelling_pattern(member: str) -> str:
    letters = (_build_letter_pattern(letter) for letter in member if letter != "_")
    return "_*" + "_*".join(letters) + "_*"


def _build_letter_pattern(letter: str) -> str:
    if letter.isalpha():
        return f"[{letter.lower()}{letter.upper()}]"
    return letter if letter.isdigit() or letter == "-" else f"[{letter}]"


def _build_reference(key: str, description: str) -> Schema:
    # The project decides which schemes exist, so the schema checks the form only.
    text = {
        "type": "string",
        "description": "scheme:locator or scheme:locator#part, for example env:DB_PASSWORD.",
        "pattern": "^[A-Za-z][A-Za-z0-9_-]*:.",
    }
    return {"description": description} | build_mapping({key: text}) | {"required": [key]}


def _build_options() -> dict[str, Schema]:
    """Build the schemas of `trust`, `setup_tests` and `lifecycle` from the model that parses them."""
    schema = Options.model_json_schema()
    definitions = schema["$defs"]
    return {
        name: _build_option(inline_references(part, definitions))
        for name, part in schema["properties"].items()
    }


def _build_option(block: Schema) -> Schema:
    properties = {
        name: {"description": leaf.pop("description", ""), "anyOf": [leaf, ref(UNSET)]}
        for name, leaf in block["properties"].items()
    }
    return block | {"properties": {**properties, UNSET: {"const": True}}}


def inline_references(schema: Any, definitions: dict[str, Schema]) -> Any:
    """Inline the references of a schema of pydantic, and drop the titles that pydantic makes of names."""
    if isinstance(schema, list):
        return [inline_references(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return {
        key: inline_references(value, definitions)
        for key, value in schema.items()
        if not _is_noise(key, value)
    }


def _is_noise(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (
        key == "default" and not isinstance(value, bool) and (not value or not isinstance(value, str))
    )
