"""Test when a recorded request was sent: the bound that each kind of state proves."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.address import Address
from reconciler.model.instant import Instant
from reconciler.model.plan import Action
from reconciler.model.record import Intent, Record, State
from reconciler.state.file import StateFile
from reconciler.state.lease import LEASE_TTL
from reconciler.state.sent_times import bound_sent_times

ORDERS, SALES = Address("group", "orders"), Address("group", "sales")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEGUN = Instant(NOON, NOON + timedelta(seconds=40))
LEASE = timedelta(seconds=LEASE_TTL)


def make_state(intent: Intent, id: str | None = None, **more: Any) -> State:
    return State("a-lineage", 1, "an_account", {ORDERS: Record(id=id, intent=intent)}, **more)


def get_sent_time(state: State) -> Instant | None:
    intent = bound_sent_times(state).records[ORDERS].intent
    assert intent is not None
    return intent.sent


CREATE = Intent(Action.CREATE, "orders", begun=BEGUN)


def test_a_local_state_has_the_sent_mark_before_the_request_is_sent() -> None:
    assert get_sent_time(make_state(CREATE)) is None
    marked = replace(CREATE, sent=BEGUN.add(timedelta(seconds=3)))
    assert get_sent_time(make_state(marked)) == marked.sent


def test_a_remote_state_bounds_the_sent_time_by_the_lease() -> None:
    written = NOON + timedelta(minutes=10)
    remote = make_state(CREATE, written_at=written)
    assert get_sent_time(remote) == Instant(written + LEASE, written + LEASE + timedelta(seconds=40))
    assert get_sent_time(make_state(replace(CREATE, begun=Instant(NOON)), written_at=written)) == Instant(
        written + LEASE
    )
    assert get_sent_time(make_state(replace(CREATE, sent=BEGUN), written_at=written)) == BEGUN, (
        "this intent has a sent mark"
    )
    bounded = bound_sent_times(remote)
    assert bound_sent_times(bounded) == bounded, "a computed bound stays"
    assert bounded.written_at is None


@pytest.mark.parametrize(
    ("action", "id", "may_have_been_sent"),
    [
        (Action.CREATE, None, True),
        (Action.REPLACE, "decent_dropsy", True),
        (Action.UPDATE, "decent_dropsy", False),
        (Action.VERIFY, "decent_dropsy", False),
        (Action.DELETE, "decent_dropsy", False),
    ],
)
def test_only_creating_actions_have_a_sent_time(
    action: Action, id: str | None, may_have_been_sent: bool
) -> None:
    found = get_sent_time(make_state(replace(CREATE, action=action), id, written_at=NOON))
    assert (found is not None) == may_have_been_sent


OLD = """\
{"format": 1, "lineage": "a-lineage", "serial": 3, "account_id": "an_account", "records": {
  "group.orders": {"intent": {"action": "create", "name": "orders", "namesakes": ["a"], "at": "%s"}},
  "group.sales": {"id": "decent_dropsy", "applied_at": "%s"}}}
"""


@pytest.mark.parametrize(
    ("at", "applied_at", "latest"),
    [
        ("2026-03-01T12:00:00+00:00", "2026-03-01T11:00:00+00:00", NOON),
        ("2026-03-01T11:00:00+00:00", "2026-03-01T12:00:00Z", NOON),
        ("2026-03-01T12:00:00+00:00", "", NOON),
        ("long ago", "2026-03-01T12:00:00+00:00", NOON),
        ("2026-03-01T12:00:00+00:00", "2026-03-01T13:00:00", NOON),
        ("2026-03-01T12:00:00+00:00", "9999-12-31T23:59:59+00:00", NOON),
    ],
)
def test_a_state_of_the_first_format_bounds_the_sent_time_by_its_latest_timestamp(
    tmp_path: Path, at: str, applied_at: str, latest: datetime
) -> None:
    (tmp_path / "state.json").write_text(OLD % (at, applied_at))
    file = StateFile(tmp_path / "state.json", "state.json")
    found = file.read()
    assert found is not None
    intent = found.records[ORDERS].intent
    assert intent is not None
    assert intent.namesakes == ("a",)
    assert intent.sent == Instant(latest + LEASE)
    file.open(found).close()
    assert json.loads((tmp_path / "state.json").read_text())["format"] == 2
    again = file.read()
    assert again is not None
    assert again.records == found.records, "the second format keeps the bound"


def test_a_journal_timestamp_of_the_first_format_bounds_the_sent_time(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(OLD % ("2026-03-01T10:00:00+00:00", "2026-03-01T11:00:00+00:00"))
    head = {"format": 1, "lineage": "a-lineage", "serial": 3}
    line = {
        "address": "group.ops",
        "record": {"id": "brave_otter", "applied_at": "2026-03-01T12:00:00+00:00"},
    }
    journal = "".join(json.dumps(each) + "\n" for each in (head, line))
    (tmp_path / "state.json.journal").write_text(journal)
    found = StateFile(tmp_path / "state.json", "state.json").read()
    assert found is not None
    intent = found.records[ORDERS].intent
    assert intent is not None
    assert intent.sent == Instant(NOON + LEASE)


def test_a_state_without_timestamps_has_an_old_sent_time(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(OLD % ("", ""))
    found = StateFile(tmp_path / "state.json", "state.json").read()
    assert found is not None
    intent = found.records[ORDERS].intent
    assert intent is not None
    assert intent.sent is not None
    assert Instant(NOON).elapsed_since(intent.sent) > timedelta(days=365)
