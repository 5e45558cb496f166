"""Test which requests are sent when calls fail, and which error the caller gets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from fake_clock import FakeClock, HastyClock
from scripted_server import (
    ReceivedRequest,
    ServerConnection,
    build_envelope,
    build_response,
    find_free_port,
    serve_script,
)
from self_signed_cert import make_server_context

from reconciler.api.client import Client
from reconciler.api.errors import (
    ApiError,
    BadRequest,
    BudgetSpent,
    Cancelled,
    InvalidRequestError,
    InvalidResponseError,
    NotFound,
    RateLimited,
    ServerError,
    ServerUnverified,
    Unauthorized,
    Unreachable,
)
from reconciler.api.limiter import PAID_ACCOUNT
from reconciler.api.retry import DEFAULT, RetryPolicy, get_diagnostic_code
from reconciler.api.retrying import RetryingSender
from reconciler.api.transport import Request, TimeoutClass, Transport
from reconciler.api.wsgi_adapter import WsgiAdapter
from reconciler.model.budget import Budget
from reconciler.model.event import Event, RequestRetried, Throttled
from reconciler.model.value import Secret
from reconciler.planning.errors import explain_read
from reconciler.runtime.http import get_current_deadline

GET = Request("GET", "/groups")
POST = Request("POST", "/groups", body={"name": "n"})
PATCH = Request("PATCH", "/groups/g1", body={"name": "n"})
DELETE = Request("DELETE", "/groups/g1")
TEST = Request("POST", "/destinations/g1/test", body={})
ALL = [GET, POST, PATCH, DELETE, TEST]
IDEMPOTENT = [GET, PATCH, DELETE]

Step = Callable[[Callable[..., Any]], list[bytes]]


def respond(status: int = 200, body: bytes | None = None, **headers: str) -> Step:
    """Build a response. In header names `_` stands for `-`."""
    code = {200: "Success", 404: "NotFound_Group"}.get(status, "Oops")

    def step(start: Callable[..., Any]) -> list[bytes]:
        start(f"{status} Some", [(name.replace("_", "-"), value) for name, value in headers.items()])
        return [build_envelope({"id": "g1"}, code) if body is None else body]

    return step


def hang_up(start: Callable[..., Any]) -> list[bytes]:
    raise ConnectionResetError


OK = respond(200)


class ScriptedApp:
    """Record each method and take scripted steps in turn; the last step repeats."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.methods: list[str] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.methods.append(environ["REQUEST_METHOD"])
        return (self.steps.pop(0) if len(self.steps) > 1 else self.steps[0])(start)


class SenderHarness:
    """Connect a retrying sender to a scripted app."""

    def __init__(
        self,
        *steps: Step,
        on_wait: Callable[[float], None] = lambda seconds: None,
        budget: Budget = PAID_ACCOUNT,
        retry_policy: RetryPolicy = DEFAULT,
        max_requests: int | None = None,
    ) -> None:
        self.server = ScriptedApp(*steps)
        self.clock = FakeClock(on_wait=on_wait)
        self.cancelled = threading.Event()
        self.events: list[Event] = []
        self.transport = Transport(
            "https://sandbox.invalid/v1",
            (Secret("key"), Secret("secret")),
            clock=self.clock,
            environ={},
            adapter=WsgiAdapter(self.server),
        )
        self.sender = RetryingSender(
            self.transport,
            self.clock,
            cancelled=self.cancelled,
            listener=self.events.append,
            budget=budget,
            retry_policy=retry_policy,
            max_requests=max_requests,
        )

    def send_and_fail(self, request: Request) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.sender.send(request)
        return caught.value


def make_socket_sender(
    url: str, clock: FakeClock, stack: ExitStack, cancelled: threading.Event | None = None, **environ: str
) -> RetryingSender:
    transport = Transport(url, (Secret("key"), Secret("secret")), clock=clock, environ=environ)
    return RetryingSender(stack.enter_context(transport), clock, cancelled=cancelled or threading.Event())


@pytest.mark.parametrize("request_", ALL, ids=lambda each: each.path)
def test_a_success_is_one_request(request_: Request) -> None:
    harness = SenderHarness(OK)
    assert harness.sender.send(request_).data == {"id": "g1"}
    assert (
        harness.sender.requests_sent,
        harness.sender.retry_count,
        harness.events,
        harness.clock.waits,
    ) == (
        1,
        0,
        [],
        [],
    )


IN_90_SECONDS = format_datetime(FakeClock(90).now(), usegmt=True)
RETRY_AFTER = [
    ({"Retry_After": "7"}, 7.0),
    ({"Retry_After": "600"}, 600.0),
    ({"Retry_After": IN_90_SECONDS}, 90.0),
    ({"Retry_After": "0"}, 0.5),
    ({"Retry_After": "-30"}, 0.5),
    ({"Retry_After": "soon"}, 0.5),
    ({"Retry_After": ""}, 0.5),
    ({"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.5),
    ({}, 0.5),
]


@pytest.mark.parametrize(("headers", "seconds"), RETRY_AFTER, ids=str)
@pytest.mark.parametrize("request_", ALL, ids=lambda each: f"{each.method} {each.path}")
def test_a_429_is_retried_after_the_requested_pause(
    headers: dict[str, str], seconds: float, request_: Request
) -> None:
    harness = SenderHarness(respond(429, **headers), OK)
    harness.sender.send(request_)
    assert harness.clock.seconds == seconds
    assert harness.server.methods == [request_.method] * 2
    assert harness.sender.retry_count == 1


@pytest.mark.parametrize("pause", ["601", "3600", "1000000000", "9" * 400])
def test_a_pause_beyond_the_deadline_ends_this_call_and_later_calls(pause: str) -> None:
    harness = SenderHarness(respond(429, Retry_After=pause), OK)
    assert isinstance(harness.send_and_fail(GET), RateLimited)
    later = harness.send_and_fail(POST)
    assert isinstance(later, RateLimited)
    assert (later.method, later.path, later.is_ambiguous) == ("POST", "/groups", False)
    assert later.retry_after == harness.sender.limiter.pause_remaining > 600
    assert "asked for a pause" in later.message
    assert harness.server.methods == ["GET"]
    assert (harness.clock.waits, harness.events) == ([], [])


def test_a_pause_beyond_the_remaining_time_ends_the_call_without_waiting() -> None:
    harness = SenderHarness(respond(429, Retry_After="400"), respond(429, Retry_After="201"))
    assert isinstance(harness.send_and_fail(GET), RateLimited)
    assert harness.clock.seconds == 400
    assert harness.server.methods == ["GET", "GET"]


@pytest.mark.parametrize("request_", ALL, ids=lambda each: f"{each.method} {each.path}")
def test_a_series_of_429_ends_within_the_deadline(request_: Request) -> None:
    harness = SenderHarness(*[respond(429)] * 100, OK)
    error = harness.send_and_fail(request_)
    assert type(error) is RateLimited
    # Waits of 0.5 + 1 + 2 + 4 + 8 + 16, then eighteen of 30 seconds: another wait would exceed 600.
    assert harness.clock.seconds == 31.5 + 18 * 30
    assert len(harness.server.methods) == 1 + 6 + 18
    assert not error.is_ambiguous
    assert {type(event) for event in harness.events} == {RequestRetried}


def test_waits_grow_although_fivetran_asks_for_shorter_waits() -> None:
    harness = SenderHarness(*[respond(429, Retry_After="1")] * 4, OK)
    harness.sender.send(GET)
    assert harness.clock.waits == [1, 1, 2, 4]


def test_a_429_does_not_count_as_an_attempt() -> None:
    harness = SenderHarness(*[respond(429)] * 10, *[respond(503)] * 4, OK)
    harness.sender.send(GET)
    assert len(harness.server.methods) == 15


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry_After": "60"}, 60), ({}, 0.5)])
def test_a_pause_of_one_call_holds_for_all_calls(headers: dict[str, str], seconds: float) -> None:
    harness = SenderHarness(respond(429, **headers), OK)
    send_in_between = [lambda: harness.sender.send(POST)]
    harness.clock.on_wait = lambda seconds: send_in_between.pop()() if send_in_between else None
    harness.sender.send(GET)
    assert harness.clock.waits == [seconds, seconds]  # of the call in between, and of the first call
    assert harness.server.methods == ["GET", "POST", "GET"]
    assert (Throttled("requests", 60) in harness.events) == (seconds == 60)


FAULTS: list[tuple[Step, type[ApiError], str]] = [
    (respond(500), ServerError, "server-fault"),
    (respond(502, b"<html>Bad gateway</html>"), ServerError, "server-fault"),
    (respond(524, b""), ServerError, "server-fault"),
    (respond(200, b"<html>Please log in</html>"), InvalidResponseError, "unintelligible-answer"),
    (respond(200, b'{"code": "InternalServerError"}'), InvalidResponseError, "unintelligible-answer"),
    (hang_up, Unreachable, "unreachable"),
]


@pytest.mark.parametrize(("fault", "kind", "code"), FAULTS)
@pytest.mark.parametrize("request_", IDEMPOTENT, ids=lambda each: each.method)
def test_a_repeatable_call_is_tried_five_times_with_growing_waits(
    fault: Step, kind: type[ApiError], code: str, request_: Request
) -> None:
    harness = SenderHarness(fault)
    error = harness.send_and_fail(request_)
    assert type(error) is kind
    assert error.is_ambiguous == (request_ is not GET)
    assert harness.server.methods == [request_.method] * 5
    assert harness.clock.waits == [0.5, 1, 2, 4]
    path = "/v1" + request_.path
    assert harness.events == [
        RequestRetried(request_.method, path, code, attempt, seconds)
        for attempt, seconds in ((2, 0.5), (3, 1), (4, 2), (5, 4))
    ]
    assert (harness.sender.retry_count, harness.sender.requests_sent) == (4, 5)


@pytest.mark.parametrize(("fault", "kind", "code"), FAULTS)
@pytest.mark.parametrize("request_", [POST, TEST], ids=lambda each: each.path)
def test_an_ambiguous_post_is_sent_once(
    fault: Step, kind: type[ApiError], code: str, request_: Request
) -> None:
    harness = SenderHarness(fault, OK)
    error = harness.send_and_fail(request_)
    assert type(error) is kind
    assert error.is_ambiguous
    assert get_diagnostic_code(error) == code == explain_read(error).code
    assert harness.server.methods == ["POST"]
    assert (harness.clock.waits, harness.events) == ([], [])


def delay(harness: SenderHarness, seconds: float, step: Step) -> Step:
    """Build an answer that comes after so many seconds, or at the deadline of its request if that is earlier."""

    def late(start: Callable[..., Any]) -> list[bytes]:
        left = get_current_deadline().ends_at - harness.clock.monotonic()
        harness.clock.advance(min(seconds, left))
        if seconds > left:
            raise ConnectionResetError
        return step(start)

    return late


def make_slow_harness(seconds: float, step: Step) -> SenderHarness:
    """Build a harness whose every answer takes so many seconds."""
    harness = SenderHarness(OK)
    harness.server.steps = [delay(harness, seconds, step)]
    return harness


@pytest.mark.parametrize(
    ("seconds", "times", "total"),
    [
        (0.1, 5, 5 * 0.1 + 7.5),
        (30.0, 4, 120.0),  # three whole attempts, waits of 3.5 s, and the rest
        (59.5, 2, 119.5),  # half a second is too little for another attempt
        (119.0, 1, 119.0),
        (500.0, 1, 120.0),
    ],
)
@pytest.mark.parametrize("request_", IDEMPOTENT, ids=lambda each: each.method)
def test_all_attempts_of_a_call_share_its_budget_of_time(
    request_: Request, seconds: float, times: int, total: float
) -> None:
    harness = make_slow_harness(seconds, respond(500))
    assert isinstance(harness.send_and_fail(request_), ServerError | Unreachable)
    assert harness.server.methods == [request_.method] * times
    assert harness.clock.seconds == pytest.approx(total)


def test_a_wait_that_fivetran_asks_for_beyond_the_budget_ends_the_call_at_once() -> None:
    harness = SenderHarness(respond(503, Retry_After="119.5"), OK)
    assert isinstance(harness.send_and_fail(GET), ServerError)
    assert (harness.server.methods, harness.clock.seconds) == (["GET"], 0)
    harness = SenderHarness(respond(503, Retry_After="118"), OK)
    harness.sender.send(GET)
    assert (harness.server.methods, harness.clock.seconds) == (["GET", "GET"], 118)


def test_pauses_after_429s_are_not_part_of_the_budget_but_slow_429s_are() -> None:
    harness = make_slow_harness(50.0, respond(429, Retry_After="100"))
    assert isinstance(harness.send_and_fail(GET), RateLimited | Unreachable)
    assert harness.clock.waits == [100, 100]
    assert harness.clock.seconds == 2 * 100 + 120


def test_a_call_with_setup_tests_has_one_budget_of_its_own() -> None:
    patch = replace(PATCH, timeout_class=TimeoutClass.SETUP_TESTS)
    harness = make_slow_harness(500.0, respond(500))
    harness.send_and_fail(patch)
    assert (len(harness.server.methods), harness.clock.seconds) == (2, 900)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 409])
@pytest.mark.parametrize("request_", ALL, ids=lambda each: f"{each.method} {each.path}")
def test_a_refused_call_is_sent_once(status: int, request_: Request) -> None:
    harness = SenderHarness(respond(status), OK)
    assert harness.send_and_fail(request_).status == status
    assert harness.server.methods == [request_.method]


def test_an_invalid_request_is_not_sent() -> None:
    harness = SenderHarness(OK)
    assert isinstance(
        harness.send_and_fail(Request("PATCH", "/g", body={"a": float("nan")})), InvalidRequestError
    )
    assert harness.server.methods == []


def test_a_patch_without_response_is_sent_again() -> None:
    harness = SenderHarness(hang_up, OK)
    assert harness.sender.send(PATCH).data == {"id": "g1"}
    assert harness.server.methods == ["PATCH", "PATCH"]


def test_a_retried_delete_that_meets_404_is_not_found() -> None:
    harness = SenderHarness(hang_up, respond(404))
    assert type(harness.send_and_fail(DELETE)) is NotFound


@pytest.mark.parametrize("first", [hang_up, respond(500), respond(200, b"hello")])
@pytest.mark.parametrize(
    ("second", "kind"),
    [
        (respond(429, Retry_After="3600"), RateLimited),
        (respond(400), BadRequest),
        (respond(401), Unauthorized),
        (respond(404), NotFound),
    ],
)
@pytest.mark.parametrize("request_", IDEMPOTENT, ids=lambda each: each.method)
def test_the_last_error_is_raised_and_an_earlier_attempt_stays_ambiguous(
    first: Step, second: Step, kind: type[ApiError], request_: Request
) -> None:
    error = SenderHarness(first, second).send_and_fail(request_)
    assert type(error) is kind
    assert error.is_ambiguous == (request_ is not GET)


def test_ambiguity_lasts_over_attempts_but_not_over_calls() -> None:
    harness = SenderHarness(hang_up, respond(429), respond(429), respond(400))
    assert harness.send_and_fail(PATCH).is_ambiguous
    assert not harness.send_and_fail(PATCH).is_ambiguous


def test_a_lost_response_before_a_refused_connection_stays_ambiguous() -> None:
    """The server dies with the first request; later connections are refused."""
    with ExitStack() as server_stack, ExitStack() as stack:
        clock = FakeClock(on_wait=lambda seconds: server_stack.close())
        server = server_stack.enter_context(serve_script(lambda wire, _: wire.reset()))
        sender = make_socket_sender(server.url, clock, stack)
        with pytest.raises(Unreachable) as caught:
            sender.send(PATCH)
        assert server.list_methods() == ["PATCH"]
    assert not caught.value.sent
    assert caught.value.is_ambiguous
    assert len(clock.waits) == 4
    assert sender.requests_sent == 1


@pytest.mark.parametrize("request_", ALL, ids=lambda each: f"{each.method} {each.path}")
def test_an_unsent_request_is_retried_and_is_not_ambiguous(request_: Request) -> None:
    clock = FakeClock()
    with ExitStack() as stack:
        sender = make_socket_sender(f"http://127.0.0.1:{find_free_port()}", clock, stack)
        with pytest.raises(Unreachable) as caught:
            sender.send(request_)
    assert not caught.value.is_ambiguous
    assert clock.waits == [0.5, 1, 2, 4]
    assert (sender.requests_sent, sender.retry_count) == (0, 4)


@pytest.mark.parametrize("request_", [GET, POST], ids=lambda each: each.method)
def test_an_unknown_host_is_tried_a_few_times_only(request_: Request) -> None:
    clock = FakeClock()
    with ExitStack() as stack:
        sender = make_socket_sender("https://nothing.invalid/v1", clock, stack)
        with pytest.raises(ServerUnverified) as caught:
            sender.send(request_)
    assert clock.waits == [0.5, 1]
    assert not caught.value.is_ambiguous


def test_an_untrusted_server_is_sent_nothing_in_any_attempt(tmp_path: Path) -> None:
    context, _ = make_server_context("api.example.test", tmp_path)
    with ExitStack() as stack:
        server = stack.enter_context(serve_script(lambda wire, _: None, tls=context, tunnel=True))
        clock = HastyClock()
        proxy = f"http://127.0.0.1:{server.port}"
        sender = make_socket_sender("https://api.example.test/v1", clock, stack, HTTPS_PROXY=proxy)
        with pytest.raises(ServerUnverified) as caught:
            sender.send(POST)
        assert server.list_methods() == ["CONNECT"] * 3
    assert "certificate is not trusted" in caught.value.message
    assert clock.waits == [0.5, 1]


def send_broken_record(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.unwrap_tls().sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "times"), [(GET, 5), (POST, 1), (PATCH, 5), (DELETE, 5), (TEST, 1)], ids=str
)
def test_a_broken_tls_record_repeats_no_post(request_: Request, times: int, tmp_path: Path) -> None:
    context, certificate = make_server_context("api.example.test", tmp_path)
    with ExitStack() as stack:
        server = stack.enter_context(serve_script(send_broken_record, tls=context, tunnel=True))
        environ = {
            "HTTPS_PROXY": f"http://127.0.0.1:{server.port}",
            "REQUESTS_CA_BUNDLE": str(certificate),
        }
        sender = make_socket_sender("https://api.example.test/v1", HastyClock(), stack, **environ)
        with pytest.raises(Unreachable) as caught:
            sender.send(request_)
        assert server.list_methods() == ["CONNECT", request_.method] * times
    assert caught.value.message.startswith("TLS failed")


def send_reset(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.reset()


def send_garbage(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(b"\x00\x01\x02 what is this\r\n\r\n")


def send_half_response(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(build_response(build_envelope({"id": "g1"}))[:-5])


@pytest.mark.parametrize("fault", [send_reset, send_garbage, send_half_response])
@pytest.mark.parametrize(("request_", "times"), [(POST, 1), (TEST, 1), (PATCH, 2), (DELETE, 2), (GET, 2)])
def test_a_server_on_a_socket_sees_one_post_and_repeats_of_other_methods(
    fault: Callable[[ServerConnection, ReceivedRequest], None], request_: Request, times: int
) -> None:
    def script(wire: ServerConnection, seen: ReceivedRequest) -> None:
        if len(server.requests) == 1:
            fault(wire, seen)
        else:
            wire.send(build_response(build_envelope({"id": "g1"})))

    with ExitStack() as stack:
        server = stack.enter_context(serve_script(script))
        sender = make_socket_sender(server.url, HastyClock(), stack)
        if times == 1:
            with pytest.raises(Unreachable):
                sender.send(request_)
        else:
            sender.send(request_)
        assert server.list_methods() == [request_.method] * times


@pytest.mark.parametrize("request_", ALL, ids=lambda each: f"{each.method} {each.path}")
def test_a_cancelled_call_is_not_sent(request_: Request) -> None:
    harness = SenderHarness(OK)
    harness.cancelled.set()
    error = harness.send_and_fail(request_)
    assert type(error) is Cancelled
    assert explain_read(error).code == "withdrawn"
    assert (error.method, error.path, error.is_ambiguous) == (request_.method, request_.path, False)
    assert harness.server.methods == []


def test_a_run_that_may_send_no_more_sends_no_more() -> None:
    harness = SenderHarness(OK, max_requests=2)
    harness.sender.send(GET)
    harness.sender.send(GET)
    error = harness.send_and_fail(GET)
    assert type(error) is BudgetSpent
    assert (error.path, error.is_ambiguous) == (GET.path, False)
    assert (harness.server.methods, harness.clock.waits) == (["GET"] * 2, [])


def test_retries_count_and_the_last_error_stays_without_a_wait() -> None:
    harness = SenderHarness(respond(503), max_requests=3)
    assert type(harness.send_and_fail(GET)) is ServerError
    assert (harness.server.methods, len(harness.clock.waits)) == (["GET"] * 3, 2)
    assert type(harness.send_and_fail(GET)) is BudgetSpent


def test_a_call_that_waits_for_the_budget_is_cancelled() -> None:
    harness = SenderHarness(
        OK, on_wait=lambda seconds: harness.cancelled.set(), budget=Budget(requests_per_hour=1)
    )
    harness.sender.send(GET)
    assert type(harness.send_and_fail(POST)) is Cancelled
    assert (harness.server.methods, harness.clock.seconds) == (["GET"], 0)


def test_a_call_that_waits_for_the_end_of_a_pause_is_cancelled() -> None:
    harness = SenderHarness(OK, on_wait=lambda seconds: harness.cancelled.set())
    harness.sender.limiter.pause(30)
    assert type(harness.send_and_fail(GET)) is Cancelled
    assert harness.server.methods == []


@pytest.mark.parametrize("fault", [respond(429, Retry_After="5"), respond(503), hang_up])
def test_a_call_that_waits_for_another_attempt_ends_in_its_last_error(fault: Step) -> None:
    harness = SenderHarness(fault, OK, on_wait=lambda seconds: harness.cancelled.set())
    error = harness.send_and_fail(PATCH)
    assert type(error) in {RateLimited, ServerError, Unreachable}
    assert error.is_ambiguous == (type(error) is not RateLimited)
    assert (harness.server.methods, harness.clock.seconds, harness.sender.retry_count) == (["PATCH"], 0, 0)


def test_a_repeat_that_waits_for_the_budget_ends_in_its_last_error() -> None:
    def wait_again(seconds: float) -> None:
        if seconds > 1:
            harness.cancelled.set()

    harness = SenderHarness(respond(503), OK, on_wait=wait_again, budget=Budget(requests_per_hour=1))
    assert type(harness.send_and_fail(DELETE)) is ServerError
    assert harness.clock.waits == [0.5]
    assert harness.server.methods == ["DELETE"]


def test_a_call_in_flight_is_completed_and_not_repeated() -> None:
    def cancel_and_respond(start: Callable[..., Any]) -> list[bytes]:
        harness.cancelled.set()
        return answer(start)

    for answer in (OK, respond(503)):
        harness = SenderHarness(cancel_and_respond)
        if answer is OK:
            assert harness.sender.send(GET).data == {"id": "g1"}
        else:
            assert type(harness.send_and_fail(GET)) is ServerError
        assert (harness.server.methods, harness.events, harness.clock.waits) == (["GET"], [], [])


def test_the_deadline_of_a_call_starts_with_its_first_attempt() -> None:
    hourly, short = Budget(requests_per_hour=1), RetryPolicy(max_seconds=10)
    harness = SenderHarness(OK, respond(503), OK, respond(503), budget=hourly, retry_policy=short)
    harness.sender.send(GET)
    # An hour until the budget allows the call, a fault, another hour, and a response.
    harness.sender.send(GET)
    assert harness.clock.seconds == 2 * 3600
    assert type(harness.send_and_fail(GET)) is ServerError  # two faults, and an hour between them
    assert harness.server.methods == ["GET"] * 5


def test_errors_have_no_cause_from_the_http_library() -> None:
    error = SenderHarness(hang_up).send_and_fail(PATCH)
    assert (error.__cause__, error.__context__) == (None, None)
    assert (SenderHarness(hang_up, respond(400)).send_and_fail(PATCH).__context__) is None


def test_the_limiter_observes_the_remaining_budget_of_responses() -> None:
    harness = SenderHarness(
        respond(200, X_Rate_Limit_Remaining="480"),
        respond(400, X_Rate_Limit_Remaining="479"),
        respond(200, X_Rate_Limit_Remaining="plenty"),
        respond(200, X_Rate_Limit_Remaining="-1"),
        respond(200, X_Rate_Limit_Remaining="9" * 30),
    )
    assert harness.sender.limiter.count_remaining_requests() == 20_000
    assert harness.sender.send(GET).exchange.remaining == 480
    assert harness.sender.limiter.count_remaining_requests() == 480
    assert harness.send_and_fail(GET).exchange.remaining == 479
    for _ in range(3):
        assert harness.sender.send(GET).exchange.remaining is None
        assert harness.sender.limiter.count_remaining_requests() == 479


def test_setup_tests_are_counted_for_calls_that_run_them() -> None:
    harness = SenderHarness(
        respond(200, build_envelope({"id": "g1", "group_id": "g1", "service": "snowflake"}))
    )
    client = Client(harness.sender)
    left = []
    for call in (
        lambda: client.get_destination("g1"),
        lambda: client.create_destination({"group_id": "g1", "run_setup_tests": False}),
        lambda: client.update_destination("g1", {"run_setup_tests": False}),
        lambda: client.test_destination("g1"),
        lambda: client.create_destination({"group_id": "g1"}),
        lambda: client.update_destination("g1", {"run_setup_tests": True}),
        lambda: client.delete_destination("g1"),
    ):
        call()
        left.append(harness.sender.limiter.count_remaining_tests())
    assert left == [2500, 2500, 2500, 2499, 2498, 2497, 2497]
    assert harness.sender.limiter.count_remaining_requests() == 20_000 - 7


def test_retries_use_the_budget() -> None:
    harness = SenderHarness(respond(503), respond(429), OK)
    harness.sender.send(GET)
    assert harness.sender.limiter.count_remaining_requests() == 20_000 - 3
