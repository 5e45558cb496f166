"""Check the retrying sender against faults of the emulator, whose history has the requests that arrived."""

from __future__ import annotations

import threading
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
def open_sender(
    url: str,
    clock: FakeClock | None = None,
    *,
    budget: Budget = PAID_ACCOUNT,
    retry_policy: RetryPolicy = DEFAULT,
    **options: Any,
) -> Iterator[RetryingSender]:
    """Open a sender with the credentials of the tests and a clock whose waits take no time."""
    clock = clock or HastyClock()
    credentials = (Secret(KEY), Secret(SECRET))
    with Transport(url, credentials, clock=clock, environ={}, **options) as sender:
        yield RetryingSender(
            sender, clock, cancelled=threading.Event(), budget=budget, retry_policy=retry_policy
        )


@contextmanager
def serve_faults(*faults: str) -> Iterator[EmulatedFivetran]:
    with serve_fivetran() as server:
        server.app.faults.add(*map(parse_fault, faults))
        yield server


def send_and_fail(sender: RetryingSender, request: Request) -> ApiError:
    with pytest.raises(ApiError) as caught:
        sender.send(request)
    return caught.value


def run_in_threads(work: Callable[[int], None]) -> None:
    """Run `work` in all threads at once, with the number of each thread, and raise their errors here."""
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


def count_statuses(server: EmulatedFivetran) -> Counter[tuple[str, int | None]]:
    return Counter((each.method, each.status) for each in server.app.read_history())


@pytest.mark.parametrize("form", ["retry-after=7", "retry-after=soon", "retry-after=-1", "body=html", ""])
def test_many_429s_in_eight_threads_lose_and_duplicate_nothing(form: str) -> None:
    with serve_faults(f"POST * every 3 status 429 {form}") as server, open_sender(server.url) as sender:
        client = Client(sender)
        run_in_threads(lambda number: [client.create_group(f"g_{number}_{n}") for n in range(5)] and None)
        # Every third of 59 requests is refused.
        assert count_statuses(server) == {("POST", 201): 40, ("POST", 429): 19}
        assert sender.retry_count == 19
        names = [group["name"] for group in server.get("/groups?limit=1000")["items"]]
        assert sorted(names) == sorted(f"g_{number}_{n}" for number in range(THREADS) for n in range(5))


def test_endless_429s_end_every_call_as_rate_limited() -> None:
    with serve_faults("* * status 429") as server:
        clock = HastyClock()
        with open_sender(server.url, clock, retry_policy=RetryPolicy(max_seconds=60)) as sender:
            errors: list[ApiError] = []
            run_in_threads(lambda number: errors.append(send_and_fail(sender, POST)))
            assert {type(error) for error in errors} == {RateLimited}
            assert not any(error.is_ambiguous for error in errors)
            # Pauses of 0.5, 1, 2, 4, 8 and 16 seconds fit into 60 seconds, so each thread sends at most seven requests.
            assert THREADS <= len(server.calls) <= THREADS * 7
            assert len(server.calls) == sender.requests_sent


def test_a_retry_after_of_an_hour_stops_all_threads_after_their_open_calls() -> None:
    with serve_faults("* * status 429 retry-after=3600") as server, open_sender(server.url) as sender:
        run_in_threads(lambda number: [send_and_fail(sender, GET) for _ in range(20)] and None)
        assert 1 <= len(server.calls) <= THREADS


def test_a_sender_within_its_budget_never_exceeds_the_quota() -> None:
    clock = FakeClock()
    app = create_app(credentials=(KEY, SECRET), clock=clock.now, quota=QuotaProfile(hourly=20))
    with (
        serve_in_thread(app) as url,
        open_sender(url, clock, budget=Budget(requests_per_hour=20)) as sender,
    ):
        for _ in range(45):
            sender.send(GET)
        assert sender.limiter.count_remaining_requests() == 15
        assert [each.status for each in app.read_history()] == [200] * 45
    assert clock.seconds == 2 * 3600
    app.close()


def test_an_unknown_quota_is_learned_from_one_429() -> None:
    clock = FakeClock()
    quota = QuotaProfile(hourly=500, limits=PROFILES["trial"].limits)
    app = create_app(credentials=(KEY, SECRET), clock=clock.now, quota=quota)
    with serve_in_thread(app) as url, open_sender(url, clock) as sender:
        client = Client(sender)
        id = client.create_group("a").id
        client.create_destination(
            {"group_id": id, "service": "snowflake", "time_zone_offset": "0", "run_setup_tests": False}
            | {"config": {"host": "a.snowflakecomputing.com", "port": 443, "database": "d"}}
        )
        for _ in range(26):  # the limit is 25 per minute
            client.test_destination(id)
        assert [each.status for each in app.read_history()].count(429) == 1
        assert 60 <= clock.seconds < 70
    app.close()


@pytest.mark.parametrize("phase", ["mid-headers", "mid-body"])
def test_a_dripping_answer_causes_one_request(phase: str) -> None:
    with serve_faults(f"* * {phase} drip 20") as server:
        with open_sender(server.url, timeouts=SHORT) as sender:
            error = send_and_fail(sender, POST)
            assert isinstance(error, Timeout)
            assert error.is_ambiguous
            assert isinstance(send_and_fail(sender, GET), Timeout)
        # A repeat would need time that the first request has used up.
        assert server.calls == ["POST /v1/groups", "GET /v1/groups"]


def test_a_hanging_answer_causes_one_post() -> None:
    with serve_faults("POST * hang 30") as server, open_sender(server.url, timeouts=SHORT) as sender:
        assert isinstance(send_and_fail(sender, POST), Timeout)
        assert server.calls == ["POST /v1/groups"]


@pytest.mark.parametrize("kind", ["tls-garbage", "garbage", "reset", "close", "mid-body truncate"])
def test_an_invalid_answer_causes_one_post_and_five_gets(kind: str) -> None:
    with serve_faults(f"* * {kind}") as server, open_sender(server.url) as sender:
        for request in (POST, GET):
            assert isinstance(send_and_fail(sender, request), Unreachable)
        assert server.calls == ["POST /v1/groups", *["GET /v1/groups"] * 5]


def test_a_reset_on_accept_makes_a_sent_post_ambiguous() -> None:
    with serve_faults("* * at-accept reset") as server, open_sender(server.url) as sender:
        error = send_and_fail(sender, POST)
        assert server.calls == []
        assert isinstance(error, Unreachable)
        # The reset and the request race. Only a request that was not sent is repeated.
        assert error.is_ambiguous == (sender.requests_sent == 1)
        assert sender.requests_sent <= 1


def test_a_deletion_with_a_lost_answer_is_repeated_and_answered_404() -> None:
    with serve_faults("DELETE * #1 after-effect reset") as server, open_sender(server.url) as sender:
        client = Client(sender)
        id = client.create_group("short_lived").id
        with pytest.raises(NotFound):
            client.delete_group(id)
        assert server.writes == ["POST /v1/groups", f"DELETE /v1/groups/{id}", f"DELETE /v1/groups/{id}"]
        assert sum(len(each.effects) for each in server.app.read_history()) == 2


def test_a_patch_with_a_lost_answer_is_repeated_and_takes_effect() -> None:
    with serve_faults(
        "PATCH * #1 before-effect reset", "PATCH * #2 after-effect status 502 body=html"
    ) as server:
        with open_sender(server.url) as sender:
            client = Client(sender)
            id = client.create_group("old").id
            assert client.rename_group(id, "new").name == "new"
        assert server.writes == ["POST /v1/groups", *[f"PATCH /v1/groups/{id}"] * 3]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_gzip_bomb_is_refused_after_one_post_or_two_gets(method: str) -> None:
    request, times = {"POST": (POST, 1), "GET": (GET, 2)}[method]
    with serve_faults(f"{method} * gzip-bomb 50") as server:
        with open_sender(server.url, retry_policy=TWICE, max_response_bytes=1024 * 1024) as sender:
            error = send_and_fail(sender, request)
        assert server.calls == [f"{method} /v1/groups"] * times
    assert isinstance(error, InvalidResponseError)
    assert error.message == "the answer is too large"
    assert error.is_ambiguous == (method == "POST")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("request_", [GET, POST], ids=lambda each: each.method)
def test_a_redirect_is_not_followed_and_not_repeated(request_: Request, status: int) -> None:
    with serve_fivetran() as other_server:
        fault = f"* * redirect {status} to={other_server.url}/groups"
        with serve_faults(fault) as server, open_sender(server.url) as sender:
            assert isinstance(send_and_fail(sender, request_), Redirected)
            assert server.calls == [f"{request_.method} /v1/groups"]
        assert other_server.calls == []
