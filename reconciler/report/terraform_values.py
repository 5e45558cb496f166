"""View objects in the form of Fivetran's Terraform provider: before and after, with masks for hidden values.

Attributes have the names of the provider (release 1), which are the names of the API. `config` is a single nested block
in the provider, and so one object, not a list. A mask is a tree of the same shape with `true` at its leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.plan import Action, Change, FieldChange, FieldValue, Origin, Reason, Visibility
from reconciler.model.value import FieldPath

SENSITIVE = "(sensitive value)"
"""Placeholder of a secret that is set: a rule can check whether a secret is set, and gets no value."""

_ABSENT_BEFORE = {Action.CREATE}
_ABSENT_AFTER = {Action.DELETE, Action.FORGET}


@dataclass(frozen=True, slots=True)
class ResourceView:
    """View of an object at one time. `values` is None if the object does not exist; unknown leaves have no value."""

    values: dict[str, Any] | None = None
    sensitive: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, Any] = field(default_factory=dict)


ABSENT = ResourceView()


def to_terraform_type(address: Address) -> str:
    """Return `fivetran_group` or `fivetran_destination`."""
    return f"fivetran_{address.kind}"


def to_terraform_address(address: Address) -> str:
    """Return `fivetran_group.finance_prod`. Keys of specs are valid names in Terraform."""
    return f"{to_terraform_type(address)}.{address.key}"


def is_imported(change: Change) -> bool:
    """Return whether a live object is recorded for the first time, changed or not."""
    return change.action is Action.ADOPT or (
        change.action in {Action.UPDATE, Action.VERIFY} and Reason.NOT_REMEMBERED in change.reasons
    )


def view_before(change: Change) -> ResourceView:
    """View the live object, as far as it is declared or recorded."""
    if change.action in _ABSENT_BEFORE:
        return ABSENT
    if change.action in _ABSENT_AFTER:
        return _build_view(
            [*_list_identity_values(change, change.id), *change.applied, *_list_live_values(change)]
        )
    fields = (
        _get_value_before(field_change, change)
        for field_change in change.fields
        if not _is_unknown_before(field_change)
    )
    return _build_view(
        [
            *_list_identity_values(change, change.id),
            *fields,
            *change.lost,
            *_list_unchanged_values(change),
        ]
    )


def view_after(change: Change, ids: Mapping[Address, str | None]) -> ResourceView:
    """View the object once the plan is applied. `ids` are the known ids by address."""
    if change.action in _ABSENT_AFTER:
        return ABSENT
    # A destination has the id of its group, so its id is known if the group exists.
    id = change.id or next((ids.get(parent) for parent in change.depends_on), None)
    fields = [
        FieldValue(field_change.path, field_change.after, field_change.shown)
        for field_change in change.fields
        if field_change.path != ("id",)
    ]
    return _build_view([*_list_identity_values(change, id), *fields, *_list_unchanged_values(change)])


def view_last_applied(change: Change) -> ResourceView:
    """View the last applied object of a drifted entry. Fields with unknown last values are left out."""
    applied_by_path = {value.path: value for value in change.applied}
    if change.action in _ABSENT_BEFORE:  # the object was deleted, and the plan creates it again
        id = applied_by_path.get(("id",))
        return _build_view(
            [*_list_identity_values(change, id.value if id is not None else None), *change.applied]
        )
    candidates = (
        _get_value_before(field_change, change)
        if field_change.origin is Origin.SPEC
        else FieldValue(field_change.path, field_change.after, field_change.shown)
        if field_change.origin is Origin.DRIFT
        else applied_by_path.get(field_change.path)
        for field_change in change.fields
        if not _is_unknown_before(field_change)
    )
    values = (value for value in candidates if value is not None)
    return _build_view([*_list_identity_values(change, change.id), *values, *_list_unchanged_values(change)])


def _list_identity_values(change: Change, id: str | None) -> Iterator[FieldValue]:
    visibility = Visibility.CLEAR if id is not None else Visibility.KNOWN_AFTER_APPLY
    yield FieldValue(("id",), id, visibility)
    if change.address.kind == DESTINATION:
        yield FieldValue(("group_id",), id, visibility)


def _list_live_values(change: Change) -> Iterator[FieldValue]:
    """List the live values of a deleted or forgotten object. They win over the last applied values."""
    live = change.live
    if live is None:
        return
    if change.address.kind == GROUP:
        yield FieldValue(("name",), live.name)
        return
    attributes = {"service": live.service, "region": live.region}
    yield from (FieldValue((name,), value) for name, value in attributes.items() if value)


def _list_unchanged_values(change: Change) -> tuple[FieldValue, ...]:
    """List the unchanged fields. A field that an edited saved plan lists as changed and unchanged counts as changed."""
    changed_paths = {field_change.path for field_change in change.fields}
    return tuple(value for value in change.other_values if value.path not in changed_paths)


def _is_unknown_before(field_change: FieldChange) -> bool:
    """Return whether the value before is unknown: a replaced object may have had no such field."""
    return field_change.sent_by_replacement and field_change.before is None


def _get_value_before(field_change: FieldChange, change: Change) -> FieldValue:
    """Return the value of a field before its change. The earlier value of a changed secret is unknown."""
    is_unchanged = field_change.path in change.secrets.unchanged
    return FieldValue(
        field_change.path, field_change.after if is_unchanged else field_change.before, field_change.shown
    )


def _build_view(fields: Iterable[FieldValue]) -> ResourceView:
    view = ResourceView(values={})
    values: dict[str, Any] = view.values or {}
    for field_value in fields:
        match field_value.shown:
            case Visibility.KNOWN_AFTER_APPLY:
                _set_value(view.unknown, field_value.path, True)
            case Visibility.SECRET | Visibility.HIDDEN:
                _set_value(values, field_value.path, SENSITIVE if field_value.value else None)
                _set_value(view.sensitive, field_value.path, True)
            case Visibility.CLEAR:
                _set_value(values, field_value.path, field_value.value)
    return ResourceView(values, view.sensitive, view.unknown)


def _set_value(tree: dict[str, Any], path: FieldPath, leaf: Any) -> None:
    """Set a leaf of a tree. Never raises: an edited saved plan may have any paths."""
    for step in path[:-1]:
        child = tree.get(step)
        if not isinstance(child, dict):
            child = tree[step] = {}
        tree = child
    for name in path[-1:]:
        tree[name] = leaf
