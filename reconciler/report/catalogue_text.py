"""The catalogue as people read it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.catalogue.model import Condition, Field, FieldType, Service, Stage

_WIDTH = 100
_INDENT = " " * 6

TYPES: Mapping[FieldType, str] = {
    FieldType.STRING: "text",
    FieldType.INTEGER: "whole number",
    FieldType.BOOLEAN: "true or false",
    FieldType.STRINGS: "list of texts",
    FieldType.OBJECT: "mapping",
}


def service_list(services: Iterable[Service]) -> str:
    """One line for each service: name, title, and what to take instead of one that is not current."""
    services = list(services)
    name = max(len(each.name) for each in services)
    title = max(len(each.title) for each in services)
    rows = (f"{each.name:<{name}}  {each.title:<{title}}  {_stage(each)}" for each in services)
    return "\n".join(row.rstrip() for row in rows)


def service_page(service: Service) -> str:
    """One service with all its config fields, in the catalogue's order."""
    parts = [f"{service.name}: {service.title}"]
    parts += [f"{_stage(service)}"] if service.stage is not Stage.CURRENT else []
    parts += [textwrap.fill(service.description, _WIDTH)] if service.description else []
    parts.append("")
    if service.free_form:
        parts.append("Its config takes any fields; the catalogue describes none of them.")
    else:
        parts.append("Fields of its config:")
        for field in service.fields.values():
            parts += ["", *_field(field)]
    parts += ["", f"`reconciler catalogue show {service.name} --example` prints a spec to start from."]
    return "\n".join(parts)


def _stage(service: Service) -> str:
    if service.stage is Stage.CURRENT:
        return ""
    return f"{service.stage}; use {service.successor}" if service.successor else str(service.stage)


def _field(field: Field) -> Iterator[str]:
    yield f"  {field.name}  ({', '.join(_traits(field))})"
    told = [field.description] if field.description else []
    told += [f"One of: {', '.join(field.enum)}."] if field.enum else []
    told += [f"Required while {_when(field.required_when)}."] if field.required_when else []
    told += [f"Refused unless {_when(field.only_when)}."] if field.only_when else []
    told += [f"Default: {_value(field.default)}."] if field.default is not None else []
    told += [f"An old name of `{field.deprecated_for}`."] if field.deprecated_for else []
    told += [f"Example: {_value(field.example)}"] if field.example is not None else []
    for each in told:
        yield textwrap.fill(
            each,
            _WIDTH,
            initial_indent=_INDENT,
            subsequent_indent=_INDENT,
            break_on_hyphens=False,
            break_long_words=False,
        )


def _traits(field: Field) -> Iterator[str]:
    yield TYPES[field.type]
    for holds, word in (
        (field.required, "required"),
        (field.sensitive, "sensitive"),
        (field.immutable, "immutable"),
        (field.read_only, "read-only"),
        (bool(field.deprecated_for), "deprecated"),
    ):
        if holds:
            yield word


def _when(condition: Condition) -> str:
    return " and ".join(
        f"`{name}` is {' or '.join(map(_value, values))}" for name, values in condition.items()
    )


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
