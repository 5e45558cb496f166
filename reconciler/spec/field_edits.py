"""Edit fields of entries in spec files, at their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from reconciler.spec.reshape import EditableText, reshape
from reconciler.spec.value_text import to_raw


class FieldRemoval(Enum):
    """Removal of a field in place of a value."""

    REMOVED = "removed"


REMOVED: Final = FieldRemoval.REMOVED


@dataclass(frozen=True, slots=True)
class FieldEdit:
    """Edit of one field: the path of its keys from the top of the file, and its literal value, or `REMOVED`.

    Mappings above the field are added if they are missing, and take the place of a single value.
    """

    path: tuple[str, ...]
    value: Any


def apply_field_edits(text: str, edits: Sequence[FieldEdit], shown: str) -> str:
    """Apply edits to a file, in their order. Everything else stays, character by character.

    A field from an alias or `<<` becomes a copy at its place. Raises ReconcilerError if the file cannot be parsed, or
    cannot be changed piece by piece.
    """
    parsed = EditableText.parse(text, shown)
    data = parsed.data
    for edit in edits:
        _apply(data, edit)
    return reshape(parsed, data, shown)


def put_raw(data: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Put a raw value into the raw data of a file. Mappings above it are added in place of single values."""
    _copy_parents(data, path[:-1])[path[-1]] = value


def _apply(data: dict[str, Any], edit: FieldEdit) -> None:
    path = [to_raw(key) for key in edit.path]
    if edit.value is not REMOVED:
        put_raw(data, path, to_raw(edit.value))
    elif _leads_to_mapping(data, path[:-1]):
        _copy_parents(data, path[:-1]).pop(path[-1], None)


def _leads_to_mapping(data: Any, path: Sequence[str]) -> bool:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return isinstance(data, dict)


def _copy_parents(data: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Copy the mappings on a path, which may stand at several places behind aliases. Returns the last one."""
    parent = data
    for key in path:
        below = parent.get(key)
        parent[key] = dict(below) if isinstance(below, dict) else {}
        parent = parent[key]
    return parent
