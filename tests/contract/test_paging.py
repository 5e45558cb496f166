"""Check paging by limit and cursor."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable

import pytest
from emulated_account import EmulatedAccount

Make = Callable[..., EmulatedAccount]


def create_groups(account: EmulatedAccount, count: int) -> list[str]:
    return [account.dashboard.add_group(f"group {number}") for number in range(count)]


def test_a_page_has_a_hundred_items_by_default(account: EmulatedAccount) -> None:
    ids = create_groups(account, 101)
    answer = account.get("/v1/groups")
    assert [item["id"] for item in answer.data["items"]] == ids[:100]
    rest = account.get(f"/v1/groups?cursor={answer.data['next_cursor']}")
    assert [item["id"] for item in rest.data["items"]] == ids[100:]


@pytest.mark.parametrize("path", ["/v1/groups", "/v1/destinations", "/v1/groups/{}/connections"])
def test_cursors_list_every_item_once(account: EmulatedAccount, path: str) -> None:
    ids = create_groups(account, 7)
    for identifier in ids:
        account.dashboard.add_destination(identifier, "snowflake")
        account.dashboard.add_connection(ids[0], "postgres", identifier)
    path = path.format(ids[0])
    met: list[str] = []
    page = account.get(f"{path}?limit=3").data
    while "next_cursor" in page:
        met += [item["id"] for item in page["items"]]
        page = account.get(f"{path}?limit=3&cursor={page['next_cursor']}").data
    met += [item["id"] for item in page["items"]]
    assert len(met) == len(set(met)) == 7


def test_a_cursor_is_unpadded_base64_of_the_skipped_count(account: EmulatedAccount) -> None:
    create_groups(account, 2)
    cursor = account.get("/v1/groups?limit=1").data["next_cursor"]
    assert cursor == "eyJza2lwIjoxfQ"
    assert json.loads(urlsafe_b64decode(cursor + "==")) == {"skip": 1}


@pytest.mark.parametrize("count", [0, 2, 3])
def test_the_last_page_has_no_cursor(account_with: Make, count: int) -> None:
    missing, null = account_with(), account_with(last_page="null")
    create_groups(missing, count)
    create_groups(null, count)
    assert ("next_cursor" in missing.get("/v1/groups?limit=2").data) == (count > 2)
    assert (null.get("/v1/groups?limit=2").data["next_cursor"] is None) == (count <= 2)


def test_a_page_after_the_end_is_empty(account: EmulatedAccount) -> None:
    create_groups(account, 2)
    assert account.get("/v1/groups?cursor=eyJza2lwIjo5OTl9").data == {"items": []}


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "99999999999999999999"])
def test_a_limit_out_of_range_is_refused_or_clamped(account_with: Make, limit: str) -> None:
    strict, lenient = account_with(), account_with(limit_out_of_range="clamped")
    create_groups(lenient, 2)
    assert strict.get(f"/v1/groups?limit={limit}").error == (400, "InvalidInput")
    assert len(lenient.get(f"/v1/groups?limit={limit}").data["items"]) == (1 if limit in {"0", "-1"} else 2)


@pytest.mark.parametrize("limit", ["ten", "1.5", "-", "１", "1e2"])
def test_a_limit_is_a_number(account: EmulatedAccount, limit: str) -> None:
    assert account.get(f"/v1/groups?limit={limit}").error == (400, "InvalidInput")


def test_the_largest_limit_is_a_thousand(account: EmulatedAccount) -> None:
    create_groups(account, 3)
    assert len(account.get("/v1/groups?limit=1000").data["items"]) == 3


@pytest.mark.parametrize(
    "cursor",
    [
        "cursor_value",
        "!",
        "e30",  # {}
        "W10",  # []
        "eyJza2lwIjotMX0",  # skip -1
        "eyJza2lwIjp0cnVlfQ",  # skip true
        "eyJza2lwIjoiMSJ9",  # skip "1"
        "eyJza2lwIjo5OTk5OTk5OTk5OTk5OTk5OTk5OTl9",  # skip beyond 64 bits
        "ü",
    ],
)
def test_a_foreign_cursor_is_refused(account: EmulatedAccount, cursor: str) -> None:
    assert account.get(f"/v1/groups?cursor={cursor}").error == (400, "InvalidInput")
