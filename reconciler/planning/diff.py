"""Comparing what is declared with what is there, in one normal form. Nothing undeclared is looked at.

What was last applied is the third side: it tells who changed a field, and it stands in for answers that
Fivetran rewrites or leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.catalogue.model import Field
from reconciler.catalogue.normalize import MASKED, normalize_value
from reconciler.kinds.base import Kind
from reconciler.kinds.destination import SERVICE
from reconciler.model.plan import Origin
from reconciler.model.value import ExternalKey, FieldPath, Reference, Secret, Structure
from reconciler.planning.last_applied import AppliedMarker, LastApplied

_UNKNOWN = AppliedMarker.UNKNOWN
_UNCOMPARABLE_TYPES = (Secret, Reference, Structure)


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field that is not as declared; both values in normal form. `before` is what the API shows, or what
    was last applied where the API does not show it truly."""

    before: Any
    after: Any
    origin: Origin


@dataclass(frozen=True, slots=True)
class Comparison:
    """`changed` has the fields that differ. `uncomparable` are declared fields about which nothing can be known;
    they are no difference."""

    changed: Mapping[FieldPath, FieldDifference]
    uncomparable: tuple[FieldPath, ...]


def compare(
    kind: Kind,
    desired: Mapping[FieldPath, Any],
    observed: Mapping[FieldPath, Any],
    last_applied: LastApplied,
) -> Comparison:
    """Compare the declared fields of one resource. `desired` and `observed` are raw and brought into normal form
    here; what was applied `last` is in normal form already."""
    service = desired.get(SERVICE) or observed.get(SERVICE)
    # Normal form may move a value to the field's present name, so what to compare is decided after it.
    desired_values = kind.normalize({**desired, SERVICE: service} if service else desired)
    if SERVICE not in desired:
        desired_values.pop(SERVICE, None)
    live_values = kind.normalize(observed)
    applied = last_applied.lookup_values(desired_values, live_values)

    before: dict[FieldPath, Any] = {}
    newly_declared: set[FieldPath] = set()
    uncomparable: list[FieldPath] = []
    for path, value in desired_values.items():
        current = _infer_live_value(
            kind.get_field(path, service), value, live_values.get(path), applied.get(path)
        )
        if (
            current is _UNKNOWN
            and applied
            and path not in applied
            and not isinstance(value, _UNCOMPARABLE_TYPES)
        ):
            newly_declared.add(path)  # somebody wrote it down just now, and nothing says that it is in effect
        elif current is _UNKNOWN:
            uncomparable.append(path)
        else:
            before[path] = (
                None if value is None and _is_default(kind.get_field(path, service), current) else current
            )
    after = {path: value for path, value in desired_values.items() if path in before}
    differing_paths = {*_find_differing_paths(before, after), *newly_declared}
    changed = {
        path: _classify_difference(path, before.get(path), value, applied)
        for path, value in desired_values.items()
        if path in differing_paths
    }
    return Comparison(changed, tuple(uncomparable))


def _infer_live_value(field: Field | None, declared: Any, live: Any, applied: Any) -> Any:
    """What is set, as far as it can be known: what the API shows, what was last applied where the API does not
    show it truly, else _UNKNOWN."""
    if isinstance(declared, _UNCOMPARABLE_TYPES):
        return _UNKNOWN
    if isinstance(declared, ExternalKey):  # answers do not tell where Fivetran fetches a value from
        return (
            live if isinstance(live, ExternalKey) else _default_to_unknown(applied and ExternalKey(applied))
        )
    if live is MASKED or (field is not None and field.rewritten):
        return _default_to_unknown(applied)  # S-14: a mask is never a value
    if field is None:
        # Nobody knows whether answers show such a field at all, so one that lacks it does not undo what was applied.
        return live if live is not None else applied
    if live is None:
        return _infer_absent_value(field, declared, applied)
    return applied if applied is not None and field.misread_as.get(str(applied)) == live else live


def _infer_absent_value(field: Field, declared: Any, applied: Any) -> Any:
    """What an answer without a field says about it. R3: `networking_method: null` stands for the default."""
    default = normalize_value(field, field.default)
    if field.sensitive and declared is not None:
        return _UNKNOWN  # R32: a secret that is set may be answered as null
    if not field.may_be_omitted:
        return default
    if applied is not None:
        return applied
    return None if default is None else _UNKNOWN


def _is_default(field: Field | None, value: Any) -> bool:
    """Whether a value is what holds where nothing is set: a cleared `networking_method` reads as `Directly`."""
    return field is not None and value == normalize_value(field, field.default)


def _default_to_unknown(applied: Any) -> Any:
    return _UNKNOWN if applied is None else applied


def _classify_difference(
    path: FieldPath, before: Any, after: Any, applied: Mapping[FieldPath, Any]
) -> FieldDifference:
    """Who moved: the specs, somebody at Fivetran, or both. Without a memory it counts as the specs."""
    last_value = (
        ExternalKey(applied[path])
        if path in applied and isinstance(after, ExternalKey)
        else applied.get(path)
    )
    if path not in applied or last_value is _UNKNOWN or last_value == before:
        return FieldDifference(before, after, Origin.SPEC)
    return FieldDifference(before, after, Origin.DRIFT if last_value == after else Origin.CONFLICT)


def _find_differing_paths(before: Mapping[FieldPath, Any], after: Mapping[FieldPath, Any]) -> list[FieldPath]:
    if before == after:
        return []
    from deepdiff import DeepDiff  # costs 0.2 s to import: only where something differs

    levels = (level for group in DeepDiff(before, after, view="tree").values() for level in group)
    paths = {level.path(output_format="list")[0] for level in levels}
    return [path for path in after if path in paths]
