"""Build the fields of a plan in the form that may be shown, and find the secrets that a change has to send.

A secret is shown by its reference, never by its value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from reconciler.catalogue.model import Field
from reconciler.catalogue.normalize import MASKED
from reconciler.catalogue.risks import find_risk
from reconciler.kinds.base import Kind
from reconciler.kinds.destination import SERVICE, list_settings
from reconciler.kinds.visibility import Masking
from reconciler.model.address import DESTINATION, Address
from reconciler.model.plan import Action, Change, FieldChange, FieldValue, Origin, Visibility
from reconciler.model.record import Record
from reconciler.model.resource import Desired, Observed
from reconciler.model.value import (
    ExternalKey,
    FieldPath,
    Fields,
    Reference,
    Secret,
    Structure,
    is_external_secret,
    is_secret,
)
from reconciler.planning.diff import Comparison

_CREATING = {Action.CREATE, Action.REPLACE}


def is_resolved_locally(desired: Desired, path: FieldPath) -> bool:
    """Return whether this process resolves the secret of a field and sends its value, not only its name."""
    value = desired.fields[path]
    return is_secret(value) and not is_external_secret(value)


def find_dependent_secrets(
    kind: Kind, service: str | None, declared: Fields, comparison: Comparison
) -> list[FieldPath]:
    """List the secrets whose meaning depends on a changed field: a new `auth` without its key would lock Fivetran out.

    Names in a secrets manager depend on the manager too. A request sends all of these names or none, since the API
    does not document whether names that a request leaves out stay.
    """
    changed_names = {path[-1] for path in comparison.changed}
    dependents = [
        path
        for path, value in declared.items()
        if is_secret(value)
        and path not in comparison.changed
        and changed_names & _find_governing_fields(kind.get_field(path, service), is_external_secret(value))
    ]
    # A changed field bears its present name here, while the spec may declare the field by a deprecated name.
    if not any(is_external_secret(declared.get(path)) for path in (*dependents, *comparison.changed)):
        return dependents
    external_paths = (
        path
        for path, value in declared.items()
        if is_external_secret(value) and path not in comparison.changed
    )
    return list(dict.fromkeys([*dependents, *external_paths]))


def _find_governing_fields(field: Field | None, is_external: bool) -> set[str]:
    manager = {"external_secrets_manager_id"} if is_external else set()
    return manager | ({*(field.only_when or ()), *(field.required_when or ())} if field else set())


def build_created_fields(desired: Desired, masking: Masking, values: Fields) -> tuple[FieldChange, ...]:
    """List the fields of a new object in the order of the specs."""
    return tuple(
        _build_field_change(desired, masking, path, before=None, after=values[path])
        for path in desired.fields
        if values.get(path) is not None
    )


def assess_changed_fields(
    kind: Kind, service: str | None, fields: Iterable[FieldChange]
) -> tuple[FieldChange, ...]:
    """Add the risks to changed fields of an existing object. `service` is its live service."""
    return tuple(
        replace(field, risk=find_risk(field.path, kind.get_field(field.path, service))) for field in fields
    )


def build_changed_fields(
    desired: Desired,
    masking: Masking,
    live_masking: Masking,
    comparison: Comparison,
    sent: Iterable[FieldPath],
) -> tuple[FieldChange, ...]:
    """List the fields of an update: first the differing fields, then the secrets that are `sent` with them.

    `live_masking` is for values in Fivetran, which may be values of another service.
    """
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


def build_resent_fields(
    desired: Desired, masking: Masking, *, live: Fields, sent: Fields
) -> tuple[FieldChange, ...]:
    """List the fields that a replacement sends although no difference was found, with their visible `live` values.

    An ignored field can differ all the same: the new object gets the declared value.
    """
    return tuple(
        _build_resent_field(desired, _build_field_value(desired, masking, path, value), live.get(path))
        for path, value in sent.items()
        if value is not None
    )


def _build_resent_field(desired: Desired, new: FieldValue, live: Any) -> FieldChange:
    before = live if new.shown is Visibility.CLEAR and live is not MASKED else None
    return FieldChange(
        new.path,
        before.name if isinstance(before, ExternalKey) else before,
        new.value,
        new.shown,
        desired.spans.get(new.path),
        sent_by_replacement=before is None or before == new.value,
    )


def list_lost_values(
    live_masking: Masking, observed: Observed, record: Record | None, declared: Fields
) -> tuple[FieldValue, ...]:
    """List the live settings that a replacement loses, since no spec declares them.

    A secret that no answer shows is known from the record of an earlier run only.
    """
    settings = list_settings(observed, declared)
    live = [_build_lost_value(live_masking, path, value) for path, value in settings.items()]
    recorded = [
        FieldValue(path, live_masking.get_reason(path) or SENT_EARLIER, _choose_hidden(live_masking, path))
        for path in (record.fingerprints if record is not None else ())
        if path not in declared and path not in settings
    ]
    return (*live, *recorded)


SET_AT_FIVETRAN, SENT_EARLIER = "set at Fivetran", "sent by an earlier run"
"""Texts about the source of a secret that no spec declares."""


def _build_lost_value(masking: Masking, path: FieldPath, value: Any) -> FieldValue:
    if masking.hides(path) or value is MASKED:
        return FieldValue(path, masking.get_reason(path) or SET_AT_FIVETRAN, _choose_hidden(masking, path))
    return FieldValue(path, value.name if isinstance(value, ExternalKey) else value)


def _choose_hidden(masking: Masking, path: FieldPath) -> Visibility:
    return Visibility.SECRET if masking.get_reason(path) is None else Visibility.HIDDEN


def _build_field_change(
    desired: Desired, masking: Masking, path: FieldPath, before: Any, after: Any
) -> FieldChange:
    """Build the shown form of one field: a secret by its reference, a hidden literal without its value."""
    source = desired.fields.get(path)
    span = desired.spans.get(path)
    if is_secret(source):
        return FieldChange(path, None, str(source), Visibility.SECRET, span)
    if not masking.hides(path):
        return FieldChange(path, before, after, Visibility.CLEAR, span)
    hidden = mask_value(masking, path, after)
    return FieldChange(path, None, hidden.value, hidden.shown, span)


def mask_value(masking: Masking, path: FieldPath, value: Any) -> FieldValue:
    """Mask a field that must not be shown; keeps whether the field is set, if that is known."""
    reason = masking.get_reason(path)
    if reason is None:
        return FieldValue(path, None, Visibility.SECRET)
    return FieldValue(path, None if value is None else reason, Visibility.HIDDEN)


def build_computed_fields(desired: Desired) -> tuple[FieldChange, ...]:
    """List the fields that only the apply computes: a destination gets its id from its group."""
    parents: tuple[Address, ...] = desired.depends_on
    return tuple(
        FieldChange(("id",), None, f"that of {parent}", Visibility.KNOWN_AFTER_APPLY, desired.span)
        for parent in parents
    )


def list_unkept_values(unkept: Fields, public: Collection[FieldPath]) -> tuple[FieldValue, ...]:
    """List the live values of fields that Fivetran did not keep. Only an answer that may be stored in clear is shown:
    a run that reads no secrets does not know whether another answer contains one."""
    return tuple(
        FieldValue(path, live) if path in public else FieldValue(path, None, Visibility.SECRET)
        for path, live in unkept.items()
    )


def choose_live_value_label(value: Any, *, hidden: bool) -> str:
    """Label a place in the specs with the live value of its field."""
    if value is None:
        return "not set in Fivetran"
    return "another value in Fivetran" if hidden else f"`{value}` in Fivetran"


def list_unchanged_values(
    desired: Desired, masking: Masking, declared: Fields, change: Change
) -> tuple[FieldValue, ...]:
    """List the `declared` values, in normal form, that are no change; for a destination also its test settings.

    Ignored fields matter for a creation only. Any other change leaves them out, since their live values may differ.
    """
    left_out = {field.path for field in change.fields}
    left_out |= set() if change.action in _CREATING else desired.ignore_changes
    values = [
        _build_field_value(desired, masking, path, value)
        for path, value in declared.items()
        if path not in left_out
    ]
    return (*values, *_list_setup_test_values(desired))


def list_applied_values(
    kind: Kind, record: Record | None, desired: Desired | None = None
) -> tuple[FieldValue, ...]:
    """List the values that an earlier run applied, and the id, each masked if it must not be shown."""
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


def list_conflicting_applied_values(
    kind: Kind, record: Record | None, desired: Desired, changes: Iterable[FieldChange]
) -> tuple[FieldValue, ...]:
    """List the last applied values of fields that changed on both sides since."""
    conflicting_paths = {field.path for field in changes if field.origin is Origin.CONFLICT}
    return (
        tuple(
            field for field in list_applied_values(kind, record, desired) if field.path in conflicting_paths
        )
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


def _list_setup_test_values(desired: Desired) -> tuple[FieldValue, ...]:
    """List the settings of a creation and of a test run by their names in the API."""
    if desired.address.kind != DESTINATION:
        return ()
    return (
        FieldValue(("run_setup_tests",), desired.setup_tests.run),
        FieldValue(("trust_certificates",), desired.trust.certificates),
        FieldValue(("trust_fingerprints",), desired.trust.fingerprints),
    )
