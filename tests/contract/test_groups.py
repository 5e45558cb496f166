"""Check `/v1/groups` against the documented behaviour."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from emulated_account import SNOWFLAKE, EmulatedAccount

Make = Callable[..., EmulatedAccount]


def test_a_group_is_created_from_a_name(account: EmulatedAccount) -> None:
    answer = account.post("/v1/groups", {"name": "Primary_Snowflake"})
    assert (answer.status, answer.json["code"], answer.json["message"]) == (
        201,
        "Success",
        "Group has been created",
    )
    assert list(answer.data) == ["id", "name", "created_at"]
    assert answer.data["name"] == "Primary_Snowflake"
    assert re.fullmatch(r"[a-z]+_[a-z]+", answer.data["id"])
    assert re.fullmatch(r"2026-03-01T12:30:15\.\d{6}Z", answer.data["created_at"])


def test_server_ids_depend_on_the_seed_only() -> None:
    first, second = EmulatedAccount(), EmulatedAccount()
    ids = [first.create_group(str(number)) for number in range(50)]
    assert len(set(ids)) == 50
    assert [second.create_group(str(number)) for number in range(50)] == ids


def test_a_group_is_readable(account: EmulatedAccount) -> None:
    made = account.post("/v1/groups", {"name": "Staging"}).data
    answer = account.get(f"/v1/groups/{made['id']}")
    assert answer.json == {"code": "Success", "message": "Group details retrieved successfully", "data": made}


def test_groups_are_listed_oldest_first(account: EmulatedAccount) -> None:
    ids = [account.create_group(name) for name in ("zebra", "ant", "mule")]
    answer = account.get("/v1/groups")
    assert answer.json["message"] == "Groups retrieved successfully"
    assert [group["id"] for group in answer.data["items"]] == ids


def test_a_rename_keeps_id_and_creation_time(account: EmulatedAccount) -> None:
    made = account.post("/v1/groups", {"name": "Old"}).data
    answer = account.patch(f"/v1/groups/{made['id']}", {"name": "New_Group_Name"})
    expected = {**made, "name": "New_Group_Name"}
    assert (answer.status, answer.json) == (
        200,
        {"code": "Success", "message": "Group has been updated", "data": expected},
    )
    assert account.get(f"/v1/groups/{made['id']}").data == expected


def test_a_patch_without_a_name_changes_nothing(account: EmulatedAccount) -> None:
    identifier = account.create_group("Same")
    assert account.patch(f"/v1/groups/{identifier}", {"color": "red"}).data["name"] == "Same"


def test_a_group_deletion_answers_without_data(account: EmulatedAccount) -> None:
    identifier = account.create_group()
    answer = account.delete(f"/v1/groups/{identifier}")
    assert answer.status == 200
    assert answer.json == {"code": "Success", "message": f"Group with id '{identifier}' has been deleted"}
    assert account.delete(f"/v1/groups/{identifier}").error == (404, "NotFound_Group")
    assert account.get("/v1/groups").data["items"] == []


@pytest.mark.parametrize(
    ("method", "suffix"), [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/connections")]
)
def test_a_missing_group_is_404_with_its_code(account: EmulatedAccount, method: str, suffix: str) -> None:
    answer = account.send(method, f"/v1/groups/no_such{suffix}", {"name": "x"})
    assert answer.error == (404, "NotFound_Group")
    assert answer.json["message"] == "Cannot find entity 'Group' with id 'no_such'"
    assert "data" not in answer.json


@pytest.mark.parametrize("body", [{}, {"name": None}, {"name": ""}, {"title": "x"}])
def test_a_new_group_needs_a_name(account: EmulatedAccount, body: dict[str, object]) -> None:
    answer = account.post("/v1/groups", body)
    assert (*answer.error, answer.json["message"]) == (400, "InvalidInput", "Field 'name' is required")


@pytest.mark.parametrize("name", [7, True, ["a"], {"a": 1}])
def test_a_name_is_text(account: EmulatedAccount, name: object) -> None:
    assert account.post("/v1/groups", {"name": name}).error == (400, "InvalidInput")
    assert account.patch(f"/v1/groups/{account.create_group()}", {"name": name}).error == (
        400,
        "InvalidInput",
    )


def test_names_may_be_anything_by_default(account_with: Make) -> None:
    assert account_with().post("/v1/groups", {"name": "my-group 1"}).status == 201


@pytest.mark.parametrize(
    ("name", "status"),
    [("my-group", 400), ("1st", 400), ("a b", 400), ("_Own1", 201), ("ü", 400), ("a\n", 400)],
)
def test_names_may_be_restricted_to_identifiers(account_with: Make, name: str, status: int) -> None:
    account = account_with(group_names="identifier")
    assert account.post("/v1/groups", {"name": name}).status == status
    renamed = account.patch(f"/v1/groups/{account.create_group('other')}", {"name": name})
    assert renamed.status == (200 if status == 201 else 400)


@pytest.mark.parametrize(
    ("switch", "error"), [("conflict", (409, "Conflict")), ("bad-request", (400, "InvalidInput"))]
)
def test_a_name_may_have_to_be_unique(account_with: Make, switch: str, error: tuple[int, str]) -> None:
    account = account_with(duplicate_group_name=switch)
    taken, other = account.create_group("taken"), account.create_group("other")
    assert account.post("/v1/groups", {"name": "taken"}).error == error
    assert "already exists" in account.post("/v1/groups", {"name": "taken"}).json["message"]
    assert account.patch(f"/v1/groups/{other}", {"name": "taken"}).error == error
    assert account.patch(f"/v1/groups/{taken}", {"name": "taken"}).status == 200
    assert account.post("/v1/groups", {"name": "Taken"}).status == 201


def test_two_groups_may_share_a_name_by_default(account: EmulatedAccount) -> None:
    assert account.create_group("same") != account.create_group("same")


def test_a_group_with_connections_cannot_be_deleted(account: EmulatedAccount) -> None:
    identifier = account.create_group()
    account.dashboard.add_connection(identifier, "salesforce", "crm")
    assert account.delete(f"/v1/groups/{identifier}").error == (409, "Conflict")
    assert account.get(f"/v1/groups/{identifier}").status == 200


def test_a_group_with_a_destination_cannot_be_deleted_by_default(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    assert account.delete(f"/v1/groups/{identifier}").error == (409, "Conflict")
    assert account.get(f"/v1/destinations/{identifier}").status == 200


def test_a_group_may_be_deleted_with_its_destination(account_with: Make) -> None:
    account = account_with(group_with_destination="deleted")
    identifier = account.must_create("snowflake", SNOWFLAKE)
    assert account.delete(f"/v1/groups/{identifier}").status == 200
    assert account.get(f"/v1/destinations/{identifier}").error == (404, "NotFound_Destination")


@pytest.mark.parametrize("path", ["connections", "connectors"])
def test_the_connections_of_a_group_are_listed(account: EmulatedAccount, path: str) -> None:
    mine, other = account.create_group("mine"), account.create_group("other")
    first = account.dashboard.add_connection(mine, "salesforce", "crm")
    second = account.dashboard.add_connection(mine, "postgres", "shop")
    account.dashboard.add_connection(other, "postgres", "crm")
    answer = account.get(f"/v1/groups/{mine}/{path}")
    assert answer.status == 200
    assert [item["id"] for item in answer.data["items"]] == [first, second]
    item = answer.data["items"][0]
    assert (item["group_id"], item["service"], item["schema"]) == (mine, "salesforce", "crm")
    assert set(item) >= {"service_version", "connected_by", "created_at", "succeeded_at", "failed_at"}
    assert (item["paused"], item["pause_after_trial"], item["sync_frequency"]) == (False, False, 360)
    assert item["status"] == {
        "setup_state": "incomplete",
        "sync_state": "scheduled",
        "update_state": "on_schedule",
        "is_historical_sync": True,
        "tasks": [],
        "warnings": [],
    }


def test_connections_are_filtered_by_schema(account: EmulatedAccount) -> None:
    identifier = account.create_group()
    account.dashboard.add_connection(identifier, "salesforce", "crm")
    shop = account.dashboard.add_connection(identifier, "postgres", "shop")
    answer = account.get(f"/v1/groups/{identifier}/connections?schema=shop")
    assert [item["id"] for item in answer.data["items"]] == [shop]
