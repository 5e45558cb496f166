"""Check values that the server changes in its answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from emulated_account import LAKE, POSTGRES, SNOWFLAKE, EmulatedAccount

Make = Callable[..., EmulatedAccount]
DATABRICKS = {"server_host_name": "acme.cloud.databricks.com", "http_path": "/sql", "cloud_provider": "AZURE"}
LINKED = {"networking_method": "PrivateLink", "private_link_id": "decent_dropsy"}
REDSHIFT = {"host": "db", "auth_type": "IAM", "cluster_id": "c-1", "cluster_region": "us-east-1"}


def _read(account: EmulatedAccount, identifier: str) -> Any:
    return account.get(f"/v1/destinations/{identifier}").data


def _patch_region(account: EmulatedAccount, identifier: str) -> Any:
    return account.patch(f"/v1/destinations/{identifier}", {"region": "AWS_US_EAST_1"}).data


@pytest.mark.parametrize(
    ("switch", "host"),
    [
        ("rewritten", "decent-dropsy.privatelink.fivetran.example"),
        ("echoed", "acme.cloud.databricks.com"),
    ],
)
def test_a_private_link_may_rewrite_the_host(account_with: Make, switch: str, host: str) -> None:
    account = account_with(private_link_host=switch)
    identifier = account.must_create("databricks", DATABRICKS, **LINKED)
    assert _read(account, identifier)["config"]["server_host_name"] == host
    assert (
        account.dashboard.get_destination(identifier).config["server_host_name"]
        == "acme.cloud.databricks.com"
    )


def test_the_host_is_rewritten_only_for_databricks_with_a_private_link(account: EmulatedAccount) -> None:
    direct = account.must_create("databricks", DATABRICKS, private_link_id="decent_dropsy")
    assert _read(account, direct)["config"]["server_host_name"] == "acme.cloud.databricks.com"
    lake = account.must_create("managed_data_lake", {**LAKE, "server_host_name": "own"}, **LINKED)
    assert _read(account, lake)["config"]["server_host_name"] == "own"


def test_the_rewritten_host_is_the_host_of_the_link(account: EmulatedAccount) -> None:
    link = account.post(
        "/v1/private-links", {"name": "l", "region": "AWS_US_EAST_1", "service": "DATABRICKS_AWS"}
    ).data["id"]
    account.dashboard.finish_private_link(link)
    identifier = account.must_create("databricks", DATABRICKS, **{**LINKED, "private_link_id": link})
    host = account.get(f"/v1/private-links/{link}").data["host"]
    assert _read(account, identifier)["config"]["server_host_name"] == host


@pytest.mark.parametrize(("switch", "cloud"), [("echoed", "AZURE"), ("aws-behind-link", "AWS")])
def test_databricks_behind_a_link_may_be_answered_as_aws(account_with: Make, switch: str, cloud: str) -> None:
    account = account_with(cloud_provider=switch)
    linked = account.must_create("databricks", DATABRICKS, **LINKED)
    assert _read(account, linked)["config"]["cloud_provider"] == cloud
    direct = account.must_create("databricks", DATABRICKS)
    assert _read(account, direct)["config"]["cloud_provider"] == "AZURE"


@pytest.mark.parametrize(("switch", "cluster"), [("null", None), ("kept", "c-1")])
def test_a_patch_may_hide_the_cluster(account_with: Make, switch: str, cluster: str | None) -> None:
    account = account_with(cluster_id_after_update=switch)
    identifier = account.must_create("redshift", REDSHIFT)
    assert _read(account, identifier)["config"]["cluster_id"] == "c-1"
    assert _patch_region(account, identifier)["config"]["cluster_id"] == cluster
    assert _read(account, identifier)["config"]["cluster_id"] == cluster
    assert account.dashboard.get_destination(identifier).config["cluster_id"] == "c-1"


def test_a_patch_never_hides_the_cluster_with_a_password(account: EmulatedAccount) -> None:
    identifier = account.must_create("redshift", {"host": "db", "auth_type": "PASSWORD"})
    account.dashboard.change_destination(identifier, config={"cluster_id": "c-1"})
    assert _patch_region(account, identifier)["config"]["cluster_id"] == "c-1"


@pytest.mark.parametrize("ids", ["absent", "null"])
@pytest.mark.parametrize("switch", ["kept", "null"])
def test_a_patch_may_hide_the_agent(account_with: Make, switch: str, ids: str) -> None:
    account = account_with(agent_id_after_update=switch, optional_ids=ids)
    identifier = account.must_create("snowflake", SNOWFLAKE, hybrid_deployment_agent_id="agent")
    assert _read(account, identifier)["hybrid_deployment_agent_id"] == "agent"
    data = account.patch(f"/v1/destinations/{identifier}", {"time_zone_offset": "+1"}).data
    shown = "agent" if switch == "kept" else None
    assert data.get("hybrid_deployment_agent_id") == data.get("local_processing_agent_id") == shown
    assert "region" not in data


@pytest.mark.parametrize("ids", ["absent", "null"])
def test_an_unset_networking_method_may_be_absent(account_with: Make, ids: str) -> None:
    account = account_with(unchosen_networking="left-out", optional_ids=ids)
    data = _read(account, account.must_create("snowflake", SNOWFLAKE))
    assert ("networking_method" in data) == (ids == "null")
    assert data.get("networking_method") is None
    chosen = account.must_create("snowflake", SNOWFLAKE, networking_method="Directly")
    assert _read(account, chosen)["networking_method"] == "Directly"


def test_an_unset_networking_method_may_get_a_default(account_with: Make) -> None:
    account = account_with(unchosen_networking="filled")
    assert account.create_destination("snowflake", SNOWFLAKE).data["networking_method"] == "Directly"


@pytest.mark.parametrize(("switch", "method"), [("echoed", "SshTunnel"), ("directly", "Directly")])
def test_a_tunnel_may_be_answered_as_direct(account_with: Make, switch: str, method: str) -> None:
    account = account_with(tunnel_networking=switch)
    data = account.create_destination("postgres_warehouse", POSTGRES, networking_method="SshTunnel").data
    assert data["networking_method"] == method
    assert account.get("/v1/destinations").data["items"][0]["networking_method"] == method
    linked = account.create_destination("postgres_warehouse", POSTGRES, **LINKED).data
    assert linked["networking_method"] == "PrivateLink"


def test_networking_method_and_connection_type_may_disagree(account_with: Make) -> None:
    account = account_with(networking_and_connection_type="independent")
    data = account.create_destination("managed_data_lake", {**LAKE, "connection_type": "PrivateLink"}).data
    assert (data["networking_method"], data["config"]["connection_type"]) == ("Directly", "PRIVATE_LINK")
    data = account.create_destination("snowflake", SNOWFLAKE, networking_method="PrivateLink").data
    assert (data["networking_method"], data["config"]["connection_type"]) == ("PrivateLink", "Directly")


def test_networking_method_and_connection_type_may_agree(account_with: Make) -> None:
    account = account_with(networking_and_connection_type="aligned")
    data = account.create_destination("managed_data_lake", {**LAKE, "connection_type": "PrivateLink"}).data
    assert (data["networking_method"], data["config"]["connection_type"]) == ("PrivateLink", "PRIVATE_LINK")
    assert account.get("/v1/destinations").data["items"][0]["networking_method"] == "PrivateLink"
    data = account.create_destination("snowflake", SNOWFLAKE, networking_method="PrivateLink").data
    assert (data["networking_method"], data["config"]["connection_type"]) == ("PrivateLink", "PrivateLink")


UNITY, ONE_LAKE = "should_maintain_tables_in_databricks", "should_maintain_tables_in_one_lake"


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        ({}, False),
        ({"should_write_delta": True}, True),
        ({"should_write_delta": False, UNITY: False}, False),
        ({"should_write_delta": False, UNITY: True}, True),
        ({ONE_LAKE: True}, True),
    ],
)
def test_a_managed_lake_with_a_delta_catalogue_writes_delta(
    account: EmulatedAccount, config: dict[str, bool], shown: bool
) -> None:
    identifier = account.must_create("managed_data_lake", {**LAKE, **config})
    assert _read(account, identifier)["config"]["should_write_delta"] is shown


def test_a_lake_stops_writing_delta_when_its_catalogue_goes(account: EmulatedAccount) -> None:
    identifier = account.must_create("managed_data_lake", {**LAKE, UNITY: True})
    data = account.patch(f"/v1/destinations/{identifier}", {"config": {UNITY: False}}).data
    assert data["config"]["should_write_delta"] is False


def test_databricks_through_a_lake_always_writes_delta(account: EmulatedAccount) -> None:
    identifier = account.must_create("databricks_via_managed_data_lake", {"should_write_delta": False})
    assert _read(account, identifier)["config"]["should_write_delta"] is True
