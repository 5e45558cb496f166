"""Test the history of requests."""

from __future__ import annotations

import pytest
from emulated_account import BASIC, SNOWFLAKE, EmulatedAccount

from reconciler.emulator.history import Effect, History
from reconciler.emulator.resources import groups
from reconciler.emulator.store import Store


def test_every_request_is_in_the_history_with_its_effects() -> None:
    account = EmulatedAccount()
    identifier = account.create_group("a")
    account.get("/v1/groups?limit=3&limit=4")
    account.send_raw("GET", "/v1/groups")
    account.delete(f"/v1/groups/{identifier}")
    made, listed, refused, deleted = account.emulator.read_history()
    assert (made.sequence, made.method, made.path, made.status, made.code) == (
        1,
        "POST",
        "/v1/groups",
        201,
        "Success",
    )
    assert made.body == {"name": "a"}
    assert made.effects == (Effect("created", "group", identifier),)
    assert (listed.query, listed.effects, listed.body) == ({"limit": "3"}, (), None)
    assert listed.accept == "application/json;version=2"
    assert (refused.status, refused.code) == (401, "AuthFailed")
    assert str(deleted.effects[0]) == f"deleted group {identifier}"
    assert [exchange.is_mutating for exchange in (made, listed, deleted)] == [True, False, True]


def test_bodies_keep_their_secrets_so_that_tests_can_compare_them() -> None:
    account = EmulatedAccount()
    account.must_create("snowflake", SNOWFLAKE)
    assert account.emulator.read_history()[-1].body["config"]["password"] == SNOWFLAKE["password"]


def test_a_refused_request_has_no_effects() -> None:
    account = EmulatedAccount()
    identifier = account.must_create("snowflake", SNOWFLAKE)
    account.patch(f"/v1/destinations/{identifier}", {"config": {"port": "x"}})
    account.delete(f"/v1/groups/{identifier}")
    assert [exchange.effects for exchange in account.emulator.read_history()[-2:]] == [(), ()]


def test_dashboard_changes_are_not_in_the_history() -> None:
    account = EmulatedAccount()
    identifier = account.dashboard.add_group("a")
    account.dashboard.add_destination(identifier, "snowflake")
    account.dashboard.add_connection(identifier, "salesforce", "crm")
    account.dashboard.change_destination(identifier, region="AWS_US_EAST_1", config={"host": "h"})
    account.dashboard.rename_group(identifier, "b")
    account.get("/v1/groups")
    (exchange,) = account.emulator.read_history()
    assert exchange.effects == ()


def test_the_history_can_be_read_from_a_sequence_number() -> None:
    account = EmulatedAccount()
    for name in "abc":
        account.create_group(name)
    assert [exchange.body["name"] for exchange in account.emulator.read_history(since=1)] == ["b", "c"]


def test_a_long_history_drops_its_oldest_entries() -> None:
    store = Store(":memory:")
    history = History(store, max_entries=10)
    for _ in range(2_000):
        history.record(
            at="",
            method="GET",
            path="/",
            query={},
            accept="",
            body=None,
            status=200,
            code="",
            effects=(),
            failure="",
        )
    assert [exchange.sequence for exchange in history.list_since()] == list(range(1_991, 2_001))
    assert [exchange.sequence for exchange in history.list_newest(3)] == [2_000, 1_999, 1_998]
    store.close()


def test_a_bug_is_a_500_that_is_rolled_back_and_in_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    account = EmulatedAccount()

    def fail_late(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(groups, "Reply", fail_late)
    response = account.send_raw("POST", "/v1/groups", headers=BASIC, json={"name": "half made"})
    assert response.status_code == 500
    assert response.json == {"code": "InternalServerError", "message": "The emulator failed; see its history"}
    monkeypatch.undo()
    exchange = account.emulator.read_history()[-1]
    assert "ZeroDivisionError: a bug" in exchange.failure
    assert exchange.effects == ()
    assert account.get("/v1/groups").data["items"] == []
