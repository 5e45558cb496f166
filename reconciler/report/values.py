"""Render field values of a plan as text."""

from __future__ import annotations

import json
from typing import Any

from reconciler.model.group_identity import IdentityPart
from reconciler.model.plan import FieldChange, FieldValue, Origin, SecretComparison, Visibility
from reconciler.model.sanitize import escape, quote

MAX_VALUE_LENGTH = 80
_CONTEXT = 12


def format_identity_part(part: IdentityPart) -> str:
    """Format the name of a part of the identity of a group."""
    return _IDENTITY_PARTS[part]


_IDENTITY_PARTS = {
    IdentityPart.SSH_PUBLIC_KEY: "SSH public key",
    IdentityPart.SERVICE_ACCOUNT: "service account",
}


def render_new_value(field: FieldChange) -> str:
    """Render the new value of a field, or the source of the value in words."""
    match field.shown:
        case Visibility.SECRET:
            # A value without a reference may be no secret. It is hidden like a secret.
            return f"(secret {escape(str(field.after))})" if field.after else "(hidden)"
        case Visibility.HIDDEN:
            return f"(hidden, {escape(str(field.after))})" if field.after else "(hidden, cleared)"
        case Visibility.KNOWN_AFTER_APPLY:
            return f"({escape(str(field.after))}, known after apply)"
        case Visibility.CLEAR:
            return format_value(field.after)


ORIGIN_TEXTS = {
    Origin.SPEC: "",
    Origin.DRIFT: "   drift: changed outside the specs",
    Origin.CONFLICT: "   conflict: changed in the specs and outside them",
}


def render_change(field: FieldChange, secrets: SecretComparison) -> str:
    """Render `before -> after`, or for a secret the result of its comparison, and the origin of a change outside the
    specs. A field that a replacement sends without a known difference has one value."""
    if field.sent_by_replacement and field.shown is not Visibility.SECRET:
        return f"{render_new_value(field)}{SENT_AGAIN}"
    return render_plain_change(field, secrets) + render_origin(field)


def render_plain_change(field: FieldChange, secrets: SecretComparison) -> str:
    """Render `before -> after`, or for a secret the result of its comparison, without the origin of the change."""
    if field.shown is Visibility.CLEAR:
        return " -> ".join(render_before_and_after(field))
    return render_secret(field, secrets)


SENT_AGAIN = "   sent again"


LOST = "   lost: not declared"


def render_lost_value(lost: FieldValue) -> str:
    """Render a live value that a replacement loses, with a remark that it is lost."""
    return f"{format_lost_value(lost)}{LOST}"


def format_lost_value(lost: FieldValue) -> str:
    """Format a live value that a replacement loses."""
    if lost.shown is Visibility.CLEAR:
        return format_value(lost.value)
    word = "secret" if lost.shown is Visibility.SECRET else "hidden"
    return f"({word}, {escape(str(lost.value))})" if lost.value else f"({word})"


def render_before_and_after(field: FieldChange) -> tuple[str, str]:
    """Render both values. Long texts are cropped to start shortly before their first difference."""
    start = _find_first_difference(field.before, field.after)
    before = "(not set)" if field.before is None else format_value(field.before, start)
    after = "(cleared)" if field.after is None else format_value(field.after, start)
    return before, after


def render_secret(field: FieldChange, secrets: SecretComparison) -> str:
    """Render a hidden value, and whether it equals the last sent value."""
    if field.shown is Visibility.KNOWN_AFTER_APPLY or (
        field.shown is Visibility.HIDDEN and field.after is None
    ):
        return render_new_value(field)
    if field.path in secrets.unchanged:
        status = "unchanged, sent anyway"
    elif field.path in secrets.uncomparable:
        status = "cannot be compared, sent anyway"
    else:
        status = "changed"
    return f"{render_new_value(field)[:-1]}, {status})"


def render_origin(field: FieldChange) -> str:
    """Render the origin of a change outside the specs, as a remark after the value; empty for other changes."""
    return ORIGIN_TEXTS[field.origin]


def format_value(value: Any, start: int = 0) -> str:
    """Format a value in JSON's notation on one line, cropped from `start` if it is too long."""
    if not isinstance(value, str):
        return _truncate(escape(json.dumps(value, ensure_ascii=False, default=str)))
    if len(value) <= MAX_VALUE_LENGTH:
        return quote(value)
    opening = "…" if start else ""
    return f"{opening}{quote(value[start : start + MAX_VALUE_LENGTH])}… ({len(value):,} characters)"


def _truncate(text: str) -> str:
    return (
        text
        if len(text) <= 2 * MAX_VALUE_LENGTH
        else f"{text[: 2 * MAX_VALUE_LENGTH]}… ({len(text):,} characters)"
    )


def _find_first_difference(before: Any, after: Any) -> int:
    if not (isinstance(before, str) and isinstance(after, str)):
        return 0
    common = 0
    for before_character, after_character in zip(before, after, strict=False):
        if before_character != after_character:
            break
        common += 1
    return max(0, common - _CONTEXT)
