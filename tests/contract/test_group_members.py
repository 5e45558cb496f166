"""Check the members, the public key and the service account of a group."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from emulated_account import SNOWFLAKE, EmulatedAccount

Make = Callable[..., EmulatedAccount]
REVIEWER = "Destination Reviewer"


def _list_emails(account: EmulatedAccount, path: str) -> list[str]:
    return [user["email"] for user in account.get(path).data["items"]]


def test_the_creator_of_a_group_is_its_member(account: EmulatedAccount) -> None:
    answer = account.get(f"/v1/groups/{account.create_group()}/users")
    assert (answer.status, answer.json["message"]) == (200, "Group users retrieved successfully")
    (member,) = answer.data["items"]
    assert member["id"] == account.get("/v1/account/info").data["user_id"]
    assert member["role"] == "Account Administrator"
    assert member.keys() >= {"email", "given_name", "family_name", "verified", "invited", "active"}


def test_a_user_is_added_by_email_and_removed_by_id(account: EmulatedAccount) -> None:
    path = f"/v1/groups/{account.create_group()}/users"
    user = account.dashboard.add_user("Ada@acme.example")
    added = account.post(path, {"email": "ADA@acme.example", "role": REVIEWER})
    assert (added.status, added.json) == (
        200,
        {"code": "Success", "message": "User has been added to the group"},
    )
    assert [member["role"] for member in account.get(path).data["items"]] == [
        "Account Administrator",
        REVIEWER,
    ]
    removed = account.delete(f"{path}/{user}")
    assert removed.json["message"] == f"User with id '{user}' has been removed from the group"
    assert "data" not in removed.json
    assert len(account.get(path).data["items"]) == 1
    assert account.get(f"/v1/users/{user}").status == 200


def test_adding_a_member_again_changes_the_role(account: EmulatedAccount) -> None:
    path = f"/v1/groups/{account.create_group()}/users"
    account.dashboard.add_user("ada@acme.example")
    for role in (REVIEWER, "Destination Administrator"):
        account.post(path, {"email": "ada@acme.example", "role": role})
    assert [member["role"] for member in account.get(path).data["items"]][1:] == ["Destination Administrator"]


def test_members_are_filtered_by_activity(account: EmulatedAccount) -> None:
    path = f"/v1/groups/{account.create_group()}/users"
    account.dashboard.add_user("gone@acme.example", active=False)
    account.post(path, {"email": "gone@acme.example", "role": REVIEWER})
    assert _list_emails(account, f"{path}?active=false") == ["gone@acme.example"]
    assert len(_list_emails(account, f"{path}?active=true")) == 1
    assert len(_list_emails(account, path)) == 2
    assert account.get(f"{path}?active=perhaps").error == (400, "InvalidInput")


def test_members_are_paged(account: EmulatedAccount) -> None:
    path = f"/v1/groups/{account.create_group()}/users"
    for number in range(4):
        account.dashboard.add_user(f"u{number}@acme.example")
        account.post(path, {"email": f"u{number}@acme.example", "role": REVIEWER})
    first = account.get(f"{path}?limit=3").data
    second = account.get(f"{path}?limit=3&cursor={first['next_cursor']}").data
    assert [len(first["items"]), len(second["items"])] == [3, 2]
    assert "next_cursor" not in second
    assert len({user["id"] for user in first["items"] + second["items"]}) == 5


@pytest.mark.parametrize("tail", ["users", "public-key", "service-account"])
def test_the_members_of_a_missing_group_are_404(account: EmulatedAccount, tail: str) -> None:
    assert account.get(f"/v1/groups/no_such/{tail}").error == (404, "NotFound_Group")


def test_a_missing_user_is_404(account: EmulatedAccount) -> None:
    path = f"/v1/groups/{account.create_group()}/users"
    body = {"email": "unknown@acme.example", "role": REVIEWER}
    assert account.post(path, body).error == (404, "NotFound")
    assert account.post("/v1/groups/no_such/users", body).error == (404, "NotFound_Group")
    outsider = account.dashboard.add_user("out@acme.example")
    assert account.delete(f"{path}/{outsider}").error == (404, "NotFound")


def test_users_with_a_role_in_the_account_belong_to_every_group(account: EmulatedAccount) -> None:
    path = f"/v1/groups/{account.create_group()}/users"
    reviewer = account.dashboard.add_user("ada@acme.example", role="Account Reviewer")
    account.dashboard.add_user("out@acme.example")
    roles = {user["email"]: user["role"] for user in account.get(path).data["items"]}
    assert roles.pop("ada@acme.example") == ""
    assert list(roles.values()) == ["Account Administrator"]  # the creator
    account.post(path, {"email": "ada@acme.example", "role": REVIEWER})
    assert [user["role"] for user in account.get(path).data["items"]][1:] == [REVIEWER]
    for _ in range(2):
        assert account.delete(f"{path}/{reviewer}").status == 200
        assert [user["role"] for user in account.get(path).data["items"]][1:] == [""]


def test_a_creator_without_a_membership_has_no_role_in_the_group(account: EmulatedAccount) -> None:
    path = f"/v1/groups/{account.create_group()}/users"
    owner = account.get("/v1/account/info").data["user_id"]
    assert account.delete(f"{path}/{owner}").status == 200
    assert [(user["id"], user["role"]) for user in account.get(path).data["items"]] == [(owner, "")]
    account.delete(f"/v1/users/{owner}/role")
    assert account.get(path).data["items"] == []


@pytest.mark.parametrize("missing", ["email", "role"])
def test_email_and_role_are_required(account: EmulatedAccount, missing: str) -> None:
    body = {"email": "ada@acme.example", "role": REVIEWER}
    answer = account.post(f"/v1/groups/{account.create_group()}/users", {**body, missing: None})
    assert answer.error == (400, "InvalidInput")
    assert answer.json["message"] == f"Field '{missing}' is required"


def test_a_recreated_group_has_no_former_members(account: EmulatedAccount) -> None:
    account.dashboard.add_group("a", "decent_dropsy")
    account.dashboard.add_user("ada@acme.example")
    account.post("/v1/groups/decent_dropsy/users", {"email": "ada@acme.example", "role": REVIEWER})
    account.delete("/v1/groups/decent_dropsy")
    account.dashboard.add_group("a", "decent_dropsy")
    assert len(account.get("/v1/groups/decent_dropsy/users").data["items"]) == 1


@pytest.mark.parametrize(("switch", "ending"), [("newline", "\n"), ("bare", "")])
def test_the_public_key_is_valid(account_with: Make, switch: str, ending: str) -> None:
    account = account_with(public_key_ending=switch)
    group = account.create_group()
    answer = account.get(f"/v1/groups/{group}/public-key")
    assert answer.json["message"] == "Group SSH public key retrieved successfully"
    key = answer.data["public_key"]
    kind, blob, _ = key.split(" ", 2)
    assert kind == "ssh-rsa"
    assert base64.b64decode(blob, validate=True).startswith(b"\x00\x00\x00\x07ssh-rsa")
    assert key[len(key.rstrip("\n")) :] == ending
    assert key == account.get(f"/v1/groups/{group}/public-key").data["public_key"]
    assert key != account.get(f"/v1/groups/{account.create_group()}/public-key").data["public_key"]


def test_tunnels_of_a_destination_show_the_key_of_its_group(account_with: Make) -> None:
    account = account_with(public_key_ending="bare")
    config = {"host": "db", "connection_type": "SshTunnel"}
    identifier = account.must_create("postgres_warehouse", config)
    shown = account.get(f"/v1/destinations/{identifier}").data["config"]["public_key"]
    assert shown == account.get(f"/v1/groups/{identifier}/public-key").data["public_key"]


def test_the_service_account_is_derived_from_the_id(account: EmulatedAccount) -> None:
    account.dashboard.add_group("a", "decent_dropsy")
    answer = account.get("/v1/groups/decent_dropsy/service-account")
    assert answer.json["message"] == "Group service account retrieved successfully"
    assert answer.data == {"service_account": "g-decent-dropsy@fivetran-production.iam.gserviceaccount.com"}


def test_a_group_with_members_can_be_deleted(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    account.delete(f"/v1/destinations/{identifier}")
    assert account.delete(f"/v1/groups/{identifier}").status == 200
