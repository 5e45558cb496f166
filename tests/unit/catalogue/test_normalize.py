"""Test the normal form that both sides of a comparison share."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.catalogue.load import load_service
from reconciler.catalogue.model import Field, FieldType
from reconciler.catalogue.normalize import MASKED, is_mask, normalize_destination, normalize_value
from reconciler.model.value import FieldPath, Reference, Secret

CONNECTION_TYPE = Field("connection_type", enum=("Directly", "PrivateLink", "SshTunnel"))
SERVERS = Field("servers", FieldType.STRINGS, unordered=True)
STEPS = Field("steps", FieldType.STRINGS)
NUMBER = Field("number", FieldType.INTEGER)
TRUTH = Field("truth", FieldType.BOOLEAN)
TEXT = Field("text")


def normalize_fields(service: str | None, fields: dict[FieldPath, Any]) -> dict[FieldPath, Any]:
    return normalize_destination(load_service(service) if service else None, fields)


@pytest.mark.parametrize("spelling", ["SshTunnel", "SSHTunnel", "SSH_TUNNEL", "sshtunnel"])
def test_r2_spellings_of_a_choice_are_equal(spelling: str) -> None:
    assert normalize_value(CONNECTION_TYPE, spelling) == "SshTunnel"


def test_an_unknown_choice_stays_unchanged() -> None:
    assert normalize_value(CONNECTION_TYPE, "Carrier_Pigeon") == "Carrier_Pigeon"


def test_r3_a_null_networking_method_counts_as_absent() -> None:
    assert normalize_fields("snowflake", {("networking_method",): None}) == {("networking_method",): None}


def test_r5_a_dataset_location_is_read_under_another_name() -> None:
    path = ("config", "data_set_location")
    assert normalize_fields("big_query", {("config", "location"): "EU"})[path] == "EU"
    assert normalize_fields("big_query", {("config", "location"): "EU", path: None})[path] == "EU"


def test_r5_a_dataset_location_under_its_own_name_wins() -> None:
    path = ("config", "data_set_location")
    assert normalize_fields("big_query", {("config", "location"): "US", path: "EU"})[path] == "EU"


def test_a_field_without_a_name_is_no_other_name_of_a_field() -> None:
    fields: dict[FieldPath, Any] = {("config", ""): "EU"}
    assert normalize_fields("snowflake", fields) == fields


@pytest.mark.parametrize("nothing", [None, "", [], {}])
@pytest.mark.parametrize("field", [TEXT, NUMBER, TRUTH, SERVERS, None])
def test_r6_null_and_empty_values_are_equal(field: Field | None, nothing: object) -> None:
    assert normalize_value(field, nothing) is None


@pytest.mark.parametrize(
    ("field", "value", "normal"),
    [
        (NUMBER, "5432", 5432),
        (NUMBER, 5432, 5432),
        (NUMBER, 5432.0, 5432),
        (NUMBER, 0, 0),
        (TRUTH, "true", True),
        (TRUTH, "False", False),
        (TRUTH, False, False),
    ],
)
def test_r7_numbers_and_booleans_may_be_text(field: Field, value: object, normal: object) -> None:
    found = normalize_value(field, value)
    assert found == normal
    assert type(found) is type(normal)


@pytest.mark.parametrize(
    ("value", "normal"),
    [("+8", "+8"), ("8", "+8"), (8, "+8"), (-8, "-8"), ("-8", "-8"), (0, "0"), ("+0", "0"), ("-0", "0")],
)
def test_r7_time_zone_offsets_have_one_spelling(value: object, normal: str) -> None:
    assert normalize_fields("snowflake", {("time_zone_offset",): value}) == {("time_zone_offset",): normal}


@pytest.mark.parametrize(
    ("field", "value"), [(NUMBER, "many"), (NUMBER, [1]), (TRUTH, "yes"), (STEPS, "a"), (TEXT, 1)]
)
def test_a_value_that_cannot_be_coerced_stays_unchanged(field: Field, value: object) -> None:
    assert normalize_value(field, value) == value


def test_a_boolean_is_no_number() -> None:
    assert normalize_value(NUMBER, True) is True


def test_r8_the_order_of_a_set_does_not_count() -> None:
    assert normalize_value(SERVERS, ["b", "a"]) == normalize_value(SERVERS, ["a", "b"])


def test_r8_the_order_of_a_list_counts() -> None:
    assert normalize_value(STEPS, ["b", "a"]) != normalize_value(STEPS, ["a", "b"])


@pytest.mark.parametrize("stars", ["*", "******", "********"])
@pytest.mark.parametrize("field", [TEXT, NUMBER, None])
def test_r32_a_row_of_stars_is_a_mask(field: Field | None, stars: str) -> None:
    assert is_mask(stars)
    assert normalize_value(field, stars) is MASKED
    assert repr(MASKED) == "(masked)"


@pytest.mark.parametrize("value", ["", "**a**", None, 6])
def test_other_values_are_no_mask(value: object) -> None:
    assert not is_mask(value)


def test_masks_inside_an_object_are_masks() -> None:
    found = normalize_fields(
        "managed_data_lake",
        {
            ("config", "polaris_catalog_configuration"): {
                "clientId": "abc",
                "clientSecret": "********",
                "x": None,
            }
        },
    )
    assert found == {("config", "polaris_catalog_configuration"): {"clientId": "abc", "clientSecret": MASKED}}


def test_leaves_of_an_object_have_their_own_types() -> None:
    field = Field("object", FieldType.OBJECT, fields={"number": NUMBER})
    assert normalize_value(field, {"number": "5", "other": "5"}) == {"number": 5, "other": "5"}


@pytest.mark.parametrize("value", [Reference("env", "X"), Secret("******"), MASKED])
@pytest.mark.parametrize(
    "field", [TEXT, CONNECTION_TYPE, NUMBER, TRUTH, STEPS, Field("o", FieldType.OBJECT), None]
)
def test_references_secrets_and_masks_stay_unchanged(field: Field | None, value: object) -> None:
    assert normalize_value(field, value) is value


@pytest.mark.parametrize("value", ["5432", 5432, True, 1.5, ["b", "a"], {"a": None}])
def test_an_unknown_field_stays_unchanged(value: object) -> None:
    assert normalize_fields(None, {("config", "new"): value}) == {("config", "new"): value}
    assert normalize_fields("snowflake", {("new",): value}) == {("new",): value}


def test_a_deprecated_name_counts_as_its_successor() -> None:
    old, new = ("local_processing_agent_id",), ("hybrid_deployment_agent_id",)
    assert normalize_fields("adls", {old: "agent"}) == {new: "agent"}
    assert normalize_fields("adls", {old: "agent", new: None}) == {new: "agent"}
    assert normalize_fields("adls", {old: "agent", new: "other"}) == {new: "other"}
    assert normalize_fields("adls", {old: None, new: "other"}) == {new: "other"}


@pytest.mark.parametrize(
    ("value", "normal"),
    [
        ("aws_eu_west_1", "AWS_EU_WEST_1"),
        ("US", "GCP_US_EAST4"),
        ("EU", "EU"),
        ("MARS_1", "MARS_1"),
        (None, None),
        (7, 7),
    ],
)
def test_a_renamed_region_gets_its_present_name(value: object, normal: object) -> None:
    assert normalize_fields("snowflake", {("region",): value}) == {("region",): normal}


def test_a_lake_response_in_another_style_equals_its_spec() -> None:
    spec = {("config", "connection_type"): "PrivateLink", ("config", "port"): 443}
    answer = {("config", "connection_type"): "PRIVATE_LINK", ("config", "port"): "443"}
    assert normalize_fields("managed_data_lake", spec) == normalize_fields("managed_data_lake", answer)


def test_the_normal_form_of_a_normal_form_is_itself() -> None:
    once = normalize_fields(
        "big_query",
        {("config", "location"): "EU", ("time_zone_offset",): 8, ("local_processing_agent_id",): "a"},
    )
    assert normalize_fields("big_query", once) == once
