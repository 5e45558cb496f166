"""Check rate limits and latency as a client observes them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.request import Request, urlopen

import pytest
from emulated_account import BASIC, SNOWFLAKE, EmulatedAccount

from reconciler.emulator.latency import parse_latency
from reconciler.emulator.quota import PROFILES, QuotaProfile
from reconciler.emulator.serve import serve_in_thread


@contextmanager
def create_limited_account(quota: QuotaProfile, **behaviour: Any) -> Iterator[EmulatedAccount]:
    account = EmulatedAccount(app={"quota": quota}, **behaviour)
    yield account
    assert account.list_failures() == []
    account.emulator.close()


def test_an_exhausted_hourly_quota_is_a_429_with_retry_after() -> None:
    with create_limited_account(QuotaProfile(hourly=2)) as account:
        answers = [account.get("/v1/groups") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert [answer.headers["X-Rate-Limit-Remaining"] for answer in answers] == ["1", "0", "0", "0"]
    assert {answer.headers["X-Rate-Limit"] for answer in answers} == {"2"}
    assert answers[2].error == (429, "TooManyRequests")
    assert 3_590 <= int(answers[2].headers["Retry-After"]) <= 3_600
    assert "Retry-After" not in answers[0].headers


def test_setup_tests_over_their_limit_have_no_effect() -> None:
    per_minute = replace(PROFILES["paid"], limits={("tested", "destination"): ((1, 60.0),)})
    with create_limited_account(per_minute) as account:
        first = account.must_create("snowflake", SNOWFLAKE, run_setup_tests=True)
        refused = account.create_destination("snowflake", SNOWFLAKE, run_setup_tests=True)
        assert refused.error == (429, "TooManyRequests")
        assert [item["id"] for item in account.get("/v1/destinations").data["items"]] == [first]
        assert account.create_destination("snowflake", SNOWFLAKE).status == 201
        assert account.patch(f"/v1/destinations/{first}", {"run_setup_tests": True}).status == 429
        assert account.post(f"/v1/destinations/{first}/test").status == 429
        account.clock.time += timedelta(minutes=1)
        assert account.post(f"/v1/destinations/{first}/test").status == 200


@pytest.mark.parametrize(("form", "found"), [("missing", None), ("garbage", "soon")])
def test_a_retry_after_may_be_unusable(form: str, found: str | None) -> None:
    with create_limited_account(QuotaProfile(hourly=1), retry_after=form) as account:
        account.get("/v1/groups")
        assert account.get("/v1/groups").headers.get("Retry-After") == found


def test_latency_without_sockets_advances_the_given_clock() -> None:
    waited: list[float] = []
    rules = [parse_latency("80ms"), parse_latency("POST * 2s")]
    account = EmulatedAccount(app={"latencies": rules, "wait": waited.append})
    account.create_group()
    account.get("/v1/groups")
    account.emulator.close()
    assert waited == [2.0, 0.08]


def test_latency_on_a_socket_delays_the_answer() -> None:
    account = EmulatedAccount(app={"latencies": [parse_latency("GET /v1/groups 300ms")]})
    with serve_in_thread(account.emulator) as url:
        began = time.monotonic()
        with urlopen(Request(f"{url}/groups", headers=BASIC), timeout=10) as answer:
            assert answer.status == 200
        assert time.monotonic() - began >= 0.3
    account.emulator.close()
