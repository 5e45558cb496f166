"""Test checks across several fields of a destination."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.catalogue.check import Completeness, Problem, check_destination
from reconciler.catalogue.declared_destination import DeclaredDestination
from reconciler.catalogue.load import load_service, load_service_names
from reconciler.model.diagnostic import Severity
from reconciler.model.value import FieldPath, Reference

SECRET = Reference("env", "X")
VISIBLE = Reference("env", "X", confidential=False)


DATABASE = {"host": "h", "user": "u", "database": "d"}
POSTGRES = {**DATABASE, "password": SECRET}
DOUBTFUL = ("doubtful-combination", Severity.WARNING)


def find_problems(service: str, top_level: dict[str, Any] | None = None, **config: Any) -> list[Problem]:
    """Findings about a new destination with the fields that every one needs."""
    return check_destination(leaves(service, top_level, **config), completeness=Completeness.WHOLE)


def subset_problems(service: str, top_level: dict[str, Any] | None = None, **config: Any) -> list[Problem]:
    """Findings about a destination that may exist and then has values that are not declared."""
    return check_destination(leaves(service, top_level, **config), completeness=Completeness.SUBSET)


def leaves(service: str, top_level: dict[str, Any] | None, **config: Any) -> dict[FieldPath, Any]:
    found: dict[FieldPath, Any] = {("service",): service, ("time_zone_offset",): "0"}
    found |= {(name,): value for name, value in (top_level or {}).items()}
    return found | {("config", name): value for name, value in config.items()}


def list_missing_fields(found: list[Problem]) -> set[str]:
    """List the fields that another setting requires."""
    return {each.message.split("`")[1] for each in found if each.code == "missing-field"}


TUNNEL = {"config.tunnel_host", "config.tunnel_port", "config.tunnel_user", "config.always_encrypted"}


def test_the_documented_request_of_an_adls_destination_only_gets_warnings() -> None:
    """It is a template with every field, so that it names a link beside a direct connection."""
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
    assert [(each.code, each.severity) for each in found] == [
        ("legacy-service", Severity.WARNING),
        DOUBTFUL,
    ]
    assert found[1].path == ("private_link_id",)


def test_a_missing_required_field_is_an_error() -> None:
    found = find_problems("snowflake", user="u", database="d", private_key=SECRET)
    assert [(each.code, each.path) for each in found] == [("missing-field", ("config", "host"))]
    assert "for example `host: " in found[0].help


def test_fields_that_are_always_needed_are_missed_together() -> None:
    found = find_problems("postgres_warehouse", auth_method="ENTRA_ID")
    assert [each.message for each in found] == [
        "service `postgres_warehouse` needs `config.host`, `config.user` and `config.database`"
    ]
    assert found[0].help == (
        "add `host: db.example.com`, `user: fivetran` and `database: analytics` below `config:`,"
        " with your own values"
    )


def test_an_existing_destination_lacks_nothing_that_its_spec_leaves_out() -> None:
    for service in load_service_names():
        found = check_destination({("service",): service}, completeness=Completeness.SUBSET)
        assert {each.code for each in found} <= {"legacy-service"}
    assert subset_problems("snowflake", role="X") == []
    assert subset_problems("snowflake", auth="KEY_PAIR") == []
    assert subset_problems("redshift", role_arn=SECRET) == []
    assert subset_problems("snowflake", {"networking_method": "PrivateLink"}) == []


def test_an_existing_destination_must_not_clear_what_it_cannot_do_without() -> None:
    assert [each.path for each in subset_problems("snowflake", host=None)] == [("config", "host")]
    assert list_missing_fields(subset_problems("snowflake", auth="PASSWORD", password=None)) == {
        "config.password"
    }
    link = {"networking_method": "PrivateLink", "private_link_id": None}
    assert list_missing_fields(subset_problems("snowflake", link)) == {"private_link_id"}


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_required_field_is_an_error(nothing: object) -> None:
    found = find_problems("snowflake", host=nothing, user="u", database="d", private_key=SECRET)
    assert [(each.code, each.path) for each in found] == [("missing-field", ("config", "host"))]


def test_a_destination_needs_a_time_zone() -> None:
    found = check_destination({("service",): "clickhouse"}, completeness=Completeness.WHOLE)
    assert [(each.code, each.path) for each in found] == [("missing-field", ("time_zone_offset",))]
    assert '"+1"' in found[0].help


def test_a_null_required_field_is_one_finding() -> None:
    found = find_problems("snowflake", {"time_zone_offset": None}, private_key=SECRET, **DATABASE)
    assert [each.code for each in found] == ["missing-field"]


def test_a_required_field_may_be_a_reference() -> None:
    assert find_problems("snowflake", host=VISIBLE, user=VISIBLE, database=VISIBLE, private_key=SECRET) == []


def test_a_login_method_requires_its_credentials_and_the_finding_points_at_the_method() -> None:
    found = find_problems("snowflake", **DATABASE, auth="KEY_PAIR", is_private_key_encrypted=True)
    assert list_missing_fields(found) == {"config.private_key", "config.passphrase"}
    assert found[0].path == ("config", "auth")
    assert found[0].label == "needs `private_key`"
    assert 'private_key: {secret: "env:PRIVATE_KEY"}' in found[0].help


def test_all_parts_of_a_condition_must_hold() -> None:
    assert find_problems("snowflake", **DATABASE, auth="KEY_PAIR", private_key=SECRET) == []


def test_a_default_can_require_a_field_and_is_named() -> None:
    found = find_problems("redshift", **DATABASE)
    assert list_missing_fields(found) == {"config.password"}
    assert "its default" in found[0].message
    assert found[0].path == ("config", "password")


def test_an_absent_setting_without_default_requires_nothing() -> None:
    found = find_problems("snowflake", **DATABASE, password=SECRET)
    assert found == []


@pytest.mark.parametrize("value", [VISIBLE, None])
def test_a_condition_on_an_unknown_value_neither_holds_nor_fails(value: object) -> None:
    service = load_service("databricks")
    subject = DeclaredDestination(service, {("config", "disable_vacuum"): value})
    assert subject.satisfies({"disable_vacuum": (True,)}) is None


@pytest.mark.parametrize("auth", [VISIBLE, "PASSWORT_"])
def test_an_undecidable_setting_causes_no_further_findings(auth: object) -> None:
    found = find_problems("snowflake", **DATABASE, auth=auth, private_key=SECRET)
    assert not [each for each in found if each.code in ("missing-field", "field-not-allowed")]


def test_a_credential_of_another_login_is_refused() -> None:
    found = find_problems("snowflake", **DATABASE, auth="KEY_PAIR", private_key=SECRET, password=SECRET)
    assert [(each.code, each.path, each.on_key) for each in found] == [
        ("field-not-allowed", ("config", "password"), True)
    ]


def test_a_credential_of_another_login_may_be_cleared() -> None:
    assert find_problems("redshift", **DATABASE, auth_type="IAM", role_arn=SECRET, password=None) == []


def test_credentials_of_two_logins_exclude_each_other_without_a_chosen_login() -> None:
    encrypted = {**DATABASE, "is_private_key_encrypted": True}
    found = find_problems("snowflake", **encrypted, private_key=SECRET, passphrase=SECRET, password=SECRET)
    assert [(each.code, each.path) for each in found] == [("field-not-allowed", ("config", "private_key"))]
    assert find_problems("snowflake", **encrypted, private_key=SECRET, passphrase=SECRET) == []
    assert find_problems("snowflake", **encrypted, auth=VISIBLE, private_key=SECRET, password=SECRET) == []


@pytest.mark.parametrize("method", ["SshTunnel", "SSH_TUNNEL"])
def test_a_tunnel_requires_its_fields_by_either_setting(method: str) -> None:
    assert (
        list_missing_fields(find_problems("postgres_warehouse", **POSTGRES, connection_type=method)) == TUNNEL
    )
    assert (
        list_missing_fields(find_problems("postgres_warehouse", {"networking_method": method}, **POSTGRES))
        == TUNNEL
    )


def test_a_tunnel_requires_its_fields_although_config_says_directly() -> None:
    method = {"networking_method": "SshTunnel"}
    found = find_problems("postgres_warehouse", method, **POSTGRES, connection_type="Directly")
    *demands, contradiction = found
    assert list_missing_fields(demands) == TUNNEL
    assert all("while `networking_method` is `SshTunnel`" in each.message for each in demands)
    assert contradiction.code == "conflicting-fields"


def test_a_field_required_by_the_networking_method_points_at_it() -> None:
    found = find_problems("postgres_warehouse", {"networking_method": "SshTunnel"}, **POSTGRES)
    assert [each.path for each in found] == [("networking_method",)] * len(TUNNEL)


def test_conditions_on_two_settings_name_both() -> None:
    found = find_problems(
        "redshift", **DATABASE, auth_type="IAM", role_arn=SECRET, connection_type="SshTunnel"
    )
    cluster = next(each for each in found if "cluster_id" in each.message)
    assert "`config.connection_type` is `SshTunnel` and `config.auth_type` is `IAM`" in cluster.message


@pytest.mark.parametrize(
    ("method", "companion"), [("PrivateLink", "private_link_id"), ("ProxyAgent", "proxy_agent_id")]
)
def test_a_networking_method_requires_its_companion_field(method: str, companion: str) -> None:
    found = find_problems("snowflake", {"networking_method": method}, **POSTGRES)
    assert list_missing_fields(found) == {companion}
    assert find_problems("snowflake", {"networking_method": method, companion: "id"}, **POSTGRES) == []


def test_a_tunnel_requires_no_field_that_the_service_lacks() -> None:
    assert find_problems("snowflake", {"networking_method": "SshTunnel"}, **POSTGRES) == []


@pytest.mark.parametrize(
    ("service", "method"),
    [
        ("oracle_warehouse", "PrivateLink"),
        ("databricks", "SshTunnel"),
        ("mysql_warehouse", "ProxyAgent"),
        ("big_query", "SshTunnel"),
        ("big_query", "ProxyAgent"),
        ("confluent_cloud_wh", "SshTunnel"),
        ("onelake", "SshTunnel"),
    ],
)
def test_a_networking_method_that_the_service_is_not_known_for_is_an_error(service: str, method: str) -> None:
    found = subset_problems(service, {"networking_method": method})
    errors = [each for each in found if each.severity is Severity.ERROR]
    assert [(each.code, each.path) for each in errors] == [("unsupported-networking", ("networking_method",))]


@pytest.mark.parametrize("method", ["Directly", "PrivateLink", "SshTunnel", "ProxyAgent"])
@pytest.mark.parametrize("service", ["adls", "snowflake", "clickhouse", "managed_data_lake"])
def test_a_networking_method_of_the_services_own_list_is_fine(service: str, method: str) -> None:
    found = subset_problems(service, {"networking_method": method})
    assert {each.code for each in found} <= {"legacy-service"}


@pytest.mark.parametrize("field", ["connection_type", "databricks_connection_type"])
@pytest.mark.parametrize("method", ["Directly", "PrivateLink", "SshTunnel", "ProxyAgent"])
def test_adls_takes_every_connection_type_of_its_documented_request(field: str, method: str) -> None:
    assert {each.code for each in subset_problems("adls", **{field: method})} == {"legacy-service"}


@pytest.mark.parametrize(
    ("method", "connection_type"), [("Directly", "PrivateLink"), ("PrivateLink", "Directly")]
)
def test_two_ways_to_choose_a_networking_method_must_agree(method: str, connection_type: str) -> None:
    pair = {"networking_method": method}
    found = subset_problems("postgres_warehouse", pair, connection_type=connection_type)
    assert [(each.code, each.path, each.severity) for each in found] == [
        ("conflicting-fields", ("config", "connection_type"), Severity.ERROR)
    ]
    assert found[0].message == (
        f"`config.connection_type` is `{connection_type}`, but `networking_method` is `{method}`"
    )
    assert subset_problems("postgres_warehouse", {"networking_method": VISIBLE}, connection_type=method) == []


def test_a_pair_that_live_answers_have_shown_to_differ_is_a_doubt() -> None:
    pair = {"networking_method": "Directly"}
    found = subset_problems("managed_data_lake", pair, connection_type="PrivateLink")
    assert [(each.code, each.severity) for each in found] == [DOUBTFUL]
    assert "Fivetran has answered" in found[0].notes[0]
    found = subset_problems("confluent_cloud_wh", pair, connection_method="privatelink")
    assert [(each.code, each.severity) for each in found] == [DOUBTFUL]
    assert subset_problems("confluent_cloud_wh", pair, connection_method="direct") == []


@pytest.mark.parametrize("hybrid", ["hybrid_deployment_agent_id", "local_processing_agent_id"])
def test_two_agents_exclude_each_other(hybrid: str) -> None:
    found = subset_problems("postgres_warehouse", {"proxy_agent_id": "p", hybrid: "h"})
    assert [each.code for each in found if each.severity is Severity.ERROR] == ["conflicting-fields"]
    found = subset_problems("postgres_warehouse", {"networking_method": "ProxyAgent", hybrid: "h"})
    assert [each.code for each in found if each.severity is Severity.ERROR] == ["conflicting-fields"]


def test_a_hybrid_agent_may_stand_beside_a_private_link() -> None:
    both = {"networking_method": "PrivateLink", "hybrid_deployment_agent_id": "h"}
    assert subset_problems("postgres_warehouse", both) == []


def test_a_passphrase_belongs_to_an_encrypted_key() -> None:
    found = subset_problems("snowflake", passphrase=SECRET, is_private_key_encrypted=False)
    assert [(each.code, each.path, each.severity) for each in found] == [
        ("conflicting-fields", ("config", "passphrase"), Severity.ERROR)
    ]
    key = {**DATABASE, "auth": "KEY_PAIR", "private_key": SECRET, "passphrase": SECRET}
    assert [each.code for each in find_problems("snowflake", **key)] == ["conflicting-fields"]
    assert subset_problems("snowflake", passphrase=SECRET) == []


@pytest.mark.parametrize(
    ("method", "others", "named"),
    [
        ("Directly", {"private_link_id": "l"}, "`private_link_id` goes with `PrivateLink`"),
        ("SshTunnel", {"proxy_agent_id": "p"}, "`proxy_agent_id` goes with `ProxyAgent`"),
        (
            "PrivateLink",
            {"config.tunnel_host": "h", "config.tunnel_user": "u"},
            "`config.tunnel_host` and `config.tunnel_user` go with `SshTunnel`",
        ),
    ],
)
def test_what_goes_with_another_networking_method_is_a_doubt(
    method: str, others: dict[str, str], named: str
) -> None:
    paths = {tuple(name.split(".")): value for name, value in others.items()}
    fields = {("service",): "postgres_warehouse", ("networking_method",): method}
    found = check_destination(fields | paths)
    assert [(each.code, each.severity) for each in found] == [DOUBTFUL]
    assert found[0].message == f"{named}, but `networking_method` is `{method}`"


@pytest.mark.parametrize(
    ("service", "config", "field"),
    [
        ("postgres_warehouse", {"auth_method": "PASSWORD", "role_arn": SECRET}, "role_arn"),
        ("postgres_rds_warehouse", {"auth_method": "AWS_IAM", "password": SECRET}, "password"),
        ("managed_data_lake", {"storage_provider": "ADLS", "bucket": "b"}, "bucket"),
        ("managed_data_lake", {"storage_provider": "GCS", "fivetran_role_arn": "r"}, "fivetran_role_arn"),
        ("redshift", {"s3_bucket_auth_type": "IAM_ROLE", "aws_access_key_id": "i"}, "aws_access_key_id"),
        ("aws_msk_wh", {"sasl_mechanism": "AWS_IAM", "sasl_plain_key": SECRET}, "sasl_plain_key"),
    ],
)
def test_a_field_that_another_choice_leaves_no_meaning_is_a_doubt(
    service: str, config: dict[str, Any], field: str
) -> None:
    found = subset_problems(service, **config)
    assert [(each.code, each.severity, each.path[-1]) for each in found] == [(*DOUBTFUL, field)]


def test_a_switch_that_is_off_contradicts_nothing() -> None:
    off = {"storage_provider": "AWS", "should_maintain_tables_in_bqms": False}
    assert subset_problems("managed_data_lake", **off) == []


def test_a_managed_lake_needs_a_bucket_unless_it_is_on_azure() -> None:
    role = {"fivetran_role_arn": "r"}
    assert list_missing_fields(find_problems("managed_data_lake", **role)) == {"config.bucket"}
    assert list_missing_fields(find_problems("managed_data_lake", storage_provider="GCS")) == {
        "config.bucket"
    }
    azure = dict.fromkeys(("storage_account_name", "container_name", "tenant_id", "client_id"), "x")
    assert find_problems("managed_data_lake", storage_provider="ADLS", **azure, secret_value=SECRET) == []


@pytest.mark.parametrize(
    ("service", "config", "missing"),
    [
        ("big_query", {}, "service `big_query` needs `config.project_id`"),
        (
            "databricks",
            {"personal_access_token": SECRET},
            "service `databricks` needs `config.server_host_name`, `config.http_path` and `config.catalog`",
        ),
        (
            "databricks",
            {"server_host_name": "h", "http_path": "p", "catalog": "c"},
            "service `databricks` needs `config.personal_access_token`"
            " (or instead `config.oauth2_client_id` and `config.oauth2_secret`)",
        ),
        (
            "databricks",
            {"server_host_name": "h", "http_path": "p", "catalog": "c", "oauth2_client_id": "i"}
            | {"auth_type": "OAUTH2"},
            "`config.oauth2_secret` is needed while `config.auth_type` is `OAUTH2`",
        ),
        (
            "redshift",
            {**POSTGRES, "aws_access_key_id": "i"},
            "`config.aws_secret_access_key` is needed beside `config.aws_access_key_id`",
        ),
        (
            "managed_data_lake",
            {"bucket": "b"},
            "`config.fivetran_role_arn` is needed while `config.storage_provider` is `AWS`, its default",
        ),
        (
            "new_s3_datalake",
            {"bucket": "b"},
            "service `new_s3_datalake` needs `config.fivetran_role_arn`"
            " (or instead `config.aws_access_key_id` and `config.aws_secret_access_key`)",
        ),
        ("confluent_cloud_wh", {}, "service `confluent_cloud_wh` needs `config.bootstrap_servers`"),
    ],
)
def test_a_new_destination_needs_what_the_setup_guide_asks_for(
    service: str, config: dict[str, Any], missing: str
) -> None:
    found = [each for each in find_problems(service, **config) if each.code == "missing-field"]
    assert [(each.message, each.severity) for each in found] == [(missing, Severity.ERROR)]


def test_a_need_that_is_only_inferred_is_a_warning_that_says_so() -> None:
    servers = {"bootstrap_servers": ["k:9092"]}
    found = find_problems("aws_msk_wh", **servers, sasl_mechanism="AWS_IAM")
    assert [(each.code, each.severity) for each in found] == [("missing-field", Severity.WARNING)]
    assert "no source says so for certain" in found[0].notes[0]


OLD, NEW = "local_processing_agent_id", "hybrid_deployment_agent_id"


def test_a_deprecated_field_alone_is_a_warning() -> None:
    found = find_problems("postgres_warehouse", {OLD: "agent"}, **POSTGRES)
    assert [(each.code, each.severity, each.on_key) for each in found] == [
        ("deprecated-field", Severity.WARNING, True)
    ]
    assert f"`{NEW}`" in found[0].help


def test_a_deprecated_field_that_agrees_with_its_successor_is_accepted() -> None:
    assert find_problems("postgres_warehouse", {OLD: "agent", NEW: "agent"}, **POSTGRES) == []
    assert find_problems("postgres_warehouse", {OLD: VISIBLE, NEW: VISIBLE}, **POSTGRES) == []


@pytest.mark.parametrize("other", ["other", None])
def test_a_deprecated_field_that_contradicts_its_successor_is_an_error(other: object) -> None:
    found = find_problems("postgres_warehouse", {OLD: "agent", NEW: other}, **POSTGRES)
    assert [(each.code, each.severity) for each in found] == [("conflicting-fields", Severity.ERROR)]


def test_a_reference_does_not_contradict_a_literal() -> None:
    assert find_problems("postgres_warehouse", {OLD: VISIBLE, NEW: "agent"}, **POSTGRES) == []


def test_all_findings_are_reported_together() -> None:
    found = find_problems(
        "snowflake",
        {"region": "AWS_MARS_1", "time_zone_offset": "+99"},
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


UNITY, ONE_LAKE = "should_maintain_tables_in_databricks", "should_maintain_tables_in_one_lake"


def list_forced(service: str, **config: Any) -> list[str]:
    """List the messages about `should_write_delta`."""
    return [
        each.message for each in subset_problems(service, **config) if "should_write_delta" in each.message
    ]


@pytest.mark.parametrize("selector", [UNITY, ONE_LAKE])
def test_a_lake_with_a_delta_catalogue_cannot_do_without_delta(selector: str) -> None:
    lake = {"storage_provider": "ADLS", selector: True}
    assert list_forced("managed_data_lake", **lake, should_write_delta=False) == [
        f"`config.should_write_delta` is always `true` while `config.{selector}` is `true`"
    ]
    assert list_forced("managed_data_lake", **lake, should_write_delta="false") != []
    assert list_forced("managed_data_lake", **lake, should_write_delta=True) == []
    assert list_forced("managed_data_lake", **{**lake, selector: False}, should_write_delta=False) == []
    assert list_forced("managed_data_lake", storage_provider="ADLS", should_write_delta=False) == []


def test_databricks_through_a_lake_always_writes_delta() -> None:
    service = "databricks_via_managed_data_lake"
    assert list_forced(service, should_write_delta=False) == [
        f"`config.should_write_delta` is always `true` for service `{service}`"
    ]
    assert list_forced(service, should_write_delta=True) == []
    assert list_forced(service, should_write_delta=Reference("env", "DELTA")) == []
