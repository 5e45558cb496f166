"""Test whether a value may be shown, for every field of the catalogue."""

from __future__ import annotations

import pytest

from reconciler.catalogue.load import load_destination_facts, load_service, load_service_names
from reconciler.kinds.visibility import Masking, Sensitivity, is_misspelled_field, visibility
from reconciler.model.address import DESTINATION, GROUP
from reconciler.model.value import FieldPath, Reference

PUBLIC, SENSITIVE, UNKNOWN = Sensitivity.PUBLIC, Sensitivity.SENSITIVE, Sensitivity.UNKNOWN


@pytest.mark.parametrize(
    ("service", "path", "sensitivity"),
    [
        ("snowflake", ("config", "host"), PUBLIC),
        ("snowflake", ("config", "password"), SENSITIVE),
        ("snowflake", ("config", "new"), UNKNOWN),
        ("snowflake", ("config", "new", "host"), UNKNOWN),
        ("snowflake", ("config", "host", "x"), PUBLIC),
        ("clickhouse", ("config", "host"), UNKNOWN),
        ("brand_new", ("config", "host"), UNKNOWN),
        (None, ("config", "host"), UNKNOWN),
        (Reference("env", "SERVICE", confidential=False), ("config", "host"), UNKNOWN),
        # Not every member of an object is known.
        ("managed_data_lake", ("config", "polaris_catalog_configuration"), SENSITIVE),
        ("brand_new", ("service",), PUBLIC),
        ("brand_new", ("region",), PUBLIC),
        ("snowflake", ("new_setting",), UNKNOWN),
        ("snowflake", ("config",), UNKNOWN),
        ("snowflake", (), UNKNOWN),
    ],
)
def test_the_catalogue_decides_visibility(service: object, path: FieldPath, sensitivity: Sensitivity) -> None:
    assert visibility(DESTINATION, service, path) is sensitivity
    assert visibility(GROUP, service, path) is PUBLIC


@pytest.mark.parametrize("name", load_service_names())
def test_every_field_without_secret_is_public(name: str) -> None:
    service = load_service(name)
    assert service is not None
    public = {field for field in service.fields if visibility(DESTINATION, name, ("config", field)) is PUBLIC}
    assert public == {
        field.name for field in service.fields.values() if not field.sensitive and field.type != "object"
    }
    assert all(visibility(DESTINATION, name, (field,)) is PUBLIC for field in load_destination_facts().fields)


def test_an_unchecked_field_is_hidden() -> None:
    path = ("config", "host")
    assert not Masking(DESTINATION, "snowflake").hides(path)
    masking = Masking(DESTINATION, "snowflake", {path})
    assert (masking.hides(path), masking.get_reason(path)) == (True, "below extra_config")
    unknown = Masking(DESTINATION, "clickhouse", {path})
    assert (unknown.hides(path), unknown.get_reason(path)) == (True, "not in the catalogue")
    secret = Masking(DESTINATION, "snowflake")
    assert (secret.hides(("config", "password")), secret.get_reason(("config", "password"))) == (True, None)


@pytest.mark.parametrize(
    ("service", "name", "is_misspelt"),
    [
        ("snowflake", "databse", True),
        ("snowflake", "networking_method", True),  # correct beside `config`
        ("snowflake", "passwrod", False),
        ("snowflake", "database", False),
        ("snowflake", "frobnicate", False),
        ("clickhouse", "databse", False),
        ("brand_new", "databse", False),
    ],
)
def test_a_misspelt_public_field_is_public(service: str, name: str, is_misspelt: bool) -> None:
    assert is_misspelled_field(service, ("config", name)) is is_misspelt
