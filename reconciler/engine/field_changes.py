"""Fields of a plan as people may see them: secrets by where they come from, never by what they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from reconciler.engine.confidential import confidential
from reconciler.engine.diff import Comparison
from reconciler.kinds.base import Kind
from reconciler.kinds.destination import SERVICE
from reconciler.model.address import DESTINATION, Address
from reconciler.model.plan import Action, Change, FieldChange, FieldValue, Origin, Shown
from reconciler.model.record import Record
from reconciler.model.resource import Desired
from reconciler.model.value import ExternalKey, FieldPath, Reference, Secret

_CREATING = {Action.CREATE, Action.REPLACE}


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


def other_values(
    kind: Kind, desired: Desired, declared: Mapping[FieldPath, Any], change: Change
) -> tuple[FieldValue, ...]:
    """What is `declared`, in normal form, and not told as a change; for a destination also how it is tested.

    Fields that matter for a creation only are left out of anything else, since they may be otherwise by now.
    """
    service = declared.get(SERVICE)
    left_out = {field.path for field in change.fields}
    left_out |= set() if change.action in _CREATING else desired.ignored
    values = [
        _value(desired, path, value, hidden=sensitive(kind, service, path))
        for path, value in declared.items()
        if path not in left_out
    ]
    return (*values, *_tests(desired))


def applied_values(
    kind: Kind, record: Record | None, desired: Desired | None = None
) -> tuple[FieldValue, ...]:
    """What an earlier run left, and its id. Where no spec says any more what is secret, the catalogue does, and what
    it does not know is not shown."""
    if record is None:
        return ()
    service = record.applied.get(SERVICE)
    id = [FieldValue(("id",), record.id)] if record.id is not None else []
    hidden = desired.unchecked if desired is not None else ()
    return (
        *id,
        *(
            FieldValue(path, None, Shown.SECRET)
            if path in hidden or (kind.name == DESTINATION and _may_be_secret(kind, service, path))
            else FieldValue(path, value)
            for path, value in record.applied.items()
        ),
    )


def applied_in_conflict(
    kind: Kind, record: Record | None, desired: Desired, changes: Iterable[FieldChange]
) -> tuple[FieldValue, ...]:
    """What was last applied of fields that moved on both sides since."""
    moved = {each.path for each in changes if each.origin is Origin.CONFLICT}
    return (
        tuple(each for each in applied_values(kind, record, desired) if each.path in moved) if moved else ()
    )


def _value(desired: Desired, path: FieldPath, value: Any, *, hidden: bool) -> FieldValue:
    source = desired.fields.get(path, value)
    if isinstance(source, Reference) and (source.confidential or isinstance(value, Secret)):
        return FieldValue(path, str(source), Shown.SECRET)
    if value is not None and (hidden or path in desired.unchecked or isinstance(value, Secret | Reference)):
        return FieldValue(path, None, Shown.SECRET)
    return FieldValue(path, value.name if isinstance(value, ExternalKey) else value)


def _tests(desired: Desired) -> tuple[FieldValue, ...]:
    """What the API calls these settings of a creation and of a test run."""
    if desired.address.kind != DESTINATION:
        return ()
    return (
        FieldValue(("run_setup_tests",), desired.setup_tests.run),
        FieldValue(("trust_certificates",), desired.trust.certificates),
        FieldValue(("trust_fingerprints",), desired.trust.fingerprints),
    )


def _may_be_secret(kind: Kind, service: Any, path: FieldPath) -> bool:
    known = kind.field(path, service if isinstance(service, str) else None)
    return known is None or known.sensitive
