"""Test the JSON form of a state, which earlier and later releases read: byte for byte, and refused content."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from reconciler.model.address import Address
from reconciler.model.instant import Instant
from reconciler.model.plan import Action
from reconciler.model.record import (
    Exemption,
    Intent,
    Record,
    Relocation,
    RelocationPhase,
    State,
    mark_asserted,
)
from reconciler.model.removal import CompletedRemoval, Extent
from reconciler.state.codec import (
    DamagedStateError,
    decode_entry,
    decode_state,
    encode_entry,
    encode_head,
    encode_state,
)

GROUP = Address("group", "orders")
BEGUN = Instant(datetime(2026, 11, 23, 12, tzinfo=UTC), datetime(2026, 11, 23, 12, 0, 3, tzinfo=UTC))
RECORD = Record(
    id="decent_dropsy",
    applied={("service",): "snowflake", ("config", "port"): 443},
    fingerprints={("config", "password"): "00ff"},
    intent=Intent(Action.CREATE, "Ördérs", ("a_b",), BEGUN, Instant(BEGUN.own)),
    applied_at="2026-11-23T10:00:01Z",
)
STATE = State(
    "a-lineage",
    7,
    "an_account",
    {GROUP: RECORD},
    reviewed={"00ff": "saved"},
    exemptions=(Exemption("ci on runner-7", "2026-11-23T12:00:00Z", ("deletes=3",), "agreed", "00ff"),),
    written_at=datetime(2026, 11, 23, 14, tzinfo=timezone(timedelta(hours=2))),
    removals={"old": CompletedRemoval("old_id", Extent.DESTINATION)},
)
RECORD_JSON = r"""{
      "applied": {
        "config": {
          "port": 443
        },
        "service": "snowflake"
      },
      "applied_at": "2026-11-23T10:00:01Z",
      "earlier": [],
      "fingerprints": {
        "config": {
          "password": "00ff"
        }
      },
      "id": "decent_dropsy",
      "intent": {
        "action": "create",
        "begun": {
          "own": "2026-11-23T12:00:00Z",
          "server": "2026-11-23T12:00:03Z"
        },
        "name": "\u00d6rd\u00e9rs",
        "namesakes": [
          "a_b"
        ],
        "sent": {
          "own": "2026-11-23T12:00:00Z",
          "server": null
        }
      },
      "protected": false,
      "unverified": false
    }"""
STATE_JSON = (
    r"""{
  "account_id": "an_account",
  "exemptions": [
    {
      "at": "2026-11-23T12:00:00Z",
      "by": "ci on runner-7",
      "digest": "00ff",
      "reason": "agreed",
      "what": [
        "deletes=3"
      ]
    }
  ],
  "format": 2,
  "lineage": "a-lineage",
  "records": {
    "group.orders": """
    + RECORD_JSON
    + r"""
  },
  "removals": {
    "old": {
      "extent": "destination",
      "id": "old_id"
    }
  },
  "reviewed": {
    "00ff": "saved"
  },
  "serial": 7,
  "written_at": "2026-11-23T14:00:00+02:00"
}
"""
)


def test_a_snapshot_has_these_bytes_and_is_decoded_completely() -> None:
    assert encode_state(STATE).decode() == STATE_JSON
    assert decode_state(STATE_JSON.encode()) == STATE


@pytest.mark.parametrize(
    ("entry", "record", "removed"),
    [
        (RECORD, json.loads(RECORD_JSON), None),
        (CompletedRemoval("old_id", Extent.PAIR), None, {"extent": "pair", "id": "old_id"}),
        (None, None, None),
    ],
)
def test_a_line_of_the_journal_has_these_bytes(entry: Any, record: Any, removed: Any) -> None:
    line = encode_entry(GROUP, entry)
    expected = {"address": "group.orders", "record": record, "removed": removed}
    assert line == (json.dumps(expected) + "\n").encode()
    assert decode_entry(line) == (GROUP, entry)


def test_the_head_of_a_journal_has_these_bytes() -> None:
    assert encode_head(STATE) == b'{"format": 2, "lineage": "a-lineage", "serial": 7}\n'


@pytest.mark.parametrize(
    ("at", "begun"),
    [
        ("2026-11-23T12:00:00+00:00", Instant(BEGUN.own)),
        ("2026-11-23T12:00:00", None),
        ("9000-01-01T00:00:00Z", None),
        ("yesterday", None),
    ],
)
def test_an_intent_of_the_first_format_gets_its_start_time_from_another_key(
    at: str, begun: Instant | None
) -> None:
    data = json.loads(STATE_JSON)
    data["format"] = 1
    record = data["records"]["group.orders"]
    del record["intent"]["begun"], record["intent"]["sent"]
    record["intent"]["at"] = at
    record["earlier"] = [record["intent"]]
    intent = Intent(Action.CREATE, "Ördérs", ("a_b",), begun)
    found = decode_state(json.dumps(data).encode())
    assert found.records == {GROUP: replace(RECORD, intent=intent, earlier=(intent,))}
    assert not found.marks_requests


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (["more"], 1, "more"),
        (["lineage"], "", "lineage"),
        (["marks_requests"], True, "marks_requests"),
        (["written_at"], "2026-11-23T12:00:00", "written_at"),
        (["records"], [], "records"),
        (["records", "group.orders"], 1, "records.group.orders"),
        (["records", "group.orders", "more"], 1, "records.group.orders.more"),
        (["records", "group.orders", "applied"], [], "records.group.orders.applied"),
        (["records", "group.orders", "fingerprints", "x"], 1, "records.group.orders.fingerprints"),
        (["records", "group.orders", "intent", "at"], 1, "records.group.orders.intent.at"),
        (["records", "group.orders", "intent", "action"], "x", "records.group.orders.intent.action"),
        (["records", "group.orders", "intent", "sent"], {"own": "x"}, "records.group.orders.intent.sent.own"),
        (
            ["records", "group.orders", "intent", "sent"],
            {"own": "9000-01-01T00:00:00Z"},
            "records.group.orders",
        ),
        (
            ["records", "group.orders", "intent", "begun", "server"],
            "2026-11-23T12:00:00",
            "records.group.orders",
        ),
        (["records", "group.orders", "earlier"], [1], "records.group.orders.earlier.0"),
        (["exemptions", 0, "more"], 1, "exemptions.0.more"),
        (["removals", "old", "extent"], "x", "removals.old.extent"),
    ],
)
def test_a_damaged_snapshot_is_reported_by_path_and_never_by_content(
    path: list[Any], value: Any, place: str
) -> None:
    data = deepcopy(json.loads(STATE_JSON))
    parent = data
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    with pytest.raises(DamagedStateError) as caught:
        decode_state(json.dumps(data).encode())
    assert str(caught.value) == f"it has not the shape of a state at {place}"


def test_an_invalid_address_key_is_named() -> None:
    data = json.loads(STATE_JSON)
    data["records"] = {"orders": {}}
    with pytest.raises(DamagedStateError, match="a key of its records is no address"):
        decode_state(json.dumps(data).encode())


@pytest.mark.parametrize(
    "record",
    [
        replace(RECORD, answers={("config", "role"): "PUBLIC", ("region",): None}),
        replace(RECORD, answer_fingerprints={("config", "brand_new"): "k:answer"}),
        replace(RECORD, settled_status="incomplete"),
        replace(RECORD, awaited_approvals=("certificate",)),
    ],
    ids=["answers", "answer_fingerprints", "settled_status", "awaited_approvals"],
)
def test_a_key_that_an_earlier_release_lacks_makes_the_state_newer_and_not_damaged(record: Record) -> None:
    content = encode_state(replace(STATE, records={GROUP: record}))
    assert json.loads(content)["format"] == 3
    assert decode_state(content).records == {GROUP: record}
    assert decode_entry(encode_entry(GROUP, record)) == (GROUP, record)


def test_a_status_takes_the_format_that_knows_it() -> None:
    """A state without a status stays readable for releases that know no status."""
    record = replace(RECORD, setup_status="broken")
    content = encode_state(replace(STATE, records={GROUP: record}))
    assert json.loads(content)["format"] == 4
    assert decode_state(content).records == {GROUP: record}
    assert decode_entry(encode_entry(GROUP, record)) == (GROUP, record)
    for text in (encode_state(STATE), encode_entry(GROUP, RECORD)):
        assert b"setup_status" not in text


@pytest.mark.parametrize("part", ["ssh_public_key", "service_account"])
def test_a_part_of_the_identity_of_a_group_takes_the_format_that_knows_it(part: str) -> None:
    record = replace(RECORD, **{part: "public"})
    content = encode_state(replace(STATE, records={GROUP: record}))
    assert json.loads(content)["format"] == 6
    assert decode_state(content).records == {GROUP: record}
    assert decode_entry(encode_entry(GROUP, record)) == (GROUP, record)
    for text in (encode_state(STATE), encode_entry(GROUP, RECORD)):
        assert part.encode() not in text


def test_a_fingerprint_of_an_asserted_value_makes_the_state_newer() -> None:
    marked = mark_asserted("", "k:digest:place")
    record = replace(RECORD, fingerprints={("config", "password"): marked}, settled_status="incomplete")
    content = encode_state(replace(STATE, records={GROUP: record}))
    assert json.loads(content)["format"] == 5
    assert decode_state(content).records == {GROUP: record}
    assert decode_entry(encode_entry(GROUP, record)) == (GROUP, record)
    arriving = Relocation(RelocationPhase.ARRIVING, "git:origin/states", "ci", "2026-11-23T12:00:00Z")
    moved = encode_state(replace(STATE, records={GROUP: record}, relocation=arriving))
    assert json.loads(moved)["format"] == 5
    assert decode_state(moved).relocation == arriving
    sent = replace(record, fingerprints={("config", "password"): "k:digest:place"})
    assert json.loads(encode_state(replace(STATE, records={GROUP: sent})))["format"] == 3
