"""Check what a user enters in the dashboard about a destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from reconciler.catalogue.load import load_destination_facts, load_service, load_service_names
from reconciler.catalogue.model import Service
from reconciler.emulator import request_parsing
from reconciler.emulator.destination import Destination, DestinationSettings
from reconciler.emulator.envelope import ErrorReply, invalid_input
from reconciler.emulator.switches import Behaviour
from reconciler.emulator.unknown_names import build_unknown_value

_NOT_EDITABLE = frozenset({"service", "region_sent"})
EDITABLE = tuple(setting.name for setting in fields(DestinationSettings) if setting.name not in _NOT_EDITABLE)
"""Settings that an edit form changes."""
_CURRENT_VERSION = 2


def require_service(name: str) -> Service:
    """Get a service of the catalogue. Raises a 400 that suggests the nearest name."""
    service = load_service(name) if name in load_service_names() else None
    if service is None:
        raise build_unknown_value("service", name, load_service_names())
    return service


def change(
    destination: Destination, service: Service | None, changes: Mapping[str, Any], behaviour: Behaviour
) -> Destination:
    """Change a destination as its edit form does. A key of `config` with the value None is removed.

    `service` is None for a service that the catalogue lacks. Raises a 400 for the first wrong name or value.
    """
    for name in changes:
        if name not in EDITABLE:
            raise build_unknown_value("field of destinations", name, EDITABLE)
    settings = {name: getattr(destination, name) for name in EDITABLE} | {"service": destination.service}
    try:
        # An empty field of a form clears an id.
        filled = {name: None if value == "" else value for name, value in changes.items()}
        checked = TypeAdapter(DestinationSettings).validate_python({**settings, **filled}).to_document()
    except ValidationError as error:
        name = str(error.errors(include_input=False)[0]["loc"][0])
        problem = "cannot be empty" if changes.get(name) in ("", None) else "cannot have this value"
        raise invalid_input(f"`{name}` {problem}") from None
    _check_known_values({name: checked[name] for name in changes})
    config = dict(destination.config)
    for name, value in changes.get("config", {}).items():
        if value is None:
            config.pop(name, None)
        else:
            config[name] = _convert(name, value, destination, service, behaviour)
    return replace(destination, **{**checked, "config": config})


def _check_known_values(settings: Mapping[str, Any]) -> None:
    """Check the settings that have a known set of values. Raises a 400."""
    facts = load_destination_facts()
    for name, known in (
        ("region", facts.regions),
        ("time_zone_offset", facts.time_zone_offsets),
        ("networking_method", facts.networking_methods),
    ):
        value = settings.get(name)
        if value is not None and value not in known:
            raise build_unknown_value(name, value, known)


def _convert(
    name: str, value: Any, destination: Destination, service: Service | None, behaviour: Behaviour
) -> Any:
    """Convert one value of the config to the type of its field."""
    if service is None or (name not in service.fields and service.free_form):
        return value
    if name not in service.fields:
        raise build_unknown_value(f"{service.name} field", name, service.fields)
    try:
        body = {"config": {name: value}}
        merged = request_parsing.merge_config(body, destination, service, behaviour, _CURRENT_VERSION)
    except ErrorReply as error:
        # The API names no field.
        raise invalid_input(f"`config.{name}` cannot have this value: {error.reply.message}") from error
    return merged.get(name)
