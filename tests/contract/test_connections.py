"""Check `/v1/connections`: what a create and a patch keep, and what a connection blocks."""

from __future__ import annotations

from typing import Any

import pytest
from emulated_account import SNOWFLAKE, EmulatedAccount
from known_endpoints import FINGERPRINT

CONNECTIONS = "/v1/connections"


def create(account: EmulatedAccount, group: str, **changes: Any) -> dict[str, Any]:
    """Create a connection without setup tests. Returns its details."""
    body = {"group_id": group, "service": "postgres", "config": {"schema_prefix": "shop"}}
    answer = account.post(CONNECTIONS, {**body, "run_setup_tests": False, **changes})
    assert answer.status == 201, answer
    data: dict[str, Any] = answer.data
    return data


def test_a_new_connection_has_defaults_and_hides_its_secrets(account: EmulatedAccount) -> None:
    group = account.create_group()
    config = {"schema": "itunes", "username": "loader", "password": "canary"}
    created = create(account, group, service="itunes_connect", config=config)
    assert created["connected_by"] == account.get("/v1/account/info").data["user_id"]
    assert {name: created[name] for name in ("group_id", "service", "schema", "paused")} == {
        "group_id": group,
        "service": "itunes_connect",
        "schema": "itunes",
        "paused": False,
    }
    assert (created["sync_frequency"], created["schedule_type"]) == (360, "auto")
    assert created["networking_method"] == "Directly"
    assert created["status"] == {
        "setup_state": "incomplete",
        "sync_state": "scheduled",
        "update_state": "on_schedule",
        "is_historical_sync": True,
        "tasks": [],
        "warnings": [],
    }
    assert created["config"] == {**config, "password": "******"}
    path = f"{CONNECTIONS}/{created['id']}"
    assert account.get(path).data == created
    listed = {name: value for name, value in created.items() if name != "config"}
    assert account.get(CONNECTIONS).data["items"] == [listed]
    assert account.get(f"/v1/groups/{group}/connections").data["items"] == [listed]


@pytest.mark.parametrize(
    ("config", "schema"),
    [
        ({"schema": "crm"}, "crm"),
        ({"schema_prefix": "shop"}, "shop"),
        ({"schema": "sheets", "table": "budget"}, "sheets.budget"),
        ({"schema": "files", "table_group_name": "daily"}, "files.daily"),
    ],
)
def test_the_schema_follows_the_config(account: EmulatedAccount, config: Any, schema: str) -> None:
    group = account.create_group()
    assert create(account, group, config=config)["schema"] == schema
    assert len(account.get(f"/v1/groups/{group}/connections?schema={schema}").data["items"]) == 1


def test_a_schema_is_unique_in_a_group_only(account: EmulatedAccount) -> None:
    first, second = account.create_group(), account.create_group()
    create(account, first)
    create(account, second)
    body = {"group_id": first, "service": "mysql", "config": {"schema": "shop"}}
    assert account.post(CONNECTIONS, body).error == (409, "Conflict")


@pytest.mark.parametrize("sent", [{}, {"run_setup_tests": True}])
def test_setup_tests_run_unless_declined(account: EmulatedAccount, sent: dict[str, Any]) -> None:
    body = {"group_id": account.create_group(), "service": "postgres", "config": {"schema": "shop"}}
    created = account.post(CONNECTIONS, {**body, **sent}).data
    assert created["status"]["setup_state"] == "connected"
    assert [test["status"] for test in created["setup_tests"]] == ["PASSED"]
    shown = account.get(f"{CONNECTIONS}/{created['id']}").data
    assert shown["status"]["setup_state"] == "connected"
    assert "setup_tests" not in shown


def test_setup_tests_can_run_later(account: EmulatedAccount) -> None:
    path = f"{CONNECTIONS}/{create(account, account.create_group())['id']}"
    assert account.patch(path, {"run_setup_tests": False}).data["status"]["setup_state"] == "incomplete"
    assert account.post(f"{path}/test").data["status"]["setup_state"] == "connected"


def test_a_patch_merges_and_keeps_group_service_and_schema(account: EmulatedAccount) -> None:
    group, other = account.create_group(), account.create_group()
    created = create(
        account, group, private_link_id="some_link", sync_frequency="60", daily_sync_time="03:00"
    )
    assert (created["sync_frequency"], created["private_link_id"]) == (60, "some_link")
    path = f"{CONNECTIONS}/{created['id']}"
    body = {
        "config": {"host": "db.acme.example", "schema_prefix": "other"},
        "group_id": other,
        "service": "mysql",
        "paused": "true",
        "sync_frequency": 1440,
        "private_link_id": None,
        "run_setup_tests": False,
    }
    patched = account.patch(path, body).data
    assert patched["config"] == {"schema_prefix": "other", "host": "db.acme.example"}
    assert (patched["group_id"], patched["service"], patched["schema"]) == (group, "postgres", "shop")
    assert (patched["paused"], patched["status"]["sync_state"]) == (True, "paused")
    assert (patched["sync_frequency"], patched["daily_sync_time"]) == (1440, "03:00")
    assert "private_link_id" not in patched
    assert account.get(path).data == patched
    resumed = account.patch(path, {"paused": False, "run_setup_tests": False}).data
    assert resumed["status"]["sync_state"] == "scheduled"


def test_a_connection_blocks_the_deletion_of_group_and_destination(account: EmulatedAccount) -> None:
    group = account.must_create("snowflake", SNOWFLAKE)
    created = create(account, group)
    assert account.delete(f"/v1/destinations/{group}").status == 409
    assert account.delete(f"/v1/groups/{group}").status == 409
    account.delete(f"{CONNECTIONS}/{created['id']}")
    assert account.delete(f"/v1/destinations/{group}").status == 200
    assert account.delete(f"/v1/groups/{group}").status == 200


def test_a_connection_counts_as_a_user_of_its_proxy(account: EmulatedAccount) -> None:
    body = {"display_name": "gate", "group_region": "GCP_US_EAST4"}
    proxy = account.post("/v1/proxy", body).data["agent_id"]
    created = create(account, account.create_group(), networking_method="ProxyAgent", proxy_agent_id=proxy)
    assert account.get("/v1/proxy").data["items"][0]["connector_count"] == 1
    assert account.delete(f"/v1/proxy/{proxy}").error == (409, "Conflict")
    account.delete(f"{CONNECTIONS}/{created['id']}")
    assert account.delete(f"/v1/proxy/{proxy}").status == 200


def test_another_networking_method_ends_the_use_of_a_proxy(account: EmulatedAccount) -> None:
    method = {"networking_method": "ProxyAgent", "proxy_agent_id": "gate"}
    path = f"{CONNECTIONS}/{create(account, account.create_group(), **method)['id']}"
    assert account.patch(path, {"networking_method": "ProxyAgent"}).data["proxy_agent_id"] == "gate"
    assert account.patch(path, {"paused": True}).data["proxy_agent_id"] == "gate"
    patched = account.patch(path, {"networking_method": "SshTunnel"}).data
    assert patched["networking_method"] == "SshTunnel"
    assert "proxy_agent_id" not in patched


def test_approvals_belong_to_one_connection(account: EmulatedAccount) -> None:
    """The connection has the id of a destination, and its own approvals all the same."""
    group = account.must_create("snowflake", SNOWFLAKE)
    for name in (group, "other_connection"):
        account.emulator.dashboard.add_connection(group, "postgres", name, identifier=name)
    path = f"{CONNECTIONS}/{group}/fingerprints"
    approved = account.post(path, FINGERPRINT).data
    assert account.get(path).data["items"] == [approved]
    for other in (f"{CONNECTIONS}/other_connection", f"/v1/destinations/{group}"):
        assert account.get(f"{other}/fingerprints").data["items"] == []
    account.delete(f"{CONNECTIONS}/{group}")
    account.emulator.dashboard.add_connection(group, "postgres", "again", identifier=group)
    assert account.get(path).data["items"] == []


def test_writes_are_effects_in_the_history(account: EmulatedAccount) -> None:
    identifier = create(account, account.create_group())["id"]
    account.patch(f"{CONNECTIONS}/{identifier}", {"paused": True})
    account.delete(f"{CONNECTIONS}/{identifier}")
    effects = [str(effect) for entry in account.emulator.read_history() for effect in entry.effects][1:]
    assert effects == [
        f"{verb} connection {identifier}" for verb in ("created", "updated", "tested", "deleted")
    ]
