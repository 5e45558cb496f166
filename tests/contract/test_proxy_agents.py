"""Check `/v1/proxy`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from emulated_account import SNOWFLAKE, EmulatedAccount

Make = Callable[..., EmulatedAccount]
PROXIES = "/v1/proxy"
BODY = {"display_name": "gate", "group_region": "GCP_US_EAST4"}


def _create_proxy(account: EmulatedAccount, **changes: Any) -> str:
    return str(account.post(PROXIES, {**BODY, **changes}).data["agent_id"])


def test_a_new_proxy_is_answered_with_its_secrets(account: EmulatedAccount) -> None:
    answer = account.post(PROXIES, BODY)
    assert (answer.status, answer.json["message"]) == (201, "Proxy agent has been created")
    assert answer.data.keys() == {
        "agent_id",
        "auth_token",
        "client_cert",
        "client_private_key",
        "orchestrator_host",
        "orchestrator_port",
    }


@pytest.mark.parametrize("code", ["Success", "Created"])
def test_the_code_of_a_creation_varies(account_with: Make, code: str) -> None:
    assert account_with(created_code=code).post(PROXIES, BODY).json["code"] == code


def test_secrets_are_never_shown_again(account: EmulatedAccount) -> None:
    proxy = _create_proxy(account)
    shown = account.get(f"{PROXIES}/{proxy}").data
    assert shown["display_name"] == "gate"
    assert shown["region"] == "GCP_US_EAST4"
    assert shown["account_id"] == account.dashboard.identity.account_id
    assert shown["status"] == "NOT_CONNECTED"
    assert not {"auth_token", "client_cert", "client_private_key"} & set(shown)


def test_secrets_can_be_regenerated(account: EmulatedAccount) -> None:
    first = account.post(PROXIES, BODY).data
    answer = account.post(f"{PROXIES}/{first['agent_id']}/regenerate-secrets")
    assert answer.json["message"] == "Proxy agent secrets have been regenerated"
    for name in ("auth_token", "client_cert", "client_private_key"):
        assert answer.data[name] != first[name]


def test_users_are_counted_and_named(account: EmulatedAccount) -> None:
    proxy = _create_proxy(account)
    fields = {"networking_method": "ProxyAgent", "proxy_agent_id": proxy}
    destination = account.must_create("snowflake", SNOWFLAKE, **fields)
    connection = account.dashboard.add_connection(destination, "postgres", "shop", proxy_agent_id=proxy)
    (listed,) = account.get(PROXIES).data["items"]
    assert (listed["connector_count"], listed["destination_count"]) == (1, 1)
    assert account.get(f"{PROXIES}/{proxy}").data["usage"] == [
        {"connection_id": connection, "schema": "shop", "service": "postgres"},
        {"connection_id": destination, "schema": None, "service": "snowflake"},
    ]
    assert account.get(f"{PROXIES}/{proxy}/connections").data["items"] == [{"connection_id": connection}]


def test_a_proxy_in_use_cannot_be_deleted(account: EmulatedAccount) -> None:
    proxy = _create_proxy(account)
    destination = account.must_create("snowflake", SNOWFLAKE, proxy_agent_id=proxy)
    refused = account.delete(f"{PROXIES}/{proxy}")
    assert refused.error == (409, "Conflict")
    assert refused.json["message"] == "Proxy agent have attached connections."
    account.patch(f"/v1/destinations/{destination}", {"proxy_agent_id": ""})
    assert account.delete(f"{PROXIES}/{proxy}").json["message"] == f"Agent {proxy} successfully deleted."
    assert account.get(f"{PROXIES}/{proxy}").error == (404, "NotFound")


def test_names_are_unique(account: EmulatedAccount) -> None:
    _create_proxy(account)
    answer = account.post(PROXIES, BODY)
    assert answer.error == (409, "Conflict")
    assert answer.json["message"] == "Proxy agent with same name already exists."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"display_name": None}, "Field 'display_name' is required"),
        ({"group_region": None}, "Field 'group_region' is required"),
        ({"group_region": "MARS"}, "Group region not supported."),
    ],
)
def test_a_proxy_with_an_invalid_body_is_refused(
    account: EmulatedAccount, changes: dict[str, Any], message: str
) -> None:
    answer = account.post(PROXIES, {**BODY, **changes})
    assert answer.error == (400, "InvalidInput")
    assert answer.json["message"] == message


def test_proxies_accept_regions_that_destinations_refuse(account: EmulatedAccount) -> None:
    assert _create_proxy(account, group_region="AWS_EU_NORTH_1")


def test_a_missing_proxy_has_the_generic_code(account: EmulatedAccount) -> None:
    for answer in (
        account.get(f"{PROXIES}/no_such"),
        account.delete(f"{PROXIES}/no_such"),
        account.get(f"{PROXIES}/no_such/connections"),
        account.post(f"{PROXIES}/no_such/regenerate-secrets"),
    ):
        assert answer.error == (404, "NotFound")
        assert answer.json["message"] == "Proxy Agent not found."
