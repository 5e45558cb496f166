"""Test what an observer sees of the requests."""

from __future__ import annotations

from datetime import timedelta

import pytest
from control_requests import control
from emulated_account import BASIC, EmulatedAccount

from reconciler.emulator.connection_faults import BrokenConnectionError
from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.handled_requests import HandledRequest, build_target


def observe(*faults: str) -> tuple[EmulatedAccount, list[HandledRequest]]:
    seen: list[HandledRequest] = []
    options = {"observe": seen.append, "faults": list(map(parse_fault, faults))}
    return EmulatedAccount(app=options), seen


def test_a_request_is_observed_with_its_status_and_duration() -> None:
    account, seen = observe()
    account.post("/v1/groups", {"name": "sales"})
    account.get("/v1/groups?limit=2&limit=3")
    created, listed = seen
    assert (created.method, created.target, created.status, created.note) == ("POST", "/v1/groups", 201, "")
    assert (listed.target, listed.status) == ("/v1/groups?limit=2&limit=3", 200)
    assert 0 < created.seconds < 60
    assert created.at < listed.at


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("GET * before-effect reset", None),
        ("GET * after-effect hang 0.1", None),
        ("GET * mid-headers close", None),
        ("GET * garbage", None),
        ("* * at-accept reset", None),
        ("GET * status 503", 503),
        ("GET * not-json", 200),
        ("GET * stale 1", 200),
    ],
)
def test_a_fault_is_observed_with_the_arriving_status(fault: str, status: int | None) -> None:
    account, seen = observe(fault)
    if "at-accept" not in fault:
        account.create_group()
    seen.clear()
    if status is None:
        with pytest.raises(BrokenConnectionError):
            account.get("/v1/groups")
    else:
        account.send_raw("GET", "/v1/groups", headers=BASIC)
    (observed,) = seen
    assert (observed.status, observed.note) == (status, str(parse_fault(fault)))
    assert observed.method == ("" if "at-accept" in fault else "GET")


@pytest.mark.parametrize("fault", ["GET * mid-body close", "GET * after-answer reset"])
def test_a_status_that_arrives_before_the_break_is_observed(fault: str) -> None:
    account, seen = observe(fault)
    account.send_raw("GET", "/v1/groups")
    assert [(each.status, bool(each.note)) for each in seen] == [(401, True)]


def test_a_late_effect_is_observed_when_it_comes() -> None:
    account, seen = observe("POST /v1/groups #1 before-effect reset effect-after=30")
    with pytest.raises(BrokenConnectionError):
        account.post("/v1/groups", {"name": "sales"})
    account.clock.time += timedelta(seconds=60)
    account.get("/v1/groups")
    assert [(each.method, each.status, each.note) for each in seen] == [
        ("POST", None, "POST /v1/groups #1 before-effect reset effect-after=30"),
        ("POST", 201, "late effect of request 1"),
        ("GET", 200, ""),
    ]


def test_only_changing_control_requests_are_observed() -> None:
    account, seen = observe()
    control(account, "GET", "/history")
    control(account, "POST", "/groups", {"name": "sales"})
    assert [(each.method, each.target, each.status) for each in seen] == [("POST", "/_emulator/groups", 200)]


def test_secret_parameters_are_masked() -> None:
    query = [("cursor", "a/b"), ("apikey", "canary"), ("API_Secret", "canary"), ("token", ""), ("x y", "é&")]
    target = build_target("/v1/groups", query)
    assert target == "/v1/groups?cursor=a/b&apikey=******&API_Secret=******&token=&x%20y=%C3%A9%26"
    assert build_target("/v1/\x1b[31m", []) == "/v1/\x1b[31m"
