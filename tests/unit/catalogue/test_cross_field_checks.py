"""Test checks across several fields of a destination."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.catalogue.check import Problem, check_destination
from reconciler.catalogue.declared_destination import DeclaredDestination
from reconciler.catalogue.load import load_service
from reconciler.model.diagnostic import Severity
from reconciler.model.value import FieldPath, Reference

SECRET = Reference("env", "X")
VISIBLE = Reference("env", "X", confidential=False)


def find_problems(service: str, top_level: dict[str, Any] | None = None, **config: Any) -> list[Problem]:
    """Check a destination that has the fields required for every service."""
    leaves: dict[FieldPath, Any] = {("service",): service, ("time_zone_offset",): "0"}
    leaves |= {(name,): value for name, value in (top_level or {}).items()}
    leaves |= {("config", name): value for name, value in config.items()}
    return check_destination(leaves)


def list_missing_fields(found: list[Problem]) -> set[str]:
    """List the fields that another setting requires."""
    return {each.message.split("`")[1] for each in found if each.code == "missing-field"}


TUNNEL = {"config.tunnel_host", "config.tunnel_port", "config.tunnel_user", "config.always_encrypted"}


def test_the_documented_request_of_an_adls_destination_only_gets_the_legacy_warning() -> None:
    found = find_problems(
        "adls",
        {
            "region": "GCP_US_WEST1",
            "daylight_saving_time_enabled": True,
            "local_processing_agent_id": "agent",
            "hybrid_deployment_agent_id": "agent",
            "private_link_id": "link",
            "networking_method": "Directly",
        },
        tenant_id="tenant",
        auth_type="PERSONAL_ACCESS_TOKEN",
        storage_account_name="account",
        connection_type="Directly",
        catalog="main",
        should_maintain_tables_in_databricks=True,
        http_path="/sql",
        oauth2_secret=SECRET,
        snapshot_retention_period="RETAIN_ALL_SNAPSHOTS",
        server_host_name="host",
        client_id="client",
        prefix_path="path",
        container_name="container",
        port=443,
        databricks_connection_type="Directly",
        secret_value=SECRET,
        oauth2_client_id="client",
        personal_access_token=SECRET,
    )
    assert [(each.code, each.severity) for each in found] == [("legacy-service", Severity.WARNING)]


def test_a_missing_required_field_is_an_error() -> None:
    found = find_problems("snowflake")
    assert [(each.code, each.path) for each in found] == [("missing-field", ("config", "host"))]
    assert "for example `host: " in found[0].help


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_required_field_is_an_error(nothing: object) -> None:
    found = find_problems("snowflake", host=nothing)
    assert [(each.code, each.path) for each in found] == [("missing-field", ("config", "host"))]


def test_a_destination_needs_a_time_zone() -> None:
    found = check_destination({("service",): "postgres_warehouse"})
    assert [(each.code, each.path) for each in found] == [("missing-field", ("time_zone_offset",))]
    assert '"+1"' in found[0].help


def test_a_null_required_field_is_one_finding() -> None:
    found = find_problems("snowflake", {"time_zone_offset": None}, host="h")
    assert [each.code for each in found] == ["missing-field"]


def test_a_required_field_may_be_a_reference() -> None:
    assert find_problems("snowflake", host=VISIBLE) == []


def test_a_login_method_requires_its_credentials_and_the_finding_points_at_the_method() -> None:
    found = find_problems("snowflake", host="h", auth="KEY_PAIR", is_private_key_encrypted=True)
    assert list_missing_fields(found) == {"config.private_key", "config.passphrase"}
    assert found[0].path == ("config", "auth")
    assert found[0].label == "needs `private_key`"
    assert 'private_key: {secret: "env:PRIVATE_KEY"}' in found[0].help


def test_all_parts_of_a_condition_must_hold() -> None:
    assert find_problems("snowflake", host="h", auth="KEY_PAIR", private_key=SECRET) == []


def test_a_default_can_require_a_field_and_is_named() -> None:
    found = find_problems("redshift")
    assert list_missing_fields(found) == {"config.password"}
    assert "its default" in found[0].message
    assert found[0].path == ("config", "password")


def test_an_absent_setting_without_default_requires_nothing() -> None:
    assert find_problems("snowflake", host="h") == []


@pytest.mark.parametrize("value", [VISIBLE, None])
def test_a_condition_on_an_unknown_value_neither_holds_nor_fails(value: object) -> None:
    service = load_service("databricks")
    subject = DeclaredDestination(service, {("config", "disable_vacuum"): value})
    assert subject.satisfies({"disable_vacuum": (True,)}) is None


@pytest.mark.parametrize("auth", [VISIBLE, "PASSWORT_"])
def test_an_undecidable_setting_causes_no_further_findings(auth: object) -> None:
    found = find_problems("snowflake", host="h", auth=auth, private_key=SECRET)
    assert not [each for each in found if each.code in ("missing-field", "field-not-allowed")]


def test_a_credential_of_another_login_is_refused() -> None:
    found = find_problems("snowflake", host="h", auth="KEY_PAIR", private_key=SECRET, password=SECRET)
    assert [(each.code, each.path, each.on_key) for each in found] == [
        ("field-not-allowed", ("config", "password"), True)
    ]


def test_a_credential_of_another_login_may_be_cleared() -> None:
    assert find_problems("redshift", auth_type="IAM", role_arn=SECRET, password=None) == []


def test_credentials_of_two_logins_exclude_each_other_without_a_chosen_login() -> None:
    found = find_problems("snowflake", host="h", private_key=SECRET, passphrase=SECRET, password=SECRET)
    assert [(each.code, each.path) for each in found] == [("field-not-allowed", ("config", "private_key"))]
    assert find_problems("snowflake", host="h", private_key=SECRET, passphrase=SECRET) == []
    assert find_problems("snowflake", host="h", auth=VISIBLE, private_key=SECRET, password=SECRET) == []


@pytest.mark.parametrize("method", ["SshTunnel", "SSH_TUNNEL"])
def test_a_tunnel_requires_its_fields_by_either_setting(method: str) -> None:
    assert list_missing_fields(find_problems("postgres_warehouse", connection_type=method)) == TUNNEL
    assert list_missing_fields(find_problems("postgres_warehouse", {"networking_method": method})) == TUNNEL


def test_a_tunnel_requires_its_fields_although_config_says_directly() -> None:
    found = find_problems(
        "postgres_warehouse", {"networking_method": "SshTunnel"}, connection_type="Directly"
    )
    assert list_missing_fields(found) == TUNNEL
    assert all("while `networking_method` is `SshTunnel`" in each.message for each in found)


def test_a_field_required_by_the_networking_method_points_at_it() -> None:
    found = find_problems("postgres_warehouse", {"networking_method": "SshTunnel"})
    assert [each.path for each in found] == [("networking_method",)] * len(TUNNEL)


def test_conditions_on_two_settings_name_both() -> None:
    found = find_problems("redshift", auth_type="IAM", role_arn=SECRET, connection_type="SshTunnel")
    cluster = next(each for each in found if "cluster_id" in each.message)
    assert "`config.connection_type` is `SshTunnel` and `config.auth_type` is `IAM`" in cluster.message


@pytest.mark.parametrize(
    ("method", "companion"), [("PrivateLink", "private_link_id"), ("ProxyAgent", "proxy_agent_id")]
)
def test_a_networking_method_requires_its_companion_field(method: str, companion: str) -> None:
    found = find_problems("snowflake", {"networking_method": method}, host="h")
    assert list_missing_fields(found) == {companion}
    assert find_problems("snowflake", {"networking_method": method, companion: "id"}, host="h") == []


def test_a_tunnel_requires_no_field_that_the_service_lacks() -> None:
    assert find_problems("snowflake", {"networking_method": "SshTunnel"}, host="h") == []


def test_an_undocumented_networking_method_of_a_service_is_a_warning() -> None:
    found = find_problems("oracle_warehouse", {"networking_method": "PrivateLink", "private_link_id": "link"})
    assert [(each.code, each.severity) for each in found] == [("unsupported-networking", Severity.WARNING)]


def test_a_managed_lake_needs_a_bucket_unless_it_is_on_azure() -> None:
    assert list_missing_fields(find_problems("managed_data_lake")) == {"config.bucket"}
    assert list_missing_fields(find_problems("managed_data_lake", storage_provider="GCS")) == {
        "config.bucket"
    }
    assert find_problems("managed_data_lake", storage_provider="ADLS") == []


OLD, NEW = "local_processing_agent_id", "hybrid_deployment_agent_id"


def test_a_deprecated_field_alone_is_a_warning() -> None:
    found = find_problems("postgres_warehouse", {OLD: "agent"})
    assert [(each.code, each.severity, each.on_key) for each in found] == [
        ("deprecated-field", Severity.WARNING, True)
    ]
    assert f"`{NEW}`" in found[0].help


def test_a_deprecated_field_that_agrees_with_its_successor_is_accepted() -> None:
    assert find_problems("postgres_warehouse", {OLD: "agent", NEW: "agent"}) == []
    assert find_problems("postgres_warehouse", {OLD: VISIBLE, NEW: VISIBLE}) == []


@pytest.mark.parametrize("other", ["other", None])
def test_a_deprecated_field_that_contradicts_its_successor_is_an_error(other: object) -> None:
    found = find_problems("postgres_warehouse", {OLD: "agent", NEW: other})
    assert [(each.code, each.severity) for each in found] == [("conflicting-fields", Severity.ERROR)]


def test_a_reference_does_not_contradict_a_literal() -> None:
    assert find_problems("postgres_warehouse", {OLD: VISIBLE, NEW: "agent"}) == []


def test_all_findings_are_reported_together() -> None:
    found = find_problems(
        "snowflake",
        {"region": "MARS", "time_zone_offset": "+99"},
        databse="A",
        port="many",
        password="hunter2",
        auth="KEY_PAIR",
    )
    assert {each.code for each in found} == {
        "unlisted-region",
        "bad-time-zone",
        "unknown-field",
        "wrong-type",
        "literal-secret",
        "field-not-allowed",
        "missing-field",
    }
