"""Check `/v1/users`, `/v1/teams` and `/v1/webhooks`: what a create and a patch keep."""

from __future__ import annotations

import pytest
from emulated_account import EmulatedAccount
from known_endpoints import INVITED, TEAM, WEBHOOK

from reconciler.emulator.quota import parse_quota

USERS = "/v1/users"


def test_an_invited_user_has_neither_confirmed_nor_logged_in(account: EmulatedAccount) -> None:
    user = account.post(USERS, {**INVITED, "role": "Account Reviewer", "picture": "p.png"}).data
    assert {name: user[name] for name in INVITED} == INVITED
    assert (user["role"], user["picture"]) == ("Account Reviewer", "p.png")
    assert (user["verified"], user["invited"], user["active"]) == (False, True, True)
    assert user["logged_in_at"] is None
    assert user["created_at"]
    assert account.get(f"{USERS}/{user['id']}").data == user
    assert account.get(USERS).data["items"][-1] == user


def test_a_user_may_have_no_role(account: EmulatedAccount) -> None:
    assert account.post(USERS, INVITED).data["role"] is None


def test_an_email_is_unique_in_any_case(account: EmulatedAccount) -> None:
    assert account.post(USERS, INVITED).status == 201
    assert account.post(USERS, {**INVITED, "email": INVITED["email"].upper()}).status == 400


def test_a_patch_changes_what_it_names_and_never_the_email(account: EmulatedAccount) -> None:
    user = account.post(USERS, INVITED).data
    body = {"email": "other@acme.example", "family_name": "Murray", "role": "Destination Creator"}
    patched = account.patch(f"{USERS}/{user['id']}", body).data
    assert patched == {**user, "family_name": "Murray", "role": "Destination Creator"}
    account.post(f"/v1/groups/{account.create_group()}/users", {"email": INVITED["email"], "role": "r"})
    assert account.delete(f"{USERS}/{user['id']}/role").status == 200
    assert account.get(f"{USERS}/{user['id']}").data["role"] is None


def test_a_deleted_user_leaves_all_groups(account: EmulatedAccount) -> None:
    user = account.post(USERS, INVITED).data
    path = f"/v1/groups/{account.create_group()}/users"
    account.post(path, {"email": INVITED["email"], "role": "Destination Reviewer"})
    assert len(account.get(path).data["items"]) == 2
    account.delete(f"{USERS}/{user['id']}")
    assert len(account.get(path).data["items"]) == 1
    again = account.post(USERS, INVITED).data
    assert again["id"] != user["id"]
    assert len(account.get(path).data["items"]) == 1


def test_users_are_filtered_by_activity(account: EmulatedAccount) -> None:
    account.dashboard.add_user("gone@acme.example", active=False)
    account.dashboard.add_user("here@acme.example")
    assert [user["email"] for user in account.get(f"{USERS}?active=false").data["items"]] == [
        "gone@acme.example"
    ]
    assert len(account.get(f"{USERS}?active=true").data["items"]) == 2


def test_invitations_are_limited() -> None:
    account = EmulatedAccount(app={"quota": parse_quota("trial")})
    answers = [account.post(USERS, {**INVITED, "email": f"u{n}@acme.example"}).status for n in range(11)]
    assert answers == [201] * 10 + [429]


def test_a_team_keeps_its_fields(account: EmulatedAccount) -> None:
    team = account.post("/v1/teams", TEAM).data
    assert team == {**TEAM, "id": team["id"]}
    path = f"/v1/teams/{team['id']}"
    assert account.patch(path, {"name": "sales"}).data == {**team, "name": "sales"}
    account.delete(f"{path}/role")
    assert account.get(path).data["role"] is None
    account.delete(path)
    assert account.get("/v1/teams").data["items"] == []


@pytest.mark.parametrize("events", [[], "sync_end", [1]])
def test_a_webhook_needs_events(account: EmulatedAccount, events: object) -> None:
    assert account.post("/v1/webhooks/account", {**WEBHOOK, "events": events}).error == (400, "InvalidInput")


def test_a_webhook_never_shows_its_secret(account: EmulatedAccount) -> None:
    group = account.create_group()
    webhook = account.post(f"/v1/webhooks/group/{group}", {**WEBHOOK, "active": False}).data
    assert (webhook["type"], webhook["group_id"], webhook["active"]) == ("group", group, False)
    assert webhook["secret"] == "******"
    path = f"/v1/webhooks/{webhook['id']}"
    patched = account.patch(path, {"active": True, "secret": "canary", "events": ["sync_start"]}).data
    assert patched == {**webhook, "active": True, "events": ["sync_start"]}
    assert account.post(f"{path}/test", {"event": "sync_end"}).data["succeed"] is False
    account.delete(f"/v1/groups/{group}")
    assert account.get("/v1/webhooks").data["items"] == []


def test_a_membership_of_a_user_in_a_group_is_the_same_from_both_sides(account: EmulatedAccount) -> None:
    user, group = account.post(USERS, INVITED).data["id"], account.create_group()
    memberships = f"{USERS}/{user}/groups"
    created = account.post(memberships, {"id": group, "role": "Destination Reviewer"}).data
    assert (created["id"], created["role"]) == (group, "Destination Reviewer")
    members = account.get(f"/v1/groups/{group}/users").data["items"]
    assert [member["role"] for member in members if member["id"] == user] == ["Destination Reviewer"]
    assert account.patch(f"{memberships}/{group}", {"role": "Destination Analyst"}).data["role"] == (
        "Destination Analyst"
    )
    account.delete(f"/v1/groups/{group}/users/{user}")
    assert account.get(memberships).data["items"] == []


@pytest.mark.parametrize("deleted", ["team", "user", "group", "connection"])
def test_memberships_end_with_either_object(account: EmulatedAccount, deleted: str) -> None:
    group = account.create_group()
    ids = {
        "user": account.post(USERS, INVITED).data["id"],
        "team": account.post("/v1/teams", TEAM).data["id"],
        "group": account.create_group(),
        "connection": account.dashboard.add_connection(group, "postgres", "shop"),
    }
    pairs = [("team", "user"), ("team", "group"), ("team", "connection")]
    pairs += [("user", "group"), ("user", "connection")]
    for above, below in pairs:
        body = {"user_id" if below == "user" else "id": ids[below], "role": "r"}
        assert account.post(f"/v1/{above}s/{ids[above]}/{below}s", body).status == 201
    assert account.delete(f"/v1/{deleted}s/{ids[deleted]}").status == 200
    for above, below in pairs:
        listed = account.get(f"/v1/{above}s/{ids[above]}/{below}s")
        if above == deleted:
            assert listed.status == 404
        else:
            assert len(listed.data["items"]) == (below != deleted), (above, below)
