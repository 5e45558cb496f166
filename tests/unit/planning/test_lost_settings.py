"""Test the live settings that a replacement loses: undeclared, other than the default, without secret values."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.address import DESTINATION, Address
from reconciler.model.plan import Action, FieldValue, Visibility
from reconciler.model.record import Record
from reconciler.model.resource import Desired, Observed
from reconciler.model.source import Span
from reconciler.model.value import FieldPath
from reconciler.planning.planner import Planner

AT = Span("a.yaml", 4, 5, 4, 9)
DECLARED: dict[FieldPath, Any] = {
    ("service",): "snowflake",
    ("time_zone_offset",): "0",
    ("config", "host"): "acme.example",
}
PASSWORD = ("config", "password")


def list_lost(
    service: str, live: dict[FieldPath, Any], record: Record | None = None, **more: Any
) -> tuple[FieldValue, ...]:
    """List the loss of a replacement of a destination of this service, which has these live fields."""
    fields = DECLARED | {tuple(path.split(".")): value for path, value in more.items()}
    desired = Desired(Address(DESTINATION, "orders"), "orders", AT, fields, allow_replace=True)
    observed = Observed(DESTINATION, "good_id", "good_id", {("service",): service, **live})
    change = Planner(lambda reference, shape: None, None).plan_resource(desired, observed, record).change
    assert change.action is Action.REPLACE
    return change.lost


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("private_link_id",), "pl_one", id="link"),
        pytest.param(("daylight_saving_time_enabled",), True, id="daylight saving"),
        pytest.param(("region",), "AWS_EU_WEST_1", id="region"),
        pytest.param(("networking_method",), "PrivateLink", id="networking"),
        pytest.param(("config", "tunnel_host"), "tunnel.example", id="config"),
        pytest.param(("config", "tunnel_port"), 22, id="number"),
    ],
)
def test_an_undeclared_setting_is_lost(path: FieldPath, value: Any) -> None:
    assert list_lost("postgres_warehouse", {path: value}) == (FieldValue(path, value),)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("time_zone_offset",), "+3", id="declared"),
        pytest.param(("config", "host"), "old.example", id="declared for the new service"),
        pytest.param(("region",), "GCP_US_EAST4", id="default"),
        pytest.param(("networking_method",), "Directly", id="default method"),
        pytest.param(("daylight_saving_time_enabled",), False, id="switch that is off"),
        pytest.param(("private_link_id",), None, id="null"),
        pytest.param(("config", "tunnel_host"), "", id="empty"),
        pytest.param(("config", "public_key"), "ssh-rsa AAAA", id="made by Fivetran"),
        pytest.param(("created_by",), "a user", id="fact without a field"),
    ],
)
def test_other_live_values_are_not_lost(path: FieldPath, value: Any) -> None:
    assert list_lost("postgres_warehouse", {path: value}) == ()


def test_an_answer_under_another_name_is_lost_under_the_name_of_the_field() -> None:
    lost = list_lost("big_query", {("config", "location"): "EU"})
    assert lost == (FieldValue(("config", "data_set_location"), "EU"),)


def test_a_setting_with_two_names_is_kept_if_one_name_is_declared() -> None:
    live = {("networking_method",): "PrivateLink", ("config", "connection_type"): "PrivateLink"}
    assert [value.path for value in list_lost("postgres_warehouse", live)] == list(live)
    kept = list_lost("postgres_warehouse", live, networking_method="PrivateLink")
    assert kept == ()


@pytest.mark.parametrize("shown", ["******", "in-clear"])
def test_an_undeclared_secret_is_lost_without_its_value(shown: str) -> None:
    lost = list_lost("postgres_warehouse", {PASSWORD: shown})
    assert lost == (FieldValue(PASSWORD, "set at Fivetran", Visibility.SECRET),)


def test_a_secret_that_no_answer_shows_is_known_from_the_record() -> None:
    record = Record(id="good_id", fingerprints={PASSWORD: ""})
    lost = list_lost("postgres_warehouse", {PASSWORD: None}, record)
    assert lost == (FieldValue(PASSWORD, "sent by an earlier run", Visibility.SECRET),)


def test_a_field_outside_the_catalogue_is_lost_without_its_value() -> None:
    path = ("config", "brand_new")
    lost = list_lost("postgres_warehouse", {path: "by-hand"})
    assert lost == (FieldValue(path, "not in the catalogue", Visibility.HIDDEN),)
