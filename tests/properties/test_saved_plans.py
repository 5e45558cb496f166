"""Apply of a saved plan sends exactly what was planned, in dependency order (S-52)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from client_switches import behaviours
from destination_strategies import (
    AGENT,
    DestinationModel,
    destination_models,
    edited_models,
    find_field,
    iter_leaves,
    write_block,
)
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from in_process_harness import InProcessProject, list_actions, open_project

from reconciler.catalogue.normalize import normalize_value
from reconciler.emulator.history import HistoryEntry
from reconciler.model.address import GROUP
from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS, Action, Change, FieldChange, Visibility
from reconciler.model.value import FieldPath
from reconciler.workspace.planfile import SavedPlan, decode_plan

OLD_AGENT: FieldPath = ("local_processing_agent_id",)
ALWAYS = {("run_setup_tests",), ("trust_certificates",), ("trust_fingerprints",), ("group_id",)}
"""What accompanies a write and is no field of a spec."""


@check_examples(
    st.data(), behaviours, st.lists(destination_models(), min_size=1, max_size=4), few=30, many=200
)
def test_exactly_what_was_planned_is_sent_and_then_nothing_is_left(
    data: st.DataObject, behaviour: dict[str, Any], destinations: list[DestinationModel]
) -> None:
    with open_project(**behaviour) as account:
        pairs = {f"pair_{number}": each for number, each in enumerate(destinations)}
        existing = {key: each for key, each in pairs.items() if data.draw(st.booleans())}
        declare(account, data.draw, existing)
        account.apply()
        ids = {key: account.app.dashboard.find_group_ids(key)[0] for key in (*existing, "alone")}
        wanted = {
            key: data.draw(edited_models(each)) if key in existing and data.draw(st.booleans()) else each
            for key, each in pairs.items()
        }
        removed: list[dict[str, Any]] = []
        if existing and data.draw(st.booleans()):
            key = data.draw(st.sampled_from(sorted(existing)))
            del wanted[key]
            removed.append({"group": key, "id": ids[key], "with_platform_connection": True})
        declare(account, data.draw, wanted, removed)

        content = account.save_plan()
        saved = decode_plan(content)
        before = list_actions(account.plan())
        writes = account.apply_saved(content)
        assert before == {str(change.address): change.action for change in saved.plan.changes}
        ids |= {key: account.app.dashboard.find_group_ids(key)[0] for key in wanted}
        check_writes(saved, writes, ids, wanted, account.secrets)
        check_order(saved, writes, ids)
        assert set(list_actions(account.plan()).values()) <= ACTIONS_WITHOUT_REQUESTS


def declare(
    account: InProcessProject,
    draw: Any,
    pairs: Mapping[str, DestinationModel],
    removed: list[dict[str, Any]] | None = None,
) -> None:
    """Specs that mean these destinations, in whatever spelling, and give up these pairs."""
    entries = {
        key: {"destination": write_block(draw, each, key, account.secrets)} for key, each in pairs.items()
    }
    account.declare(entries | {"alone": {}}, **({"removed": removed} if removed else {}))


def calls_of(saved: SavedPlan, change: Change, ids: Mapping[str, str]) -> Iterator[str]:
    """What a change must send, in this order."""
    [expected] = [each for each in saved.expected if each.address == str(change.address)]
    yield from (f"DELETE /v1/connections/{id}" for id in expected.connections)
    id = ids[change.address.key]
    place = "/v1/groups" if change.address.kind == GROUP else "/v1/destinations"
    match change.action:
        case Action.CREATE:
            yield f"POST {place}"
        case Action.UPDATE:
            yield f"PATCH {place}/{id}"
        case Action.DELETE:
            yield f"DELETE {place}/{id}"
    if change.address.kind != GROUP and change.action is not Action.DELETE:
        yield f"POST {place}/{id}/test"


def call(write: HistoryEntry) -> str:
    return f"{write.method} {write.path}"


def check_writes(
    saved: SavedPlan,
    writes: list[HistoryEntry],
    ids: Mapping[str, str],
    wanted: Mapping[str, DestinationModel],
    secrets: Mapping[str, str],
) -> None:
    """Every change sends its calls, with its fields and their values, and nothing else is sent."""
    left = list(writes)
    for change in saved.plan.effective:
        fields = {
            field.path: field for field in change.fields if field.shown is not Visibility.KNOWN_AFTER_APPLY
        }
        if change.action is Action.CREATE and OLD_AGENT in fields:  # sent under both of its names
            fields[AGENT] = fields[OLD_AGENT]
        for expected in calls_of(saved, change, ids):
            [write, *rest] = [each for each in left if call(each) == expected and is_about(each, change, ids)]
            left.remove(write)
            if write.method in {"POST", "PATCH"} and not write.path.endswith("/test"):
                sent = {
                    path: value
                    for path, value in iter_leaves(write.body)
                    if path not in ALWAYS - fields.keys()
                }
                check_fields(change, fields, sent, wanted[change.address.key], secrets)
            for again in rest:  # what the empty string did not remove is sent as null
                assert again.method == "PATCH"
                cleared = {path: value for path, value in iter_leaves(again.body) if path not in ALWAYS}
                assert set(cleared.values()) == {None}
                assert all(fields[path].after is None for path in cleared)
                left.remove(again)
    assert left == []


def is_about(write: HistoryEntry, change: Change, ids: Mapping[str, str]) -> bool:
    """Two creations are the same call, with other bodies."""
    if write.method != "POST" or write.path.endswith("/test"):
        return True
    key = change.address.key
    return (
        write.body.get("name") == key if change.address.kind == GROUP else write.body["group_id"] == ids[key]
    )


def check_fields(
    change: Change,
    planned: Mapping[FieldPath, FieldChange],
    sent: Mapping[FieldPath, Any],
    wanted: DestinationModel,
    secrets: Mapping[str, str],
) -> None:
    assert planned.keys() - {path for path, each in planned.items() if left_out(change, each)} == sent.keys()
    for path, value in sent.items():
        field = planned[path]
        if field.shown is Visibility.CLEAR:
            known = find_field(wanted.catalogue_service, path)
            if field.after is None:
                assert value in (None, "", False, "Directly"), (path, value)
            else:
                assert normalize_value(known, value) == normalize_value(known, field.after)
        elif str(field.after).startswith("env:"):
            secret = secrets[str(field.after).removeprefix("env:")]
            assert value in (secret, parsed(secret)), path


def left_out(change: Change, field: FieldChange) -> bool:
    """What is to be empty is not sent with something new."""
    return change.action is Action.CREATE and field.shown is Visibility.CLEAR and field.after is None


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def check_order(saved: SavedPlan, writes: list[HistoryEntry], ids: Mapping[str, str]) -> None:
    """A group before its destination, a destination before its test; deletions last, the destination's first."""
    calls = [call(each) for each in writes]
    deletions = [each for each in calls if each.startswith("DELETE ")]
    assert calls[len(calls) - len(deletions) :] == deletions
    planned = [change for change in saved.plan.changes if change.action is Action.DELETE]
    assert deletions == [each for change in planned for each in calls_of(saved, change, ids)]
    made: set[str] = set()
    for write in writes:
        if write.path == "/v1/destinations":
            assert write.body["group_id"] in made or write.body["group_id"] in {
                change.id for change in saved.plan.changes
            }
        if write.path.endswith("/test"):
            id = write.path.split("/")[3]
            written = [each for each in calls if each == f"PATCH /v1/destinations/{id}"]
            assert id in made or not written or calls.index(written[0]) < calls.index(call(write))
        made |= {effect.id for effect in write.effects if effect.verb == "created"}
