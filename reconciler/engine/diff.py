"""Comparing what is declared with what is there, in one normal form. Nothing undeclared is looked at.

What was last applied is the third side: it tells who changed a field, and it stands in for answers that
Fivetran rewrites or leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.catalogue.canonical import MASKED, canonical_value
from reconciler.catalogue.model import Field
from reconciler.engine.last_applied import LastApplied, Recollection
from reconciler.kinds.base import Kind
from reconciler.kinds.destination import SERVICE
from reconciler.model.plan import Origin
from reconciler.model.value import ExternalKey, FieldPath, Reference, Secret, Structure

_UNKNOWN = Recollection.UNKNOWN
_UNREAD = (Secret, Reference, Structure)


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not as declared; both values in normal form. `before` is what the API shows, or what
    was last applied where the API does not show it truly."""

    before: Any
    after: Any
    origin: Origin


@dataclass(frozen=True, slots=True)
class Comparison:
    """`changed` has the fields that differ. `uncomparable` are declared fields about which nothing can be known;
    they are no difference."""

    changed: Mapping[FieldPath, Difference]
    uncomparable: tuple[FieldPath, ...]


def compare(
    kind: Kind,
    desired: Mapping[FieldPath, Any],
    observed: Mapping[FieldPath, Any],
    last: LastApplied,
) -> Comparison:
    """Compare the declared fields of one resource. `desired` and `observed` are raw and brought into normal form
    here; what was applied `last` is in normal form already."""
    service = desired.get(SERVICE) or observed.get(SERVICE)
    # Normal form may move a value to the field's present name, so what to compare is decided after it.
    wanted = kind.canonical({**desired, SERVICE: service} if service else desired)
    if SERVICE not in desired:
        wanted.pop(SERVICE, None)
    seen = kind.canonical(observed)
    applied = last.recall(wanted, seen)

    left: dict[FieldPath, Any] = {}
    declared_since: set[FieldPath] = set()
    uncomparable: list[FieldPath] = []
    for path, value in wanted.items():
        shown = _shown(kind.field(path, service), value, seen.get(path), applied.get(path))
        if shown is _UNKNOWN and applied and path not in applied and not isinstance(value, _UNREAD):
            declared_since.add(path)  # somebody wrote it down just now, and nothing says that it is in effect
        elif shown is _UNKNOWN:
            uncomparable.append(path)
        else:
            left[path] = None if value is None and _is_default(kind.field(path, service), shown) else shown
    right = {path: value for path, value in wanted.items() if path in left}
    differing = {*_differing(left, right), *declared_since}
    changed = {
        path: _difference(path, left.get(path), value, applied)
        for path, value in wanted.items()
        if path in differing
    }
    return Comparison(changed, tuple(uncomparable))


def _shown(field: Field | None, wanted: Any, seen: Any, applied: Any) -> Any:
    """What is set, as far as it can be known: what the API shows, what was last applied where the API does not
    show it truly, else _UNKNOWN."""
    if isinstance(wanted, _UNREAD):
        return _UNKNOWN
    if isinstance(wanted, ExternalKey):  # answers do not tell where Fivetran fetches a value from
        return seen if isinstance(seen, ExternalKey) else _or_unknown(applied and ExternalKey(applied))
    if seen is MASKED or (field is not None and field.rewritten):
        return _or_unknown(applied)  # S-14: a mask is never a value
    if field is None:
        # Nobody knows whether answers show such a field at all, so one that lacks it does not undo what was applied.
        return seen if seen is not None else applied
    if seen is None:
        return _shown_without(field, wanted, applied)
    return applied if applied is not None and field.misread_as.get(str(applied)) == seen else seen


def _shown_without(field: Field, wanted: Any, applied: Any) -> Any:
    """What an answer without a field says about it. R3: `networking_method: null` stands for the default."""
    default = canonical_value(field, field.default)
    if field.sensitive and wanted is not None:
        return _UNKNOWN  # R32: a secret that is set may be answered as null
    if not field.may_be_omitted:
        return default
    if applied is not None:
        return applied
    return None if default is None else _UNKNOWN


def _is_default(field: Field | None, shown: Any) -> bool:
    """Whether a value is what holds where nothing is set: a cleared `networking_method` reads as `Directly`."""
    return field is not None and shown == canonical_value(field, field.default)


def _or_unknown(applied: Any) -> Any:
    return _UNKNOWN if applied is None else applied


def _difference(path: FieldPath, before: Any, after: Any, applied: Mapping[FieldPath, Any]) -> Difference:
    """Who moved: the specs, somebody at Fivetran, or both. Without a memory it counts as the specs."""
    known = (
        ExternalKey(applied[path])
        if path in applied and isinstance(after, ExternalKey)
        else applied.get(path)
    )
    if path not in applied or known is _UNKNOWN or known == before:
        return Difference(before, after, Origin.SPEC)
    return Difference(before, after, Origin.DRIFT if known == after else Origin.CONFLICT)


def _differing(left: Mapping[FieldPath, Any], right: Mapping[FieldPath, Any]) -> list[FieldPath]:
    if left == right:
        return []
    from deepdiff import DeepDiff  # costs 0.2 s to import: only where something differs

    levels = (level for group in DeepDiff(left, right, view="tree").values() for level in group)
    paths = {level.path(output_format="list")[0] for level in levels}
    return [path for path in right if path in paths]
