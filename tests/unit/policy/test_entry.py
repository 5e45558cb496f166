"""Entries as rules see them."""

from __future__ import annotations

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.resource import Desired, Observed
from reconciler.model.source import Span
from reconciler.model.value import Reference
from reconciler.policy.entry import entry_of, gone, live_fields

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


def test_values_are_in_normal_form_and_secrets_are_where_they_come_from() -> None:
    entry = entry_of(GROUP_OF, DESTINATION_OF)
    assert entry.declared == {
        "name": "Sales",
        "service": "snowflake",
        "time_zone_offset": "+8",
        "networking_method": "PrivateLink",
        "config.port": 443,
        "config.password": "vault:kv/sales#password",
        "trust.certificates": "none",
        "trust.fingerprints": "none",
        "setup_tests.run": True,
        "setup_tests.on_failure": "fail",
        "lifecycle.protected": False,
        "lifecycle.allow_replace": False,
    }
    assert entry.undecided == {"region"}


def test_what_a_plan_resolved_is_decided() -> None:
    entry = entry_of(GROUP_OF, DESTINATION_OF, ("s*",), {("region",): "AWS_US_EAST_1"})
    assert entry.value("region") == "AWS_US_EAST_1"
    assert not entry.undecided
    assert entry.value("lifecycle.protected") is True


def test_a_secret_that_fivetran_hides_is_not_known() -> None:
    live = {("service",): "snowflake", ("config", "password"): "******", ("config", "role"): "LOADER"}
    fields = live_fields(entry_of(GROUP_OF, DESTINATION_OF), Observed(DESTINATION, "x", "x", live))
    assert fields == {"service": "snowflake", "config.role": "LOADER"}


def test_what_is_not_there_yet_will_be_as_fivetran_makes_it() -> None:
    assert live_fields(entry_of(GROUP_OF, DESTINATION_OF), None) == {
        "region": "GCP_US_EAST4",
        "networking_method": "Directly",
    }
    assert live_fields(entry_of(GROUP_OF, None), None) == {}


def test_of_what_is_gone_only_the_key_is_known() -> None:
    entry = gone("sales")
    assert (entry.value("key"), entry.is_undecided("key"), entry.is_undecided("region")) == (
        "sales",
        False,
        True,
    )
