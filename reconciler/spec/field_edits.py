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


def _apply(data: dict[str, Any], edit: FieldEdit) -> None:
    parent = data
    *above, last = (to_raw(key) for key in edit.path)
    for key in above:
        below = parent.get(key)
        if not isinstance(below, dict):
            if edit.value is REMOVED:
                return
            below = {}
        # A value behind aliases may stand at several places: each gets its own copy.
        parent[key] = dict(below)
        parent = parent[key]
    if edit.value is REMOVED:
        parent.pop(last, None)
    else:
        parent[last] = to_raw(edit.value)
