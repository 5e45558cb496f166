"""Test the content of imported entries: what they declare, what they leave out, and where secrets go."""

from __future__ import annotations

import json
from typing import Any

import pytest
from generated_accounts import (
    CANARY,
    build_large_account,
    build_typical_account,
    list_clear_secrets,
    read_seed,
)
from imported_specs import check_plans_empty, compile_entries, get_text

from reconciler.catalogue.load import load_service_names
from reconciler.importing.entries import EntryBuilder, build_entry, list_used_references
from reconciler.importing.inheritance import list_inherited
from reconciler.importing.keys import assign_keys
from reconciler.importing.model import (
    EntryOptions,
    ImportedEntry,
    LeftOutField,
    LiveGroup,
    UnknownFieldTreatment,
    WrittenReference,
)
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.plan import LiveConnection
from reconciler.model.resource import Observed
from reconciler.model.value import ExternalKey, FieldPath
from reconciler.spec.source import parse

WRITE = EntryOptions(unknown_fields=UnknownFieldTreatment.WRITE)
UNKNOWN = "the catalogue does not know it"
CONTRADICTION = "it contradicts another setting of the destination"
NOT_ACCEPTED = "the catalogue does not accept its value"
SNOWFLAKE = {"host": "acme.snowflakecomputing.com", "user": "loader", "password": "******"}


def make_live(service: Any, config: dict[str, Any], status: str = "connected", **more: Any) -> LiveGroup:
    """Make a live group `some_id` with a destination as the API shows it."""
    fields: dict[FieldPath, Any] = {("service",): service}
    fields |= {(name,): value for name, value in more.items()}
    fields |= {("config", name): value for name, value in config.items()}
    group = Observed("group", "some_id", "sales", {("name",): "sales"})
    return LiveGroup(group, Observed("destination", "some_id", "some_id", fields, status))


def build(
    service: Any, config: dict[str, Any], options: EntryOptions | None = None, **more: Any
) -> ImportedEntry:
    return build_entry(make_live(service, config, **more), "sales", options or EntryOptions())


def build_config(
    service: str, config: dict[str, Any], options: EntryOptions | None = None, **more: Any
) -> Any:
    return build(service, config, options, **more).content["destination"].get("config")


def import_groups(groups: list[LiveGroup], options: EntryOptions | None = None) -> list[ImportedEntry]:
    keys, omissions = assign_keys(groups, set())
    assert omissions == ()
    builder = EntryBuilder(options or EntryOptions())
    return [builder.build(live, keys[live.id]) for live in groups]


def list_left_out(entry: ImportedEntry) -> dict[str, str]:
    return {".".join(left_out.path): left_out.reason for left_out in entry.left_out}


# The group


def test_an_entry_has_the_id_and_the_name_where_it_is_not_the_key() -> None:
    live = LiveGroup(Observed("group", "some_id", "Sales ${X} ", {}))
    assert build_entry(live, "sales", EntryOptions()).content == {"id": "some_id", "name": "Sales ${X} "}
    live = LiveGroup(Observed("group", "some_id", "Sales", {}))
    assert build_entry(live, "sales", EntryOptions()).content == {"id": "some_id", "name": "Sales"}
    live = LiveGroup(Observed("group", "some_id", "sales", {}))
    assert build_entry(live, "sales", EntryOptions()).content == {"id": "some_id"}


def test_a_destination_that_cannot_be_read_is_not_declared() -> None:
    live = LiveGroup(Observed("group", "some_id", "sales", {}), unreadable="403: secret message")
    entry = build_entry(live, "sales", EntryOptions())
    assert entry.content == {"id": "some_id"}
    assert entry.comments == ("Its destination is not declared: the API key may not read it.",)


# The settings


def test_an_entry_has_service_region_and_time_zone_first() -> None:
    entry = build(
        "snowflake", SNOWFLAKE, region="GCP_US_EAST4", time_zone_offset="+1", private_link_id=None
    )  # fmt: skip
    assert entry.content == {
        "id": "some_id",
        "destination": {
            "service": "snowflake",
            "region": "GCP_US_EAST4",
            "time_zone_offset": "+1",
            "config": {
                "host": "acme.snowflakecomputing.com",
                "user": "loader",
                "password": {"secret": "env:SALES_PASSWORD"},
            },
        },
    }
    assert list(entry.content["destination"]) == ["service", "region", "time_zone_offset", "config"]
    assert entry.references == (WrittenReference(("config", "password"), "env:SALES_PASSWORD"),)
    assert entry.left_out == ()
    assert entry.comments == ()


def test_echoes_of_defaults_and_computed_values_are_left_out() -> None:
    config = {
        "host": "h",
        "auth_type": "PASSWORD",
        "connection_type": "Directly",
        "public_key": "ssh-rsa AAAA",
        "external_id": "some_id",
        "is_redshift_serverless": False,
        "bucket": None,
        "user": "",
        "always_encrypted": "false",
    }
    networking = {
        "networking_method": "Directly",
        "daylight_saving_time_enabled": False,
        "private_link_id": None,
    }
    entry = build("redshift", config, **networking)
    assert entry.content["destination"] == {"service": "redshift", "config": {"host": "h"}}
    assert entry.left_out == ()


def test_a_destination_without_settings_has_no_config() -> None:
    assert build("snowflake", {}).content["destination"] == {"service": "snowflake"}


def test_values_have_the_types_and_spellings_of_the_catalogue() -> None:
    config = {
        "host": "h",
        "port": "443",
        "auth": "key-pair",
        "private_key": "******",
        "use_customer_staging": "TRUE",
    }
    written = build_config("snowflake", {**config, "auth": "key_pair"})
    assert written["port"] == 443
    assert written["auth"] == "KEY_PAIR"
    assert written["use_customer_staging"] is True


def test_a_field_is_declared_by_the_name_that_requests_have() -> None:
    assert build_config("big_query", {"project_id": "p", "location": "EU"}) == {
        "project_id": "p",
        "data_set_location": "EU",
    }


def test_an_old_name_of_an_agent_becomes_its_present_name() -> None:
    entry = build("snowflake", {}, local_processing_agent_id="agent_1", hybrid_deployment_agent_id=None)
    assert entry.content["destination"] == {"service": "snowflake", "hybrid_deployment_agent_id": "agent_1"}


def test_a_networking_method_is_declared_once() -> None:
    both = build(
        "snowflake", {"connection_type": "PrivateLink"}, networking_method="PrivateLink", private_link_id="p"
    )
    assert both.content["destination"] == {
        "service": "snowflake",
        "networking_method": "PrivateLink",
        "private_link_id": "p",
    }
    kafka = build("aiven_kafka_wh", {"connection_method": "privatelink"}, networking_method="PrivateLink")
    assert kafka.content["destination"] == {"service": "aiven_kafka_wh", "networking_method": "PrivateLink"}
    assert both.left_out == kafka.left_out == ()


def test_a_tunnel_that_is_answered_as_a_direct_connection_is_declared_by_its_other_name() -> None:
    entry = build(
        "mysql_warehouse", {"connection_type": "SshTunnel", "tunnel_port": "22"}, networking_method="Directly"
    )
    assert entry.content["destination"]["config"] == {"connection_type": "SshTunnel", "tunnel_port": 22}
    assert "networking_method" not in entry.content["destination"]


def test_values_that_fivetran_rewrites_are_left_out_and_named() -> None:
    entry = build(
        "databricks", {"server_host_name": "x.privatelink", "cloud_provider": "AWS", "catalog": "main"}
    )
    assert entry.content["destination"]["config"] == {"catalog": "main"}
    reason = "Fivetran may answer another value than the one that it uses"
    assert list_left_out(entry) == {"config.cloud_provider": reason, "config.server_host_name": reason}
    assert entry.comments == ()


@pytest.mark.parametrize(
    ("service", "config", "more", "left_out"),
    [
        ("snowflake", {"auth": "KEY_PAIR", "password": "******"}, {}, {"config.password": CONTRADICTION}),
        ("snowflake", {"auth": "PASSKEY"}, {}, {"config.auth": NOT_ACCEPTED}),
        ("snowflake", {"port": "many"}, {}, {"config.port": NOT_ACCEPTED}),
        ("snowflake", {"database": 5}, {}, {"config.database": NOT_ACCEPTED}),
        ("snowflake", {}, {"time_zone_offset": "+5:30"}, {"time_zone_offset": NOT_ACCEPTED}),
        ("snowflake", {}, {"region": "nowhere"}, {"region": NOT_ACCEPTED}),
        ("snowflake", {}, {"networking_method": "Carrier"}, {"networking_method": NOT_ACCEPTED}),
        ("managed_data_lake", {"storage_provider": "GCS", "fivetran_role_arn": "arn"}, {},
         {"config.fivetran_role_arn": CONTRADICTION}),
        ("mysql_warehouse", {"connection_type": "PrivateLink", "tunnel_host": "h", "tunnel_port": 22}, {},
         {"config.tunnel_host": CONTRADICTION, "config.tunnel_port": CONTRADICTION}),
        ("snowflake", {}, {"proxy_agent_id": "p", "hybrid_deployment_agent_id": "h"},
         {"proxy_agent_id": CONTRADICTION}),
        ("snowflake", {"host": "a\u200bb"}, {}, {"config.host": "its value has an invisible character"}),
    ],
)  # fmt: skip
def test_settings_that_no_spec_may_have_are_left_out_and_named(
    service: str, config: dict[str, Any], more: dict[str, Any], left_out: dict[str, str]
) -> None:
    entry = build(service, config, **more)
    assert list_left_out(entry) == left_out
    check_plans_empty([entry])


def test_a_setting_beside_config_that_specs_lack_is_named() -> None:
    entry = build("snowflake", {}, WRITE, created_at=CANARY, is_new=False, note="")
    assert entry.content["destination"] == {"service": "snowflake"}
    assert list_left_out(entry) == {"created_at": "specs have no such setting"}
    assert entry.comments == ()


@pytest.mark.parametrize("service", [None, "", 5, "a\u200bb"])
def test_an_answer_without_a_service_declares_no_destination(service: Any) -> None:
    entry = build(service, {"host": "h"})
    assert entry.content == {"id": "some_id"}
    assert list_left_out(entry) == {"service": "its answer names no service"}


def test_a_service_that_validate_takes_for_a_misspelling_is_not_declared() -> None:
    entry = build("snowflakes", {"host": "h", "password": "******"})
    assert entry.content == {"id": "some_id"}
    assert entry.references == ()
    assert "service" in list_left_out(entry)


# Defaults of the project

DEFAULTS = {
    "region": "AWS_EU_CENTRAL_1",
    "daylight_saving_time_enabled": True,
    "lifecycle": {"protected": True},
    "config": {"port": 444, "role": "LOADER"},
    "extra_config": {"warp_factor": 5},
}


def test_an_entry_inherits_nothing_that_the_destination_lacks() -> None:
    root = parse(json.dumps(DEFAULTS), "reconciler.yaml")
    options = EntryOptions(inherited=list_inherited(root))
    entry = build("snowflake", {"host": "h", "port": "443"}, options, region="GCP_US_EAST4")
    assert entry.content["destination"] == {
        "service": "snowflake",
        "region": "GCP_US_EAST4",
        "daylight_saving_time_enabled": {"unset": True},
        "config": {"host": "h", "port": 443, "role": {"unset": True}},
        "extra_config": {"warp_factor": {"unset": True}},
    }
    check_plans_empty([entry], DEFAULTS)
    assert list_inherited(None) == frozenset()


# Secrets


@pytest.mark.parametrize(
    ("service", "config"),
    [
        ("snowflake", {"password": "******"}),
        ("snowflake", {"password": CANARY}),  # also if an answer shows it
        ("snowflake", {"storage_account_key": CANARY}),
        ("snowflake", {"gcs_service_account_credentials": {"private_key": CANARY}}),
        ("snowflake", {"user": "********"}),
        ("snowflake", {"role": f"-----BEGIN PRIVATE KEY-----\n{CANARY}"}),
        ("snowflake", {"host": f"https://user:{CANARY}@acme.example"}),
        ("aiven_kafka_wh", {"bootstrap_servers": ["a:9092", f"kafka://user:{CANARY}@b:9092"]}),
        ("aiven_kafka_wh", {"bootstrap_servers": ["a:9092", "******"]}),
        ("redshift", {"role_arn": "******"}),
    ],
)
def test_a_secret_becomes_a_reference(service: str, config: dict[str, Any]) -> None:
    (name,) = config
    entry = build(service, config)
    reference = f"env:SALES_{name.upper()}"
    assert entry.content["destination"]["config"] == {name: {"secret": reference}}
    assert entry.references == (WrittenReference(("config", name), reference),)
    assert CANARY not in get_text([entry])
    check_plans_empty([entry])


def test_a_secret_that_is_not_set_has_no_reference() -> None:
    entry = build("snowflake", {"host": "h", "password": None, "private_key": ""})
    assert entry.content["destination"]["config"] == {"host": "h"}
    assert entry.references == ()


def test_references_follow_the_template() -> None:
    options = EntryOptions(secret_template="vault:kv/${STAGE}/{key}#{field}")
    assert build_config("snowflake", SNOWFLAKE, options)["password"] == {
        "secret": "vault:kv/${STAGE}/sales#password"
    }


def test_a_bad_template_is_an_error() -> None:
    with pytest.raises(ReconcilerError):
        build("snowflake", SNOWFLAKE, EntryOptions(secret_template="env:SECRET"))


def test_two_secrets_never_have_one_reference() -> None:
    builder = EntryBuilder(EntryOptions(unknown_fields=UnknownFieldTreatment.WRITE))
    live = make_live("clickhouse", {"a_password": "******", "a.password": "******"})
    first, second = (builder.build(live, key) for key in ("sales", "sales_a"))
    third = builder.build(make_live("clickhouse", {"password": "******"}), "sales_a")
    assert [[written.reference for written in entry.references] for entry in (first, second, third)] == [
        ["env:SALES_A_PASSWORD", "env:SALES_A_PASSWORD_2"],
        ["env:SALES_A_A_PASSWORD", "env:SALES_A_A_PASSWORD_2"],
        ["env:SALES_A_PASSWORD_3"],
    ]


def test_a_secret_never_has_a_reference_of_the_specs() -> None:
    declared = build("snowflake", {"password": "******", "gcs_service_account_credentials": {"a": 1}})
    (destination,) = compile_entries([declared]).destinations
    used = list_used_references([destination])
    assert used == {"env:SALES_PASSWORD", "env:SALES_GCS_SERVICE_ACCOUNT_CREDENTIALS"}
    entry = EntryBuilder(EntryOptions(), used).build(make_live("snowflake", {"password": "******"}), "sales")
    assert [written.reference for written in entry.references] == ["env:SALES_PASSWORD_2"]


def test_a_key_of_a_secrets_manager_becomes_its_reference() -> None:
    config = {"host": "h", "password": ExternalKey("sales/${db}"), "user": ExternalKey("name")}
    entry = build("snowflake", config, external_secrets_manager_id="esm_1")
    assert entry.content["destination"]["external_secrets_manager_id"] == "esm_1"
    assert entry.content["destination"]["config"] == {
        "host": "h",
        "user": {"secret": "esm:name"},
        "password": {"secret": "esm:sales/${db}"},
    }
    assert entry.references == ()  # nobody has to provide them to this program
    check_plans_empty([entry])


@pytest.mark.parametrize(
    ("config", "left_out"),
    [
        (
            {"password": ExternalKey("a#b")},
            {"config.password": "specs cannot name its key in the secrets manager"},
        ),
        (
            {"password": ExternalKey(" ")},
            {"config.password": "specs cannot name its key in the secrets manager"},
        ),
        ({"role": ExternalKey("a")}, {"config.role": NOT_ACCEPTED}),
    ],
)
def test_a_key_of_a_secrets_manager_that_specs_cannot_name_is_left_out(
    config: dict[str, Any], left_out: dict[str, str]
) -> None:
    assert list_left_out(build("snowflake", config)) == left_out


# Fields that the catalogue does not know


def test_unknown_fields_are_left_out_and_named_without_their_values() -> None:
    entry = build("snowflake", {"host": "h", "warp_factor": CANARY, "api_token": CANARY})
    assert entry.content["destination"]["config"] == {"host": "h"}
    assert entry.left_out == (
        LeftOutField(("config", "api_token"), UNKNOWN),
        LeftOutField(("config", "warp_factor"), UNKNOWN),
    )
    assert entry.comments == (
        "Not declared, since the catalogue does not know them: `config.api_token`, `config.warp_factor`",
    )
    assert CANARY not in get_text([entry])


@pytest.mark.parametrize(
    ("config", "pronoun"),
    [({"warp": "9"}, "it: `config.warp`"), ({"warp": "9", "x": "1"}, "them: `config.warp`, `config.x`")],
)
def test_fields_of_a_service_that_the_catalogue_does_not_describe_have_a_reason_with_advice(
    config: dict[str, str], pronoun: str
) -> None:
    [reason] = {field.reason for field in build("materialize", config).left_out}
    assert reason.startswith("the catalogue describes no fields of this service")
    comment = " ".join(build("materialize", config).comments)
    assert comment.endswith(f"no fields of this service; `--unknown-fields write` declares {pronoun}")


def test_harmless_unknown_fields_are_written_on_request() -> None:
    config = {
        "host": "h", "warp_factor": 9, "crew": ["a", {"b": None}], "engaged": False, "use_token": True,
        "warp_token": "x", "masked": "******", "motto": f"https://u:{CANARY}@h", "unset_field": None,
    }  # fmt: skip
    entry = build("snowflake", config, WRITE)
    assert entry.content["destination"]["config"] == {"host": "h"}
    assert entry.content["destination"]["extra_config"] == {
        "crew": ["a", {"b": None}],
        "engaged": False,
        "masked": {"secret": "env:SALES_MASKED"},
        "motto": {"secret": "env:SALES_MOTTO"},
        "use_token": True,
        "warp_factor": 9,
        "warp_token": {"secret": "env:SALES_WARP_TOKEN"},
    }
    assert entry.left_out == entry.comments == ()
    check_plans_empty([entry])


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"level": 1, "passphrase": CANARY}, "nested"),
        ([f"https://u:{CANARY}@h"], "addresses"),
        ({"a": "******"}, "masked"),
        (123456, "pin_token"),
        ({"secret": "a"}, "box"),
        ("x", "unset"),
        ("x", "value"),
        ({"a\u200b": 1}, "odd"),
        ("a\u202e", "odd"),
    ],
)
def test_other_unknown_fields_are_left_out_on_request_too(value: Any, name: str) -> None:
    entry = build("snowflake", {"host": "h", name: value}, WRITE)
    assert entry.content["destination"] == {"service": "snowflake", "config": {"host": "h"}}
    assert list(list_left_out(entry)) == [f"config.{name}"]
    assert CANARY not in get_text([entry])


@pytest.mark.parametrize("service", ["clickhouse", "quantum_store"])
def test_fields_of_a_service_without_a_schema_stand_below_config(service: str) -> None:
    config = {"host": "h", "port": 8443, "password": "******"}
    assert "config" not in build(service, config).content["destination"]
    entry = build(service, config, WRITE)
    assert entry.content["destination"]["config"] == {
        "host": "h", "port": 8443, "password": {"secret": "env:SALES_PASSWORD"}
    }  # fmt: skip
    check_plans_empty([entry])


# Comments


@pytest.mark.parametrize(
    ("service", "status", "comments"),
    [
        ("snowflake", "connected", ()),
        ("snowflake", "broken", ("Fivetran calls this destination broken.",)),
        ("snowflake", "incomplete", ("Fivetran calls this destination incomplete: no setup test has passed yet.",)),
        ("adls", "connected", ("`adls` is a legacy service; use `managed_data_lake` for new destinations.",)),
        ("onelake", "connected", ("`onelake` is no longer supported; use `managed_data_lake` for new destinations.",)),
        ("panoply", "connected", ("`panoply` is a legacy service.",)),
        ("quantum_store", "connected", ("The catalogue does not know the service `quantum_store`.",)),
        ("a b\nc", "connected", ("The catalogue does not know the service `a b c`.",)),
    ],
)  # fmt: skip
def test_a_comment_says_what_an_entry_does_not_show(
    service: str, status: str, comments: tuple[str, ...]
) -> None:
    assert build(service, {}, status=status).comments == comments


@pytest.mark.parametrize(
    ("services", "comment"),
    [
        (["stripe"], "1 connection loads into it: `stripe`"),
        (["stripe", "jira", "stripe"], "3 connections load into it: `jira`, `stripe`"),
        (list("gfedcba"), "7 connections load into it: `a`, `b`, `c`, `d`, `e` and 2 more"),
        (["x\n- evil: 1"], "1 connection loads into it: `x - evil: 1`"),
    ],
)
def test_a_comment_names_the_connections(services: list[str], comment: str) -> None:
    group = Observed("group", "some_id", "sales", {})
    loaded = tuple(LiveConnection(str(number), service) for number, service in enumerate(services))
    assert build_entry(LiveGroup(group, connections=loaded), "sales", EntryOptions()).comments == (comment,)
    assert build_entry(LiveGroup(group, connections=()), "sales", EntryOptions()).comments == ()


def test_comments_name_the_settings_that_a_reader_would_look_for() -> None:
    config = {
        "auth": "KEY_PAIR", "password": "******", "port": "many", "host": "a\u200b", "nested": {"some_token": CANARY},
        "user": ExternalKey("#"), "value": 1, "cloud_provider": None,
    }  # fmt: skip
    assert build("snowflake", config, WRITE, time_zone_offset="?").comments == (
        "Not declared, since the catalogue does not know it and it has a secret inside: `config.nested`",
        "Not declared, since it contradicts another setting: `config.password`",
        "Not declared, since the catalogue does not accept their values: `time_zone_offset`, `config.port`",
        "Not declared, since its value has an invisible character: `config.host`",
        "Not declared, since its name has a meaning in specs: `config.value`",
        "Not declared, since specs cannot name its key: `config.user`",
    )


def test_a_long_comment_has_several_lines() -> None:
    config = {f"{'long_' * 8}{number}": 1 for number in range(12)}
    comments = build("snowflake", config).comments
    assert len(comments) > 1
    assert all(len(line) <= 100 for line in comments)
    assert comments[-1].endswith("and 4 more")


# Whole accounts


@pytest.mark.parametrize("treatment", UnknownFieldTreatment)
def test_a_typical_account_plans_empty(treatment: UnknownFieldTreatment) -> None:
    seed = build_typical_account()
    entries = import_groups(read_seed(seed, with_connections=True), EntryOptions(unknown_fields=treatment))
    assert len(entries) == 60
    check_plans_empty(entries)
    secrets = list_clear_secrets(seed)
    assert len(secrets) >= 50
    assert not [secret for secret in secrets if secret in get_text(entries)]


@pytest.mark.parametrize(
    "answers", [{}, {"unset_config": "null", "optional_ids": "null", "renamed_fields": "both"}]
)
def test_every_service_plans_empty(answers: dict[str, Any]) -> None:
    seed = build_large_account(2 * len(load_service_names()))
    entries = import_groups(read_seed(seed, **answers))
    check_plans_empty(entries)
    assert not [secret for secret in list_clear_secrets(seed) if secret in get_text(entries)]


def test_entries_are_plain_data() -> None:
    for entry in import_groups(read_seed(build_typical_account())):
        assert json.loads(json.dumps(entry.content)) == entry.content
