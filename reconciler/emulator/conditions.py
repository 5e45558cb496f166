"""Check conditions of the catalogue: whether a field applies, given the whole config."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.catalogue.model import Service


def is_applicable(service: Service, name: str, config: Mapping[str, Any]) -> bool:
    """Check whether the other settings allow a field. An unknown setting allows every field."""
    condition = service.fields[name].only_when or {}
    return all(
        _get_setting(service, setting, config) in (None, *allowed) for setting, allowed in condition.items()
    )


def find_misplaced(service: Service, sent: Iterable[str], config: Mapping[str, Any]) -> str | None:
    """Find the first sent field that contradicts the rest of the config. None if all fields fit.

    Fields that exclude each other are found even if the setting that decides between them is neither sent nor
    has a default.
    """
    # Values of each setting that all checked fields allow. An empty set means that two sent fields exclude each
    # other under every value of the setting.
    possible: dict[str, set[Any]] = {}
    for name in sent:
        field = service.fields.get(name)
        if field is None or config.get(name) is None:
            continue
        if not is_applicable(service, name, config):
            return name
        for setting, allowed in (field.only_when or {}).items():
            possible[setting] = possible.get(setting, set(allowed)) & set(allowed)
            if not possible[setting]:
                return name
    return None


def is_met(service: Service, condition: Mapping[str, tuple[Any, ...]], config: Mapping[str, Any]) -> bool:
    """Check whether every setting of a condition has one of its values.

    Unset settings count with their defaults.
    """
    return all(_get_setting(service, setting, config) in allowed for setting, allowed in condition.items())


def list_forced_values(service: Service, config: Mapping[str, Any]) -> dict[str, Any]:
    """List the values that the server keeps under these settings, whatever was sent."""
    return {
        name: field.forced_value
        for name, field in service.fields.items()
        if field.forced_value is not None
        and (not field.forced_when or any(is_met(service, each, config) for each in field.forced_when))
    }


def _get_setting(service: Service, name: str, config: Mapping[str, Any]) -> Any:
    value = config.get(name)
    if value is None and name in service.fields:
        return service.fields[name].default
    return value
