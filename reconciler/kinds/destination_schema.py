"""JSON Schema of the `destination:` block, made of the catalogue and of the models that check it.

It is as strict as `validate --strict` about single values: what that accepts, the schema accepts.
Rules between values, and what is missing, are left to `validate`, since a part of a destination may
come from defaults, a profile or an override.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from reconciler.catalogue.canonical import CONFIG
from reconciler.catalogue.load import destination_facts, load_service, service_names
from reconciler.catalogue.model import Field, FieldType, Service, Stage
from reconciler.kinds.destination_spec import EXTRA_CONFIG, Options
from reconciler.spec.assemble import PROFILE
from reconciler.spec.merge import UNSET
from reconciler.spec.reference import SECRET, VALUE

Schema: TypeAlias = dict[str, Any]

DESTINATION = "destination"
INHERITED = "inherited_destination"
"""Definitions that a schema of a whole file refers to: one for entries, one for profiles and defaults."""

_SERVICE_CONFIG = "config_by_service"
_NUMBER = "^[+-]?[0-9]+$"
_TRUTH = "^(?:[tT][rR][uU][eE]|[fF][aA][lL][sS][eE])$"


def destination_definitions() -> dict[str, Schema]:
    """Everything that belongs below `$defs` of a schema that refers to `DESTINATION` or `INHERITED`."""
    services = [service for name in service_names() if (service := load_service(name))]
    settings = _settings(services)
    profile = {"type": "string", "description": "The profile to start from."}
    return {
        DESTINATION: _table({PROFILE: profile} | settings) | {"allOf": [ref(_SERVICE_CONFIG)]},
        INHERITED: _table(settings) | {"allOf": [ref(_SERVICE_CONFIG)]},
        _SERVICE_CONFIG: {"allOf": [_config_of(service) for service in services]},
        SECRET: _reference(SECRET, "A secret, by the place that it comes from. It is never shown."),
        VALUE: _reference(VALUE, "A value, by the place that it comes from. Plans show it."),
        UNSET: {
            "type": "object",
            "description": "Drops what is inherited here.",
            "properties": {UNSET: {"const": True}},
            "required": [UNSET],
            "additionalProperties": False,
        },
        **{_config_name(service): _config(service) for service in services if not service.free_form},
    }


def ref(name: str) -> Schema:
    """A reference to a definition."""
    return {"$ref": f"#/$defs/{name}"}


def _settings(services: Iterable[Service]) -> dict[str, Schema]:
    fields = {name: _top_level(field) for name, field in destination_facts().fields.items()}
    return {
        "service": _service(services),
        **fields,
        CONFIG: {
            "type": "object",
            "description": "The service's own fields. Only declared ones are changed.",
        },
        EXTRA_CONFIG: {
            "type": "object",
            "description": "More fields of `config`, passed on unchecked and never shown.",
        },
        **_options(),
    }


def _service(services: Iterable[Service]) -> Schema:
    services = list(services)
    return {
        "description": "What kind of warehouse it is.",
        "anyOf": [
            {
                "enum": [service.name for service in services],
                "enumDescriptions": [_about(service) for service in services],
            },
            ref(VALUE),
            ref(SECRET),
            ref(UNSET),
        ],
    }


def _about(service: Service) -> str:
    return f"{service.title}. {service.description}{_outdated(service)}"


def _outdated(service: Service) -> str:
    if service.stage is Stage.CURRENT:
        return ""
    return f" ({service.stage}" + (f"; use {service.successor})" if service.successor else ")")


def _config_of(service: Service) -> Schema:
    """What follows from the service, where it is written in the same block."""
    then: Schema = {}
    if not service.free_form:
        then[CONFIG] = ref(_config_name(service))
    if service.stage is not Stage.CURRENT:
        message = f"{service.name} is outdated{_outdated(service)}"
        then["service"] = {"deprecated": True, "deprecationMessage": message}
    return {
        "if": {"properties": {"service": {"const": service.name}}, "required": ["service"]},
        "then": {"properties": then},
    }


def _config_name(service: Service) -> str:
    return f"config_of_{service.name}"


def _config(service: Service) -> Schema:
    fields = {name: _leaf(field) for name, field in service.fields.items() if not field.read_only}
    return {"description": f"Fields of {service.title}.", **_table({**fields, UNSET: {"const": True}})}


def _table(properties: dict[str, Schema]) -> Schema:
    """A mapping of known keys."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _top_level(field: Field) -> Schema:
    facts = destination_facts()
    if field.name == "time_zone_offset":
        return _described(field, [{"enum": list(facts.time_zone_offsets)}, *_hours(facts.time_zone_offsets)])
    if field.name == "region":
        known = (*facts.regions, *facts.region_aliases)
        return _described(field, [{"enum": list(facts.regions)}, _in_any_spelling(known)])
    return _leaf(field)


def _hours(offsets: Iterable[str]) -> list[Schema]:
    """Offsets in all notations that mean one: `8` and `+8`, as a number or as text."""
    numbers = [int(offset) for offset in offsets]
    after = "|".join(str(number) for number in numbers if number >= 0)
    before = "|".join(str(-number) for number in numbers if number <= 0)
    return [
        {"type": "integer", "minimum": min(numbers), "maximum": max(numbers)},
        {"type": "string", "pattern": rf"^(?:\+?0*(?:{after})|-0*(?:{before}))$"},
    ]


def _leaf(field: Field) -> Schema:
    return _described(field, [] if field.sensitive else _values(field))


def _described(field: Field, values: list[Schema]) -> Schema:
    alternatives = [*values, ref(SECRET), *([] if field.sensitive else [ref(VALUE)]), ref(UNSET)]
    alternatives += [{"type": "null"}] if field.clearable else []
    told: Schema = {"description": _description(field)}
    if field.default is not None:
        told["default"] = field.default
    if field.example is not None and not field.sensitive:
        told["examples"] = [field.example]
    if field.deprecated_for:
        told |= {"deprecated": True, "deprecationMessage": f"Call it {field.deprecated_for}."}
    return {**told, "anyOf": alternatives}


def _description(field: Field) -> str:
    told = [field.description]
    told += ["Required."] if field.required else []
    told += ["Immutable."] if field.immutable else []
    told += ["Sensitive: refer to it."] if field.sensitive else []
    return " ".join(told)


def _values(field: Field) -> list[Schema]:
    """What may be written for a field in clear. Numbers and truth values may be texts, as the API has them."""
    match field.type:
        case FieldType.STRING if field.enum:
            return [{"enum": list(field.enum)}, _in_any_spelling(field.enum)]
        case FieldType.STRING:
            return [{"type": "string"}]
        case FieldType.INTEGER:
            bounds = {"minimum": field.minimum, "maximum": field.maximum}
            number = {key: bound for key, bound in bounds.items() if bound is not None}
            return [{"type": "integer", **number}, {"type": "string", "pattern": _NUMBER}]
        case FieldType.BOOLEAN:
            return [{"type": "boolean"}, {"type": "string", "pattern": _TRUTH}]
        case FieldType.STRINGS:
            return [{"type": "array", "items": {"type": "string"}}]
        case FieldType.OBJECT:
            return [{"type": "object"}]


def _in_any_spelling(members: Iterable[str]) -> Schema:
    """Case and `_` do not count in closed lists, since Fivetran's own answers vary in them (R2)."""
    spellings = "|".join(_spelling(member) for member in members)
    return {"type": "string", "pattern": f"^(?:{spellings})$", "patternErrorMessage": "Not a known value."}


def _spelling(member: str) -> str:
    letters = (_letter(letter) for letter in member if letter != "_")
    return "_*" + "_*".join(letters) + "_*"


def _letter(letter: str) -> str:
    if letter.isalpha():
        return f"[{letter.lower()}{letter.upper()}]"
    return letter if letter.isdigit() or letter == "-" else f"[{letter}]"


def _reference(key: str, description: str) -> Schema:
    # Which schemes there are is the project's to say, so only the form is checked.
    text = {
        "type": "string",
        "pattern": "^[A-Za-z][A-Za-z0-9_-]*:.",
        "patternErrorMessage": "Write scheme:locator or scheme:locator#part, for example env:DB_PASSWORD.",
    }
    return {
        "type": "object",
        "description": description,
        "properties": {key: text},
        "required": [key],
        "additionalProperties": False,
    }


def _options() -> dict[str, Schema]:
    """`trust` and `setup_tests`, from the model that reads them."""
    schema = Options.model_json_schema()
    definitions = schema["$defs"]
    return {name: _option(inlined(part, definitions)) for name, part in schema["properties"].items()}


def _option(block: Schema) -> Schema:
    properties = {
        name: {"description": leaf.pop("description", ""), "anyOf": [leaf, ref(UNSET)]}
        for name, leaf in block["properties"].items()
    }
    return block | {"properties": {**properties, UNSET: {"const": True}}}


def inlined(schema: Any, definitions: dict[str, Schema]) -> Any:
    """A schema of pydantic without its references and without the titles that it makes of names."""
    if isinstance(schema, list):
        return [inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return {key: inlined(value, definitions) for key, value in schema.items() if not _is_noise(key, value)}


def _is_noise(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (
        key == "default" and not isinstance(value, bool) and (not value or not isinstance(value, str))
    )
