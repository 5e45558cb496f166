"""Check complete exchanges from documentation and public tests: the request and the structure of its answer.

If a published answer is known to be wrong (a mock, an old version), a comment gives the correct answer.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from emulated_account import EmulatedAccount
from json_matchers import PartialObject, find_differences
from known_endpoints import CERTIFICATE, FINGERPRINT

from reconciler.emulator.quota import parse_quota
from reconciler.emulator.setup_tests import SetupTest

Make = Callable[..., EmulatedAccount]

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
TWO_WORDS = re.compile(r"[a-z]+_[a-z]+")
CURSOR = re.compile(r"[A-Za-z0-9_-]+")
SNOWFLAKE = {
    "host": "acme.snowflakecomputing.com",
    "port": 443,
    "database": "fivetran",
    "auth": "PASSWORD",
    "user": "loader",
    "password": "canary",
}
SNOWFLAKE_READ = PartialObject(
    {
        "host": "acme.snowflakecomputing.com",
        "port": "443",  # a number in the documentation, text from the live API
        "database": "fivetran",
        "auth": "PASSWORD",
        "user": "loader",
        "password": "******",
    }
)
HEALTHY = [
    {"title": title, "status": "PASSED", "message": ""}
    for title in ("Host Connection", "Database Connection", "Permission Test")
]


def check_exchange(
    account: EmulatedAccount, method: str, path: str, body: Any = None, *, status: int, like: Any
) -> dict[str, Any]:
    """Send a request and compare its answer with an expected envelope. Returns the answer."""
    answer = account.send(method, path, body)
    assert (answer.status, find_differences(like, answer.json)) == (status, []), answer
    assert "canary" not in str(answer.json)
    document: dict[str, Any] = answer.json
    return document


def build_destination_body(account: EmulatedAccount, service: str, **fields: Any) -> dict[str, Any]:
    """Build the body of a new destination in a new group."""
    return {
        "group_id": account.create_group("Warehouse"),
        "service": service,
        "time_zone_offset": "0",
        **fields,
    }


def test_account_info(account: EmulatedAccount) -> None:
    data = {"account_id": str, "account_name": str, "user_id": str}
    message = "Account information retrieved successfully"
    like = {"code": "Success", "message": message, "data": data}
    check_exchange(account, "GET", "/v1/account/info", status=200, like=like)


# Groups


def expect_group(name: str) -> dict[str, Any]:
    return {"id": TWO_WORDS, "name": name, "created_at": TIME}


def test_group_create(account: EmulatedAccount) -> None:
    like = {"code": "Success", "message": "Group has been created", "data": expect_group("Primary")}
    check_exchange(account, "POST", "/v1/groups", {"name": "Primary"}, status=201, like=like)


def test_group_details(account: EmulatedAccount) -> None:
    like = {"code": "Success", "message": str, "data": expect_group("Staging")}
    check_exchange(account, "GET", f"/v1/groups/{account.create_group('Staging')}", status=200, like=like)


def test_group_update(account: EmulatedAccount) -> None:
    path = f"/v1/groups/{account.create_group('Old_Name')}"
    like = {"code": "Success", "message": "Group has been updated", "data": expect_group("New_Name")}
    check_exchange(account, "PATCH", path, {"name": "New_Name"}, status=200, like=like)


def test_group_delete(account: EmulatedAccount) -> None:
    identifier = account.create_group()
    like = {"code": "Success", "message": f"Group with id '{identifier}' has been deleted"}
    check_exchange(account, "DELETE", f"/v1/groups/{identifier}", status=200, like=like)


def test_group_list(account: EmulatedAccount) -> None:
    for name in ("Staging", "Production", "Sandbox"):
        account.create_group(name)
    data = {
        "items": [expect_group("Staging"), expect_group("Production")],
        "next_cursor": "eyJza2lwIjoyfQ",
    }  # {"skip":2}
    like = {"code": "Success", "message": str, "data": data}
    check_exchange(account, "GET", "/v1/groups?limit=2", status=200, like=like)
    last = {"code": "Success", "message": str, "data": {"items": [expect_group("Sandbox")]}}
    check_exchange(account, "GET", "/v1/groups?limit=2&cursor=eyJza2lwIjoyfQ", status=200, like=last)


def test_group_connections(account: EmulatedAccount) -> None:
    identifier = account.create_group()
    for schema in ("crm", "shop"):
        account.dashboard.add_connection(identifier, "salesforce", schema)
    connection = PartialObject(
        {
            "id": TWO_WORDS,
            "group_id": identifier,
            "service": "salesforce",
            "service_version": 1,
            "schema": "crm",
            "connected_by": str,
            "created_at": TIME,
            "succeeded_at": None,  # the sample has times, because its connection has run
            "failed_at": None,
            "sync_frequency": int,
            "status": PartialObject(
                {
                    "setup_state": str,
                    "sync_state": str,
                    "update_state": str,
                    "is_historical_sync": bool,
                    "tasks": [],
                    "warnings": [],
                }
            ),
        }
    )
    data = {"items": [connection], "next_cursor": CURSOR}
    like = {"code": "Success", "message": str, "data": data}
    check_exchange(account, "GET", f"/v1/groups/{identifier}/connections?limit=1", status=200, like=like)


# Destinations


def test_destination_create_snowflake(account: EmulatedAccount) -> None:
    body = build_destination_body(account, "snowflake", region="GCP_US_EAST4", config=SNOWFLAKE) | {
        "time_zone_offset": "-5"
    }
    data = PartialObject(
        {
            "id": body["group_id"],
            "group_id": body["group_id"],
            "service": "snowflake",
            "region": "GCP_US_EAST4",
            "time_zone_offset": "-5",
            "setup_status": "connected",
            "setup_tests": HEALTHY,
            "config": SNOWFLAKE_READ,
        }
    )
    like = {"code": "Success", "message": "Destination has been created", "data": data}
    check_exchange(account, "POST", "/v1/destinations", body, status=201, like=like)


def test_destination_create_adls(account: EmulatedAccount) -> None:
    config = {
        "storage_account_name": "acme",
        "container_name": "lake",
        "tenant_id": "tenant",
        "client_id": "client",
        "secret_value": "canary",
        "prefix_path": "raw",
        "snapshot_retention_period": "ONE_WEEK",
    }
    body = build_destination_body(account, "adls", region="US", config=config)
    data = PartialObject(
        {
            "id": body["group_id"],
            "service": "adls",
            "region": "GCP_US_EAST4",  # the current name of the region
            "setup_status": "connected",
            "setup_tests": list,
            "config": PartialObject({**config, "secret_value": "******", "connection_type": "Directly"}),
        }
    )
    like = {"code": "Success", "message": "Destination has been created", "data": data}
    check_exchange(account, "POST", "/v1/destinations", body, status=201, like=like)


def test_destination_create_postgres_rds(account: EmulatedAccount) -> None:
    config = {
        "host": "db.us-east-1.rds.example",
        "port": 5432,
        "user": "loader",
        "password": "canary",
        "database": "fivetran",
        "connection_type": "Directly",
    }
    flags = {"trust_certificates": True, "trust_fingerprints": True, "run_setup_tests": False}
    more = {"region": "GCP_US_EAST4", "daylight_saving_time_enabled": True, "networking_method": "Directly"}
    body = build_destination_body(account, "postgres_rds_warehouse", config=config, **flags, **more)
    data = {
        "id": body["group_id"],
        "group_id": body["group_id"],
        "service": "postgres_rds_warehouse",
        "region": "GCP_US_EAST4",
        "time_zone_offset": "0",
        "setup_status": "incomplete",
        "daylight_saving_time_enabled": True,
        "networking_method": "Directly",
        "config": PartialObject({**config, "port": "5432", "password": "******"}),
    }
    like = {"code": "Success", "message": "Destination has been created", "data": data}
    check_exchange(account, "POST", "/v1/destinations", body, status=201, like=like)


def test_destination_create_big_query(account_with: Make) -> None:
    account = account_with(unset_config="null", renamed_fields="both")
    config = {"project_id": "acme", "support_json_type": True, "data_set_location": "US"}
    body = build_destination_body(account, "big_query", daylight_saving_time_enabled=True, config=config)
    data = PartialObject(
        {
            "id": body["group_id"],
            "service": "big_query",
            "region": "GCP_US_EAST4",
            "setup_status": "connected",
            "daylight_saving_time_enabled": True,
            "config": PartialObject({**config, "bucket": None}),
        }
    )
    like = {"code": "Success", "message": "Destination has been created", "data": data}
    check_exchange(account, "POST", "/v1/destinations", body, status=201, like=like)


def test_destination_create_with_failing_setup_tests(account: EmulatedAccount) -> None:
    titles = [each["title"] for each in HEALTHY]
    account.dashboard.script_setup_tests([SetupTest(each, "FAILED", f"{each} error") for each in titles])
    body = build_destination_body(account, "snowflake", config=SNOWFLAKE)
    failed = [{"title": each, "status": "FAILED", "message": f"{each} error"} for each in titles]
    # The sample shows the password in plain text, as only a mock does.
    data = PartialObject({"setup_status": "incomplete", "setup_tests": failed, "config": SNOWFLAKE_READ})
    like = {"code": "Success", "message": "Destination has been created", "data": data}
    check_exchange(account, "POST", "/v1/destinations", body, status=201, like=like)


def test_destination_details_snowflake(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE, run_setup_tests=True, time_zone_offset="-5")
    data = {
        "id": identifier,
        "group_id": identifier,
        "service": "snowflake",
        "region": "GCP_US_EAST4",
        "time_zone_offset": "-5",
        "setup_status": "connected",
        "networking_method": "Directly",  # absent from the sample, which is older than the key
        "daylight_saving_time_enabled": False,
        "config": SNOWFLAKE_READ,
    }
    like = {"code": "Success", "message": str, "data": data}
    check_exchange(account, "GET", f"/v1/destinations/{identifier}", status=200, like=like)


def test_destination_details_managed_data_lake(account_with: Make) -> None:
    account = account_with(optional_ids="null")
    config = {
        "storage_provider": "AWS",
        "bucket": "acme-us-east-1",
        "fivetran_role_arn": "arn:aws:iam::123456789012:role/acme",
        "prefix_path": "raw",
        "region": "us-east-1",
    }
    sent = {**config, "connection_type": "PrivateLink"}
    identifier = account.must_create("managed_data_lake", sent, run_setup_tests=True, region="AWS_US_EAST_1")
    unset = ("private_link_id", "proxy_agent_id")
    catalogue = {"polarisServerEndpoint": str, "polarisCatalog": identifier, "clientId": str}
    data = PartialObject(
        {
            "id": identifier,
            "service": "managed_data_lake",
            "region": "AWS_US_EAST_1",
            "networking_method": "Directly",
            **dict.fromkeys(unset),
            "config": PartialObject(
                {
                    **config,
                    "connection_type": "PRIVATE_LINK",
                    "databricks_connection_type": "DIRECTLY",
                    "snapshot_retention_period": "ONE_WEEK",
                    "port": 443,
                    "auth_type": "OAUTH2",
                    **{
                        f"should_maintain_tables_in_{each}": False
                        for each in ("databricks", "one_lake", "glue", "bqms")
                    },
                    "polaris_catalog_configuration": {**catalogue, "clientSecret": "*" * 8},
                }
            ),
        }
    )
    like = {"code": "Success", "message": "Destination details retrieved successfully", "data": data}
    check_exchange(account, "GET", f"/v1/destinations/{identifier}", status=200, like=like)


def test_destination_list(account_with: Make) -> None:
    account = account_with(listed_daylight_saving="true-to-state")  # the sample is of a mock
    links = {name: f"{name}_1" for name in ("private_link_id", "proxy_agent_id")}
    linked = account.must_create(
        "snowflake",
        SNOWFLAKE,
        run_setup_tests=True,
        time_zone_offset="+3",
        daylight_saving_time_enabled=True,
        **links,
    )
    account.must_create("snowflake", SNOWFLAKE)
    item = {
        "id": linked,
        "group_id": linked,
        "service": "snowflake",
        "region": "GCP_US_EAST4",
        "networking_method": "Directly",
        "setup_status": "connected",  # in upper case in the sample, as only a mock does
        "daylight_saving_time_enabled": True,
        "time_zone_offset": "+3",
        **links,
    }
    like = {"code": "Success", "message": str, "data": {"items": [item], "next_cursor": CURSOR}}
    check_exchange(account, "GET", "/v1/destinations?limit=1", status=200, like=like)


def test_destination_update_snowflake(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    config = {**SNOWFLAKE, "port": 1433}
    body = {"region": "GCP_AUSTRALIA_SOUTHEAST1", "time_zone_offset": "+10", "config": config}
    data = PartialObject(
        {
            "id": identifier,
            "region": "GCP_AUSTRALIA_SOUTHEAST1",
            "time_zone_offset": "+10",
            "setup_status": "connected",
            "setup_tests": HEALTHY,
            "config": PartialObject({**SNOWFLAKE_READ, "port": "1433"}),
        }
    )
    like = {"code": "Success", "message": "Destination has been updated", "data": data}
    check_exchange(account, "PATCH", f"/v1/destinations/{identifier}", body, status=200, like=like)


def test_destination_delete(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    like = {"code": "Success", "message": f"Destination with id '{identifier}' has been deleted"}
    check_exchange(account, "DELETE", f"/v1/destinations/{identifier}", status=200, like=like)


# Approvals

CERTIFICATE_READ = {
    "id": CURSOR,
    "name": str,
    "hash": CERTIFICATE["hash"],
    "type": "TLS",
    "sha1": str,
    "sha256": str,
    "public_key": str,
    "validated_date": TIME,
    "validated_by": str,
}
FINGERPRINT_READ = {"id": CURSOR, **FINGERPRINT, "validated_date": TIME, "validated_by": str}


@pytest.mark.parametrize(
    ("kind", "sent", "read"),
    [("certificate", CERTIFICATE, CERTIFICATE_READ), ("fingerprint", FINGERPRINT, FINGERPRINT_READ)],
)
def test_approve_and_list(account: EmulatedAccount, kind: str, sent: dict[str, str], read: Any) -> None:
    path = f"/v1/destinations/{account.must_create('postgres_warehouse', {})}/{kind}s"
    approved = re.compile(
        rf"The {kind} has been approved\.?"
    )  # both forms are known, with and without the full stop
    like = {"code": "Success", "message": approved, "data": read}
    approval = check_exchange(account, "POST", path, sent, status=201, like=like)["data"]
    like = {
        "code": "Success",
        "message": f"Destination {kind}s retrieved successfully",
        "data": {"items": [approval]},
    }
    check_exchange(account, "GET", path, status=200, like=like)


def test_setup_test_certificate_pending(account: EmulatedAccount) -> None:
    account.dashboard.present_certificate()
    keys = ("hash", "name", "public_key", "encoded_cert", "sha1", "sha256")
    certificate = dict.fromkeys(keys, str)
    pending = {
        "title": "Validate Certificate",
        "status": "FAILED",
        "message": "No trust anchors for this connection",
        "details": [certificate, certificate],  # the whole chain; the sample shows a root certificate only
    }
    data = approve_pending_test(account, pending, "certificates", "encoded_cert", config={})
    for shown in data["details"]:
        assert b64encode(bytes.fromhex(shown["sha256"])).decode() == shown["hash"]


def test_setup_test_fingerprint_pending(account: EmulatedAccount) -> None:
    account.dashboard.present_host_key()
    pending = {
        "title": "SSH Tunnel Connection",
        "status": "FAILED",
        "message": "The ssh key might have changed",
        "details": {"hash": str, "public_key": str, "type": "ssh-rsa", "name": str},
    }
    tunnel = {"tunnel_host": "bastion.acme.example", "tunnel_port": 22, "tunnel_user": "fivetran"}
    approve_pending_test(
        account, pending, "fingerprints", "public_key", networking_method="SshTunnel", config=tunnel
    )


def approve_pending_test(
    account: EmulatedAccount, pending: dict[str, Any], kind: str, field: str, **fields: Any
) -> dict[str, Any]:
    """Create a destination with a pending test, approve the details of the test, and test again.

    Returns the pending test.
    """
    body = build_destination_body(account, "postgres_warehouse", **fields)
    data = PartialObject({"setup_status": "incomplete", "setup_tests": list})
    like = {"code": "Success", "message": "Destination has been created", "data": data}
    answer = check_exchange(account, "POST", "/v1/destinations", body, status=201, like=like)
    [failed] = [each for each in answer["data"]["setup_tests"] if "details" in each]
    assert find_differences(pending, failed) == []
    path = f"/v1/destinations/{body['group_id']}"
    shown = failed["details"]
    for each in shown if isinstance(shown, list) else [shown]:
        approval = {"hash": each["hash"], field: each[field]}
        assert account.post(f"{path}/{kind}", approval).status == 201
    again = account.post(f"{path}/test").data
    assert (again["setup_status"], {each["status"] for each in again["setup_tests"]}) == (
        "connected",
        {"PASSED"},
    )
    found: dict[str, Any] = failed
    return found


# Errors


@pytest.mark.parametrize(
    ("left_out", "changed", "message"),
    [
        ("group_id", {}, "Field 'group_id' is required"),
        ("service", {}, "Field 'service' is required"),
        ("", {"service": "no_such"}, "Unsupported service 'no_such'"),
        ("", {"config": {"connection_type": "SSHTunnel"}}, "Invalid 'config' object"),
    ],
)
def test_error_400(account: EmulatedAccount, left_out: str, changed: dict[str, Any], message: str) -> None:
    body = {**build_destination_body(account, "postgres_rds_warehouse"), **changed}
    body.pop(left_out, None)
    like = {"code": "InvalidInput", "message": message}
    check_exchange(account, "POST", "/v1/destinations", body, status=400, like=like)


def test_error_401(account: EmulatedAccount) -> None:
    answer = account.send("GET", "/v1/groups", headers={"Authorization": "Basic ?"})
    assert (answer.status, set(answer.json)) == (401, {"code", "message"})


@pytest.mark.parametrize("kind", ["Group", "Destination"])
def test_error_404(account: EmulatedAccount, kind: str) -> None:
    like = {"code": f"NotFound_{kind}", "message": f"Cannot find entity '{kind}' with id 'no_such'"}
    check_exchange(account, "GET", f"/v1/{kind.lower()}s/no_such", status=404, like=like)


def test_error_409(account: EmulatedAccount) -> None:
    identifier = account.must_create("snowflake", SNOWFLAKE)
    account.dashboard.add_connection(identifier, "salesforce", "crm")
    like = {"code": "Conflict", "message": str}
    check_exchange(account, "DELETE", f"/v1/destinations/{identifier}", status=409, like=like)


def test_error_429(account_with: Make) -> None:
    account = account_with(app={"quota": parse_quota("off,destination=1")})
    account.must_create("snowflake", SNOWFLAKE)
    answer = account.create_destination("snowflake", SNOWFLAKE)
    like = {"code": "TooManyRequests", "message": str}
    assert (answer.status, find_differences(like, answer.json)) == (429, [])
    seen = {
        name: int(answer.headers[name]) for name in ("Retry-After", "X-Rate-Limit", "X-Rate-Limit-Remaining")
    }
    assert 0 < seen["Retry-After"] <= 3600
    assert seen["X-Rate-Limit"] == 20_000
