"""Test the comparison of declared with live fields: spellings are equal, and each difference has its origin."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.catalogue.normalize import MASKED
from reconciler.kinds.destination import SERVICE, DestinationKind
from reconciler.model.plan import Origin
from reconciler.model.value import ExternalKey, FieldPath, Secret
from reconciler.planning.diff import FieldDifference, compare
from reconciler.planning.last_applied import LastApplied

ABSENT: Any = object()
"""Replaces a value: this side of the comparison has no such field."""
UNKNOWN = "unknown"
"""Replaces a difference: the field cannot be compared."""

NETWORKING = ("networking_method",)
TIME_ZONE = ("time_zone_offset",)


def config_path(name: str) -> FieldPath:
    return ("config", name)


def compare_field(
    service: str, path: FieldPath, declared: Any, live: Any, applied: Any
) -> FieldDifference | str | None:
    """Compare one field of a destination whose service is the same on all sides."""

    def side(value: Any) -> dict[FieldPath, Any]:
        return {SERVICE: service} | ({} if value is ABSENT else {path: value})

    known = LastApplied({}) if applied is None else LastApplied(side(applied))
    comparison = compare(DestinationKind(), side(declared), side(live), known)
    assert set(comparison.changed) <= {path}
    assert set(comparison.uncomparable) <= {path}
    return UNKNOWN if comparison.uncomparable else comparison.changed.get(path)


@pytest.mark.parametrize("declared", ["SshTunnel", "SSHTunnel", "SSH_TUNNEL", "ssh_tunnel"])
@pytest.mark.parametrize("live", ["SshTunnel", "SSHTunnel", "SSH_TUNNEL"])
def test_spellings_of_a_choice_are_equal(declared: str, live: str) -> None:
    path = config_path("connection_type")
    assert compare_field("postgres_warehouse", path, declared, live, None) is None


@pytest.mark.parametrize(
    ("service", "path", "declared", "live"),
    [
        ("postgres_warehouse", config_path("port"), 5432, "5432"),
        ("postgres_warehouse", config_path("port"), "5432", 5432),
        ("postgres_warehouse", config_path("always_encrypted"), "True", True),
        ("postgres_warehouse", config_path("always_encrypted"), True, "true"),
        ("postgres_warehouse", TIME_ZONE, 8, "+8"),
        ("postgres_warehouse", TIME_ZONE, "8", "+8"),
        ("postgres_warehouse", TIME_ZONE, -8, "-8"),
        ("postgres_warehouse", TIME_ZONE, "+0", "0"),
        # The API gives the default as null, leaves it out, or names it.
        ("postgres_warehouse", NETWORKING, "Directly", None),
        ("postgres_warehouse", NETWORKING, "Directly", ABSENT),
        ("postgres_warehouse", NETWORKING, None, ABSENT),
        ("postgres_warehouse", NETWORKING, None, "Directly"),
        # Responses omit empty values.
        ("aiven_kafka_wh", config_path("bootstrap_servers"), [], ABSENT),
        ("aiven_kafka_wh", config_path("schema_registry_url"), "", None),
        # Sets have no order.
        ("aiven_kafka_wh", config_path("bootstrap_servers"), ["a:1", "b:1"], ["b:1", "a:1"]),
        (
            "managed_big_query",
            config_path("data_set_location"),
            "australia-southeast1",
            "AUSTRALIA-SOUTHEAST1",
        ),
    ],
)
def test_two_forms_of_one_value_are_no_difference(
    service: str, path: FieldPath, declared: Any, live: Any
) -> None:
    assert compare_field(service, path, declared, live, None) is None


@pytest.mark.parametrize(
    ("service", "path", "declared", "live", "before"),
    [
        ("postgres_warehouse", config_path("port"), 5433, 5432, 5432),
        ("postgres_warehouse", TIME_ZONE, "+2", "0", "0"),
        ("postgres_warehouse", NETWORKING, None, "ProxyAgent", "ProxyAgent"),
        ("clickhouse", config_path("steps"), ["a", "b"], ["b", "a"], ["b", "a"]),
        ("brand_new_warehouse", config_path("host"), "other", "h", "h"),
        ("brand_new_warehouse", config_path("host"), "other", ABSENT, None),
    ],
)
def test_another_value_is_a_difference(
    service: str, path: FieldPath, declared: Any, live: Any, before: Any
) -> None:
    difference = compare_field(service, path, declared, live, None)
    assert isinstance(difference, FieldDifference)
    assert difference.before == before
    assert difference.origin is Origin.SPEC


@pytest.mark.parametrize("answered", ["location", "data_set_location"])
def test_a_renamed_field_is_compared_under_its_present_name(answered: str) -> None:
    declared = {SERVICE: "big_query", config_path("data_set_location"): "US"}
    live = {SERVICE: "big_query", config_path(answered): "EU"}
    comparison = compare(DestinationKind(), declared, live, LastApplied({}))
    assert comparison.changed == {config_path("data_set_location"): FieldDifference("EU", "US", Origin.SPEC)}


def test_undeclared_fields_are_ignored() -> None:
    live = {SERVICE: "clickhouse", config_path("host"): "h", config_path("brand_new"): {"deep": [1, None]}}
    comparison = compare(
        DestinationKind(), {SERVICE: "clickhouse", config_path("host"): "h"}, live, LastApplied({})
    )
    assert (comparison.changed, comparison.uncomparable) == ({}, ())


@pytest.mark.parametrize(
    ("declared", "live", "applied", "origin"),
    [
        ("acme", "acme", "acme", None),
        ("ours", "acme", "acme", Origin.SPEC),
        ("acme", "theirs", "acme", Origin.DRIFT),
        ("ours", "theirs", "acme", Origin.CONFLICT),
        ("ours", "ours", "acme", None),  # both sides made the same edit
        ("acme", "theirs", ABSENT, Origin.SPEC),  # the field was declared after the last apply
        ("acme", "theirs", None, Origin.SPEC),  # no apply is known at all
    ],
)
def test_the_side_that_left_the_last_applied_value_is_the_origin(
    declared: str, live: str, applied: Any, origin: Origin | None
) -> None:
    difference = compare_field("big_query", config_path("project_id"), declared, live, applied)
    expected = None if origin is None else FieldDifference(live, declared, origin)
    assert difference == expected


@pytest.mark.parametrize(
    ("service", "path", "declared", "live", "applied", "expected"),
    [
        # Fivetran rewrites the host, so only the last applied one can be compared.
        ("databricks", config_path("server_host_name"), "own", "rewritten", "own", None),
        (
            "databricks",
            config_path("server_host_name"),
            "new",
            "rewritten",
            "own",
            FieldDifference("own", "new", Origin.SPEC),
        ),
        ("databricks", config_path("server_host_name"), "own", "rewritten", None, UNKNOWN),
        # A mask stands for any value.
        ("brand_new_warehouse", config_path("token"), "t", MASKED, "t", None),
        (
            "brand_new_warehouse",
            config_path("token"),
            "t",
            MASKED,
            "old",
            FieldDifference("old", "t", Origin.SPEC),
        ),
        ("brand_new_warehouse", config_path("token"), "t", MASKED, None, UNKNOWN),
        # A response without a field that the catalogue does not know proves no change.
        ("brand_new_warehouse", config_path("host"), "h", ABSENT, "h", None),
        # The record of the object does not have the field, so no apply has set it.
        (
            "brand_new_warehouse",
            config_path("token"),
            "t",
            MASKED,
            ABSENT,
            FieldDifference(None, "t", Origin.SPEC),
        ),
        # A resolved secret is compared by its fingerprint, never here.
        ("snowflake", config_path("password"), Secret("new"), MASKED, None, UNKNOWN),
        ("snowflake", config_path("password"), Secret("new"), "clear", "old", UNKNOWN),
        # No response names the entry of a secrets manager.
        ("snowflake", config_path("password"), ExternalKey("sales"), ABSENT, "sales", None),
        (
            "snowflake",
            config_path("password"),
            ExternalKey("sales"),
            ABSENT,
            "old",
            FieldDifference(ExternalKey("old"), ExternalKey("sales"), Origin.SPEC),
        ),
        ("snowflake", config_path("password"), ExternalKey("sales"), ABSENT, None, UNKNOWN),
    ],
)
def test_the_last_applied_value_replaces_a_value_that_no_response_shows(
    service: str, path: FieldPath, declared: Any, live: Any, *, applied: Any, expected: Any
) -> None:
    assert compare_field(service, path, declared, live, applied) == expected


ROLE = config_path("role")


@pytest.mark.parametrize(
    ("declared", "live", "answer", "changed", "unkept"),
    [
        ("LOADER", "PUBLIC", "PUBLIC", None, {ROLE: "PUBLIC"}),
        ("LOADER", ABSENT, None, None, {ROLE: None}),
        ("LOADER", "LOADER", "PUBLIC", None, {}),
        ("PUBLIC", "PUBLIC", "PUBLIC", None, {}),
        ("LOADER", "OTHER", "PUBLIC", FieldDifference("OTHER", "LOADER", Origin.DRIFT), {}),
        ("LOADER", "PUBLIC", ABSENT, FieldDifference("PUBLIC", "LOADER", Origin.DRIFT), {}),
        ("SYSADMIN", "PUBLIC", "PUBLIC", FieldDifference("LOADER", "SYSADMIN", Origin.SPEC), {}),
        ("SYSADMIN", "OTHER", "PUBLIC", FieldDifference("OTHER", "SYSADMIN", Origin.CONFLICT), {}),
    ],
)
def test_an_answer_in_place_of_the_sent_value_is_no_drift(
    declared: Any, live: Any, answer: Any, changed: FieldDifference | None, unkept: Any
) -> None:
    """The last applied role is LOADER, and `answer` followed its write."""

    def side(value: Any) -> dict[FieldPath, Any]:
        return {SERVICE: "snowflake"} | ({} if value is ABSENT else {ROLE: value})

    answers = {} if answer is ABSENT else {ROLE: answer}
    known = LastApplied(side("LOADER"), answers=answers)
    comparison = compare(DestinationKind(), side(declared), side(live), known)
    assert (comparison.changed.get(ROLE), comparison.unkept) == (changed, unkept)


def test_another_live_value_of_a_field_that_was_just_sent_is_its_answer() -> None:
    declared = {SERVICE: "snowflake", ROLE: "LOADER"}
    live = {SERVICE: "snowflake", ROLE: "PUBLIC"}
    comparison = compare(DestinationKind(), declared, live, LastApplied(declared), {ROLE})
    assert (comparison.changed, comparison.unkept) == ({}, {ROLE: "PUBLIC"})
