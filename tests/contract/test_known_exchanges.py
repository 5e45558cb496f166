"""Whole exchanges that documentation and public tests show, one per kind of service."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from emulated_account import EmulatedAccount

ALL_PASSED = [
    {"title": title, "status": "PASSED", "message": ""}
    for title in ("Host Connection", "Database Connection", "Permission Test")
]


@dataclass(frozen=True)
class Creation:
    """A body without its group, and what the answer has at least. `switches` are those of the account."""

    service: str
    sent: dict[str, Any]
    config: dict[str, Any]
    answered: dict[str, Any]
    answered_config: dict[str, Any]
    switches: dict[str, Any] = field(default_factory=dict)


CREATIONS = [
    Creation(
        "snowflake",
        {"region": "GCP_US_EAST4", "time_zone_offset": "-5"},
        {
            "host": "acme.snowflakecomputing.com",
            "port": 443,
            "database": "fivetran",
            "auth": "PASSWORD",
            "user": "loader",
            "password": "canary",
        },
        {"time_zone_offset": "-5", "setup_status": "connected", "setup_tests": ALL_PASSED},
        {"host": "acme.snowflakecomputing.com", "port": "443", "auth": "PASSWORD", "password": "******"},
    ),
    Creation(
        "adls",  # the only one whose documentation names required fields, and an old region
        {"region": "US", "time_zone_offset": "-5", "run_setup_tests": False},
        {
            "storage_account_name": "acme",
            "container_name": "lake",
            "tenant_id": "t",
            "client_id": "c",
            "secret_value": "canary",
            "prefix_path": "raw",
        },
        {"region": "GCP_US_EAST4", "setup_status": "incomplete"},
        {
            "storage_account_name": "acme",
            "secret_value": "******",
            "connection_type": "Directly",
            "snapshot_retention_period": "ONE_WEEK",
        },
    ),
    Creation(
        "postgres_rds_warehouse",
        {
            "time_zone_offset": "0",
            "trust_certificates": True,
            "trust_fingerprints": True,
            "run_setup_tests": False,
            "daylight_saving_time_enabled": True,
            "networking_method": "Directly",
        },
        {
            "host": "db.us-east-1.rds.example",
            "port": 5432,
            "user": "loader",
            "password": "canary",
            "database": "fivetran",
            "connection_type": "Directly",
        },
        {"setup_status": "incomplete", "daylight_saving_time_enabled": True, "networking_method": "Directly"},
        {"port": "5432", "password": "******", "connection_type": "Directly", "auth_method": "PASSWORD"},
    ),
    Creation(
        "big_query",
        {"time_zone_offset": "0", "daylight_saving_time_enabled": True},
        {"project_id": "acme", "support_json_type": True, "data_set_location": "US"},
        {"region": "GCP_US_EAST4", "setup_status": "connected"},
        {"bucket": None, "project_id": "acme", "support_json_type": True, "data_set_location": "US"},
        {"unset_config": "null", "renamed_fields": "both"},
    ),
    Creation(
        "managed_data_lake",
        {"time_zone_offset": "0", "region": "AWS_US_EAST_1"},
        {
            "storage_provider": "AWS",
            "bucket": "acme-us-east-1",
            "fivetran_role_arn": "arn:aws:iam::123456789012:role/acme",
            "prefix_path": "raw",
            "region": "us-east-1",
            "connection_type": "PrivateLink",
        },
        {"private_link_id": None, "proxy_agent_id": None, "networking_method": "Directly"},
        {
            "fivetran_role_arn": "arn:aws:iam::123456789012:role/acme",
            "port": 443,
            "auth_type": "OAUTH2",
            "connection_type": "PRIVATE_LINK",
            "databricks_connection_type": "DIRECTLY",
            "should_maintain_tables_in_glue": False,
        },
        {"optional_ids": "null"},
    ),
]


@pytest.mark.parametrize("creation", CREATIONS, ids=lambda creation: creation.service)
def test_a_known_creation_is_answered_as_known(creation: Creation) -> None:
    account = EmulatedAccount(**creation.switches)
    group = account.group()
    body = {"group_id": group, "service": creation.service, **creation.sent, "config": creation.config}
    answer = account.post("/v1/destinations", body)
    assert (answer.status, answer.json["code"]) == (201, "Success"), answer
    expected = {"id": group, "group_id": group, "service": creation.service, **creation.answered}
    assert {key: answer.data[key] for key in expected} == expected
    config = answer.data["config"]
    assert {key: config[key] for key in creation.answered_config} == creation.answered_config
    assert "canary" not in str(answer.data)


def test_a_known_update_is_answered_as_known() -> None:
    account = EmulatedAccount()
    identifier = account.created("snowflake", CREATIONS[0].config)
    config = {**CREATIONS[0].config, "port": 1433}
    body = {"region": "GCP_AUSTRALIA_SOUTHEAST1", "time_zone_offset": "+10", "config": config}
    answer = account.patch(f"/v1/destinations/{identifier}", body)
    assert (answer.status, answer.json["message"]) == (200, "Destination has been updated")
    expected = {
        "id": identifier,
        "region": "GCP_AUSTRALIA_SOUTHEAST1",
        "time_zone_offset": "+10",
        "setup_status": "connected",
        "setup_tests": ALL_PASSED,
    }
    assert {key: answer.data[key] for key in expected} == expected
    assert answer.data["config"]["port"] == "1433"
