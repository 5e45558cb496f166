"""A key that sees a part of the account: lists leave the rest out, and requests about it are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from emulated_account import SNOWFLAKE, EmulatedAccount
from known_endpoints import CERTIFICATE

from reconciler.emulator.switches import Behaviour

Make = Callable[..., EmulatedAccount]
ANSWERS = {"not-found": 404, "forbidden": 403}


def narrowed(account: EmulatedAccount, **switches: str) -> None:
    """Another key from now on."""
    account.emulator.behaviour = Behaviour(**switches)


def listed(account: EmulatedAccount, collection: str) -> list[str]:
    """What any client lists, page by page."""
    ids: list[str] = []
    onward = ""
    while True:
        data = account.get(f"/v1/{collection}?limit=2{onward}").data
        ids += [each["id"] for each in data["items"]]
        if "next_cursor" not in data:
            return ids
        onward = f"&cursor={data['next_cursor']}"


@pytest.fixture
def half_seen(account: EmulatedAccount) -> tuple[EmulatedAccount, dict[str, str]]:
    """Six groups with everything in them, and their ids by name; `mine_…` are seen."""
    names = [f"{owner}_{number}" for number in range(3) for owner in ("mine", "theirs")]
    ids = {
        name: account.must_create("snowflake", SNOWFLAKE, group_id=account.create_group(name))
        for name in names
    }
    for id in ids.values():
        account.dashboard.add_connection(id, "postgres", "shop")
    narrowed(account, visible_groups="mine_*")
    return account, ids


@pytest.mark.parametrize("collection", ["groups", "destinations"])
def test_lists_show_what_the_key_sees_page_by_page(
    half_seen: tuple[EmulatedAccount, dict[str, str]], collection: str
) -> None:
    account, ids = half_seen
    seen = [id for name, id in ids.items() if name.startswith("mine")]
    assert listed(account, collection) == seen
    connections = account.get("/v1/connections").data["items"]
    assert [each["group_id"] for each in connections] == seen
    narrowed(account)
    assert listed(account, collection) == [*ids.values()]
    assert len(account.get("/v1/connections").data["items"]) == 6


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/groups/{}", None),
        ("PATCH", "/v1/groups/{}", {"name": "other"}),
        ("DELETE", "/v1/groups/{}", None),
        ("GET", "/v1/groups/{}/users", None),
        ("GET", "/v1/groups/{}/connections", None),
        ("GET", "/v1/groups/{}/public-key", None),
        ("GET", "/v1/destinations/{}", None),
        ("PATCH", "/v1/destinations/{}", {"time_zone_offset": "+1"}),
        ("DELETE", "/v1/destinations/{}", None),
        ("POST", "/v1/destinations/{}/test", {}),
        ("GET", "/v1/destinations/{}/certificates", None),
        ("POST", "/v1/certificates", {"destination_id": "{}", **CERTIFICATE}),
        ("POST", "/v1/destinations", {"group_id": "{}", "service": "snowflake", "time_zone_offset": "0"}),
    ],
)
def test_a_request_about_a_hidden_group_is_refused_and_changes_nothing(
    half_seen: tuple[EmulatedAccount, dict[str, str]],
    answer: str,
    method: str,
    path: str,
    body: dict[str, str] | None,
) -> None:
    account, ids = half_seen
    before = account.emulator.dump()
    narrowed(account, visible_groups="mine_*", hidden_answer=answer)
    hidden = ids["theirs_0"]
    filled = body and {key: value.replace("{}", hidden) for key, value in body.items()}
    refused = account.send(method, path.format(hidden), filled)
    assert refused.status == ANSWERS[answer]
    assert refused.json["code"].startswith("Forbidden" if answer == "forbidden" else "NotFound_")
    assert account.emulator.dump() == before


def test_a_connection_is_hidden_with_its_group(half_seen: tuple[EmulatedAccount, dict[str, str]]) -> None:
    account, ids = half_seen
    hidden = account.dashboard.add_connection(ids["theirs_1"], "github", "code")
    seen = account.dashboard.add_connection(ids["mine_1"], "github", "code")
    assert account.get(f"/v1/connections/{hidden}").error == (404, "NotFound_Connection")
    assert account.delete(f"/v1/connections/{hidden}").status == 404
    assert account.get(f"/v1/connections/{seen}").status == 200


def test_what_does_not_exist_is_missing_whatever_the_answer_about_hidden_groups(
    half_seen: tuple[EmulatedAccount, dict[str, str]],
) -> None:
    account, _ = half_seen
    narrowed(account, visible_groups="mine_*", hidden_answer="forbidden")
    for path in ("groups", "destinations", "connections"):
        assert account.get(f"/v1/{path}/no_such").status == 404


def test_the_key_sees_what_it_makes_also_under_the_name_of_a_hidden_group(
    half_seen: tuple[EmulatedAccount, dict[str, str]],
) -> None:
    account, ids = half_seen
    made = account.create_group("theirs_0")
    assert made != ids["theirs_0"]
    assert made in listed(account, "groups")
    account.must_create("snowflake", SNOWFLAKE, group_id=made)
    assert made in listed(account, "destinations")
    account.delete(f"/v1/destinations/{made}")
    assert account.delete(f"/v1/groups/{made}").status == 200
    account.dashboard.add_group("theirs_0", made)
    assert made not in listed(account, "groups"), "another group with the id of one that was made by the key"


@pytest.mark.parametrize(
    ("chosen", "seen"),
    [
        ("all", {"mine_0", "mine_1", "theirs_0", "theirs_1"}),
        ("mine_0, theirs_*", {"mine_0", "theirs_0", "theirs_1"}),
        ("{mine_1}", {"mine_1"}),
        ("100%", {"mine_0", "mine_1", "theirs_0", "theirs_1"}),
        ("0%", set()),
        ("no such group", set()),
    ],
)
def test_groups_are_chosen_by_names_and_ids_and_parts(
    account: EmulatedAccount, chosen: str, seen: set[str]
) -> None:
    ids = {name: account.create_group(name) for name in ("mine_0", "mine_1", "theirs_0", "theirs_1")}
    narrowed(account, visible_groups=chosen.format(**ids) if "{" in chosen else chosen)
    assert {each["name"] for each in account.get("/v1/groups").data["items"]} == seen


def test_a_part_is_about_that_part_and_always_the_same(account: EmulatedAccount) -> None:
    everything = [account.create_group(str(number)) for number in range(60)]
    shown = []
    for part in ("30%", "70%", "30%"):
        narrowed(account, visible_groups=part)
        shown.append(account.get("/v1/groups?limit=100").data["items"])
    few, many, again = shown
    assert few == again
    assert 10 <= len(few) <= 26
    assert 34 <= len(many) <= 50
    assert {each["id"] for each in few} < {each["id"] for each in many} < {*everything}


def test_a_system_key_is_no_users(account_with: Make) -> None:
    user, system = (account_with(key_kind=kind).get("/v1/account/info").data for kind in ("user", "system"))
    assert set(user) == {"account_id", "account_name", "user_id"}
    assert set(system) == {"account_id", "account_name", "system_key_id"}
    assert user["account_id"] == system["account_id"]
