"""The question before an apply that destroys something: it names what goes, and what to type to let it go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.model.address import DESTINATION, GROUP
from reconciler.model.plan import Action, Change, Plan
from reconciler.report.live_objects import connection_texts
from reconciler.report.neutral import neutral
from reconciler.report.style import counted
from reconciler.report.values import value_text

_DESTROYING = {Action.DELETE, Action.REPLACE}
_ENTRIES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What an operator is told before something is destroyed: `what` goes, how to `prompt`, and the `answer` that lets
    it go."""

    what: str
    prompt: str
    answer: str


def confirmation(plan: Plan) -> Confirmation | None:
    """The key of the one entry that is deleted or replaced, or how many there are; None where there is none. A group
    and its destination are one entry."""
    entries: dict[str, list[Change]] = {}
    for change in plan.effective:
        if change.action in _DESTROYING:
            entries.setdefault(change.address.key, []).append(change)
    if not entries:
        return None
    if len(entries) == 1:
        [(key, changes)] = entries.items()
        what = f"This {_verb(changes)} {_entry_text(changes)}."
        return Confirmation(what, f"Type its key, {key}, to go on: ", key)
    number = str(len(entries))
    what = f"This {_counts([*entries.values()])}: {_listed([*entries.values()])}."
    return Confirmation(what, f"Type their number, {number}, to go on: ", number)


def _verb(changes: Sequence[Change]) -> str:
    return "replaces" if changes[0].action is Action.REPLACE else "deletes"


def _counts(entries: Sequence[Sequence[Change]]) -> str:
    """`deletes 2 and replaces 1 entries`."""
    verbs = [_verb(changes) for changes in entries]
    told = [f"{verb} {verbs.count(verb):,}" for verb in ("deletes", "replaces") if verb in verbs]
    return f"{' and '.join(told)} entries"


def _listed(entries: Sequence[Sequence[Change]]) -> str:
    shown = "; ".join(map(_entry_text, entries[:_ENTRIES_SHOWN]))
    more = len(entries) - _ENTRIES_SHOWN
    return f"{shown}; and {more:,} more" if more > 0 else shown


def _entry_text(changes: Sequence[Change]) -> str:
    """`group.web_prod ("Web prod", id good_id) and its destination (snowflake)`."""
    by_kind = {change.address.kind: change for change in changes}
    group, destination = by_kind.get(GROUP), by_kind.get(DESTINATION)
    if group is None:
        return _change_text(changes[0], _destination_facts(changes[0]))
    told = _change_text(group, [])
    if destination is not None:
        facts = ", ".join(_destination_facts(destination))
        told += " and its destination" + (f" ({facts})" if facts else "")
    return told


def _change_text(change: Change, more: list[str]) -> str:
    name = [value_text(change.live.name)] if change.live is not None else []
    id = f"id {neutral(change.id or '')}"
    return f"{change.address} ({', '.join([*name, id, *more])})"


def _destination_facts(change: Change) -> list[str]:
    live = change.live
    if live is None:
        return []
    service = [neutral(live.service)] if live.service else []
    going = connection_texts(live.deleted_first)
    return [*service, *([f"with {counted(len(going), 'connection')}: {', '.join(going)}"] if going else [])]
