"""Test the entries that rules get."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.resource import Desired, Observed
from reconciler.model.source import Span
from reconciler.model.value import Reference
from reconciler.policy.entry import after, before, build_entry, removed_entry

PLACE = Span("specs/sales.yaml", 3, 3, 3, 8)
GROUP_OF = Desired(Address(GROUP, "sales"), "Sales", PLACE, {("name",): "Sales"})
DESTINATION_OF = Desired(
    Address(DESTINATION, "sales"),
    "Sales",
    PLACE,
    {
        ("service",): "snowflake",
        ("time_zone_offset",): 8,
        ("networking_method",): "private_link",
        ("region",): Reference("env", "REGION", confidential=False),
        ("config", "port"): "443",
        ("config", "password"): Reference("vault", "kv/sales", "password"),
        ("config", "role"): None,
    },
)


def test_an_entry_has_normalized_values_and_references_for_secrets() -> None:
    entry = build_entry(GROUP_OF, DESTINATION_OF)
    assert entry.declared == {
        "name": "Sales",
        "service": "snowflake",
        "time_zone_offset": "+8",
        "networking_method": "PrivateLink",
        "config.port": 443,
        "config.password": "vault:kv/sales#password",
        "trust.certificates": "none",
        "trust.fingerprints": "none",
        "trust.exclusive": False,
        "setup_tests.run": True,
        "setup_tests.on_failure": "fail",
        "lifecycle.protected": False,
        "lifecycle.allow_replace": False,
        "lifecycle.with_platform_connection": False,
        "config.role": None,
    }
    assert entry.confidential == {"config.password"}
    assert entry.unknown == {"region"}


def test_a_value_resolved_by_the_plan_is_known() -> None:
    entry = build_entry(GROUP_OF, DESTINATION_OF, ("s*",), {("region",): "AWS_US_EAST_1"})
    assert entry.value("region") == "AWS_US_EAST_1"
    assert not entry.unknown
    assert entry.value("lifecycle.protected") is True


def make_observed(**config: str) -> Observed:
    live = {("service",): "snowflake", ("region",): "AWS_US_EAST_1"}
    return Observed(
        DESTINATION, "x", "x", {**live, **{("config", name): value for name, value in config.items()}}
    )


def test_a_masked_secret_is_unknown() -> None:
    entry = after(
        build_entry(GROUP_OF, DESTINATION_OF), DESTINATION_OF, make_observed(password="******", role="LOADER")
    )
    assert entry.live == {"service": "snowflake", "region": "AWS_US_EAST_1", "config.role": "LOADER"}
    assert entry.exists


def test_a_new_destination_has_the_defaults_of_fivetran() -> None:
    entry = after(build_entry(GROUP_OF, DESTINATION_OF), DESTINATION_OF, None)
    assert entry.live == {"region": "GCP_US_EAST4", "networking_method": "Directly"}
    assert not entry.exists
    alone = build_entry(GROUP_OF, None)
    assert after(alone, None, None) == alone


def test_an_ignored_field_has_its_live_value() -> None:
    """The field is declared, and never sent."""
    ignored = frozenset({("config", "host"), ("config", "password"), ("region",)})
    fields = {**DESTINATION_OF.fields, ("config", "host"): "declared.example"}
    destination = replace(DESTINATION_OF, fields=fields, ignore_changes=ignored)
    entry = after(build_entry(GROUP_OF, destination), destination, make_observed(host="live.example"))
    assert entry.value("config.host") == entry.declared_value("config.host") == "live.example"
    assert entry.value("config.password") is None
    assert entry.value("region") == "AWS_US_EAST_1"
    assert not entry.is_unknown("region")
    assert "config.password" not in entry.confidential
    new = after(build_entry(GROUP_OF, destination), destination, None)
    assert new.value("config.host") == "declared.example"


def test_a_replacement_sends_ignored_fields_and_keeps_no_live_value() -> None:
    """A replacement also sends ignored fields; an undeclared field gets the default of Fivetran."""
    destination = replace(DESTINATION_OF, ignore_changes=frozenset({("config", "port")}))
    seen = make_observed(port="5432", role="LOADER")
    entry = after(build_entry(GROUP_OF, destination), destination, seen, is_replaced=True)
    assert entry.value("config.port") == 443
    assert entry.live == {"region": "GCP_US_EAST4", "networking_method": "Directly"}
    assert before(entry).value("config.port") == 5432
    assert entry.exists


def test_the_view_before_the_plan_has_live_values() -> None:
    entry = after(build_entry(GROUP_OF, DESTINATION_OF), DESTINATION_OF, make_observed(port="5432"))
    assert before(entry).value("config.port") == 5432
    assert before(entry).value("name") == "Sales"


def test_a_field_outside_the_catalogue_is_hidden() -> None:
    unchecked = replace(
        DESTINATION_OF,
        fields={**DESTINATION_OF.fields, ("config", "new_thing"): {"a": "b"}},
        unchecked=frozenset({("config", "new_thing")}),
    )
    entry = after(build_entry(GROUP_OF, unchecked), unchecked, make_observed(other_thing="x", role="LOADER"))
    assert entry.is_hidden("config.new_thing")
    assert entry.is_hidden("config.new_thing.a")
    assert entry.is_hidden("config.other_thing")
    assert not entry.is_hidden("config.role")


def test_a_rule_cannot_change_an_entry_for_other_rules() -> None:
    entry = build_entry(GROUP_OF, DESTINATION_OF)
    with pytest.raises(TypeError):
        entry.declared["name"] = "another"  # type: ignore[index]


def test_a_removed_entry_has_only_its_key() -> None:
    entry = removed_entry("sales")
    assert (entry.value("key"), entry.is_unknown("key")) == ("sales", False)
    assert entry.is_unknown("region")
    assert entry.is_unknown("config.database")
