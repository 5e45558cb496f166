"""Check what a user enters in the dashboard about a destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from reconciler.catalogue.load import load_destination_facts, load_service, load_service_names
from reconciler.catalogue.model import Service
from reconciler.emulator import request_parsing
from reconciler.emulator.dashboard_errors import DashboardError, build_unknown_error
from reconciler.emulator.destination import Destination, SetupStatus
from reconciler.emulator.envelope import ErrorReply
from reconciler.emulator.switches import Behaviour

_Text = Annotated[str, Field(min_length=1)]
_CURRENT_VERSION = 2


class DestinationChange(BaseModel):
    """Changed fields of a destination. A key of `config` with the value None is removed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: _Text | None = None
    time_zone_offset: _Text | None = None
    daylight_saving_time_enabled: bool | None = None
    networking_method: str | None = None
    private_link_id: str | None = None
    hybrid_deployment_agent_id: str | None = None
    proxy_agent_id: str | None = None
    external_secrets_manager_id: str | None = None
    setup_status: SetupStatus | None = None
    config: dict[str, Any] = {}


def require_service(name: str) -> Service:
    """Get a service of the catalogue. Raises a DashboardError that suggests the nearest name."""
    if name not in load_service_names():
        raise build_unknown_error("service", name, load_service_names(), 400)
    service = load_service(name)
    assert service is not None  # noqa: S101 - the name is known
    return service


def change(
    destination: Destination, service: Service | None, changes: DestinationChange, behaviour: Behaviour
) -> Destination:
    """Change a destination as its edit form does. Raises DashboardError for the first wrong value."""
    fields = {name: getattr(changes, name) for name in changes.model_fields_set if name != "config"}
    check_fields(fields)
    config = dict(destination.config)
    for name, value in changes.config.items():
        if value is None:
            config.pop(name, None)
        else:
            config[name] = _convert(name, value, destination, service, behaviour)
    return replace(destination, config=config, **fields)


def check_fields(fields: Mapping[str, Any]) -> None:
    """Check the fields that have a known set of values. Raises DashboardError."""
    facts = load_destination_facts()
    for name, known in (
        ("region", facts.regions),
        ("time_zone_offset", facts.time_zone_offsets),
        ("networking_method", facts.networking_methods),
    ):
        value = fields.get(name)
        if value is not None and value not in known:
            raise build_unknown_error(name.replace("_", " "), value, known, 400)


def _convert(
    name: str, value: Any, destination: Destination, service: Service | None, behaviour: Behaviour
) -> Any:
    """Convert one value of the config to the type of its field."""
    if service is None or (name not in service.fields and service.free_form):
        return value
    if name not in service.fields:
        raise build_unknown_error(f"{service.name} field", name, service.fields, 400)
    try:
        merged = request_parsing.merge_config(
            {"config": {name: value}}, destination, service, behaviour, _CURRENT_VERSION
        )
    except ErrorReply as error:
        # The API names no field.
        raise DashboardError(400, f"`config.{name}` cannot have this value: {error.reply.message}") from error
    return merged.get(name)
