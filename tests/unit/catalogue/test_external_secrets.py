"""Test references to an external secrets manager, which Fivetran reads itself."""

from __future__ import annotations

import pytest

from reconciler.catalogue.check import Completeness, Problem, check_destination
from reconciler.catalogue.load import load_service, load_service_names
from reconciler.model.value import Reference

KEY = Reference("esm", "warehouse-password")
MANAGER = {("external_secrets_manager_id",): "esm_one"}


def find_problems(service: str, top: dict[tuple[str, ...], object], **config: object) -> list[Problem]:
    fields = {("service",): service, ("time_zone_offset",): "0", **top}
    fields |= {("config", name): value for name, value in config.items()}
    return check_destination(fields, completeness=Completeness.WHOLE)


def test_seven_services_have_fields_from_an_external_secrets_manager() -> None:
    fields = {
        name: service.external_secrets for name in load_service_names() if (service := load_service(name))
    }
    assert sum(len(each) for each in fields.values()) == 17
    assert len([name for name, each in fields.items() if each]) == 7


def test_an_external_field_counts_as_declared() -> None:
    login = {"auth": "PASSWORD", "user": KEY, "password": KEY}
    assert find_problems("snowflake", MANAGER, host="h", database="d", **login) == []


@pytest.mark.parametrize(
    "manager", [{}, {("external_secrets_manager_id",): None}, {("external_secrets_manager_id",): ""}]
)
def test_external_fields_need_the_manager_id_and_report_it_once(
    manager: dict[tuple[str, ...], object],
) -> None:
    [found] = find_problems("snowflake", manager, host="h", database="d", user=KEY, password=KEY)
    assert (found.code, found.path) == ("missing-field", ("config", "user"))
    assert "external_secrets_manager_id" in found.message
    assert "external_secrets_manager_id" in found.help


@pytest.mark.parametrize(
    ("service", "path", "words"),
    [
        ("snowflake", ("config", "role"), "it can for `passphrase`, `password`, `private_key`, `user`"),
        ("postgres_warehouse", ("config", "password"), "it can for no field of this service"),
        ("snowflake", ("region",), "it can for `passphrase`"),
    ],
)
def test_another_field_cannot_be_external(service: str, path: tuple[str, ...], words: str) -> None:
    found = [each for each in find_problems(service, {**MANAGER, path: KEY}, host="h") if each.path == path]
    assert [each.code for each in found] == ["external-secret-unsupported"]
    assert words in found[0].notes[0]


def test_an_unknown_service_is_left_to_fivetran() -> None:
    assert [each.code for each in find_problems("quantum_vault", MANAGER, password=KEY)] == [
        "unknown-service"
    ]
