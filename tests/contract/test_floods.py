"""A courier against an emulator that refuses, dawdles and lies: the history says what really arrived."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cli_harness import KEY, SECRET, EmulatedFivetran, serve_fivetran
from fake_clock import FakeClock, HastyClock

from reconciler.api.client import Client
from reconciler.api.errors import (
    ApiError,
    InvalidResponseError,
    NotFound,
    RateLimited,
    Redirected,
    Timeout,
    Unreachable,
)
from reconciler.api.limiter import PAID_ACCOUNT
from reconciler.api.retry import DEFAULT, RetryPolicy
from reconciler.api.retrying import RetryingSender
from reconciler.api.transport import Request, Timeouts, Transport
from reconciler.emulator.app import create_app
from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.quota import PROFILES, QuotaProfile
from reconciler.emulator.serve import serve_in_thread
from reconciler.model.budget import Budget
from reconciler.model.value import Secret

SHORT = Timeouts(connect=5, read=5, total=0.25, setup_tests=0.25)
TWICE = RetryPolicy(max_attempts=2)
GET, POST = Request("GET", "/groups"), Request("POST", "/groups", body={"name": "n"})
THREADS = 8


@contextmanager
def courier(
    url: str,
    clock: FakeClock | None = None,
    *,
    budget: Budget = PAID_ACCOUNT,
    persistence: RetryPolicy = DEFAULT,
    **options: Any,
) -> Iterator[RetryingSender]:
    """A courier with the credentials of the tests; waits take no time."""
    clock = clock or HastyClock()
    credentials = (Secret(KEY), Secret(SECRET))
    with Transport(url, credentials, clock=clock, environ={}, **options) as line:
        yield RetryingSender(
            line, clock, cancelled=threading.Event(), budget=budget, retry_policy=persistence
        )


@contextmanager
def faulty(*faults: str) -> Iterator[EmulatedFivetran]:
    with serve_fivetran() as server:
        server.app.faults.add(*map(parse_fault, faults))
        yield server


def failure(line: RetryingSender, request: Request) -> ApiError:
    with pytest.raises(ApiError) as caught:
        line.send(request)
    return caught.value


def in_threads(work: Callable[[int], None]) -> None:
    """Run `work` in all threads at once, each with its number; what goes wrong there goes wrong here."""
    problems: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert problems == []


def statuses(server: EmulatedFivetran) -> Counter[tuple[str, int | None]]:
    return Counter((each.method, each.status) for each in server.app.read_history())


@pytest.mark.parametrize("form", ["retry-after=7", "retry-after=soon", "retry-after=-1", "body=html", ""])
def test_a_flood_of_429s_over_eight_threads_loses_nothing_and_makes_nothing_twice(form: str) -> None:
    with faulty(f"POST * every 3 status 429 {form}") as server, courier(server.url) as line:
        client = Client(line)
        in_threads(lambda number: [client.create_group(f"g_{number}_{n}") for n in range(5)] and None)
        # Every third one of 59 is refused.
        assert statuses(server) == {("POST", 201): 40, ("POST", 429): 19}
        assert line.retry_count == 19
        names = [group["name"] for group in server.get("/groups?limit=1000")["items"]]
        assert sorted(names) == sorted(f"g_{number}_{n}" for number in range(THREADS) for n in range(5))


def test_a_flood_that_never_ends_ends_every_call_in_rate_limited() -> None:
    with faulty("* * status 429") as server:
        clock = HastyClock()
        with courier(server.url, clock, persistence=RetryPolicy(max_seconds=60)) as line:
            errors: list[ApiError] = []
            in_threads(lambda number: errors.append(failure(line, POST)))
            assert {type(error) for error in errors} == {RateLimited}
            assert not any(error.is_ambiguous for error in errors)
            # 0.5 + 1 + 2 + 4 + 8 + 16 seconds, and 30 more would be too long: no more than seven each.
            assert THREADS <= len(server.calls) <= THREADS * 7
            assert len(server.calls) == line.requests_sent


def test_a_pause_of_an_hour_stops_everybody_after_the_calls_that_were_under_way() -> None:
    with faulty("* * status 429 retry-after=3600") as server, courier(server.url) as line:
        in_threads(lambda number: [failure(line, GET) for _ in range(20)] and None)
        assert 1 <= len(server.calls) <= THREADS


def test_who_keeps_to_the_budget_never_meets_the_quota() -> None:
    clock = FakeClock()
    app = create_app(credentials=(KEY, SECRET), clock=clock.now, quota=QuotaProfile(hourly=20))
    with (
        serve_in_thread(app) as url,
        courier(url, clock, budget=Budget(requests_per_hour=20)) as line,
    ):
        for _ in range(45):
            line.send(GET)
        assert line.limiter.count_remaining_requests() == 15
        assert [each.status for each in app.read_history()] == [200] * 45
    assert clock.seconds == 2 * 3600
    app.close()


def test_who_does_not_know_of_a_quota_is_told_by_it() -> None:
    clock = FakeClock()
    quota = QuotaProfile(hourly=500, limits=PROFILES["trial"].limits)
    app = create_app(credentials=(KEY, SECRET), clock=clock.now, quota=quota)
    with serve_in_thread(app) as url, courier(url, clock) as line:
        client = Client(line)
        id = client.create_group("a").id
        client.create_destination(
            {"group_id": id, "service": "snowflake", "time_zone_offset": "0", "run_setup_tests": False}
            | {"config": {"host": "a.snowflakecomputing.com", "port": 443, "database": "d"}}
        )
        for _ in range(26):  # twenty-five a minute
            client.test_destination(id)
        assert [each.status for each in app.read_history()].count(429) == 1
        assert 60 <= clock.seconds < 70
    app.close()


@pytest.mark.parametrize("phase", ["mid-headers", "mid-body"])
def test_an_answer_that_drips_beyond_the_deadline_makes_one_request(phase: str) -> None:
    with faulty(f"* * {phase} drip 20") as server:
        began = time.monotonic()
        with courier(server.url, timeouts=SHORT) as line:
            error = failure(line, POST)
            assert isinstance(error, Timeout)
            assert error.is_ambiguous
            assert isinstance(failure(line, GET), Timeout)
        # A repeat would need time that the first request has used up.
        assert server.calls == ["POST /v1/groups", "GET /v1/groups"]
        assert time.monotonic() - began < 5


def test_an_answer_that_hangs_makes_one_post() -> None:
    with faulty("POST * hang 30") as server, courier(server.url, timeouts=SHORT) as line:
        assert isinstance(failure(line, POST), Timeout)
        assert server.calls == ["POST /v1/groups"]


@pytest.mark.parametrize("kind", ["tls-garbage", "garbage", "reset", "close", "mid-body truncate"])
def test_bytes_that_mean_nothing_make_one_post_and_five_gets(kind: str) -> None:
    with faulty(f"* * {kind}") as server, courier(server.url) as line:
        for request in (POST, GET):
            assert isinstance(failure(line, request), Unreachable)
        assert server.calls == ["POST /v1/groups", *["GET /v1/groups"] * 5]


def test_connections_that_are_cut_before_anything_is_read_leave_a_post_in_doubt_if_it_left() -> None:
    with faulty("* * at-accept reset") as server, courier(server.url) as line:
        error = failure(line, POST)
        assert server.calls == []
        assert isinstance(error, Unreachable)
        # Who is faster is chance: the reset, or the request. One that did not leave is tried again.
        assert error.is_ambiguous == (line.requests_sent == 1)
        assert line.requests_sent <= 1


def test_a_deletion_whose_answer_is_lost_is_carried_out_once_and_then_finds_nothing() -> None:
    with faulty("DELETE * #1 after-effect reset") as server, courier(server.url) as line:
        client = Client(line)
        id = client.create_group("short_lived").id
        with pytest.raises(NotFound):
            client.delete_group(id)
        assert server.writes == ["POST /v1/groups", f"DELETE /v1/groups/{id}", f"DELETE /v1/groups/{id}"]
        assert sum(len(each.effects) for each in server.app.read_history()) == 2


def test_a_change_whose_answer_is_lost_is_sent_again_and_in_effect() -> None:
    with faulty("PATCH * #1 before-effect reset", "PATCH * #2 after-effect status 502 body=html") as server:
        with courier(server.url) as line:
            client = Client(line)
            id = client.create_group("old").id
            assert client.rename_group(id, "new").name == "new"
        assert server.writes == ["POST /v1/groups", *[f"PATCH /v1/groups/{id}"] * 3]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_gzip_bomb_is_not_unpacked_and_makes_one_post_or_few_gets(method: str) -> None:
    request, times = {"POST": (POST, 1), "GET": (GET, 2)}[method]
    with faulty(f"{method} * gzip-bomb 50") as server:
        with courier(server.url, persistence=TWICE, max_response_bytes=1024 * 1024) as line:
            error = failure(line, request)
        assert server.calls == [f"{method} /v1/groups"] * times
    assert isinstance(error, InvalidResponseError)
    assert error.message == "the answer is too large"
    assert error.is_ambiguous == (method == "POST")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("request_", [GET, POST], ids=lambda each: each.method)
def test_a_redirect_is_one_request_and_nobody_goes_there(request_: Request, status: int) -> None:
    with serve_fivetran() as elsewhere:
        fault = f"* * redirect {status} to={elsewhere.url}/groups"
        with faulty(fault) as server, courier(server.url) as line:
            assert isinstance(failure(line, request_), Redirected)
            assert server.calls == [f"{request_.method} /v1/groups"]
        assert elsewhere.calls == []
