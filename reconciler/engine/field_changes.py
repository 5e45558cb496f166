"""Fields of a plan as people may see them: secrets by where they come from, never by what they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from reconciler.engine.confidential import confidential
from reconciler.engine.diff import Comparison
from reconciler.kinds.base import Kind
from reconciler.model.address import Address
from reconciler.model.plan import FieldChange, Shown
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath


def created_fields(desired: Desired, values: Mapping[FieldPath, Any]) -> tuple[FieldChange, ...]:
    """What a new object gets, field by field in the order of the specs."""
    return tuple(
        _shown(desired, path, before=None, after=values[path])
        for path in desired.fields
        if values.get(path) is not None
    )


def changed_fields(
    kind: Kind, service: str | None, desired: Desired, comparison: Comparison, secrets: Iterable[FieldPath]
) -> tuple[FieldChange, ...]:
    """What an update sends: fields that differ, then secrets."""
    changed = tuple(
        replace(
            _shown(desired, path, each.before, each.after, hidden=sensitive(kind, service, path)),
            origin=each.origin,
        )
        for path, each in comparison.changed.items()
    )
    return changed + tuple(_shown(desired, path, None, desired.fields[path]) for path in secrets)


def sensitive(kind: Kind, service: str | None, path: FieldPath) -> bool:
    """Whether the catalogue says that a field is a secret."""
    known = kind.field(path, service)
    return known is not None and known.sensitive


def _shown(desired: Desired, path: FieldPath, before: Any, after: Any, hidden: bool = False) -> FieldChange:
    """How one field is told to people. What a spec keeps secret, or nothing is known about, is not shown."""
    source = desired.fields.get(path)
    span = desired.spans.get(path)
    if confidential(source):
        return FieldChange(path, None, str(source), Shown.SECRET, span)
    if hidden or path in desired.unchecked:
        return FieldChange(path, None, None, Shown.SECRET, span)
    return FieldChange(path, before, after, Shown.CLEAR, span)


def known_after(desired: Desired) -> tuple[FieldChange, ...]:
    """The id that a destination has from its group."""
    parents: tuple[Address, ...] = desired.depends_on
    return tuple(
        FieldChange(("id",), None, f"that of {parent}", Shown.KNOWN_AFTER_APPLY, desired.span)
        for parent in parents
    )


def as_in_fivetran(value: Any, *, hidden: bool) -> str:
    """A live value as the label of a place in the specs."""
    if value is None:
        return "not set in Fivetran"
    return "another value in Fivetran" if hidden else f"`{value}` in Fivetran"
