"""Request bodies of destinations: read, checked and put into the types of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.catalogue.load import destination_facts
from reconciler.catalogue.model import Field, FieldType, Service
from reconciler.emulator.behaviour import Behaviour
from reconciler.emulator.conditions import holds, misplaced
from reconciler.emulator.destination import Destination
from reconciler.emulator.envelope import invalid_input, required, unusable

_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")
_LARGEST_INTEGER = 2**31 - 1
_UNSET = object()


def flag(body: Mapping[str, Any], name: str, default: bool) -> bool:
    """A boolean, also as text in any case. 400 for anything else."""
    value = body.get(name)
    if value is None:
        return default
    truth = _boolean(value)
    if truth is None:
        raise unusable(name)
    return truth


def text(body: Mapping[str, Any], name: str) -> str | None:
    """A text, None where it is absent or null. Numbers are taken as text. 400 for anything else."""
    value = body.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise unusable(name)
    return value


def required_text(body: Mapping[str, Any], name: str) -> str:
    """A text that must be there and not be empty."""
    value = text(body, name)
    if not value:
        raise required(name)
    return value


def settings(body: Mapping[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    """The fields beside `config` that a body sets, by their names in `Destination`.

    Unknown keys are ignored. 400 for a value that the API does not take.
    """
    found: dict[str, Any] = {}
    if (region := text(body, "region")) is not None:
        found["region"] = _region(region, behaviour)
    if (offset := text(body, "time_zone_offset")) is not None:
        if offset not in destination_facts().time_zone_offsets:
            raise unusable("time_zone_offset")
        found["time_zone_offset"] = offset
    if body.get("daylight_saving_time_enabled") is not None:
        found["daylight_saving_time_enabled"] = flag(body, "daylight_saving_time_enabled", False)
    if (method := _link(body, "networking_method", behaviour)) is not _UNSET:
        if method and method not in destination_facts().networking_methods:
            raise unusable("networking_method")
        found["networking_method"] = method or destination_facts().fields["networking_method"].default
    for name in ("private_link_id", "proxy_agent_id", "external_secrets_manager_id"):
        if (link := _link(body, name, behaviour)) is not _UNSET:
            found[name] = link
    for name in ("local_processing_agent_id", "hybrid_deployment_agent_id"):  # the old name yields
        if (link := _link(body, name, behaviour)) is not _UNSET:
            found["hybrid_deployment_agent_id"] = link
    keys = body.get("external_secrets_keys_config")
    if keys is not None:
        if not isinstance(keys, dict):
            raise unusable("external_secrets_keys_config")
        found["external_secrets_keys_config"] = keys
    return found


def new_config(
    body: Mapping[str, Any], service: Service, behaviour: Behaviour, version: int
) -> dict[str, Any]:
    """The config of a new destination. `null` there means not set."""
    sent = {name: value for name, value in _sent_config(body, service, version).items() if value is not None}
    config = _typed_config(sent, service, behaviour)
    _refuse_misplaced(service, config, config)
    if behaviour.missing_config == "refused":
        for name, field in service.fields.items():
            needed = field.required or (field.required_when and holds(service, field.required_when, config))
            if needed and config.get(name) is None:
                raise required(f"config.{name}")
    return config


def merged_config(
    body: Mapping[str, Any], current: Destination, service: Service, behaviour: Behaviour, version: int
) -> dict[str, Any]:
    """The config after a patch: sent keys replace, `null` removes, all others stay."""
    sent = _sent_config(body, service, version)
    removed = {name for name, value in sent.items() if value is None}
    for name in sorted(removed):
        field = service.fields.get(name)
        if field is not None and not field.clearable and not field.read_only:
            if behaviour.unclearable_null == "refused":
                raise _invalid_config()
            removed.discard(name)
    changes = _typed_config(
        {name: value for name, value in sent.items() if value is not None}, service, behaviour
    )
    for name in sorted(removed | changes.keys()):
        field = service.fields.get(name)
        if field is None or not field.immutable:
            continue
        if changes.get(name) != _in_effect(field, current.config.get(name)):
            if behaviour.immutable_change == "refused":
                raise invalid_input(f"Field 'config.{name}' is immutable")
            removed.discard(name)
            changes.pop(name, None)
    merged = {name: value for name, value in {**current.config, **changes}.items() if name not in removed}
    _refuse_misplaced(service, changes, merged)
    return merged


def _sent_config(body: Mapping[str, Any], service: Service, version: int) -> dict[str, Any]:
    config = body.get("config")
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise _invalid_config()
    # Version 1 of the API calls the field `connection_method` (version 2: `connection_type`).
    if version < 2 and "connection_type" in service.fields and "connection_method" in config:
        return {"connection_type": config["connection_method"]} | {
            name: value for name, value in config.items() if name != "connection_method"
        }
    return config


def _typed_config(sent: Mapping[str, Any], service: Service, behaviour: Behaviour) -> dict[str, Any]:
    """Sent values in the types of their fields; read-only ones are dropped."""
    config: dict[str, Any] = {}
    for name, value in sent.items():
        field = service.fields.get(name)
        if field is not None:
            if not field.read_only:
                config[name] = _typed(field, value)
        elif service.free_form or behaviour.unknown_config == "echoed":
            config[name] = value
        elif behaviour.unknown_config == "refused":
            raise _invalid_config()
    return config


def _typed(field: Field, value: Any) -> Any:
    """A value in its field's type. The refusal names no field, as with Fivetran."""
    typed: Any = None
    match field.type:
        case FieldType.BOOLEAN:
            typed = _boolean(value)
        case FieldType.INTEGER:
            typed = _integer(value)
        case FieldType.STRINGS:
            if isinstance(value, list) and all(isinstance(each, str) for each in value):
                typed = value
        case FieldType.OBJECT:
            typed = value if isinstance(value, dict) else None
        case FieldType.STRING:
            typed = value if isinstance(value, str) else None
    if typed is None:
        raise _invalid_config()
    if field.enum and typed not in field.enum and typed != "":
        raise _invalid_config()
    return typed


def _boolean(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) <= _LARGEST_INTEGER else None


def _in_effect(field: Field, value: Any) -> Any:
    return field.default if value is None else value


def _refuse_misplaced(service: Service, sent: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """400 for credentials of another authentication method than the one in effect."""
    name = misplaced(service, sent, config)
    if name is not None:
        raise invalid_input(f"Field 'config.{name}' cannot be used with this authentication method")


def _invalid_config() -> Exception:
    return invalid_input("Invalid 'config' object")


def _region(name: str, behaviour: Behaviour) -> str:
    facts = destination_facts()
    if name == "":
        raise invalid_input("region cannot be empty")
    if name in facts.region_aliases:
        return (behaviour.region_alias == "expanded" and facts.region_aliases[name]) or name
    if name not in facts.regions and behaviour.unknown_region == "refused":
        raise unusable("region")
    return name


def _link(body: Mapping[str, Any], name: str, behaviour: Behaviour) -> Any:
    """An optional id: the text, None to clear it, `_UNSET` to leave it alone."""
    if name not in body:
        return _UNSET
    value = text(body, name)
    if value:
        return value
    form = "null" if value is None else "empty"
    return None if form in behaviour.clearing_ids.split("-or-") else _UNSET
