"""Test the loading of the TOML files: merging, order, strictness."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from reconciler.catalogue.load import build_field, build_service, load_service, load_service_names
from reconciler.catalogue.model import WireForm


def test_service_names_are_sorted() -> None:
    assert list(load_service_names()) == sorted(load_service_names())


def test_an_unknown_service_name_is_none_and_never_a_path() -> None:
    assert load_service("snowflakes") is None
    assert load_service("../destination") is None


def test_a_service_is_loaded_once() -> None:
    assert load_service("snowflake") is load_service("snowflake")


def test_a_service_overrides_its_parts_key_by_key() -> None:
    service = load_service("oracle_warehouse")
    assert service is not None
    connection_type = service.fields["connection_type"]
    assert connection_type.enum == ("Directly", "SshTunnel")  # from the service itself
    assert connection_type.default == "Directly"  # from the part


def test_a_later_part_overrides_an_earlier_part() -> None:
    service = load_service("aurora_postgres_warehouse")
    assert service is not None
    assert service.fields["auth_method"].enum == ("PASSWORD", "AWS_IAM")


def test_an_empty_condition_removes_the_condition_of_a_part() -> None:
    redshift, postgres = load_service("redshift"), load_service("postgres_warehouse")
    assert redshift is not None
    assert postgres is not None
    assert redshift.fields["always_encrypted"].required_when is None
    assert postgres.fields["always_encrypted"].required_when == {"connection_type": ("SshTunnel",)}


def test_fields_are_in_reading_order() -> None:
    service = load_service("snowflake")
    assert service is not None
    assert list(service.fields)[:6] == ["host", "port", "database", "user", "auth", "password"]


@pytest.mark.parametrize(
    ("name", "wire_form"),
    [
        ("snowflake", WireForm.STRING),
        ("postgres_rds_warehouse", WireForm.STRING),
        ("databricks", WireForm.STRING),
        ("managed_data_lake", WireForm.ECHO),
        ("new_s3_datalake", WireForm.ECHO),
        ("adls", WireForm.ECHO),
    ],
)
def test_a_port_is_text_in_responses_of_databases_and_a_number_of_lakes(
    name: str, wire_form: WireForm
) -> None:
    service = load_service(name)
    assert service is not None
    assert service.fields["port"].answers is wire_form


def test_the_catalogue_secret_of_a_lake_has_a_longer_mask() -> None:
    service = load_service("managed_data_lake")
    assert service is not None
    leaf = service.fields["polaris_catalog_configuration"].fields["clientSecret"]
    assert leaf.sensitive
    assert leaf.mask == "*" * 8


def test_the_catalogue_cannot_be_changed() -> None:
    service = load_service("snowflake")
    assert service is not None
    with pytest.raises(TypeError):
        service.fields["host"] = service.fields["port"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("build", "table"),
    [
        (build_field, {"description": "A field.", "sensitiv": True}),
        (build_field, {"description": "A field.", "type": "number"}),
        (build_field, {"type": "string"}),
        (
            build_field,
            {"description": "An object.", "fields": {"leaf": {"description": "A leaf.", "tpye": "string"}}},
        ),
        (build_service, {"title": "A service", "sucessor": "snowflake"}),
        (build_service, {"description": "A service without a title."}),
    ],
)
def test_a_mistake_in_a_file_is_an_error(
    build: Callable[[str, dict[str, object]], object], table: dict[str, object]
) -> None:
    with pytest.raises(ValidationError):
        build("example", table)
