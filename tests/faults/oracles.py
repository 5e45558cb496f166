"""What must be true of every account and every memory, whatever was done to the run that worked on them.

The judges look at Fivetran's own history of effects, never at what the program says of itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.canonical_plans import Situation
from faults.mortal import Names, address_of

from reconciler.emulator.app import Emulator
from reconciler.emulator.history import Exchange
from reconciler.engine.looking import LOOKS
from reconciler.model.address import DESTINATION, GROUP
from reconciler.model.plan import Action, Change
from reconciler.operations.plan import Planned
from reconciler.state.file import StateFile

Effects = Sequence[tuple[str, str]]
"""Calls by name with what they did, in the order of the account: `("create group.finance", "created group")`."""


def effects(history: Iterable[Exchange], names: Names) -> list[tuple[str, str]]:
    """Everything that happened to groups and destinations."""
    return [
        (names.of(exchange), f"{effect.verb} {effect.kind}")
        for exchange in history
        for effect in exchange.effects
    ]


def writes(history: Iterable[Exchange], names: Names) -> list[str]:
    """The names of all requests that write, with an effect or without."""
    return [names.of(exchange) for exchange in history if exchange.mutating]


def check_history(situation: Situation, history: Sequence[Exchange], names: Names) -> None:
    """O1 to O4 over everything that all runs have done since the situation was set up."""
    happened = effects(history, names)
    check_nothing_twice(happened, _taken_late(history, names))
    check_nothing_unplanned(situation, writes(history, names))
    check_deletions(situation, happened)
    check_order(happened)
    assert [exchange.failure for exchange in history if exchange.failure] == []


def _taken_late(history: Iterable[Exchange], names: Names) -> Counter[str]:
    """The calls that made what a deletion took that came late: nobody can stop that, and it is to be made again."""
    late = [each for each in history if each.effect_of]
    return Counter(
        f"create {address_of(call)}"
        for call, effect in effects(late, names)
        if effect in {"deleted group", "deleted destination"}
    )


def check_nothing_twice(happened: Effects, taken: Counter[str] | None = None) -> None:
    """O1: no second group and no second destination for one entry, those apart that were `taken`."""
    made = Counter(call for call, effect in happened if effect in {"created group", "created destination"})
    made -= taken or Counter()
    assert [call for call, count in made.items() if count > 1] == [], "made twice"


def check_nothing_unplanned(situation: Situation, sent: Iterable[str]) -> None:
    """O2: nothing was written but what the situation is about."""
    assert set(sent) - set(situation.calls) == set(), "written without a plan"


def check_deletions(situation: Situation, happened: Effects) -> None:
    """O3: nothing was deleted but what a person gave up."""
    deleted = [(call, effect) for call, effect in happened if effect.startswith("deleted ")]
    meant = {call for call in situation.calls if call.startswith("delete ")}
    for call, effect in deleted:
        assert call in meant, f"{effect} by {call}"
        assert effect == f"deleted {call.partition(' ')[2].partition('.')[0]}", "took something else along"


def check_order(happened: Effects) -> None:
    """O4: a group before its destination, and a destination before its group where they go."""
    place = {call: number for number, (call, _) in reversed(list(enumerate(happened)))}
    for call, at in place.items():
        verb, _, address = call.partition(" ")
        kind, _, key = address.partition(".")
        if kind != "destination":
            continue
        if verb in {"create", "test"} and f"create group.{key}" in place:
            assert place[f"create group.{key}"] < at
        if verb == "delete" and f"delete group.{key}" in place:
            assert at < place[f"delete group.{key}"]
        if verb == "test" and f"create {address}" in place:
            assert place[f"create {address}"] < at


@dataclass(frozen=True)
class Run:
    """One apply: its plan, and what it sent."""

    planned: Planned
    history: tuple[Exchange, ...]


def check_run(run: Run, names: Names, *, recovering: bool) -> None:
    """O2 and O9 for one run: it sent only what its own plan has, and no more requests than that may cost."""
    planned = {
        f"{verb} {change.address}" for change in run.planned.plan.effective for verb in _VERBS[change.action]
    }
    planned |= {
        f"delete connection.{removal.change.address.key}"
        for removal in run.planned.removals
        if removal.connections
    }
    assert set(writes(run.history, names)) <= planned
    assert len(run.history) <= budget(run.planned, recovering=recovering)


_VERBS = {
    Action.CREATE: ("create", "test"),
    Action.UPDATE: ("update", "test"),
    Action.REPLACE: ("delete", "create", "test"),
    Action.DELETE: ("delete",),
    Action.VERIFY: ("test",),
}


def budget(planned: Planned, *, recovering: bool) -> int:
    """O9: the most requests of one apply.

    A plan is one account call, two lists, one read per destination, one list of connections per deletion or
    replacement, and one read of each removed group that is not listed any more. An apply makes one before and one
    after. Each write is one call, a run of tests is a call and a read; to empty a field may take a second way, and a
    read to see that the first did not work. A run that follows a broken one may look for what it finds half done: the
    list of groups five times more, and each destination six times in place of once.
    """
    changes = planned.plan.changes
    destinations = sum(change.address.kind == DESTINATION for change in changes)
    going = {change.address.key for change in changes if change.action in {Action.DELETE, Action.REPLACE}}
    gone = sum(each.code == "removal-done" for each in planned.plan.warnings)
    plan = 3 + destinations + len(going) + gone
    if recovering:
        plan += (LOOKS - 1) * (1 + destinations)
    work = sum(_COST[change.action] + _tests(change) + _emptying(change) for change in planned.plan.effective)
    work += sum(len(removal.connections) for removal in planned.removals)
    return plan + (plan + work if planned.plan.effective else 0)


_COST = {
    Action.CREATE: 1,
    Action.UPDATE: 1,
    Action.REPLACE: 2,
    Action.DELETE: 1,
    Action.VERIFY: 0,
}


def _tests(change: Change) -> int:
    return 0 if change.address.kind == GROUP or change.action is Action.DELETE else 2


def _emptying(change: Change) -> int:
    return 2 if any(each.after is None for each in change.fields) else 0


def check_memory(file: Path, app: Emulator, *, settled: bool) -> None:
    """O8: the state can be read. Once everything is `settled`, it says what is: ids that exist, and nothing open."""
    state = StateFile(file, "the state").read()
    if not settled:
        return
    assert state is not None
    json.loads(file.read_text())
    groups = {group["id"]: group for group in app.written_down().get("groups", [])}
    for address, record in state.records.items():
        assert record.intent is None, f"{address} has an open intent"
        assert record.id in groups, f"{address} is remembered under an id that does not exist"
        assert address.kind == GROUP or "destination" in groups[record.id]
        assert not record.unverified, f"{address} still waits for its tests"


def picture(app: Emulator, *, health: bool) -> list[dict[str, Any]]:
    """The account as it would be told to somebody who does not care for ids: names and destinations, with secrets
    in clear, and with their status where `health` counts."""
    groups = app.written_down(show_secrets=True).get("groups", [])
    seen = [
        {name: value for name, value in group.items() if name not in ("id", "created_at")} for group in groups
    ]
    for group in seen:
        if not health and "destination" in group:
            group["destination"].pop("setup_status", None)
    return sorted(seen, key=lambda group: json.dumps(group, sort_keys=True))


def addresses(situation: Situation) -> set[str]:
    """Everything that a situation is about."""
    return {address_of(call) for call in situation.calls}
