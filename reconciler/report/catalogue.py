"""Render the catalogue of services as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.catalogue.model import Condition, Field, FieldType, Need, Service, ServiceStage
from reconciler.catalogue.risks import find_risk
from reconciler.model.risk import FieldRisk
from reconciler.report.explanation import render_two_columns
from reconciler.report.style import fold_lines

_WIDTH = 100
_INDENT = " " * 6

TYPE_NAMES: Mapping[FieldType, str] = {
    FieldType.STRING: "text",
    FieldType.INTEGER: "whole number",
    FieldType.BOOLEAN: "true or false",
    FieldType.STRINGS: "list of texts",
    FieldType.OBJECT: "mapping",
}


def render_service_list(services: Iterable[Service], width: int | None = None) -> str:
    """Render each service on a line: name, title, and the replacement of a service that is not current. If the lines
    are wider than a terminal of `width` cells, the texts beside the names are folded."""
    services = list(services)
    name_width = max(len(service.name) for service in services)
    title_width = max(len(service.title) for service in services)
    rows = [
        f"{service.name:<{name_width}}  {service.title:<{title_width}}  {_format_stage(service)}".rstrip()
        for service in services
    ]
    if width is None or max(map(len, rows)) <= width:
        return "\n".join(rows)
    texts = {
        service.name: f"{service.title} ({stage})" if (stage := _format_stage(service)) else service.title
        for service in services
    }
    return fold_lines(render_two_columns(texts, width), width)  # a narrow terminal has no room for columns


def render_service(service: Service, width: int | None = None) -> str:
    """Render a service with all its config fields, in the catalogue's order, folded to `width` cells."""
    fold_at = min(width or _WIDTH, _WIDTH)
    parts = [f"{service.name}: {service.title}"]
    parts += [f"{_format_stage(service)}"] if service.stage is not ServiceStage.CURRENT else []
    parts += [_fill(service.description, fold_at)] if service.description else []
    parts += _render_creation(service, fold_at)
    parts.append("")
    if service.free_form:
        parts.append("Its config takes any fields; the catalogue describes none of them.")
    else:
        parts.append("Fields of its config:")
        for field in service.fields.values():
            parts += ["", *_render_field(field, fold_at)]
    parts += ["", f"`reconciler catalogue show {service.name} --example` prints a spec to start from."]
    return fold_lines("\n".join(parts), width)


def _render_creation(service: Service, fold_at: int) -> list[str]:
    """Render what a new destination needs, each need with its evidence."""
    if not (service.creation or service.creation_doubt):
        return []
    lines = ["", "A new destination needs:"]
    for need in service.creation:
        text = f"  - {_format_need(need)} [{need.grade}: {need.source}]"
        lines.append(_fill(text, fold_at, hanging="    "))
    if service.creation_doubt:
        lines.append(_fill(f"  - not known for certain: {service.creation_doubt}", fold_at, hanging="    "))
    return [*lines, "An existing destination may declare any part of its config."]


def _format_need(need: Need) -> str:
    words = " and ".join(need.fields)
    words += "".join(f", or instead {' and '.join(names)}" for names in need.instead)
    words += f" while {_format_condition(need.when)}" if need.when else ""
    if need.when_set:
        others = [name for name in need.when_set if name not in need.fields]
        words += f" beside {' or '.join(others)}" if others and not need.when else ""
        words += "" if others or need.when else ", if one of them is declared"
    words += f", if {' and '.join(need.when_unset)} is not declared" if need.when_unset else ""
    return words


def _fill(text: str, fold_at: int, hanging: str = "", first: str = "") -> str:
    """Fold a text, with indents of its first and its following lines."""
    return textwrap.fill(
        text,
        fold_at,
        initial_indent=first,
        subsequent_indent=hanging,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _format_stage(service: Service) -> str:
    if service.stage is ServiceStage.CURRENT:
        return ""
    return f"{service.stage}; use {service.successor}" if service.successor else str(service.stage)


def _render_field(field: Field, fold_at: int) -> Iterator[str]:
    yield f"  {field.name}  ({', '.join(_list_attributes(field))})"
    paragraphs = [field.description] if field.description else []
    paragraphs += [f"One of: {', '.join(field.enum)}."] if field.enum else []
    paragraphs += [f"Required while {_format_condition(field.required_when)}."] if field.required_when else []
    paragraphs += [f"Refused unless {_format_condition(field.only_when)}."] if field.only_when else []
    paragraphs += (
        [f"Means something only while {_format_condition(field.meant_for)}."] if field.meant_for else []
    )
    paragraphs += [f"Default: {_format_value(field.default)}."] if field.default is not None else []
    paragraphs += [_format_forced_value(field)] if field.forced_value is not None else []
    paragraphs += [f"An old name of `{field.deprecated_for}`."] if field.deprecated_for else []
    paragraphs += [f"Example: {_format_value(field.example)}"] if field.example is not None else []
    for paragraph in paragraphs:
        yield _fill(paragraph, fold_at, hanging=_INDENT, first=_INDENT)


def _format_forced_value(field: Field) -> str:
    conditions = " or ".join(map(_format_condition, field.forced_when))
    return f"Always {_format_value(field.forced_value)}{f' while {conditions}' if conditions else ''}."


def _list_attributes(field: Field) -> Iterator[str]:
    yield TYPE_NAMES[field.type]
    for is_set, word in (
        (field.required, "required"),
        (field.sensitive, "sensitive"),
        (field.immutable, "immutable"),
        (field.read_only, "read-only"),
        (bool(field.deprecated_for), "deprecated"),
    ):
        if is_set:
            yield word
    if (risk := find_risk(("config", field.name), field)) not in {FieldRisk.REPLACEMENT, FieldRisk.SETTINGS}:
        yield f"risk: {risk}"


def _format_condition(condition: Condition) -> str:
    return " and ".join(
        f"`{name}` is {' or '.join(map(_format_value, values))}" for name, values in condition.items()
    )


def _format_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def serialize_services(services: Iterable[Service]) -> dict[str, Any]:
    """Serialize all services without their fields, below `services`."""
    return {"services": [_serialize_header(service) for service in services]}


def serialize_service(service: Service) -> dict[str, Any]:
    """Serialize a service below `service`; its `fields` are a list in the catalogue's order."""
    fields = [_serialize_field(field) for field in service.fields.values()]
    facts = {"free_form": service.free_form, "fields": fields}
    creation = {
        "creation": [_serialize_need(need) for need in service.creation],
        "creation_doubt": service.creation_doubt or None,
    }
    return {"service": {**_serialize_header(service), **facts, **creation}}


def _serialize_need(need: Need) -> dict[str, Any]:
    return {
        "fields": list(need.fields),
        "instead": [list(names) for names in need.instead],
        "when": _serialize_condition(need.when),
        "when_set": list(need.when_set),
        "when_unset": list(need.when_unset),
        "grade": str(need.grade),
        "source": need.source,
    }


def _serialize_header(service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "title": service.title,
        "description": service.description,
        "stage": str(service.stage),
        "successor": service.successor,
    }


def _serialize_field(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "type": str(field.type),
        "description": field.description,
        "required": field.required,
        "required_when": _serialize_condition(field.required_when),
        "only_when": _serialize_condition(field.only_when),
        "meant_for": _serialize_condition(field.meant_for),
        "sensitive": field.sensitive,
        "immutable": field.immutable,
        "risk": str(find_risk(("config", field.name), field)),
        "read_only": field.read_only,
        "clearable": field.clearable,
        "default": field.default,
        "enum": list(field.enum),
        "deprecated_for": field.deprecated_for,
        "example": field.example,
        "forced_value": field.forced_value,
        "forced_when": [_serialize_condition(condition) for condition in field.forced_when],
    }


def _serialize_condition(condition: Condition | None) -> dict[str, Any] | None:
    return None if condition is None else {name: list(values) for name, values in condition.items()}
