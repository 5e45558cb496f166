"""A first spec file for a service: complete, valid as it stands, and explained line by line."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from reconciler.catalogue.canonical import CONFIG
from reconciler.catalogue.load import destination_facts
from reconciler.catalogue.model import Field, FieldType, Service, Stage
from reconciler.catalogue.subject import Subject
from reconciler.model.value import FieldPath, Reference

_WIDTH = 108
_TOP_LEVEL = ("region", "time_zone_offset")
_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9_./@ -]*[A-Za-z0-9_])?")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off"})


def example_spec(service: Service) -> str:
    """The YAML text of a spec file with one group and one destination of this service.

    It holds every field that is required, also by another one's value, and those that a first spec
    should have; the others follow as comments. Sensitive ones are references to the environment.
    """
    config = _starting_config(service)
    lines = [
        *_comment(_headline(service), 0),
        "version: 1",
        "groups:",
        f"  {service.name}_example: # what plans call it",
        f"    name: {_scalar(f'{service.title} example')} # what Fivetran shows",
        "    destination:",
        f"      service: {service.name}",
    ]
    for name in _TOP_LEVEL:
        lines += _setting(destination_facts().fields[name], _top_level_value(name), 6)
    lines += _config_lines(service, config)
    lines += [
        *_comment("What happens after a write: test it, and let the run fail if the tests do.", 6),
        "      setup_tests: {run: true, on_failure: fail}",
    ]
    return "\n".join(lines) + "\n"


def _headline(service: Service) -> str:
    kind = f"A first spec for {service.title} (`{service.name}`)."
    if service.stage is Stage.CURRENT:
        return kind
    state = "no longer supported" if service.stage is Stage.RETIRED else "a service of the past"
    instead = f"; take `{service.successor}` for something new" if service.successor else ""
    return f"{kind} It is {state}{instead}."


def _starting_config(service: Service) -> dict[str, Any]:
    """Values of the fields to begin with, in the catalogue's order."""
    chosen = {
        name: _value(service, field)
        for name, field in service.fields.items()
        if field.required or name in service.starter
    }
    while added := set(_demanded(service, chosen)):
        chosen |= {name: _value(service, service.fields[name]) for name in added}
    return {name: chosen[name] for name in service.fields if name in chosen}


def _demanded(service: Service, chosen: dict[str, Any]) -> Iterator[str]:
    """Fields that the chosen ones need beside them."""
    subject = Subject(service, {_path(name): value for name, value in chosen.items()})
    for name, field in service.fields.items():
        if name not in chosen and field.required_when and subject.holds(field.required_when):
            yield name


def _path(name: str) -> FieldPath:
    return (CONFIG, name)


def _value(service: Service, field: Field) -> Any:
    """What a field holds in an example. A reference where it is a secret."""
    if field.sensitive:
        return Reference("env", f"{service.name}_{field.name}".upper())
    for value in (field.example, field.default):
        if value is not None:
            return value
    if field.enum:
        return field.enum[0]
    return {FieldType.BOOLEAN: True, FieldType.INTEGER: 1}.get(field.type, "…")


def _top_level_value(name: str) -> Any:
    field = destination_facts().fields[name]
    return field.default or field.example


def _config_lines(service: Service, config: dict[str, Any]) -> Iterator[str]:
    if service.free_form:
        told = (
            "The catalogue describes no fields of this service: what stands below `config` is passed on "
            "unchecked. Secrets are references here too, for example:"
        )
        yield from _comment(told, 6)
        yield f'      #   password: {{secret: "env:{service.name.upper()}_PASSWORD"}}'
        yield "      config: {}"
        return
    yield "      config:"
    for name, value in config.items():
        yield from _setting(service.fields[name], value, 8)
    others = [field for name, field in service.fields.items() if name not in config and _is_offered(field)]
    if others:
        yield from _comment("Also known:", 8)
        for field in others:
            yield f"        # {field.name}: {_scalar(_value(service, field))} # {_remark(field)}"


def _is_offered(field: Field) -> bool:
    return not (field.read_only or field.deprecated_for)


def _setting(field: Field, value: Any, indent: int) -> Iterator[str]:
    yield from _comment(_remark(field), indent)
    yield f"{' ' * indent}{field.name}: {_scalar(value)}"


def _remark(field: Field) -> str:
    told = [field.description]
    if field.required:
        told.append("Required.")
    if field.immutable:
        told.append("Immutable: it cannot be changed later.")
    return " ".join(told)


def _comment(text: str, indent: int) -> list[str]:
    start = f"{' ' * indent}# "
    return textwrap.wrap(text, _WIDTH, initial_indent=start, subsequent_indent=start, break_long_words=False)


def _scalar(value: Any) -> str:
    """A value as it is written in YAML on one line."""
    match value:
        case Reference():
            return f'{{secret: "{value}"}}'
        case str() if _PLAIN.fullmatch(value) and value.casefold() not in _WORDS:
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)
