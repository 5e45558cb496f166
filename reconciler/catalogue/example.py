"""Render example specs: a valid first spec file for a service, with a comment for each line."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from reconciler.catalogue.creation_checks import find_unmet_needs
from reconciler.catalogue.declared_destination import DeclaredDestination
from reconciler.catalogue.load import load_destination_facts
from reconciler.catalogue.model import Field, FieldType, Service, ServiceStage
from reconciler.catalogue.normalize import CONFIG
from reconciler.model.value import FieldPath, Reference

_WIDTH = 108
_TOP_LEVEL = ("region", "time_zone_offset")
_PLAIN_SCALAR = re.compile(r"[A-Za-z](?:[A-Za-z0-9_./@ -]*[A-Za-z0-9_])?")
_YAML_KEYWORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off"})


def render_example(service: Service) -> str:
    """Render the YAML text of a spec file with one group and one destination of this service.

    It holds every required field, also fields that the value of another field requires, and recommended fields; all
    other fields follow as comments. Sensitive fields are references to the environment.
    """
    config = _build_config(service)
    lines = [
        *_render_comment(_render_headline(service), 0),
        "version: 1",
        "groups:",
        f"  {service.name}_example: # key in plans",
        f"    name: {_render_scalar(f'{service.title} example')} # name at Fivetran",
        "    destination:",
        f"      service: {service.name}",
    ]
    for name in _TOP_LEVEL:
        lines += _render_setting(load_destination_facts().fields[name], _choose_top_level_value(name), 6)
    lines += _render_config(service, config)
    lines += [
        *_render_comment("After each write the setup tests run; if they fail, the run fails.", 6),
        "      setup_tests: {run: true, on_failure: fail}",
    ]
    return "\n".join(lines) + "\n"


def _render_headline(service: Service) -> str:
    intro = f"A first spec for {service.title} (`{service.name}`)."
    if service.stage is ServiceStage.CURRENT:
        return intro
    state = "no longer supported" if service.stage is ServiceStage.RETIRED else "a legacy service"
    advice = f"; take `{service.successor}` for new destinations" if service.successor else ""
    return f"{intro} It is {state}{advice}."


def _build_config(service: Service) -> dict[str, Any]:
    """Build the values of the active fields, in the catalogue's order."""
    chosen = {
        name: _choose_value(service, field)
        for name, field in service.fields.items()
        if field.required or name in service.starter
    }
    while new_names := set(_find_required(service, chosen)):
        chosen |= {name: _choose_value(service, service.fields[name]) for name in new_names}
    return {name: chosen[name] for name in service.fields if name in chosen}


def _find_required(service: Service, chosen: dict[str, Any]) -> Iterator[str]:
    """Find fields that the chosen fields require, or that a new destination needs."""
    destination = DeclaredDestination(service, {_to_path(name): value for name, value in chosen.items()})
    yield from (path[-1] for path in find_unmet_needs(destination))
    for name, field in service.fields.items():
        if name not in chosen and field.required_when and destination.satisfies(field.required_when):
            yield name


def _to_path(name: str) -> FieldPath:
    return (CONFIG, name)


def _choose_value(service: Service, field: Field) -> Any:
    """Choose the value of a field in an example; a reference for a secret."""
    if field.sensitive:
        return Reference("env", f"{service.name}_{field.name}".upper())
    for value in (field.example, field.default):
        if value is not None:
            return value
    if field.enum:
        return field.enum[0]
    return {FieldType.BOOLEAN: True, FieldType.INTEGER: 1}.get(field.type, "…")


def _choose_top_level_value(name: str) -> Any:
    field = load_destination_facts().fields[name]
    return field.default or field.example


def _render_config(service: Service, config: dict[str, Any]) -> Iterator[str]:
    if service.free_form:
        notice = (
            "The catalogue describes no fields of this service: all fields below `config` are passed on "
            "unchecked. Secrets are references here too, for example:"
        )
        yield from _render_comment(notice, 6)
        yield f'      #   password: {{secret: "env:{service.name.upper()}_PASSWORD"}}'
        yield "      config: {}"
        return
    needed = {path[-1] for path in find_unmet_needs(DeclaredDestination(service, {}))}
    yield "      config:"
    for name, value in config.items():
        yield from _render_setting(service.fields[name], value, 8, is_needed=name in needed)
    other_fields = [
        field for name, field in service.fields.items() if name not in config and _is_offered(field)
    ]
    if other_fields:
        yield from _render_comment("Also known:", 8)
        for field in other_fields:
            yield f"        # {field.name}: {_render_scalar(_choose_value(service, field))} # {_render_remark(field)}"


def _is_offered(field: Field) -> bool:
    return not (field.read_only or field.deprecated_for)


def _render_setting(field: Field, value: Any, indent: int, *, is_needed: bool = False) -> Iterator[str]:
    yield from _render_comment(_render_remark(field, is_needed=is_needed or field.required), indent)
    yield f"{' ' * indent}{field.name}: {_render_scalar(value)}"


def _render_remark(field: Field, *, is_needed: bool = False) -> str:
    sentences = [field.description]
    if is_needed:
        sentences.append("A new destination needs it.")
    if field.immutable:
        sentences.append("Immutable: it cannot be changed later.")
    return " ".join(sentences)


def _render_comment(text: str, indent: int) -> list[str]:
    start = f"{' ' * indent}# "
    return textwrap.wrap(text, _WIDTH, initial_indent=start, subsequent_indent=start, break_long_words=False)


def _render_scalar(value: Any) -> str:
    """Render a value for one line of YAML."""
    match value:
        case Reference():
            return f'{{secret: "{value}"}}'
        case str() if _PLAIN_SCALAR.fullmatch(value) and value.casefold() not in _YAML_KEYWORDS:
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)
