"""The catalogue as JSON objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.catalogue.model import Condition, Field, Service


def service_list_data(services: Iterable[Service]) -> dict[str, Any]:
    """All services without their fields, below `services`."""
    return {"services": [_head(each) for each in services]}


def service_data(service: Service) -> dict[str, Any]:
    """One service below `service`; its `fields` are a list in the catalogue's order."""
    fields = [_field(each) for each in service.fields.values()]
    return {"service": {**_head(service), "free_form": service.free_form, "fields": fields}}


def _head(service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "title": service.title,
        "description": service.description,
        "stage": str(service.stage),
        "successor": service.successor,
    }


def _field(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "type": str(field.type),
        "description": field.description,
        "required": field.required,
        "required_when": _condition(field.required_when),
        "only_when": _condition(field.only_when),
        "sensitive": field.sensitive,
        "immutable": field.immutable,
        "read_only": field.read_only,
        "clearable": field.clearable,
        "default": field.default,
        "enum": list(field.enum),
        "deprecated_for": field.deprecated_for,
        "example": field.example,
    }


def _condition(condition: Condition | None) -> dict[str, Any] | None:
    return None if condition is None else {name: list(values) for name, values in condition.items()}
