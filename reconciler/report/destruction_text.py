"""Render the prompt before an apply that destroys objects: the objects, and the answer that permits the apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.model.address import DESTINATION, GROUP
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.sanitize import escape
from reconciler.report.live_objects import format_connections
from reconciler.report.style import format_count
from reconciler.report.values import format_value

_DESTRUCTIVE_ACTIONS = {Action.DELETE, Action.REPLACE}
_MAX_ENTRIES = 10


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Confirmation before objects are destroyed: a `summary` of the objects, the `prompt`, and the `answer` that
    permits the apply."""

    summary: str
    prompt: str
    answer: str


def build_confirmation(plan: Plan) -> Confirmation | None:
    """Build the confirmation of a plan; None if the plan destroys nothing. The answer is the key of the only entry that
    is deleted or replaced, or the number of such entries. A group and its destination are one entry."""
    entries: dict[str, list[Change]] = {}
    for change in plan.effective:
        if change.action in _DESTRUCTIVE_ACTIONS:
            entries.setdefault(change.address.key, []).append(change)
    if not entries:
        return None
    if len(entries) == 1:
        [(key, changes)] = entries.items()
        summary = f"This {_choose_verb(changes)} {_format_entry(changes)}."
        return Confirmation(summary, f"Type its key, {key}, to go on: ", key)
    count = str(len(entries))
    summary = f"This {_format_counts([*entries.values()])}: {_list_entries([*entries.values()])}."
    return Confirmation(summary, f"Type their number, {count}, to go on: ", count)


def _choose_verb(changes: Sequence[Change]) -> str:
    return "replaces" if changes[0].action is Action.REPLACE else "deletes"


def _format_counts(entries: Sequence[Sequence[Change]]) -> str:
    """Format counts: `deletes 2 and replaces 1 entries`."""
    verbs = [_choose_verb(changes) for changes in entries]
    parts = [f"{verb} {verbs.count(verb):,}" for verb in ("deletes", "replaces") if verb in verbs]
    return f"{' and '.join(parts)} entries"


def _list_entries(entries: Sequence[Sequence[Change]]) -> str:
    shown = "; ".join(map(_format_entry, entries[:_MAX_ENTRIES]))
    more = len(entries) - _MAX_ENTRIES
    return f"{shown}; and {more:,} more" if more > 0 else shown


def _format_entry(changes: Sequence[Change]) -> str:
    """Format an entry: `group.web_prod ("Web prod", id good_id) and its destination (snowflake)`."""
    by_kind = {change.address.kind: change for change in changes}
    group, destination = by_kind.get(GROUP), by_kind.get(DESTINATION)
    if group is None:
        return _format_change(changes[0], _describe_destination(changes[0]))
    text = _format_change(group, [])
    if destination is not None:
        facts = ", ".join(_describe_destination(destination))
        text += " and its destination" + (f" ({facts})" if facts else "")
    return text


def _format_change(change: Change, details: list[str]) -> str:
    name = [format_value(change.live.name)] if change.live is not None else []
    id = f"id {escape(change.id or '')}"
    return f"{change.address} ({', '.join([*name, id, *details])})"


def _describe_destination(change: Change) -> list[str]:
    live = change.live
    if live is None:
        return []
    service = [escape(live.service)] if live.service else []
    connections = format_connections(live.connections_deleted_first)
    return [
        *service,
        *(
            [f"with {format_count(len(connections), 'connection')}: {', '.join(connections)}"]
            if connections
            else []
        ),
    ]
