"""Generate values for a sandbox that suit their fields."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.catalogue.check import SERVICE
from reconciler.catalogue.model import Field, FieldType
from reconciler.catalogue.normalize import CONFIG
from reconciler.kinds.registry import KINDS
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath, Reference
from reconciler.secrets.base import Registry
from reconciler.secrets.demo import DemoResolver

_BY_TYPE = {
    FieldType.INTEGER: "1234",
    FieldType.BOOLEAN: "false",
    FieldType.STRINGS: '["demo"]',
    FieldType.OBJECT: '{"demo": "demo"}',
}


def build_demo_registry(destinations: Iterable[Desired]) -> Registry:
    """Build a registry that resolves every reference.

    A reference of several fields gets the value of the first field that restricts its values.
    """
    values: dict[str, str] = {}
    for desired in destinations:
        for path, value in desired.fields.items():
            demo = _choose_value(desired, path) if isinstance(value, Reference) else None
            if demo is not None:
                values.setdefault(str(value), demo)
    return Registry({}, fallback=DemoResolver(values))


def _choose_value(desired: Desired, path: FieldPath) -> str | None:
    """Choose a value that the field accepts, None if it accepts any text."""
    if path == SERVICE:
        return "snowflake"
    field = _find_field(desired, path)
    if field is None:
        return None
    if field.enum:
        return max(_sort_by_default(field), key=lambda member: _count_agreements(desired, path, member))
    if field.type in _BY_TYPE:
        return _BY_TYPE[field.type] if field.default is None else str(field.default).lower()
    is_closed = path[0] != CONFIG and (field.default is not None or path == ("time_zone_offset",))
    return str(field.default or field.example) if is_closed else None


def _sort_by_default(field: Field) -> list[str]:
    return sorted(field.enum, key=lambda member: member != field.default)


def _count_agreements(desired: Desired, path: FieldPath, member: str) -> int:
    """Count how well a choice suits the declared fields: with a key, `auth` must not be PASSWORD."""
    conditions = [field.only_when for field in _list_declared_fields(desired) if field.only_when]
    return sum(
        1 if member in condition[path[-1]] else -1 for condition in conditions if path[-1] in condition
    )


def _list_declared_fields(desired: Desired) -> Iterable[Field]:
    fields = (_find_field(desired, path) for path, value in desired.fields.items() if value is not None)
    return (field for field in fields if field is not None)


def _find_field(desired: Desired, path: FieldPath) -> Field | None:
    service = desired.fields.get(SERVICE)
    return KINDS[desired.address.kind].get_field(path, service if isinstance(service, str) else None)
