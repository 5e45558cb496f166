"""Check the lists of users, teams, webhooks and connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from emulated_account import EmulatedAccount

Make = Callable[..., EmulatedAccount]


def _list_all(account: EmulatedAccount, path: str) -> Iterator[str]:
    cursor = ""
    while cursor is not None:
        data = account.get(f"{path}?limit=2&cursor={cursor}").data
        yield from (item["id"] for item in data["items"])
        cursor = data.get("next_cursor")


def _create_items(account: EmulatedAccount, path: str, count: int) -> list[str]:
    dashboard = account.dashboard
    if path == "/v1/users":
        made = [dashboard.add_user(f"u{number}@acme.example") for number in range(count)]
        return [dashboard.identity.user_id, *made]
    if path == "/v1/teams":
        return [dashboard.add_team(f"team {number}") for number in range(count)]
    if path == "/v1/webhooks":
        return [dashboard.add_webhook("https://hook.acme.example", ["sync_end"]) for _ in range(count)]
    group = account.create_group()
    return [dashboard.add_connection(group, "salesforce", f"crm{number}") for number in range(count)]


LISTS = {
    "/v1/users": "NotFound",
    "/v1/teams": "NotFound_Team",
    "/v1/webhooks": "NotFound",
    "/v1/connections": "NotFound_Connection",
}
"""Paths of the lists, and the code of a missing object."""


@pytest.mark.parametrize("path", LISTS)
def test_every_item_is_listed_once(account: EmulatedAccount, path: str) -> None:
    made = _create_items(account, path, 5)
    assert list(_list_all(account, path)) == made


@pytest.mark.parametrize("path", LISTS)
def test_every_item_can_be_read_by_its_id(account: EmulatedAccount, path: str) -> None:
    identifier = _create_items(account, path, 1)[-1]
    answer = account.get(f"{path}/{identifier}")
    assert answer.status == 200
    (listed,) = (item for item in account.get(path).data["items"] if item["id"] == identifier)
    assert {**answer.data, **listed} == answer.data  # details may have more


@pytest.mark.parametrize(("path", "code"), LISTS.items())
def test_a_missing_item_has_its_code(account: EmulatedAccount, path: str, code: str) -> None:
    assert account.get(f"{path}/no_such").error == (404, code)


@pytest.mark.parametrize("path", LISTS)
def test_every_list_checks_its_limit(account: EmulatedAccount, path: str) -> None:
    assert account.get(f"{path}?limit=0").error == (400, "InvalidInput")


@pytest.mark.parametrize("path", [*LISTS, "/v1/groups"])
def test_lists_may_have_another_order(account_with: Make, path: str) -> None:
    def list_ids(order: str) -> list[str]:
        account = account_with(list_order=order)
        for number in range(6):
            account.create_group(f"g{number}")
        _create_items(account, path, 6)
        return list(_list_all(account, path))

    by_creation = list_ids("creation")
    assert list_ids("newest-first") == by_creation[::-1]
    assert list_ids("id") == sorted(by_creation) != by_creation


def test_a_new_account_has_its_owner_as_user(account: EmulatedAccount) -> None:
    (owner,) = account.get("/v1/users").data["items"]
    assert owner["id"] == account.get("/v1/account/info").data["user_id"]
    assert owner["role"] == "Account Administrator"
    assert owner["active"] is True
    assert owner["email"].endswith("@acme.example")


def test_the_secret_of_a_webhook_is_masked(account: EmulatedAccount) -> None:
    account.dashboard.add_webhook("https://hook.acme.example", group_id=account.create_group())
    (webhook,) = account.get("/v1/webhooks").data["items"]
    assert (webhook["secret"], webhook["type"]) == ("******", "group")


def test_a_connection_has_all_documented_keys(account: EmulatedAccount) -> None:
    group = account.create_group()
    account.dashboard.add_connection(group, "salesforce", "crm", sync_frequency=60)
    (connection,) = account.get(f"/v1/groups/{group}/connections").data["items"]
    assert connection["connected_by"] == account.get("/v1/account/info").data["user_id"]
    assert connection["sync_frequency"] == 60
    assert connection.keys() >= {"service_version", "schema", "created_at", "succeeded_at", "failed_at"}
    assert connection["status"].keys() == {
        "setup_state",
        "sync_state",
        "update_state",
        "is_historical_sync",
        "tasks",
        "warnings",
    }


def test_connections_are_filtered_by_group_and_schema(account: EmulatedAccount) -> None:
    groups = [account.create_group(), account.create_group()]
    for group in groups:
        for schema in ("crm", "ads"):
            account.dashboard.add_connection(group, "salesforce", schema)
    for path, count in (
        (f"/v1/groups/{groups[0]}/connections?schema=crm", 1),
        (f"/v1/groups/{groups[0]}/connections?schema=none", 0),
        (f"/v1/connections?group_id={groups[1]}", 2),
        ("/v1/connections?schema=ads", 2),
        (f"/v1/connections?schema=ads&group_id={groups[0]}", 1),
    ):
        assert len(account.get(path).data["items"]) == count, path


def test_a_group_can_be_deleted_after_its_connection(account: EmulatedAccount) -> None:
    group = account.create_group()
    connection = account.dashboard.add_connection(group, "salesforce", "crm")
    assert account.delete(f"/v1/groups/{group}").status == 409
    answer = account.delete(f"/v1/connections/{connection}")
    assert answer.json["message"] == f"Connection with id '{connection}' has been deleted"
    assert account.delete(f"/v1/connections/{connection}").error == (404, "NotFound_Connection")
    assert account.delete(f"/v1/groups/{group}").status == 200
