"""Comparing what is declared with what is there, in one normal form. Nothing undeclared is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.catalogue.canonical import MASKED, canonical_value
from reconciler.kinds.base import Kind
from reconciler.kinds.destination import SERVICE
from reconciler.model.value import FieldPath, Reference, Secret


@dataclass(frozen=True, slots=True)
class Comparison:
    """`changed` maps each differing field to (observed, desired), both canonical. `uncomparable` are declared
    fields whose live value cannot be known; they are no difference."""

    changed: Mapping[FieldPath, tuple[Any, Any]]
    uncomparable: tuple[FieldPath, ...]


def compare(kind: Kind, desired: Mapping[FieldPath, Any], observed: Mapping[FieldPath, Any]) -> Comparison:
    """Compare the declared fields of one resource; both sides are raw and are brought into normal form here."""
    service = desired.get(SERVICE) or observed.get(SERVICE)
    # Normal form may move a value to the field's present name, so what to compare is decided after it.
    wanted = kind.canonical({**desired, SERVICE: service} if service else desired)
    if SERVICE not in desired:
        wanted.pop(SERVICE, None)
    seen = kind.canonical(observed)
    uncomparable = tuple(
        path for path in wanted if not _comparable(kind, path, service, wanted[path], seen.get(path))
    )
    left = {
        path: _observed(kind, path, service, seen.get(path)) for path in wanted if path not in uncomparable
    }
    right = {path: value for path, value in wanted.items() if path not in uncomparable}
    return Comparison(
        changed={path: (left[path], right[path]) for path in _differing(left, right)},
        uncomparable=uncomparable,
    )


def _comparable(kind: Kind, path: FieldPath, service: str | None, wanted: Any, seen: Any) -> bool:
    if isinstance(wanted, Secret | Reference) or seen is MASKED:
        return False  # S-14: a mask is never a value
    field = kind.field(path, service)
    if field is None:
        return True
    if field.sensitive and seen is None and wanted is not None:
        return False  # R32: a secret that is set may be answered as null
    return not (field.rewritten or (field.may_be_omitted and seen is None))


def _observed(kind: Kind, path: FieldPath, service: str | None, seen: Any) -> Any:
    """An answer that leaves a field out stands for the API's default (R3: `networking_method: null`)."""
    field = kind.field(path, service)
    return canonical_value(field, field.default) if seen is None and field is not None else seen


def _differing(left: Mapping[FieldPath, Any], right: Mapping[FieldPath, Any]) -> list[FieldPath]:
    if left == right:
        return []
    from deepdiff import DeepDiff  # costs 0.2 s to import: only where something differs

    levels = (level for group in DeepDiff(left, right, view="tree").values() for level in group)
    paths = {level.path(output_format="list")[0] for level in levels}
    return [path for path in right if path in paths]
