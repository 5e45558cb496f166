"""Check that an applied saved plan sends exactly its changes, in dependency order (S-52)."""

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
ADDED_FIELDS = {("run_setup_tests",), ("trust_certificates",), ("trust_fingerprints",), ("group_id",)}
"""Fields of a write that are no fields of a spec."""


@check_examples(
    st.data(), behaviours, st.lists(destination_models(), min_size=1, max_size=4), few=15, many=100
)
def test_a_saved_plan_sends_exactly_its_changes_and_converges(
    data: st.DataObject, behaviour: dict[str, Any], destinations: list[DestinationModel]
) -> None:
    with open_project(**behaviour) as account:
        pairs = {f"pair_{number}": each for number, each in enumerate(destinations)}
        existing = {key: each for key, each in pairs.items() if data.draw(st.booleans())}
        declare(account, data.draw, existing)
        account.apply()
        ids = {key: account.app.dashboard.find_group_ids(key)[0] for key in (*existing, "alone")}
        declared = {
            key: data.draw(edited_models(each)) if key in existing and data.draw(st.booleans()) else each
            for key, each in pairs.items()
        }
        removed: list[dict[str, Any]] = []
        if existing and data.draw(st.booleans()):
            key = data.draw(st.sampled_from(sorted(existing)))
            del declared[key]
            removed.append({"group": key, "id": ids[key], "with_platform_connection": True})
        declare(account, data.draw, declared, removed)

        content = account.save_plan()
        saved = decode_plan(content)
        before = list_actions(account.plan())
        writes = account.apply_saved(content)
        assert before == {str(change.address): change.action for change in saved.plan.changes}
        ids |= {key: account.app.dashboard.find_group_ids(key)[0] for key in declared}
        check_writes(saved, writes, ids, declared, account.secrets)
        check_order(saved, writes, ids)
        assert set(list_actions(account.plan()).values()) <= ACTIONS_WITHOUT_REQUESTS


def declare(
    account: InProcessProject,
    draw: Any,
    pairs: Mapping[str, DestinationModel],
    removed: list[dict[str, Any]] | None = None,
) -> None:
    """Write specs of these destinations in any spelling, and of these removals."""
    entries = {
        key: {"destination": write_block(draw, each, key, account.secrets)} for key, each in pairs.items()
    }
    account.declare(entries | {"alone": {}}, **({"removed": removed} if removed else {}))


def list_expected_calls(saved: SavedPlan, change: Change, ids: Mapping[str, str]) -> Iterator[str]:
    """List the calls that a change must send, in order."""
    [expected] = [each for each in saved.expected if each.address == str(change.address)]
    yield from (f"DELETE /v1/connections/{id}" for id in expected.connections)
    id = ids[change.address.key]
    collection = "/v1/groups" if change.address.kind == GROUP else "/v1/destinations"
    match change.action:
        case Action.CREATE:
            yield f"POST {collection}"
        case Action.UPDATE:
            yield f"PATCH {collection}/{id}"
        case Action.DELETE:
            yield f"DELETE {collection}/{id}"
    if change.address.kind != GROUP and change.action is not Action.DELETE:
        yield f"POST {collection}/{id}/test"


def render_call(write: HistoryEntry) -> str:
    return f"{write.method} {write.path}"


def check_writes(
    saved: SavedPlan,
    writes: list[HistoryEntry],
    ids: Mapping[str, str],
    declared: Mapping[str, DestinationModel],
    secrets: Mapping[str, str],
) -> None:
    """Check that every change sends its calls with its values, and that no other write is sent."""
    remaining = list(writes)
    for change in saved.plan.effective:
        fields = {
            field.path: field for field in change.fields if field.shown is not Visibility.KNOWN_AFTER_APPLY
        }
        if change.action is Action.CREATE and OLD_AGENT in fields:  # sent under both names
            fields[AGENT] = fields[OLD_AGENT]
        for expected in list_expected_calls(saved, change, ids):
            [write, *rest] = [
                each
                for each in remaining
                if render_call(each) == expected and is_request_of(each, change, ids)
            ]
            remaining.remove(write)
            if write.method in {"POST", "PATCH"} and not write.path.endswith("/test"):
                sent = {
                    path: value
                    for path, value in iter_leaves(write.body)
                    if path not in (ADDED_FIELDS | list_carried(change)) - fields.keys()
                }
                check_fields(change, fields, sent, declared[change.address.key], secrets)
            for clearing in rest:  # fields that the empty string did not clear are sent as null
                assert clearing.method == "PATCH"
                cleared = {
                    path: value
                    for path, value in iter_leaves(clearing.body)
                    if path not in ADDED_FIELDS | list_carried(change)
                }
                assert set(cleared.values()) == {None}
                assert all(fields[path].after is None for path in cleared)
                remaining.remove(clearing)
    assert remaining == []


def list_carried(change: Change) -> set[FieldPath]:
    """List the fields that the requests of a change send unchanged."""
    return {path for request in change.requests for path in request.carried}


def is_request_of(write: HistoryEntry, change: Change, ids: Mapping[str, str]) -> bool:
    """Return whether a write belongs to a change. Creates differ in their bodies only."""
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
    declared: DestinationModel,
    secrets: Mapping[str, str],
) -> None:
    assert (
        planned.keys() - {path for path, each in planned.items() if is_omitted(change, each)} == sent.keys()
    )
    for path, value in sent.items():
        field = planned[path]
        if field.shown is Visibility.CLEAR:
            known = find_field(declared.catalogue_service, path)
            if field.after is None:
                assert value in (None, "", False, "Directly"), (path, value)
            else:
                assert normalize_value(known, value) == normalize_value(known, field.after)
        elif str(field.after).startswith("env:"):
            secret = secrets[str(field.after).removeprefix("env:")]
            assert value in (secret, parse_json_or_text(secret)), path


def is_omitted(change: Change, field: FieldChange) -> bool:
    """Return whether a planned field is not sent: a create omits empty fields."""
    return change.action is Action.CREATE and field.shown is Visibility.CLEAR and field.after is None


def parse_json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def check_order(saved: SavedPlan, writes: list[HistoryEntry], ids: Mapping[str, str]) -> None:
    """Check the order: a group before its destination, a destination before its test, deletions last."""
    calls = [render_call(each) for each in writes]
    deletions = [each for each in calls if each.startswith("DELETE ")]
    assert calls[len(calls) - len(deletions) :] == deletions
    planned = [change for change in saved.plan.changes if change.action is Action.DELETE]
    assert deletions == [each for change in planned for each in list_expected_calls(saved, change, ids)]
    created: set[str] = set()
    for write in writes:
        if write.path == "/v1/destinations":
            assert write.body["group_id"] in created or write.body["group_id"] in {
                change.id for change in saved.plan.changes
            }
        if write.path.endswith("/test"):
            id = write.path.split("/")[3]
            written = [each for each in calls if each == f"PATCH /v1/destinations/{id}"]
            assert id in created or not written or calls.index(written[0]) < calls.index(render_call(write))
        created |= {effect.id for effect in write.effects if effect.verb == "created"}
