"""Test which values are detected as secrets, and which unusual values are not."""

from __future__ import annotations

import base64
import hashlib
import random
import string

import pytest

from reconciler.catalogue.check import check_destination
from reconciler.catalogue.secret_detection import detect_secret
from reconciler.model.value import Reference


def generate_key(seed: int, length: int, alphabet: str) -> str:
    """Generate random characters, the same in every run."""
    return "".join(random.Random(seed).choices(alphabet, k=length))


LETTERS = string.ascii_letters + string.digits
BASE64 = LETTERS + "+/"
HEXADECIMAL = "0123456789abcdef"
PRIVATE_KEY = "-----BEGIN {}PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END {}PRIVATE KEY-----\n"
TOKEN = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"1234567890"}', b"signature-signature")
)

SECRETS = [
    ("a private key", PRIVATE_KEY.format("", "")),
    ("a private key", PRIVATE_KEY.format("RSA ", "RSA ")),
    ("a private key", PRIVATE_KEY.format("ENCRYPTED ", "ENCRYPTED ")),
    ("a private key", PRIVATE_KEY.format("EC ", "EC ").replace("\n", "\\n")),
    ("a private key", '{"type": "service_account", "private_key": "' + PRIVATE_KEY.format("", "") + '"}'),
    ("a JSON web token", TOKEN),
    ("a JSON web token", f"Bearer {TOKEN}"),
    ("an AWS access key with its secret", f"AKIA{'Q2' * 8}:{generate_key(1, 40, LETTERS)}"),
    ("an access token", "xoxb-" + generate_key(2, 24, string.digits)),
    ("an access token", "ghp_" + generate_key(3, 36, LETTERS)),
    ("an access token", "github_pat_" + generate_key(4, 60, LETTERS)),
    ("an access token", "glpat-" + generate_key(5, 20, LETTERS)),
    ("an access token", "dapi" + generate_key(6, 32, HEXADECIMAL)),
    ("an access token", "dapi" + generate_key(6, 32, HEXADECIMAL) + "-2"),
    ("an access token", "hvs." + generate_key(7, 90, LETTERS)),
    ("an access token", "AIza" + generate_key(8, 35, LETTERS)),
    ("an access token", "sk_live_" + generate_key(9, 24, LETTERS)),
    ("an access token", "abc8Q~" + generate_key(10, 34, LETTERS)),
    ("a connection string with its password", "postgres://loader:hunter2@db.acme.example:5432/warehouse"),
    ("a connection string with its password", "mongodb+srv://loader:hunter2@cluster.acme.example"),
    (
        "a connection string with its password",
        "jdbc:postgresql://db.acme.example/w?user=loader&password=hunter2",
    ),
    (
        "a connection string with its password",
        "Server=tcp:acme.example;Database=w;User Id=l;Password=hunter2;",
    ),
    (
        "a connection string with its password",
        "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=" + generate_key(11, 86, BASE64) + "==",
    ),
    (
        "a connection string with its password",
        "https://acme.blob.core.windows.net/c?sv=2024-01-01&sig=" + generate_key(12, 43, LETTERS) + "%3D",
    ),
    ("a random key", generate_key(13, 40, HEXADECIMAL)),
    ("a random key", generate_key(14, 64, HEXADECIMAL)),
    ("a random key", generate_key(15, 64, HEXADECIMAL).upper()),
    ("a random key", generate_key(16, 40, BASE64)),
    ("a random key", generate_key(17, 86, BASE64) + "=="),
    ("a random key", generate_key(18, 43, LETTERS + "-_")),
]
ORDINARY = [
    "acme-prod.snowflakecomputing.com",
    "xy12345.eu-central-1.privatelink.snowflakecomputing.com",
    "adb-1234567890123456.7.azuredatabricks.net",
    "dbc-a1b2c3d4-e5f6.cloud.databricks.com",
    "orders.cluster-cabcdefghij1.eu-west-1.rds.amazonaws.com",
    "acme-workgroup.123456789012.us-east-1.redshift-serverless.amazonaws.com",
    "com.amazonaws.vpce.us-east-1.vpce-svc-0a1b2c3d4e5f67890",
    "b-1.acme.abc123.c2.kafka.us-east-1.amazonaws.com:9098",
    "/sql/1.0/warehouses/abc123def4567890",
    "sql/protocolv1/o/1234567890123456/0123-456789-abcdefgh",
    "arn:aws:iam::123456789012:role/Fivetran-Redshift-Loader-Role2024",
    "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "/subscriptions/12345678-90ab-cdef-1234-567890abcdef/resourceGroups/RG1/providers/Microsoft.Sql/servers/S1",
    "12345678-90ab-cdef-1234-567890abcdef",
    "1234567890ABCDEF1234567890ABCDEF",
    hashlib.md5(b"tenant").hexdigest(),
    "AKIAIOSFODNN7EXAMPLE",
    "fivetran@acme-prod.iam.gserviceaccount.com",
    "1234567890-abcdefghijklmnopqrstuvwxyz012345.apps.googleusercontent.com",
    "acme_prod_warehouse_raw_data_landing_zone_2024_eu_central_1",
    "data/Warehouse/Prod/Region1/Finance2024/Ledgers",
    "FinanceAnalyticsWarehouseProductionLoader2024",
    "FIVETRAN_ANALYTICS_PRODUCTION_WAREHOUSE_ROLE_2024",
    "FIVETRAN_SFCRole=2_abcdefGHIJKL0123456789=",
    "s3://acme-lake/raw/Fivetran/Region-EU/2024/",
    "https://vault.acme.example:8200/v1",
    "https://loader@acme.example/path",
    "jdbc:snowflake://acme.snowflakecomputing.com/?user=loader&warehouse=W",
    "snowflake://acme.example:443/db?host=a@b",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBa\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDM5lYx9x0kzUF4rJ0iBGJ4O6Y fivetran@acme",
    "r+u4QL4MGvZeKrrsVgyJ",
    "PERSONAL_ACCESS_TOKEN",
    "password",
    "the password is kept elsewhere",
    "decent_dropsy",
    "€" * 60,
    "1" * 60,
    "",
]


@pytest.mark.parametrize(("kind", "value"), SECRETS)
def test_a_value_in_the_form_of_a_secret_is_detected(kind: str, value: str) -> None:
    assert detect_secret(value) == kind


@pytest.mark.parametrize("value", ORDINARY)
def test_an_ordinary_value_is_accepted(value: str) -> None:
    assert detect_secret(value) is None


def test_most_random_keys_are_detected() -> None:
    found = [detect_secret(generate_key(seed, 40, BASE64)) is not None for seed in range(500)]
    assert sum(found) >= 480


def test_values_inside_lists_and_mappings_are_detected() -> None:
    assert detect_secret({"a": ["x", {"b": TOKEN}]}) == "a JSON web token"


@pytest.mark.parametrize("value", [5, True, None, 1.5, Reference("env", TOKEN)])
def test_a_value_other_than_text_is_no_secret(value: object) -> None:
    assert detect_secret(value) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("config", "user"), TOKEN),
        (("config", "auth"), TOKEN),  # a choice, whose findings quote the declared value
        (("config", "port"), TOKEN),
        (("config", "brand_new_field"), TOKEN),
        (("config", "hosst"), "postgres://loader:hunter2@db"),
        (("region",), TOKEN),
        (("time_zone_offset",), TOKEN),
        (("networking_method",), TOKEN),
        (("private_link_id",), TOKEN),
        (("config", "resource_id"), [TOKEN]),
    ],
)
def test_a_secret_in_any_field_is_refused_and_never_quoted(path: tuple[str, ...], value: object) -> None:
    fields = {("service",): "snowflake", ("time_zone_offset",): "0", ("config", "host"): "h", path: value}
    found = [each for each in check_destination(fields) if each.path == path]
    assert [each.code for each in found] == ["literal-secret"]
    assert found[0].secret
    assert TOKEN not in repr(found)
    assert "hunter2" not in repr(found)


def test_an_unchecked_field_may_hold_a_secret() -> None:
    path = ("config", "brand_new_field")
    fields = {("service",): "snowflake", ("time_zone_offset",): "0", ("config", "host"): "h", path: TOKEN}
    assert check_destination(fields, unchecked=frozenset({path})) == []
