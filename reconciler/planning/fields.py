"""Fields of a plan as people may see them: secrets by where they come from, never by what they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from reconciler.kinds.base import Kind
from reconciler.kinds.destination import SERVICE
from reconciler.kinds.visibility import Masking
from reconciler.model.address import DESTINATION, Address
from reconciler.model.plan import Action, Change, FieldChange, FieldValue, Origin, Visibility
from reconciler.model.record import Record
from reconciler.model.resource import Desired
from reconciler.model.value import ExternalKey, FieldPath, Reference, Secret, Structure, is_secret
from reconciler.planning.diff import Comparison

_CREATING = {Action.CREATE, Action.REPLACE}


def created_fields(
    desired: Desired, masking: Masking, values: Mapping[FieldPath, Any]
) -> tuple[FieldChange, ...]:
    """What a new object gets, field by field in the order of the specs."""
    return tuple(
        _build_field_change(desired, masking, path, before=None, after=values[path])
        for path in desired.fields
        if values.get(path) is not None
    )


def changed_fields(
    desired: Desired,
    masking: Masking,
    live_masking: Masking,
    comparison: Comparison,
    sent: Iterable[FieldPath],
) -> tuple[FieldChange, ...]:
    """What an update sends: fields that differ, then what is `sent` beside them: secrets. `live` is for values in
    Fivetran, which may be those of another service."""
    changed = tuple(
        replace(
            _build_field_change(
                desired,
                live_masking if difference.before is not None and live_masking.hides(path) else masking,
                path,
                difference.before,
                difference.after,
            ),
            origin=difference.origin,
        )
        for path, difference in comparison.changed.items()
    )
    return changed + tuple(
        _build_field_change(desired, masking, path, None, desired.fields[path]) for path in sent
    )


def _build_field_change(
    desired: Desired, masking: Masking, path: FieldPath, before: Any, after: Any
) -> FieldChange:
    """How one field is told to people: a secret by its place, a hidden literal not at all."""
    source = desired.fields.get(path)
    span = desired.spans.get(path)
    if is_secret(source):
        return FieldChange(path, None, str(source), Visibility.SECRET, span)
    if not masking.hides(path):
        return FieldChange(path, before, after, Visibility.CLEAR, span)
    hidden = mask_value(masking, path, after)
    return FieldChange(path, None, hidden.value, hidden.shown, span)


def mask_value(masking: Masking, path: FieldPath, value: Any) -> FieldValue:
    """A field that must not be shown, and whether it is set as far as that is known."""
    reason = masking.get_reason(path)
    if reason is None:
        return FieldValue(path, None, Visibility.SECRET)
    return FieldValue(path, None if value is None else reason, Visibility.HIDDEN)


def computed_fields(desired: Desired) -> tuple[FieldChange, ...]:
    """The id that a destination has from its group."""
    parents: tuple[Address, ...] = desired.depends_on
    return tuple(
        FieldChange(("id",), None, f"that of {parent}", Visibility.KNOWN_AFTER_APPLY, desired.span)
        for parent in parents
    )


def live_value_label(value: Any, *, hidden: bool) -> str:
    """A live value as the label of a place in the specs."""
    if value is None:
        return "not set in Fivetran"
    return "another value in Fivetran" if hidden else f"`{value}` in Fivetran"


def unchanged_values(
    desired: Desired, masking: Masking, declared: Mapping[FieldPath, Any], change: Change
) -> tuple[FieldValue, ...]:
    """What is `declared`, in normal form, and not told as a change; for a destination also how it is tested.

    Fields that matter for a creation only are left out of anything else, since they may be otherwise by now.
    """
    left_out = {field.path for field in change.fields}
    left_out |= set() if change.action in _CREATING else desired.ignore_changes
    values = [
        _build_field_value(desired, masking, path, value)
        for path, value in declared.items()
        if path not in left_out
    ]
    return (*values, *_setup_test_values(desired))


def applied_values(
    kind: Kind, record: Record | None, desired: Desired | None = None
) -> tuple[FieldValue, ...]:
    """What an earlier run left, and its id, as far as it may be shown."""
    if record is None:
        return ()
    masking = Masking(kind.name, record.applied.get(SERVICE), desired.unchecked if desired else ())
    id = [FieldValue(("id",), record.id)] if record.id is not None else []
    shown = (
        mask_value(masking, path, value)
        if value is not None and masking.hides(path)
        else FieldValue(path, value)
        for path, value in record.applied.items()
    )
    hidden = (
        mask_value(masking, path, kept)
        for path, kept in record.fingerprints.items()
        if masking.get_reason(path) is not None
    )
    return (*id, *shown, *hidden)


def conflicting_applied_values(
    kind: Kind, record: Record | None, desired: Desired, changes: Iterable[FieldChange]
) -> tuple[FieldValue, ...]:
    """What was last applied of fields that moved on both sides since."""
    conflicting_paths = {field.path for field in changes if field.origin is Origin.CONFLICT}
    return (
        tuple(field for field in applied_values(kind, record, desired) if field.path in conflicting_paths)
        if conflicting_paths
        else ()
    )


def _build_field_value(desired: Desired, masking: Masking, path: FieldPath, value: Any) -> FieldValue:
    source = desired.fields.get(path, value)
    if isinstance(source, Reference | Structure) and (source.confidential or isinstance(value, Secret)):
        return FieldValue(path, str(source), Visibility.SECRET)
    if value is not None and (masking.hides(path) or isinstance(value, Secret | Reference | Structure)):
        return mask_value(masking, path, value)
    return FieldValue(path, value.name if isinstance(value, ExternalKey) else value)


def _setup_test_values(desired: Desired) -> tuple[FieldValue, ...]:
    """What the API calls these settings of a creation and of a test run."""
    if desired.address.kind != DESTINATION:
        return ()
    return (
        FieldValue(("run_setup_tests",), desired.setup_tests.run),
        FieldValue(("trust_certificates",), desired.trust.certificates),
        FieldValue(("trust_fingerprints",), desired.trust.fingerprints),
    )
