"""Values for a sandbox, made up so that each fits the field it is for."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.catalogue.canonical import CONFIG
from reconciler.catalogue.check import SERVICE
from reconciler.catalogue.model import Field, FieldType
from reconciler.kinds.registry import KINDS
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath, Reference
from reconciler.secrets.base import Registry
from reconciler.secrets.demo import Demo

_BY_TYPE = {
    FieldType.INTEGER: "1234",
    FieldType.BOOLEAN: "false",
    FieldType.STRINGS: '["demo"]',
    FieldType.OBJECT: '{"demo": "demo"}',
}


def demo_registry(destinations: Iterable[Desired]) -> Registry:
    """A registry that answers every reference. One that several fields share gets the value of the first
    field that does not take just any text."""
    fitting: dict[str, str] = {}
    for desired in destinations:
        for path, value in desired.fields.items():
            demo = _fitting(desired, path) if isinstance(value, Reference) else None
            if demo is not None:
                fitting.setdefault(str(value), demo)
    return Registry({}, otherwise=Demo(fitting))


def _fitting(desired: Desired, path: FieldPath) -> str | None:
    """A value that the field takes; None where any text will do."""
    if path == SERVICE:
        return "snowflake"
    field = _field(desired, path)
    if field is None:
        return None
    if field.enum:
        return max(_from_default(field), key=lambda member: _agreeing(desired, path, member))
    if field.type in _BY_TYPE:
        return _BY_TYPE[field.type] if field.default is None else str(field.default).lower()
    is_closed = path[0] != CONFIG and (field.default is not None or path == ("time_zone_offset",))
    return str(field.default or field.example) if is_closed else None


def _from_default(field: Field) -> list[str]:
    return sorted(field.enum, key=lambda member: member != field.default)


def _agreeing(desired: Desired, path: FieldPath, member: str) -> int:
    """How well a choice goes with what is declared beside it: with a key, `auth` must not be PASSWORD."""
    conditions = [field.only_when for field in _declared(desired) if field.only_when]
    return sum(1 if member in each[path[-1]] else -1 for each in conditions if path[-1] in each)


def _declared(desired: Desired) -> Iterable[Field]:
    fields = (_field(desired, path) for path, value in desired.fields.items() if value is not None)
    return (field for field in fields if field is not None)


def _field(desired: Desired, path: FieldPath) -> Field | None:
    service = desired.fields.get(SERVICE)
    return KINDS[desired.address.kind].field(path, service if isinstance(service, str) else None)
