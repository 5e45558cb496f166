"""Test which destinations need which part of the identity of their group."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.group_identity import list_needed_parts
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.group_identity import IdentityPart
from reconciler.model.resource import Desired
from reconciler.model.source import Span
from reconciler.model.value import FieldPath, Reference

SPAN = Span("a", 1, 1, 1, 2)
KEY, ACCOUNT = IdentityPart.SSH_PUBLIC_KEY, IdentityPart.SERVICE_ACCOUNT
SERVICE: FieldPath = ("service",)
METHOD: FieldPath = ("networking_method",)
TYPE, HOST = (("config", name) for name in ("connection_type", "tunnel_host"))


def list_parts(fields: dict[FieldPath, Any], kind: str = DESTINATION) -> tuple[IdentityPart, ...]:
    desired = Desired(Address(kind, "orders"), "orders", SPAN, fields)
    return list_needed_parts(desired, {})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ()),
        ({METHOD: "SshTunnel"}, (KEY,)),
        ({METHOD: "Directly"}, ()),
        ({METHOD: "PrivateLink"}, ()),
        ({TYPE: "SshTunnel"}, (KEY,)),
        ({TYPE: "Directly"}, ()),
        ({HOST: "bastion.example.com"}, (KEY,)),
        ({HOST: Reference("env", "TUNNEL_HOST")}, (KEY,)),
        ({HOST: None}, ()),
        ({HOST: ""}, ()),
    ],
    ids=str,
)
@pytest.mark.parametrize("service", ["postgres_warehouse", "brand_new_service"])
def test_a_tunnel_needs_the_key(
    service: str, fields: dict[FieldPath, Any], expected: tuple[IdentityPart, ...]
) -> None:
    assert list_parts({SERVICE: service, **fields}) == expected


@pytest.mark.parametrize("service", ["big_query", "big_query_dts", "managed_big_query"])
def test_bigquery_needs_the_service_account(service: str) -> None:
    assert list_parts({SERVICE: service}) == (ACCOUNT,)


def test_a_service_can_need_both() -> None:
    assert list_parts({SERVICE: "big_query", METHOD: "SshTunnel"}) == (KEY, ACCOUNT)


def test_a_resolved_value_counts() -> None:
    desired = Desired(
        Address(DESTINATION, "orders"),
        "orders",
        SPAN,
        {METHOD: Reference("env", "METHOD", confidential=False)},
    )
    assert list_needed_parts(desired, {METHOD: "SshTunnel"}) == (KEY,)


def test_a_group_needs_nothing() -> None:
    assert list_parts({("name",): "SshTunnel"}, GROUP) == ()
