"""Fields of a plan as people may see them: secrets by where they come from, never by what they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from reconciler.engine.confidential import confidential
from reconciler.engine.diff import Comparison
from reconciler.kinds.base import Kind
from reconciler.kinds.destination import SERVICE
from reconciler.kinds.visibility import Masking
from reconciler.model.address import DESTINATION, Address
from reconciler.model.plan import Action, Change, FieldChange, FieldValue, Origin, Shown
from reconciler.model.record import Record
from reconciler.model.resource import Desired
from reconciler.model.value import ExternalKey, FieldPath, Reference, Secret, Structure

_CREATING = {Action.CREATE, Action.REPLACE}


def created_fields(
    desired: Desired, masking: Masking, values: Mapping[FieldPath, Any]
) -> tuple[FieldChange, ...]:
    """What a new object gets, field by field in the order of the specs."""
    return tuple(
        _shown(desired, masking, path, before=None, after=values[path])
        for path in desired.fields
        if values.get(path) is not None
    )


def changed_fields(
    desired: Desired, masking: Masking, live: Masking, comparison: Comparison, sent: Iterable[FieldPath]
) -> tuple[FieldChange, ...]:
    """What an update sends: fields that differ, then what is `sent` beside them: secrets. `live` is for values in
    Fivetran, which may be those of another service."""
    changed = tuple(
        replace(
            _shown(
                desired,
                live if each.before is not None and live.hides(path) else masking,
                path,
                each.before,
                each.after,
            ),
            origin=each.origin,
        )
        for path, each in comparison.changed.items()
    )
    return changed + tuple(_shown(desired, masking, path, None, desired.fields[path]) for path in sent)


def _shown(desired: Desired, masking: Masking, path: FieldPath, before: Any, after: Any) -> FieldChange:
    """How one field is told to people: a secret by its place, a hidden literal not at all."""
    source = desired.fields.get(path)
    span = desired.spans.get(path)
    if confidential(source):
        return FieldChange(path, None, str(source), Shown.SECRET, span)
    if not masking.hides(path):
        return FieldChange(path, before, after, Shown.CLEAR, span)
    hidden = hidden_value(masking, path, after)
    return FieldChange(path, None, hidden.value, hidden.shown, span)


def hidden_value(masking: Masking, path: FieldPath, value: Any) -> FieldValue:
    """A field that must not be shown, and whether it is set as far as that is known."""
    reason = masking.reason(path)
    if reason is None:
        return FieldValue(path, None, Shown.SECRET)
    return FieldValue(path, None if value is None else reason, Shown.HIDDEN)


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
    desired: Desired, masking: Masking, declared: Mapping[FieldPath, Any], change: Change
) -> tuple[FieldValue, ...]:
    """What is `declared`, in normal form, and not told as a change; for a destination also how it is tested.

    Fields that matter for a creation only are left out of anything else, since they may be otherwise by now.
    """
    left_out = {field.path for field in change.fields}
    left_out |= set() if change.action in _CREATING else desired.ignored
    values = [
        _value(desired, masking, path, value) for path, value in declared.items() if path not in left_out
    ]
    return (*values, *_tests(desired))


def applied_values(
    kind: Kind, record: Record | None, desired: Desired | None = None
) -> tuple[FieldValue, ...]:
    """What an earlier run left, and its id, as far as it may be shown."""
    if record is None:
        return ()
    masking = Masking(kind.name, record.applied.get(SERVICE), desired.unchecked if desired else ())
    id = [FieldValue(("id",), record.id)] if record.id is not None else []
    shown = (
        hidden_value(masking, path, value)
        if value is not None and masking.hides(path)
        else FieldValue(path, value)
        for path, value in record.applied.items()
    )
    hidden = (
        hidden_value(masking, path, kept)
        for path, kept in record.fingerprints.items()
        if masking.reason(path) is not None
    )
    return (*id, *shown, *hidden)


def applied_in_conflict(
    kind: Kind, record: Record | None, desired: Desired, changes: Iterable[FieldChange]
) -> tuple[FieldValue, ...]:
    """What was last applied of fields that moved on both sides since."""
    moved = {each.path for each in changes if each.origin is Origin.CONFLICT}
    return (
        tuple(each for each in applied_values(kind, record, desired) if each.path in moved) if moved else ()
    )


def _value(desired: Desired, masking: Masking, path: FieldPath, value: Any) -> FieldValue:
    source = desired.fields.get(path, value)
    if isinstance(source, Reference | Structure) and (source.confidential or isinstance(value, Secret)):
        return FieldValue(path, str(source), Shown.SECRET)
    if value is not None and (masking.hides(path) or isinstance(value, Secret | Reference | Structure)):
        return hidden_value(masking, path, value)
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
