"""Check the invariants of accounts and states after any runs.

The checks read the history of the emulator, never the output of the program.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from killable_run import CallNames, parse_address
from scenarios import Scenario

from reconciler.emulator.app import Emulator
from reconciler.emulator.history import HistoryEntry
from reconciler.model.address import DESTINATION, GROUP
from reconciler.model.plan import Action, Change
from reconciler.model.trust import TrustAction
from reconciler.planning.pipeline import PlanResult
from reconciler.runtime.polling import MAX_POLLS
from reconciler.state.file import StateFile

Effects = Sequence[tuple[str, str]]
"""Calls by name with their effects, in the order of the account: `("create group.finance", "created group")`."""


def list_effects(entries: Iterable[HistoryEntry], names: CallNames) -> list[tuple[str, str]]:
    """List all effects on groups and destinations."""
    return [
        (names.name_entry(entry), f"{effect.verb} {effect.kind}")
        for entry in entries
        for effect in entry.effects
    ]


def list_writes(entries: Iterable[HistoryEntry], names: CallNames) -> list[str]:
    """List the names of all requests that write, with an effect or without."""
    return [names.name_entry(entry) for entry in entries if entry.is_mutating]


def check_history(scenario: Scenario, history: Sequence[HistoryEntry], names: CallNames) -> None:
    """Check O1 to O4 over all requests of all runs since the scenario was prepared."""
    observed_effects = list_effects(history, names)
    check_no_duplicates(observed_effects, _find_late_deletions(history, names))
    check_nothing_unplanned(scenario, list_writes(history, names))
    check_deletions(scenario, observed_effects)
    check_order(observed_effects)
    assert [entry.failure for entry in history if entry.failure] == []


def _find_late_deletions(history: Iterable[HistoryEntry], names: CallNames) -> Counter[str]:
    """Count the calls whose object a late deletion removed. No run can prevent such a deletion."""
    late_entries = [entry for entry in history if entry.effect_of]
    return Counter(
        f"create {parse_address(call)}"
        for call, effect in list_effects(late_entries, names)
        if effect in {"deleted group", "deleted destination"}
    )


def check_no_duplicates(observed_effects: Effects, deleted_late: Counter[str] | None = None) -> None:
    """Check O1: no entry has a second group or destination, except after a deletion in `deleted_late`."""
    created = Counter(
        call for call, effect in observed_effects if effect in {"created group", "created destination"}
    )
    created -= deleted_late or Counter()
    assert [call for call, count in created.items() if count > 1] == [], "made twice"


def check_nothing_unplanned(scenario: Scenario, sent: Iterable[str]) -> None:
    """Check O2: every write is one of the scenario's calls."""
    assert set(sent) - set(scenario.calls) == set(), "written without a plan"


def check_approvals(scenario: Scenario, history: Iterable[HistoryEntry], app: Emulator) -> None:
    """Check that no run has approved a server that no spec pins, and that a connected destination is trusted: its
    chain has an approved certificate."""
    approved = {
        entry.body["hash"]
        for entry in history
        if entry.method == "POST" and entry.path.endswith(("/certificates", "/fingerprints")) and entry.body
    }
    assert approved <= scenario.pinned, "approved without a pin"
    for group in app.dump().get("groups", []):
        if scenario.pinned and group.get("destination", {}).get("setup_status") == "connected":
            assert app.dashboard.list_waiting(group["id"]) == [], "connected without a trusted certificate"


def check_deletions(scenario: Scenario, observed_effects: Effects) -> None:
    """Check O3: only objects that the specs remove were deleted."""
    deleted = [(call, effect) for call, effect in observed_effects if effect.startswith("deleted ")]
    allowed = {call for call in scenario.calls if call.startswith("delete ")}
    for call, effect in deleted:
        assert call in allowed, f"{effect} by {call}"
        assert effect == f"deleted {call.partition(' ')[2].partition('.')[0]}", "took something else along"


def check_order(observed_effects: Effects) -> None:
    """Check O4: a group is created before its destination, and a destination is deleted before its group."""
    positions = {call: number for number, (call, _) in reversed(list(enumerate(observed_effects)))}
    for call, position in positions.items():
        verb, _, address = call.partition(" ")
        kind, _, key = address.partition(".")
        if kind != "destination":
            continue
        if verb in {"create", "test"} and f"create group.{key}" in positions:
            assert positions[f"create group.{key}"] < position
        if verb == "delete" and f"delete group.{key}" in positions:
            assert position < positions[f"delete group.{key}"]
        if verb == "test" and f"create {address}" in positions:
            assert positions[f"create {address}"] < position


@dataclass(frozen=True)
class AppliedRun:
    """Apply with its plan and its requests."""

    planned: PlanResult
    history: tuple[HistoryEntry, ...]


def check_run(run: AppliedRun, names: CallNames, *, is_recovering: bool) -> None:
    """Check O2 and O9 for one run: only planned writes, and no more requests than the plan may cost."""
    planned = {
        f"{verb} {change.address}" for change in run.planned.plan.effective for verb in _VERBS[change.action]
    }
    planned |= {call for change in run.planned.plan.effective for call in _list_trust_calls(change)}
    planned |= {
        f"delete connection.{removal.change.address.key}"
        for removal in run.planned.deletions
        if removal.connections
    }
    assert set(list_writes(run.history, names)) <= planned
    assert len(run.history) <= count_max_requests(run.planned, is_recovering=is_recovering)


_VERBS = {
    Action.CREATE: ("create", "test"),
    Action.UPDATE: ("update", "test"),
    Action.REPLACE: ("delete", "create", "test"),
    Action.DELETE: ("delete",),
    Action.VERIFY: ("test",),
    Action.APPROVE: ("test",),
    Action.REVOKE: ("test",),
}
_TRUST_VERBS = {TrustAction.APPROVE: "approve", TrustAction.REVOKE: "revoke"}


def _list_trust_calls(change: Change) -> Iterator[str]:
    """List the approvals and revocations that a change plans, or gives once a setup test meets a pinned server."""
    yield from (f"{_TRUST_VERBS[each.action]} {change.address}" for each in change.trust)
    yield from (f"approve {change.address}" for _ in change.facts.trust.unmet)


def count_max_requests(planned: PlanResult, *, is_recovering: bool) -> int:
    """Count the most requests that one apply may send (O9).

    A plan is one account call, two lists, one read per destination, one list of connections per deletion or
    replacement, and one read of each removed group that is not listed any more. An apply makes one before and one
    after. Each write is one call, a run of tests is a call and a read; to empty a field may take a second call, and a
    read after the first call without an effect; a public key or service account that the state does not know is a
    read. A run after a broken run may search for unfinished objects: the list of groups five times more, and each
    destination six times in place of once.
    """
    changes = planned.plan.changes
    destinations = sum(change.address.kind == DESTINATION for change in changes)
    deleted_keys = {
        change.address.key for change in changes if change.action in {Action.DELETE, Action.REPLACE}
    }
    already_removed = sum(warning.code == "removal-done" for warning in planned.plan.warnings)
    plan = 3 + destinations + len(deleted_keys) + already_removed + _count_pinned_kinds(planned)
    if is_recovering:
        plan += (MAX_POLLS - 1) * (1 + destinations)
    work = sum(
        _COST[change.action]
        + _count_test_requests(change)
        + _count_clear_requests(change)
        + _count_trust_requests(change)
        + _count_identity_requests(planned, change)
        for change in planned.plan.effective
    )
    work += sum(len(removal.connections) for removal in planned.deletions)
    return plan + (plan + work if planned.plan.effective else 0)


_COST = {
    Action.CREATE: 1,
    Action.UPDATE: 1,
    Action.REPLACE: 2,
    Action.DELETE: 1,
    Action.VERIFY: 0,
    Action.APPROVE: 0,
    Action.REVOKE: 0,
}


def _count_trust_requests(change: Change) -> int:
    """Count approvals and revocations; each pin that a setup test meets costs another test."""
    return len(change.trust) + 3 * len(change.facts.trust.unmet)


def _count_identity_requests(planned: PlanResult, change: Change) -> int:
    """Count the reads of a group's public key or service account, which only an apply needs."""
    operation = planned.operations.get(change.address)
    return len(operation.unread_parts) if operation is not None else 0


def _count_pinned_kinds(planned: PlanResult) -> int:
    """Count the lists of approvals that one plan reads: one for each kind of server that a destination pins."""
    return sum(
        len({pin.identity.kind for pin in operation.desired.trust.pins})
        for operation in planned.operations.values()
    )


def _count_test_requests(change: Change) -> int:
    return 0 if change.address.kind == GROUP or change.action is Action.DELETE else 2


def _count_clear_requests(change: Change) -> int:
    return 2 if any(field.after is None for field in change.fields) else 0


def check_state(file: Path, app: Emulator, *, is_settled: bool) -> None:
    """Check O8: the state can be read. If it `is_settled`, its ids exist, and no intent is open."""
    state = StateFile(file, "the state").read()
    if not is_settled:
        return
    assert state is not None
    json.loads(file.read_text())
    groups = {group["id"]: group for group in app.dump().get("groups", [])}
    for address, record in state.records.items():
        assert record.intent is None, f"{address} has an open intent"
        assert record.id in groups, f"{address} is recorded with a missing id"
        assert address.kind == GROUP or "destination" in groups[record.id]
        assert not record.unverified, f"{address} still waits for its tests"


def take_snapshot(app: Emulator, *, with_health: bool) -> list[dict[str, Any]]:
    """Describe the account without ids and times: names, destinations and approvals, with secrets in clear, and with
    their status if `with_health` is set."""
    groups = app.dump(show_secrets=True).get("groups", [])
    snapshot = [
        {name: value for name, value in group.items() if name not in ("id", "created_at")} for group in groups
    ]
    for group in snapshot:
        for approval in (*group.get("certificates", ()), *group.get("fingerprints", ())):
            approval.pop("validated_date")
        if not with_health and "destination" in group:
            group["destination"].pop("setup_status", None)
    return sorted(snapshot, key=lambda group: json.dumps(group, sort_keys=True))


def list_addresses(scenario: Scenario) -> set[str]:
    """List the addresses of a scenario."""
    return {parse_address(call) for call in scenario.calls}
