"""Test the fields that an update carries unchanged: the time zone of a destination, nothing of a group."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from reconciler.api.client import Client
from reconciler.api.transport import Transport
from reconciler.api.wsgi_adapter import WsgiAdapter
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION, GROUP
from reconciler.model.value import Secret
from reconciler.runtime.clock import SystemClock

ZONE = ("time_zone_offset",)
destinations = KINDS[DESTINATION]


def make_client(data: dict[str, Any]) -> Client:
    """Make a client of a server whose answers have this data."""

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"code": "Success", "data": data}).encode()]

    transport = Transport(
        "https://sandbox.invalid/v1",
        (Secret("key"), Secret("secret")),
        clock=SystemClock(),
        environ={},
        adapter=WsgiAdapter(app),
    )
    return Client(transport)


@pytest.mark.parametrize(
    ("declared", "live", "carried"),
    [
        pytest.param({ZONE: "-5"}, {ZONE: "+2"}, {ZONE: "-5"}, id="declared"),
        pytest.param({}, {ZONE: "+2"}, {ZONE: None}, id="live"),
        pytest.param({ZONE: None}, {ZONE: "+2"}, {ZONE: None}, id="cleared"),
        pytest.param({}, {}, {}, id="no answer"),
        pytest.param({}, {ZONE: "UTC"}, {}, id="odd answer"),
        pytest.param({}, {ZONE: "******"}, {}, id="mask"),
    ],
)
def test_an_update_carries_the_declared_or_else_the_live_time_zone(
    declared: Any, live: Any, carried: Any
) -> None:
    assert destinations.list_carried(declared, live) == carried


@pytest.mark.parametrize(
    ("answered", "carried"),
    [("+3", {ZONE: "+3"}), (3, {ZONE: "+3"}), ("0", {ZONE: "0"})]
    + [(value, {}) for value in (None, "", "UTC", "******", "+13", 5.5, ["+3"], {"hours": 3}, True)],
)
def test_an_unusable_live_time_zone_is_left_out(answered: Any, carried: Any) -> None:
    client = make_client({"id": "good_id", "service": "snowflake", "time_zone_offset": answered})
    assert destinations.read_carried(client, "good_id", {ZONE: None}) == carried


def test_an_answer_without_a_time_zone_is_no_error() -> None:
    client = make_client({"id": "good_id", "service": "snowflake"})
    assert destinations.read_carried(client, "good_id", {ZONE: None}) == {}


def test_a_rename_carries_nothing() -> None:
    assert KINDS[GROUP].list_carried({("name",): "a"}, {("name",): "b"}) == {}


@pytest.mark.parametrize(
    ("values", "carried", "zone"),
    [
        ({ZONE: "-2"}, {}, {"time_zone_offset": "-2"}),
        ({}, {ZONE: "+3"}, {"time_zone_offset": "+3"}),
    ],
    ids=["changed", "carried"],
)
def test_the_update_that_clears_an_agent_again_has_the_time_zone_too(
    values: Any, carried: Any, zone: dict[str, str]
) -> None:
    body = destinations.build_second_update_body({**values, ("proxy_agent_id",): None}, carried)
    assert body == {"proxy_agent_id": None, **zone, "run_setup_tests": False}
