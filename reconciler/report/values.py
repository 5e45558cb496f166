"""Field values as people read them in a plan."""

from __future__ import annotations

import json
from typing import Any

from reconciler.model.plan import FieldChange, Origin, Secrets, Shown
from reconciler.report.neutral import neutral

LONGEST = 80
_CONTEXT = 12


def told(field: FieldChange) -> str:
    """The new value of a field, or in words where it comes from."""
    match field.shown:
        case Shown.SECRET:
            # What has no reference is not known to be a secret; it is kept from view all the same.
            return f"(secret {neutral(str(field.after))})" if field.after else "(hidden)"
        case Shown.HIDDEN:
            return f"(hidden, {neutral(str(field.after))})" if field.after else "(hidden, cleared)"
        case Shown.KNOWN_AFTER_APPLY:
            return f"({neutral(str(field.after))}, known after apply)"
        case Shown.CLEAR:
            return value_text(field.after)


_ORIGINS = {
    Origin.SPEC: "",
    Origin.DRIFT: "   drift: changed outside the specs",
    Origin.CONFLICT: "   conflict: changed in the specs and outside them",
}


def told_change(field: FieldChange, secrets: Secrets) -> str:
    """`before -> after`, and who moved it where that was not the specs. Of a secret, whether it changed."""
    if field.shown is Shown.CLEAR:
        return " -> ".join(before_and_after(field)) + origin_of(field)
    return told_secret(field, secrets) + origin_of(field)


def before_and_after(field: FieldChange) -> tuple[str, str]:
    """Both values. Long texts are shown from shortly before the place where they begin to differ."""
    start = _first_difference(field.before, field.after)
    before = "(not set)" if field.before is None else value_text(field.before, start)
    after = "(cleared)" if field.after is None else value_text(field.after, start)
    return before, after


def told_secret(field: FieldChange, secrets: Secrets) -> str:
    """What is sent and not shown, and the answer to whether it is what was sent last."""
    if field.shown is Shown.KNOWN_AFTER_APPLY or (field.shown is Shown.HIDDEN and field.after is None):
        return told(field)
    if field.path in secrets.unchanged:
        answer = "unchanged, sent anyway"
    elif field.path in secrets.uncomparable:
        answer = "cannot be compared, sent anyway"
    else:
        answer = "changed"
    return f"{told(field)[:-1]}, {answer})"


def origin_of(field: FieldChange) -> str:
    """Who moved a field, where that was not the specs; a remark to put behind its value."""
    return _ORIGINS[field.origin]


def value_text(value: Any, start: int = 0) -> str:
    """A value in JSON's notation on one line, cropped from `start` where it is too long."""
    if not isinstance(value, str):
        return _cropped(neutral(json.dumps(value, ensure_ascii=False, default=str)))
    if len(value) <= LONGEST:
        return _quoted(value)
    opening = "…" if start else ""
    return f"{opening}{_quoted(value[start : start + LONGEST])}… ({len(value):,} characters)"


def _quoted(text: str) -> str:
    return neutral(json.dumps(text, ensure_ascii=False))


def _cropped(text: str) -> str:
    return text if len(text) <= 2 * LONGEST else f"{text[: 2 * LONGEST]}… ({len(text):,} characters)"


def _first_difference(before: Any, after: Any) -> int:
    if not (isinstance(before, str) and isinstance(after, str)):
        return 0
    same = 0
    for one, other in zip(before, after, strict=False):
        if one != other:
            break
        same += 1
    return max(0, same - _CONTEXT)
