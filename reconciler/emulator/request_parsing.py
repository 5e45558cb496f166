"""Parse destination requests: check bodies, and convert values to the types of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.catalogue.load import load_destination_facts
from reconciler.catalogue.model import Field, FieldType, Service
from reconciler.emulator.conditions import find_misplaced, is_met
from reconciler.emulator.destination import Destination
from reconciler.emulator.envelope import invalid_field, invalid_input, missing_field
from reconciler.emulator.switches import Behaviour

_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")
_MAX_INTEGER = 2**31 - 1
_UNSET = object()


def parse_flag(body: Mapping[str, Any], name: str, default: bool) -> bool:
    """Parse a boolean, also as text in any case. Raises a 400 for any other value."""
    value = body.get(name)
    if value is None:
        return default
    parsed = _parse_boolean(value)
    if parsed is None:
        raise invalid_field(name)
    return parsed


def parse_text(body: Mapping[str, Any], name: str) -> str | None:
    """Parse a text, None if absent or null. Numbers count as text. Raises a 400 for any other value."""
    value = body.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise invalid_field(name)
    return value


def require_text(body: Mapping[str, Any], name: str) -> str:
    """Parse a text that must be present and not empty. Raises a 400."""
    value = parse_text(body, name)
    if not value:
        raise missing_field(name)
    return value


def parse_settings(body: Mapping[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    """Parse the settings beside `config`, by their names in `Destination`. Unknown keys are ignored.

    Raises a 400 for a value that the API does not accept.
    """
    parsed: dict[str, Any] = {}
    if (region := parse_text(body, "region")) is not None:
        parsed |= {"region": _parse_region(region, behaviour), "region_sent": True}
    if (offset := parse_text(body, "time_zone_offset")) is not None:
        if offset not in load_destination_facts().time_zone_offsets:
            raise invalid_field("time_zone_offset")
        parsed["time_zone_offset"] = offset
    if body.get("daylight_saving_time_enabled") is not None:
        parsed["daylight_saving_time_enabled"] = parse_flag(body, "daylight_saving_time_enabled", False)
    if (method := _parse_optional_id(body, "networking_method", behaviour)) is not _UNSET:
        if method and method not in load_destination_facts().networking_methods:
            raise invalid_field("networking_method")
        parsed["networking_method"] = method or load_destination_facts().fields["networking_method"].default
    for name in ("private_link_id", "proxy_agent_id", "external_secrets_manager_id"):
        if (link := _parse_optional_id(body, name, behaviour)) is not _UNSET:
            parsed[name] = link
    for name in ("local_processing_agent_id", "hybrid_deployment_agent_id"):  # the new name wins
        if (link := _parse_optional_id(body, name, behaviour)) is not _UNSET:
            parsed["hybrid_deployment_agent_id"] = link
    keys_config = body.get("external_secrets_keys_config")
    if keys_config is not None:
        if not isinstance(keys_config, dict):
            raise invalid_field("external_secrets_keys_config")
        parsed["external_secrets_keys_config"] = keys_config
    return parsed


def drop_unkept_fields(body: Mapping[str, Any], behaviour: Behaviour) -> Mapping[str, Any]:
    """Drop or replace the sent fields that this Fivetran does not keep."""
    if behaviour.unkept_fields == "none":
        return body
    kept = dict(body)
    if isinstance(body.get("config"), Mapping):
        kept["config"] = dict(body["config"])
    for rule in behaviour.unkept_fields.split(","):
        path, has_value, value = rule.partition("=")
        block, _, name = path.rpartition(".")
        target = kept.get(block) if block else kept
        if isinstance(target, dict) and name in target:
            if has_value:
                target[name] = value
            else:
                del target[name]
    return kept


def build_config(
    body: Mapping[str, Any], service: Service, behaviour: Behaviour, version: int
) -> dict[str, Any]:
    """Build the config of a new destination. `null` means unset. Raises a 400."""
    sent = {name: value for name, value in _get_config(body, service, version).items() if value is not None}
    config = _convert_config(sent, service, behaviour)
    _refuse_misplaced(service, config, config)
    if behaviour.missing_config == "refused":
        for name, field in service.fields.items():
            is_required = field.required or (
                field.required_when and is_met(service, field.required_when, config)
            )
            if is_required and config.get(name) is None:
                raise missing_field(f"config.{name}")
    return config


def merge_config(
    body: Mapping[str, Any], current: Destination, service: Service, behaviour: Behaviour, version: int
) -> dict[str, Any]:
    """Merge the config of a patch: sent keys replace, `null` removes, other keys stay. Raises a 400."""
    sent = _get_config(body, service, version)
    removed = {name for name, value in sent.items() if value is None}
    for name in sorted(removed):
        field = service.fields.get(name)
        if field is not None and not field.clearable and not field.read_only:
            if behaviour.unclearable_null == "refused":
                raise _build_invalid_config_error()
            removed.discard(name)
    changes = _convert_config(
        {name: value for name, value in sent.items() if value is not None}, service, behaviour
    )
    for name in sorted(removed | changes.keys()):
        field = service.fields.get(name)
        if field is None or not field.immutable:
            continue
        # The present value sent again is no change, and neither is the default of an unset field.
        if changes.get(name) != _apply_default(field, current.config.get(name)):
            if behaviour.immutable_change == "refused":
                raise invalid_input(f"Field 'config.{name}' is immutable")
            removed.discard(name)
            changes.pop(name, None)
    merged = {name: value for name, value in {**current.config, **changes}.items() if name not in removed}
    _refuse_misplaced(service, changes, merged)
    return merged


def _get_config(body: Mapping[str, Any], service: Service, version: int) -> dict[str, Any]:
    config = body.get("config")
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise _build_invalid_config_error()
    # Version 1 of the API calls the field `connection_method` (version 2: `connection_type`).
    if version < 2 and "connection_type" in service.fields and "connection_method" in config:
        return {"connection_type": config["connection_method"]} | {
            name: value for name, value in config.items() if name != "connection_method"
        }
    return config


def _convert_config(sent: Mapping[str, Any], service: Service, behaviour: Behaviour) -> dict[str, Any]:
    """Convert sent values to the types of their fields. Read-only fields are dropped."""
    config: dict[str, Any] = {}
    for name, value in sent.items():
        field = service.fields.get(name)
        if field is not None:
            if not field.read_only:
                config[name] = _convert_value(field, value)
        elif service.free_form or behaviour.unknown_config == "echoed":
            config[name] = value
        elif behaviour.unknown_config == "refused":
            raise _build_invalid_config_error()
    return config


def _convert_value(field: Field, value: Any) -> Any:
    """Convert a value to the type of its field. The error names no field, as in Fivetran."""
    converted: Any = None
    match field.type:
        case FieldType.BOOLEAN:
            converted = _parse_boolean(value)
        case FieldType.INTEGER:
            converted = _parse_integer(value)
        case FieldType.STRINGS:
            if isinstance(value, list) and all(isinstance(item, str) for item in value):
                converted = value
        case FieldType.OBJECT:
            converted = value if isinstance(value, dict) else None
        case FieldType.STRING:
            converted = value if isinstance(value, str) else None
    if converted is None:
        raise _build_invalid_config_error()
    if field.enum and converted not in field.enum and converted != "":
        raise _build_invalid_config_error()
    return converted


def _parse_boolean(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _parse_integer(value: Any) -> int | None:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) <= _MAX_INTEGER else None


def _apply_default(field: Field, value: Any) -> Any:
    return field.default if value is None else value


def _refuse_misplaced(service: Service, sent: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Refuse credentials that do not belong to the chosen authentication method. Raises a 400."""
    name = find_misplaced(service, sent, config)
    if name is not None:
        raise invalid_input(f"Field 'config.{name}' cannot be used with this authentication method")


def _build_invalid_config_error() -> Exception:
    return invalid_input("Invalid 'config' object")


def _parse_region(name: str, behaviour: Behaviour) -> str:
    facts = load_destination_facts()
    if name == "":
        raise invalid_input("region cannot be empty")
    if name in facts.region_aliases:
        return (behaviour.region_alias == "expanded" and facts.region_aliases[name]) or name
    if name not in facts.regions and behaviour.unknown_region == "refused":
        raise invalid_field("region")
    return name


def _parse_optional_id(body: Mapping[str, Any], name: str, behaviour: Behaviour) -> Any:
    """Parse an optional id: the text, None to clear the id, `_UNSET` to keep it."""
    if name not in body:
        return _UNSET
    value = parse_text(body, name)
    if value:
        return value
    form = "null" if value is None else "empty"
    return None if form in behaviour.clearing_ids.split("-or-") else _UNSET
