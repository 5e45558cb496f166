"""Check the normalisation of sent values in answers: masks, types, defaults, renamed and added keys."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from emulated_account import BIG_QUERY, LAKE, POSTGRES, SNOWFLAKE, EmulatedAccount

from reconciler.catalogue.load import load_service, load_service_names

Make = Callable[..., EmulatedAccount]


def create_and_read_config(
    account: EmulatedAccount, service: str, config: dict[str, Any], **fields: Any
) -> dict[str, Any]:
    created = account.create_destination(service, config, **fields)
    assert created.status == 201, created
    read: dict[str, Any] = account.get(f"/v1/destinations/{created.data['id']}").data["config"]
    assert read == created.data["config"]
    return read


@pytest.mark.parametrize("port", [443, "443"])
@pytest.mark.parametrize("service", ["snowflake", "postgres_warehouse", "redshift", "oracle_warehouse"])
def test_ports_of_databases_are_answered_as_text(
    account: EmulatedAccount, service: str, port: object
) -> None:
    assert create_and_read_config(account, service, {"host": "h", "port": port})["port"] == "443"


@pytest.mark.parametrize("port", [444, "444"])
@pytest.mark.parametrize("service", ["managed_data_lake", "new_s3_datalake"])
def test_ports_of_lakes_are_answered_as_numbers(account: EmulatedAccount, service: str, port: object) -> None:
    assert create_and_read_config(account, service, {"port": port})["port"] == 444


@pytest.mark.parametrize("port", [22, "22"])
def test_tunnel_ports_are_answered_as_text(account: EmulatedAccount, port: object) -> None:
    config = {**POSTGRES, "connection_type": "SshTunnel", "tunnel_port": port}
    assert create_and_read_config(account, "postgres_warehouse", config)["tunnel_port"] == "22"


@pytest.mark.parametrize("value", [True, "true", "True"])
def test_some_booleans_are_answered_as_text(account: EmulatedAccount, value: object) -> None:
    assert (
        create_and_read_config(account, "databricks", {"create_external_tables": value})[
            "create_external_tables"
        ]
        == "true"
    )
    assert (
        create_and_read_config(account, "snowflake", {"is_private_key_encrypted": value})[
            "is_private_key_encrypted"
        ]
        is True
    )
    assert (
        create_and_read_config(account, "big_query", {"support_json_type": value})["support_json_type"]
        is True
    )


@pytest.mark.parametrize(
    ("sent", "shown"),
    [("Directly", "DIRECTLY"), ("PrivateLink", "PRIVATE_LINK"), ("SshTunnel", "SSH_TUNNEL")],
)
def test_lakes_answer_connection_types_in_upper_case(account: EmulatedAccount, sent: str, shown: str) -> None:
    config = create_and_read_config(account, "managed_data_lake", {**LAKE, "connection_type": sent})
    assert config["connection_type"] == shown
    databricks = create_and_read_config(
        account, "managed_data_lake", {**LAKE, "databricks_connection_type": sent}
    )
    assert databricks["databricks_connection_type"] == shown


def test_databases_echo_connection_types(account: EmulatedAccount) -> None:
    config = create_and_read_config(
        account, "postgres_warehouse", {**POSTGRES, "connection_type": "PrivateLink"}
    )
    assert config["connection_type"] == "PrivateLink"


def test_the_connection_type_is_independent_of_the_networking_method(account: EmulatedAccount) -> None:
    data = account.create_destination("managed_data_lake", {**LAKE, "connection_type": "PrivateLink"}).data
    assert (data["networking_method"], data["config"]["connection_type"]) == ("Directly", "PRIVATE_LINK")


def test_a_lake_shows_its_defaults_and_its_catalogue(account: EmulatedAccount) -> None:
    created = account.create_destination(
        "managed_data_lake", {key: LAKE[key] for key in ("bucket", "region")}
    )
    config = created.data["config"]
    expected = {
        "storage_provider": "AWS",
        "snapshot_retention_period": "ONE_WEEK",
        "port": 443,
        "auth_type": "OAUTH2",
        "databricks_connection_type": "DIRECTLY",
        "should_maintain_tables_in_databricks": False,
        "should_maintain_tables_in_one_lake": False,
        "should_maintain_tables_in_glue": False,
        "should_maintain_tables_in_bqms": False,
        "external_id": created.data["id"],
    }
    assert {key: config[key] for key in expected} == expected
    polaris = config["polaris_catalog_configuration"]
    assert set(polaris) == {"polarisServerEndpoint", "polarisCatalog", "clientId", "clientSecret"}
    assert (polaris["polarisCatalog"], polaris["clientSecret"]) == (created.data["id"], "********")


def test_only_lakes_on_aws_have_an_external_id(account: EmulatedAccount) -> None:
    assert (
        create_and_read_config(account, "managed_data_lake", {"storage_provider": "ADLS"})["external_id"]
        == ""
    )


@pytest.mark.parametrize(
    ("service", "field", "value"),
    [("postgres_warehouse", "auth_method", "PASSWORD"), ("redshift", "auth_type", "PASSWORD")],
)
def test_authentication_methods_have_a_default(
    account: EmulatedAccount, service: str, field: str, value: str
) -> None:
    assert create_and_read_config(account, service, {"host": "h"})[field] == value


@pytest.mark.parametrize(
    ("service", "field"),
    [
        (name, field.name)
        for name in load_service_names()
        for field in (load_service(name)).fields.values()  # type: ignore[union-attr]
        if field.sensitive and field.type == "string" and not field.read_only
    ],
)
def test_a_secret_is_masked_if_set_and_absent_if_unset(account_with: Make, service: str, field: str) -> None:
    account = account_with(unmarked_secrets="masked")
    described = load_service(service)
    assert described is not None
    settings = {name: allowed[0] for name, allowed in (described.fields[field].only_when or {}).items()}
    config = create_and_read_config(account, service, {**settings, field: "canary-4711"})
    assert set(config[field]) == {"*"}
    assert len(config[field]) == 6
    assert field not in create_and_read_config(account, service, settings)


def test_a_secret_without_a_mark_in_the_definition_is_shown(account: EmulatedAccount) -> None:
    for service in ("snowflake", "azure_sql_data_warehouse"):
        config = create_and_read_config(account, service, {"host": "h", "storage_account_key": "canary-4711"})
        assert config["storage_account_key"] == "canary-4711"
    key = {"private_key": "canary-4712"}
    config = create_and_read_config(
        account, "snowflake", {"host": "h", "gcs_service_account_credentials": key}
    )
    assert config["gcs_service_account_credentials"] == key
    config = create_and_read_config(account, "databricks", {"storage_account_key": "canary-4713"})
    assert config["storage_account_key"] == "******"


def test_a_sent_mask_becomes_the_secret(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    account.patch(f"/v1/destinations/{identifier}", {"config": {"password": "******"}})
    assert account.dashboard.get_destination(identifier).config["password"] == "******"


def test_big_query_answers_its_location_under_another_name(account_with: Make) -> None:
    renamed = create_and_read_config(account_with(), "big_query", BIG_QUERY)
    assert renamed["location"] == "EU"
    assert "data_set_location" not in renamed
    both = create_and_read_config(account_with(renamed_fields="both"), "big_query", BIG_QUERY)
    assert (both["location"], both["data_set_location"]) == ("EU", "EU")
    kept = create_and_read_config(account_with(renamed_fields="kept"), "big_query", BIG_QUERY)
    assert kept["data_set_location"] == "EU"
    assert "location" not in kept


def test_unset_text_is_absent_null_or_empty(account_with: Make) -> None:
    config = {key: BIG_QUERY[key] for key in ("project_id", "secret_key")}
    assert "bucket" not in create_and_read_config(account_with(), "big_query", config)
    assert create_and_read_config(account_with(unset_config="null"), "big_query", config)["bucket"] is None
    assert create_and_read_config(account_with(unset_config="empty"), "big_query", config)["bucket"] == ""


def test_empty_values_are_echoed_or_left_out(account_with: Make) -> None:
    config = {"schema_registry_url": "", "bootstrap_servers": []}
    echoed = create_and_read_config(account_with(), "confluent_cloud_wh", config)
    assert {key: echoed[key] for key in config} == config
    assert (
        not create_and_read_config(account_with(empty_config="omitted"), "confluent_cloud_wh", config).keys()
        & config.keys()
    )


def test_lists_keep_their_order(account: EmulatedAccount) -> None:
    servers = ["b:9092", "a:9092", "c:9092"]
    assert (
        create_and_read_config(account, "confluent_cloud_wh", {"bootstrap_servers": servers})[
            "bootstrap_servers"
        ]
        == servers
    )


@pytest.mark.parametrize("by", ["networking_method", "connection_type"])
def test_a_tunnel_shows_the_public_key_of_the_group(account: EmulatedAccount, by: str) -> None:
    plain = create_and_read_config(account, "postgres_warehouse", POSTGRES)
    assert "public_key" not in plain
    if by == "networking_method":
        tunnelled = create_and_read_config(
            account, "postgres_warehouse", POSTGRES, networking_method="SshTunnel"
        )
    else:
        tunnelled = create_and_read_config(
            account, "postgres_warehouse", {**POSTGRES, "connection_type": "SshTunnel"}
        )
    kind, blob, _ = tunnelled["public_key"].split(" ", 2)
    assert kind == "ssh-rsa"
    assert base64.b64decode(blob).startswith(
        b"\x00\x00\x00\x07ssh-rsa\x00\x00\x00\x03\x01\x00\x01\x00\x00\x01\x01\x00"
    )


def test_read_only_fields_cannot_be_set(account: EmulatedAccount) -> None:
    config = create_and_read_config(account, "big_query", {**BIG_QUERY, "location": "US"})
    assert config["location"] == "EU"
    created = account.create_destination("redshift", {"external_id": "mine"})
    assert created.data["config"]["external_id"] == created.data["id"]


def test_version_1_calls_the_connection_type_connection_method(account_with: Make) -> None:
    old = account_with(version=1)
    sent = {key: value for key, value in POSTGRES.items() if key != "connection_type"}
    created = old.create_destination("postgres_warehouse", {**sent, "connection_method": "PrivateLink"})
    config = old.get(f"/v1/destinations/{created.data['id']}").data["config"]
    assert config["connection_method"] == "PrivateLink"
    assert "connection_type" not in config
    new = old.send(
        "GET", f"/v1/destinations/{created.data['id']}", headers={"Accept": "application/json;version=2"}
    )
    assert new.data["config"]["connection_type"] == "PrivateLink"
    assert "connection_method" not in new.data["config"]


def test_kafka_has_a_connection_method_in_every_version(account_with: Make) -> None:
    for version in (1, 2):
        config = create_and_read_config(
            account_with(version=version), "aws_msk_wh", {"connection_method": "privatelink"}
        )
        assert config["connection_method"] == "privatelink"
        assert "connection_type" not in config
