"""Test conditions on fields: any of the values, all of the fields, and unknown values."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.source import Span
from reconciler.policy.base import EntryView
from reconciler.policy.matching import AllowedValues, evaluate, format_values, matches, meets

NOWHERE = Span("x.yaml", 1, 1, 1, 2)


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        (("PrivateLink",), "PrivateLink"),
        (("private_link",), "PrivateLink"),
        (("AWS_*", "GCP_US_EAST4"), "AWS_US_EAST_1"),
        (("*",), "anything"),
        (("*",), False),
        ((443,), 443),
        (("443",), 443),
        ((True,), True),
        ((True,), "true"),
        (("true",), True),
        (("aws_*",), "AWS_US_EAST_1"),
        (("ACCOUNT*",), "accountadmin"),
        (("ACCOUNTADMIN",), " ACCOUNTADMIN "),
        ((22,), "22"),
        (("a", "b"), ["a", "b"]),
    ],
)
def test_a_value_matches_one_of_the_allowed_values(wanted: AllowedValues, value: Any) -> None:
    assert matches(wanted, value)


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        (("PrivateLink",), "Directly"),
        (("AWS",), "AWS_US_EAST_1"),
        (("*",), None),
        ((1,), True),
        ((True,), 1),
        ((False,), None),
        (("null",), None),
        (("a",), ["a", "b"]),
        (("a",), []),
        ((), "a"),
    ],
)
def test_another_value_does_not_match(wanted: AllowedValues, value: Any) -> None:
    assert not matches(wanted, value)


def make_entry(**declared: Any) -> EntryView:
    return EntryView("sales_prod", NOWHERE, True, declared, unknown=frozenset({"time_zone_offset"}))


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ({}, True),
        ({"key": ("*_prod",)}, True),
        ({"key": ("*_dev",)}, False),
        ({"region": ("AWS_*",)}, True),
        ({"region": ("AWS_*",), "key": ("*_dev",)}, False),
        ({"service": ("*",)}, False),
        ({"time_zone_offset": ("0",)}, None),
        ({"time_zone_offset": ("0",), "region": ("AWS_*",)}, None),
        ({"time_zone_offset": ("0",), "region": ("GCP_*",)}, False),
    ],
)
def test_all_conditions_must_be_met(condition: dict[str, AllowedValues], answer: bool | None) -> None:
    assert meets(condition, make_entry(region="AWS_US_EAST_1")) is answer


def test_the_live_value_of_an_undeclared_field_is_matched() -> None:
    made = EntryView(
        "a", NOWHERE, True, {"region": "AWS_1"}, live={"region": "GCP_1", "networking_method": "Directly"}
    )
    assert meets({"region": ("AWS_1",), "networking_method": ("Directly",)}, made)
    assert made.value("service") is None


def test_values_are_listed_as_a_spec_spells_them() -> None:
    assert format_values(("a", 2, True)) == "`a`, `2` or `true`"
    assert format_values((False,)) == "`false`"


def test_one_item_of_a_list_matches_for_any() -> None:
    assert matches(("evil*",), ["evil.example", "good.example"], any)
    assert not matches(("evil*",), ["evil.example", "good.example"], all)


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        (("vault:*",), True),
        (("*",), True),
        (("env:*",), False),
        (("ACCOUNTADMIN",), None),
        (("arn:aws:iam::*",), None),
        (("vault*",), None),
        (("env:*", "ACCOUNTADMIN"), None),
        (("vault:*", "ACCOUNTADMIN"), True),
    ],
)
def test_a_secret_is_matched_by_its_reference_only(wanted: AllowedValues, answer: bool | None) -> None:
    secret = EntryView(
        "a", NOWHERE, True, {"config.role": "vault:kv/roles#sales"}, confidential=frozenset({"config.role"})
    )
    for items in (all, any):
        assert evaluate(secret, "config.role", wanted, items=items) is answer
    assert meets({"config.role": wanted}, secret) is answer


def test_a_path_may_name_a_member_of_a_mapping() -> None:
    nested = EntryView("a", NOWHERE, True, {"config.a": {"b": {"c": "bad"}}}, live={"config.x": {"y": 1}})
    assert nested.value("config.a.b.c") == "bad"
    assert nested.value("config.x.y") == 1
    assert nested.value("config.a.z") is None
    assert nested.declared_value("config.x.y") is None


def test_a_cleared_field_has_no_value() -> None:
    cleared = EntryView("a", NOWHERE, True, {"config.role": None}, live={"config.role": "ACCOUNTADMIN"})
    assert cleared.value("config.role") is None
