"""The catalogue as JSON objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.catalogue.model import Condition, Field, Service


def serialize_services(services: Iterable[Service]) -> dict[str, Any]:
    """All services without their fields, below `services`."""
    return {"services": [_serialize_header(service) for service in services]}


def serialize_service(service: Service) -> dict[str, Any]:
    """One service below `service`; its `fields` are a list in the catalogue's order."""
    fields = [_serialize_field(field) for field in service.fields.values()]
    return {"service": {**_serialize_header(service), "free_form": service.free_form, "fields": fields}}


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
        "sensitive": field.sensitive,
        "immutable": field.immutable,
        "read_only": field.read_only,
        "clearable": field.clearable,
        "default": field.default,
        "enum": list(field.enum),
        "deprecated_for": field.deprecated_for,
        "example": field.example,
    }


def _serialize_condition(condition: Condition | None) -> dict[str, Any] | None:
    return None if condition is None else {name: list(values) for name, values in condition.items()}
