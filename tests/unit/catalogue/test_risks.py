"""Test the risks of changed fields, as far as code depends on them."""

from __future__ import annotations

import pytest

from reconciler.catalogue.load import load_destination_facts, load_risks, load_service, load_service_names
from reconciler.catalogue.model import Field, Grade
from reconciler.catalogue.risks import find_risk
from reconciler.kinds.destination import DestinationKind
from reconciler.model.risk import FieldRisk
from reconciler.model.value import FieldPath

OTHERS = {"name", "service"}
"""Fields that no table of the catalogue describes: the name of a group and the service of a destination."""


def list_fields() -> dict[str, list[Field]]:
    """List all fields of destinations, by their dotted path."""
    found = {name: [field] for name, field in load_destination_facts().fields.items()}
    for service in filter(None, map(load_service, load_service_names())):
        for field in service.fields.values():
            found.setdefault(f"config.{field.name}", []).append(field)
    return found


def test_each_risk_names_known_fields_that_can_be_changed_in_place() -> None:
    known = list_fields()
    for risk, facts in load_risks().items():
        assert facts.fields - OTHERS <= known.keys(), risk
        for name in facts.fields - OTHERS:
            assert not all(field.immutable or field.read_only for field in known[name]), name


def test_no_field_has_two_risks() -> None:
    named = [name for facts in load_risks().values() for name in facts.fields]
    assert len(named) == len(set(named))


def test_every_risk_has_facts_with_evidence() -> None:
    assert load_risks().keys() == set(FieldRisk)
    assert all(facts.source for facts in load_risks().values())


def test_an_interruption_is_inferred_for_all_but_cosmetic_fields() -> None:
    """No source says which changes interrupt syncs, so no grade may claim more."""
    gradings = {risk: facts.interruption for risk, facts in load_risks().items()}
    assert gradings.pop(FieldRisk.COSMETIC) is None
    assert set(gradings.values()) == {Grade.INFERRED}


@pytest.mark.parametrize(
    ("service", "path", "risk"),
    [
        ("snowflake", "service", FieldRisk.REPLACEMENT),
        ("managed_data_lake", "config.bucket", FieldRisk.REPLACEMENT),
        ("snowflake", "region", FieldRisk.REGION),
        ("postgres_warehouse", "config.tunnel_host", FieldRisk.NETWORKING),
        ("snowflake", "private_link_id", FieldRisk.NETWORKING),
        ("snowflake", "config.user", FieldRisk.CREDENTIALS),
        ("snowflake", "config.private_key", FieldRisk.CREDENTIALS),
        ("snowflake", "config.database", FieldRisk.TARGET),
        ("snowflake", "config.role", FieldRisk.SETTINGS),
        ("snowflake", "time_zone_offset", FieldRisk.COSMETIC),
        ("snowflake", "config.an_unknown_token", FieldRisk.CREDENTIALS),
        ("an_unknown_service", "config.anything", FieldRisk.SETTINGS),
    ],
)
def test_a_field_has_the_risk_of_its_facts_or_of_its_name(service: str, path: str, risk: FieldRisk) -> None:
    parts: FieldPath = tuple(path.split("."))
    assert find_risk(parts, DestinationKind().get_field(parts, service)) is risk


def test_a_member_of_an_object_has_the_risk_of_the_object() -> None:
    assert find_risk(("config", "host", "first"), None) is FieldRisk.TARGET


def test_the_name_of_a_group_is_cosmetic() -> None:
    assert find_risk(("name",), None) is FieldRisk.COSMETIC
