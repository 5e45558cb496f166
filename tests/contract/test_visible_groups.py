"""Check a key that sees a part of the account: other objects are unlisted and refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from emulated_account import SNOWFLAKE, EmulatedAccount
from known_endpoints import CERTIFICATE

from reconciler.emulator.switches import Behaviour

Make = Callable[..., EmulatedAccount]
ANSWERS = {"not-found": 404, "forbidden": 403}


def use_key(account: EmulatedAccount, **switches: str) -> None:
    """Use a key with these switches."""
    account.emulator.behaviour = Behaviour(**switches)


def list_ids(account: EmulatedAccount, collection: str) -> list[str]:
    """List the ids of a collection page by page."""
    ids: list[str] = []
    cursor = ""
    while True:
        data = account.get(f"/v1/{collection}?limit=2{cursor}").data
        ids += [each["id"] for each in data["items"]]
        if "next_cursor" not in data:
            return ids
        cursor = f"&cursor={data['next_cursor']}"


@pytest.fixture
def partly_visible(account: EmulatedAccount) -> tuple[EmulatedAccount, dict[str, str]]:
    """Create six groups with destinations and connections. `mine_…` are visible. Returns the ids by name."""
    names = [f"{owner}_{number}" for number in range(3) for owner in ("mine", "theirs")]
    ids = {
        name: account.must_create("snowflake", SNOWFLAKE, group_id=account.create_group(name))
        for name in names
    }
    for id in ids.values():
        account.dashboard.add_connection(id, "postgres", "shop")
    use_key(account, visible_groups="mine_*")
    return account, ids


@pytest.mark.parametrize("collection", ["groups", "destinations"])
def test_lists_show_only_visible_objects_page_by_page(
    partly_visible: tuple[EmulatedAccount, dict[str, str]], collection: str
) -> None:
    account, ids = partly_visible
    visible = [id for name, id in ids.items() if name.startswith("mine")]
    assert list_ids(account, collection) == visible
    connections = account.get("/v1/connections").data["items"]
    assert [each["group_id"] for each in connections] == visible
    use_key(account)
    assert list_ids(account, collection) == [*ids.values()]
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
def test_a_request_for_a_hidden_group_is_refused_without_effect(
    partly_visible: tuple[EmulatedAccount, dict[str, str]],
    answer: str,
    method: str,
    path: str,
    body: dict[str, str] | None,
) -> None:
    account, ids = partly_visible
    before = account.emulator.dump()
    use_key(account, visible_groups="mine_*", hidden_answer=answer)
    hidden = ids["theirs_0"]
    filled = body and {key: value.replace("{}", hidden) for key, value in body.items()}
    refused = account.send(method, path.format(hidden), filled)
    assert refused.status == ANSWERS[answer]
    assert refused.json["code"].startswith("Forbidden" if answer == "forbidden" else "NotFound_")
    assert account.emulator.dump() == before


def test_a_connection_is_hidden_with_its_group(
    partly_visible: tuple[EmulatedAccount, dict[str, str]],
) -> None:
    account, ids = partly_visible
    hidden = account.dashboard.add_connection(ids["theirs_1"], "github", "code")
    visible = account.dashboard.add_connection(ids["mine_1"], "github", "code")
    assert account.get(f"/v1/connections/{hidden}").error == (404, "NotFound_Connection")
    assert account.delete(f"/v1/connections/{hidden}").status == 404
    assert account.get(f"/v1/connections/{visible}").status == 200


def test_a_missing_object_is_404_if_hidden_groups_are_403(
    partly_visible: tuple[EmulatedAccount, dict[str, str]],
) -> None:
    account, _ = partly_visible
    use_key(account, visible_groups="mine_*", hidden_answer="forbidden")
    for path in ("groups", "destinations", "connections"):
        assert account.get(f"/v1/{path}/no_such").status == 404


def test_a_created_group_with_the_name_of_a_hidden_group_is_visible(
    partly_visible: tuple[EmulatedAccount, dict[str, str]],
) -> None:
    account, ids = partly_visible
    made = account.create_group("theirs_0")
    assert made != ids["theirs_0"]
    assert made in list_ids(account, "groups")
    account.must_create("snowflake", SNOWFLAKE, group_id=made)
    assert made in list_ids(account, "destinations")
    account.delete(f"/v1/destinations/{made}")
    assert account.delete(f"/v1/groups/{made}").status == 200
    account.dashboard.add_group("theirs_0", made)
    assert made not in list_ids(account, "groups"), "a new group with the id of a deleted group is hidden"


@pytest.mark.parametrize(
    ("pattern", "visible"),
    [
        ("all", {"mine_0", "mine_1", "theirs_0", "theirs_1"}),
        ("mine_0, theirs_*", {"mine_0", "theirs_0", "theirs_1"}),
        ("{mine_1}", {"mine_1"}),
        ("100%", {"mine_0", "mine_1", "theirs_0", "theirs_1"}),
        ("0%", set()),
        ("no such group", set()),
    ],
)
def test_visible_groups_are_selected_by_names_ids_and_percentage(
    account: EmulatedAccount, pattern: str, visible: set[str]
) -> None:
    ids = {name: account.create_group(name) for name in ("mine_0", "mine_1", "theirs_0", "theirs_1")}
    use_key(account, visible_groups=pattern.format(**ids) if "{" in pattern else pattern)
    assert {each["name"] for each in account.get("/v1/groups").data["items"]} == visible


def test_a_percentage_selects_a_stable_share_of_the_groups(account: EmulatedAccount) -> None:
    all_ids = [account.create_group(str(number)) for number in range(60)]
    shown = []
    for part in ("30%", "70%", "30%"):
        use_key(account, visible_groups=part)
        shown.append(account.get("/v1/groups?limit=100").data["items"])
    small, large, repeated = shown
    assert small == repeated
    assert 10 <= len(small) <= 26
    assert 34 <= len(large) <= 50
    assert {each["id"] for each in small} < {each["id"] for each in large} < {*all_ids}


def test_a_system_key_has_no_user_id(account_with: Make) -> None:
    user, system = (account_with(key_kind=kind).get("/v1/account/info").data for kind in ("user", "system"))
    assert set(user) == {"account_id", "account_name", "user_id"}
    assert set(system) == {"account_id", "account_name", "system_key_id"}
    assert user["account_id"] == system["account_id"]
