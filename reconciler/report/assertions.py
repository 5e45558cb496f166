"""Render the values that an operator asserts to be in effect: each by its address, field and reference."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from rich.text import Text

from reconciler.model.plan import AssertedValue, Plan
from reconciler.model.sanitize import escape
from reconciler.model.value import format_path
from reconciler.report.style import GOOD, QUIET, STRONG, WARN, format_count, join_lines

_MAX_NAMES = 5
_HIDDEN_LITERAL = "(the value in the specs)"


def render_assertions(asserted: Sequence[AssertedValue], plan: Plan) -> Text:
    """Render all values that an apply is to record, for the approval of the operator, and the secrets of `plan` that
    stay out of comparison: a run with another key has fingerprinted them."""
    if asserted:
        rows = [
            (str(value.address), escape(format_path(value.path)), _format_source(value)) for value in asserted
        ]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        count = format_count(len(asserted), "secret")
        parts = [
            Text(f"To be recorded as what Fivetran has, without sending anything: {count}.", STRONG),
            *(Text(f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}") for row in rows),
        ]
    else:
        parts = [Text("No secret needs recording: each is sent or has a fingerprint.", QUIET)]
    if plan.uncomparable_secrets:
        names = ", ".join(map(escape, plan.uncomparable_secrets[:_MAX_NAMES]))
        more = len(plan.uncomparable_secrets) - _MAX_NAMES
        suffix = f" and {more:,} more" if more > 0 else ""
        advice = "their fingerprints are of another key; see `reconciler state rekey`"
        parts.append(Text(f"Not to be recorded: {names}{suffix}; {advice}", WARN))
    return join_lines(parts)


def render_question(count: int, account: str, *, has_changes: bool) -> str:
    """Render the question about assertions, and about the changes of the same apply."""
    secrets = format_count(count, "secret")
    if has_changes:
        return f"Apply these changes to account {account}, and record {secrets} as what it has?"
    return f"Record {secrets} as what account {account} has?"


def render_recorded(asserted: Sequence[AssertedValue], unrecorded: Collection[AssertedValue]) -> Text:
    """Render the number of recorded values, and the values that are not recorded after all."""
    recorded = len(asserted) - len(unrecorded)
    parts = (
        [Text(f"Recorded as what Fivetran has: {format_count(recorded, 'secret')}.", GOOD)]
        if recorded
        else []
    )
    if unrecorded:
        names = [f"{value.address}:{escape(format_path(value.path))}" for value in unrecorded][:_MAX_NAMES]
        more = len(unrecorded) - len(names)
        suffix = f" and {more:,} more" if more > 0 else ""
        text = f"Not recorded, since their setup tests or their changes failed: {', '.join(names)}{suffix}."
        parts.append(Text(text, WARN))
    return join_lines(parts)


def serialize_assertions(
    asserted: Iterable[AssertedValue], unrecorded: Collection[AssertedValue]
) -> list[dict[str, Any]]:
    """Serialize the asserted values. `recorded` is false for a value that is not recorded after all."""
    return [
        {
            "address": str(value.address),
            "path": list(value.path),
            "reference": value.source,
            "recorded": value not in unrecorded,
        }
        for value in asserted
    ]


def _format_source(value: AssertedValue) -> str:
    return _HIDDEN_LITERAL if value.source is None else escape(value.source)
