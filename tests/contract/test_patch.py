"""Check patches of destinations: merged, removed and refused fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from emulated_account import LAKE, SNOWFLAKE, EmulatedAccount

Make = Callable[..., EmulatedAccount]
QUIET = {"run_setup_tests": False}


def patch(account: EmulatedAccount, identifier: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = account.patch(f"/v1/destinations/{identifier}", {**QUIET, **body})
    assert (answer.status, answer.json["message"]) == (200, "Destination has been updated"), answer
    data: dict[str, Any] = answer.data
    assert account.get(f"/v1/destinations/{identifier}").data == data
    return data


def test_a_patch_changes_only_sent_fields(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE, region="AWS_US_EAST_1")
    before = account.get(f"/v1/destinations/{identifier}").data
    assert patch(account, identifier, {}) == before
    after = patch(account, identifier, {"region": "GCP_AUSTRALIA_SOUTHEAST1", "time_zone_offset": "+10"})
    assert after == {**before, "region": "GCP_AUSTRALIA_SOUTHEAST1", "time_zone_offset": "+10"}


def test_config_merges_key_by_key(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    config = patch(account, identifier, {"config": {"port": 444, "role": "LOADER_ROLE"}})["config"]
    assert config["port"] == "444"
    assert config["role"] == "LOADER_ROLE"
    assert config["host"] == SNOWFLAKE["host"]
    assert account.dashboard.get_destination(identifier).config["password"] == SNOWFLAKE["password"]


def test_a_new_secret_is_stored_and_shown_as_a_mask(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    config = patch(account, identifier, {"config": {"password": "rotated"}})["config"]
    assert config["password"] == "******"
    assert account.dashboard.get_destination(identifier).config["password"] == "rotated"


def test_null_removes_a_config_key(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", {**SNOWFLAKE, "role": "LOADER_ROLE"})
    assert "role" not in patch(account, identifier, {"config": {"role": None}})["config"]


def test_null_for_the_whole_config_changes_nothing(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    before = account.get(f"/v1/destinations/{identifier}").data
    assert patch(account, identifier, {"config": None}) == before


@pytest.mark.parametrize("field", ["port", "is_private_key_encrypted", "auth"])
def test_null_for_a_field_that_cannot_be_emptied_is_refused_or_ignored(
    account_with: Make, field: str
) -> None:
    strict, lenient = account_with(unclearable_null="refused"), account_with()
    refused = strict.patch(
        f"/v1/destinations/{strict.must_create('snowflake', SNOWFLAKE)}", {"config": {field: None}}
    )
    assert (*refused.error, refused.json["message"]) == (400, "InvalidInput", "Invalid 'config' object")
    identifier = lenient.must_create("snowflake", SNOWFLAKE)
    before = lenient.get(f"/v1/destinations/{identifier}").data
    assert patch(lenient, identifier, {"config": {field: None}}) == before


def test_null_in_a_create_leaves_the_field_unset(account: EmulatedAccount) -> None:
    config = account.create_destination("snowflake", {**SNOWFLAKE, "role": None, "port": None}).data["config"]
    assert not {"role", "port"} & config.keys()


@pytest.mark.parametrize(
    "body", [{"time_zone_offset": "99"}, {"region": ""}, {"config": []}, {"config": {"auth": "password"}}]
)
def test_a_patch_is_validated_like_a_create(account: EmulatedAccount, body: dict[str, Any]) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    assert account.patch(f"/v1/destinations/{identifier}", body).error == (400, "InvalidInput")


def test_credentials_must_match_the_effective_method(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    path = f"/v1/destinations/{identifier}"
    assert account.patch(path, {"config": {"private_key": "-----BEGIN"}}).error == (400, "InvalidInput")
    config = patch(account, identifier, {"config": {"auth": "KEY_PAIR", "private_key": "-----BEGIN"}})[
        "config"
    ]
    assert (config["auth"], config["private_key"]) == ("KEY_PAIR", "******")
    assert account.patch(path, {"config": {"password": "p"}}).error == (400, "InvalidInput")


def test_unknown_fields_beside_the_config_are_ignored(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    before = account.get(f"/v1/destinations/{identifier}").data
    assert patch(account, identifier, {"colour": "red", "setup_status": "connected", "name": "x"}) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bucket", "other"),
        ("prefix_path", None),
        ("container_name", "first-time"),
        ("storage_account_name", "x"),
    ],
)
def test_an_immutable_field_is_refused_or_ignored(account_with: Make, field: str, value: str | None) -> None:
    strict, lenient = account_with(), account_with(immutable_change="ignored")
    identifier = strict.must_create("managed_data_lake", LAKE)
    body = {"config": {field: value, "catalog": "main"}}
    assert strict.patch(f"/v1/destinations/{identifier}", body).error == (400, "InvalidInput")
    assert "catalog" not in strict.get(f"/v1/destinations/{identifier}").data["config"]
    identifier = lenient.must_create("managed_data_lake", LAKE)
    before = lenient.get(f"/v1/destinations/{identifier}").data
    after = patch(lenient, identifier, body)
    assert after == {**before, "config": {**before["config"], "catalog": "main"}}


def test_an_immutable_field_may_be_sent_unchanged(account: EmulatedAccount) -> None:
    identifier = account.must_create("managed_data_lake", LAKE)
    assert patch(account, identifier, {"config": LAKE})["config"]["bucket"] == LAKE["bucket"]


@pytest.mark.parametrize(("field", "value"), [("service", "big_query"), ("group_id", "other_group")])
def test_service_and_group_are_ignored_or_refused(account_with: Make, field: str, value: str) -> None:
    lenient, strict = account_with(), account_with(identity_change="refused")
    identifier = lenient.must_create("snowflake", SNOWFLAKE)
    before = lenient.get(f"/v1/destinations/{identifier}").data
    assert patch(lenient, identifier, {field: value}) == before
    identifier = strict.must_create("snowflake", SNOWFLAKE)
    assert strict.patch(f"/v1/destinations/{identifier}", {field: value}).error == (400, "InvalidInput")
    assert (
        patch(strict, identifier, {"service": "snowflake", "group_id": identifier})["service"] == "snowflake"
    )


LINKS = ("private_link_id", "hybrid_deployment_agent_id", "proxy_agent_id", "external_secrets_manager_id")


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize(
    ("switch", "null_clears", "empty_clears"),
    [("null-or-empty", True, True), ("null", True, False), ("empty", False, True)],
)
def test_an_id_is_removed_by_null_or_empty_text(
    account_with: Make, name: str, switch: str, null_clears: bool, empty_clears: bool
) -> None:
    account = account_with(clearing_ids=switch)
    for value, clears in ((None, null_clears), ("", empty_clears)):
        identifier = account.must_create("snowflake", SNOWFLAKE, **{name: "some_id"})
        assert (name in patch(account, identifier, {name: value})) is not clears


@pytest.mark.parametrize("value", [None, ""])
def test_clearing_the_networking_method_restores_the_default(account: EmulatedAccount, value: object) -> None:
    identifier = account.must_create(
        "snowflake", SNOWFLAKE, networking_method="PrivateLink", private_link_id="pl"
    )
    assert patch(account, identifier, {"networking_method": value})["networking_method"] == "Directly"


def test_region_and_time_zone_cannot_be_cleared(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE, region="AWS_US_EAST_1", time_zone_offset="+3")
    data = patch(account, identifier, {"region": None, "time_zone_offset": None})
    assert (data["region"], data["time_zone_offset"]) == ("AWS_US_EAST_1", "+3")


def test_a_patched_agent_hides_and_restores_the_default_region(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    assert "region" not in patch(account, identifier, {"hybrid_deployment_agent_id": "agent"})
    assert patch(account, identifier, {"hybrid_deployment_agent_id": None})["region"] == "GCP_US_EAST4"


def test_a_patched_agent_keeps_the_sent_region(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE, region="AWS_US_EAST_1")
    assert patch(account, identifier, {"hybrid_deployment_agent_id": "agent"})["region"] == "AWS_US_EAST_1"
    assert patch(account, identifier, {"hybrid_deployment_agent_id": None})["region"] == "AWS_US_EAST_1"
