"""Compare declared fields with live fields, in one normal form. Undeclared fields are ignored.

The last applied value is the third side of the comparison. It shows which side changed a field, and it stands in for
live values that answers of the API rewrite, mask or leave out: such an answer proves no difference by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.catalogue.model import Field
from reconciler.catalogue.normalize import MASKED, normalize_value
from reconciler.kinds.base import Kind
from reconciler.kinds.destination import SERVICE
from reconciler.model.plan import Origin
from reconciler.model.value import ExternalKey, FieldPath, Fields, Leaf, Reference, Secret, Structure
from reconciler.planning.last_applied import AppliedMarker, LastApplied

_UNKNOWN = AppliedMarker.UNKNOWN
_UNCOMPARABLE_TYPES = (Secret, Reference, Structure)
_OPAQUE_TYPES = (*_UNCOMPARABLE_TYPES, ExternalKey)
"""Types of values that no answer shows as they were sent."""


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """Difference between the live and the declared value of a field, both in normal form.

    `before` is the value that the API shows, or the last applied value if the API does not show the live value.
    """

    before: Any
    after: Any
    origin: Origin


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differing fields, and the `uncomparable` fields: their live value is unknown, which is no difference.

    `unkept` are fields whose declared value was applied last, and which Fivetran answers with another value since:
    another request with the same value would change nothing, so they are no difference either. The live values are in
    normal form.
    """

    changed: Mapping[FieldPath, FieldDifference]
    uncomparable: tuple[FieldPath, ...]
    unkept: Mapping[FieldPath, Any] = field(default_factory=dict)


def compare(
    kind: Kind,
    desired: Fields,
    observed: Fields,
    last_applied: LastApplied,
    just_sent: Collection[FieldPath] = (),
) -> Comparison:
    """Compare the declared fields of one resource. Only `last_applied` is in normal form already.

    `just_sent` are fields that a request of this run has set: another live value of such a field is the answer to that
    request, and no drift.
    """
    service = desired.get(SERVICE) or observed.get(SERVICE)
    service_name = service if isinstance(service, str) else None
    desired_values = _normalize_declared(kind, desired, service)
    live_values = kind.normalize(observed)
    applied = last_applied.lookup_values(desired_values, live_values)

    before: dict[FieldPath, Any] = {}
    newly_declared: set[FieldPath] = set()
    uncomparable: list[FieldPath] = []
    unkept: dict[FieldPath, Any] = {}
    for path, value in desired_values.items():
        catalogue_field, live = kind.get_field(path, service_name), live_values.get(path)
        current = _infer_live_value(catalogue_field, value, live, applied.get(path))
        # `null` in the specs means "not set". The API shows the default then, which must not count as drift.
        if value is None and _is_default(catalogue_field, current):
            current = None
        if isinstance(value, _OPAQUE_TYPES):
            pass
        elif path in applied and not _is_same(current, value):
            if path in just_sent and _is_same(applied[path], value):
                current = value
                unkept[path] = live
            elif last_applied.is_known_answer(path, live):
                # Fivetran keeps another value than the applied value. Only an edit of the specs is a difference.
                current = applied[path]
                if _is_same(current, value):
                    unkept[path] = live
        elif catalogue_field is None and live is None and value is not None and path in applied:
            unkept[path] = None
        if (
            current is _UNKNOWN
            and applied
            and path not in applied
            and not isinstance(value, _UNCOMPARABLE_TYPES)
        ):
            # The record of this object does not have the field, so no apply has set it yet: it has to be sent. Without
            # any applied value (an adopted object) it counts as uncomparable: nothing shows that it is not in effect.
            newly_declared.add(path)
        elif current is _UNKNOWN:
            uncomparable.append(path)
        else:
            before[path] = current
    after = {path: value for path, value in desired_values.items() if path in before}
    differing_paths = {*_find_differing_paths(before, after), *newly_declared}
    changed = {
        path: _classify_difference(path, before.get(path), value, applied)
        for path, value in desired_values.items()
        if path in differing_paths
    }
    return Comparison(changed, tuple(uncomparable), unkept)


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _normalize_declared(kind: Kind, desired: Fields, service: Leaf) -> dict[FieldPath, Any]:
    """Normalise the declared fields, which the live service gives their types if the specs declare none."""
    # Normal form may move a value from a deprecated to the present name of its field. So it comes before the choice of
    # fields: otherwise a field could be declared by one name and read by the other, and would differ in every plan.
    values = kind.normalize({**desired, SERVICE: service} if service else desired)
    if SERVICE not in desired:
        values.pop(SERVICE, None)
    return values


def _infer_live_value(field: Field | None, declared: Any, live: Any, applied: Any) -> Any:
    """Infer the live value: as the API shows it, else the last applied value, else _UNKNOWN."""
    if isinstance(declared, _UNCOMPARABLE_TYPES):
        return _UNKNOWN
    if isinstance(declared, ExternalKey):  # no answer names the entry of the secrets manager
        return (
            live if isinstance(live, ExternalKey) else _default_to_unknown(applied and ExternalKey(applied))
        )
    if live is MASKED or (field is not None and field.rewritten):
        # A mask hides any value, and a rewritten field shows another value than the sent value. A comparison of such a
        # value with the specs would find a difference in every plan.
        return _default_to_unknown(applied)
    if field is None:
        # The catalogue does not know whether answers show this field, so an answer without it is no proof of a change.
        return live if live is not None else applied
    if live is None:
        return _infer_absent_value(field, declared, applied)
    # The API is known to show some values as another value. If the live value is that other value, the applied value
    # is still in effect.
    return applied if applied is not None and field.misread_as.get(str(applied)) == live else live


def _infer_absent_value(field: Field, declared: Any, applied: Any) -> Any:
    """Infer the value of a field that the answer leaves out or gives as null, which may mean its default."""
    default = normalize_value(field, field.default)
    if field.sensitive and declared is not None:
        return _UNKNOWN  # an answer may have null for a secret that is set
    if not field.may_be_omitted:
        return default
    if applied is not None:
        return applied
    return None if default is None else _UNKNOWN


def _is_default(field: Field | None, value: Any) -> bool:
    """Return whether a value is the default of its field: a cleared `networking_method` reads as `Directly`."""
    return field is not None and value == normalize_value(field, field.default)


def _default_to_unknown(applied: Any) -> Any:
    return _UNKNOWN if applied is None else applied


def _classify_difference(
    path: FieldPath, before: Any, after: Any, applied: Mapping[FieldPath, Any]
) -> FieldDifference:
    """Classify which side changed a field since the last apply: the specs, Fivetran, or both.

    Without a last applied value the change counts as one of the specs: drift is only reported if it is proven.
    """
    last_value = (
        ExternalKey(applied[path])
        if path in applied and isinstance(after, ExternalKey)
        else applied.get(path)
    )
    if path not in applied or last_value is _UNKNOWN or last_value == before:
        return FieldDifference(before, after, Origin.SPEC)
    return FieldDifference(before, after, Origin.DRIFT if last_value == after else Origin.CONFLICT)


def _find_differing_paths(before: Fields, after: Fields) -> list[FieldPath]:
    if before == after:
        return []
    from deepdiff import DeepDiff  # costs 0.2 s to import: only needed for a difference

    levels = (level for group in DeepDiff(before, after, view="tree").values() for level in group)
    paths = {level.path(output_format="list")[0] for level in levels}
    return [path for path in after if path in paths]
