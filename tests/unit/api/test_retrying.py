"""What leaves for Fivetran when calls fail, and what the caller is told in the end."""

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


def says(status: int = 200, body: bytes | None = None, **headers: str) -> Step:
    """An answer. In names of headers `_` stands for `-`."""
    code = {200: "Success", 404: "NotFound_Group"}.get(status, "Oops")

    def step(start: Callable[..., Any]) -> list[bytes]:
        start(f"{status} Some", [(name.replace("_", "-"), value) for name, value in headers.items()])
        return [build_envelope({"id": "g1"}, code) if body is None else body]

    return step


def hangs_up(start: Callable[..., Any]) -> list[bytes]:
    raise ConnectionResetError


OK = says(200)


class Far:
    """The far end: takes its steps one by one, the last one for ever, and keeps what it was asked."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.asked: list[str] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.asked.append(environ["REQUEST_METHOD"])
        return (self.steps.pop(0) if len(self.steps) > 1 else self.steps[0])(start)


class Line:
    """A courier to a far end."""

    def __init__(
        self,
        *steps: Step,
        on_wait: Callable[[float], None] = lambda seconds: None,
        budget: Budget = PAID_ACCOUNT,
        persistence: RetryPolicy = DEFAULT,
    ) -> None:
        self.far = Far(*steps)
        self.clock = FakeClock(on_wait=on_wait)
        self.cancelled = threading.Event()
        self.told: list[Event] = []
        self.transport = Transport(
            "https://sandbox.invalid/v1",
            (Secret("key"), Secret("secret")),
            clock=self.clock,
            environ={},
            adapter=WsgiAdapter(self.far),
        )
        self.courier = RetryingSender(
            self.transport,
            self.clock,
            cancelled=self.cancelled,
            listener=self.told.append,
            budget=budget,
            retry_policy=persistence,
        )

    def failure(self, request: Request) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.courier.send(request)
        return caught.value


def on_a_socket(
    url: str, clock: FakeClock, stack: ExitStack, cancelled: threading.Event | None = None, **environ: str
) -> RetryingSender:
    line = Transport(url, (Secret("key"), Secret("secret")), clock=clock, environ=environ)
    return RetryingSender(stack.enter_context(line), clock, cancelled=cancelled or threading.Event())


@pytest.mark.parametrize("request_", ALL, ids=lambda each: each.path)
def test_a_success_is_one_request(request_: Request) -> None:
    line = Line(OK)
    assert line.courier.send(request_).data == {"id": "g1"}
    assert (line.courier.requests_sent, line.courier.retry_count, line.told, line.clock.waits) == (
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
def test_after_a_429_every_call_is_repeated_when_fivetran_says_so(
    headers: dict[str, str], seconds: float, request_: Request
) -> None:
    line = Line(says(429, **headers), OK)
    line.courier.send(request_)
    assert line.clock.seconds == seconds
    assert line.far.asked == [request_.method] * 2
    assert line.courier.retry_count == 1


@pytest.mark.parametrize("asked", ["601", "3600", "1000000000", "9" * 400])
def test_a_pause_that_nobody_can_sit_out_ends_the_call_and_those_behind_it(asked: str) -> None:
    line = Line(says(429, Retry_After=asked), OK)
    assert isinstance(line.failure(GET), RateLimited)
    behind = line.failure(POST)
    assert isinstance(behind, RateLimited)
    assert (behind.method, behind.path, behind.is_ambiguous) == ("POST", "/groups", False)
    assert behind.retry_after == line.courier.limiter.pause_remaining > 600
    assert "asked for a pause" in behind.message
    assert line.far.asked == ["GET"]
    assert (line.clock.waits, line.told) == ([], [])


def test_a_pause_too_long_for_what_is_left_ends_the_call_without_waiting() -> None:
    line = Line(says(429, Retry_After="400"), says(429, Retry_After="201"))
    assert isinstance(line.failure(GET), RateLimited)
    assert line.clock.seconds == 400
    assert line.far.asked == ["GET", "GET"]


@pytest.mark.parametrize("request_", ALL, ids=lambda each: f"{each.method} {each.path}")
def test_a_hundred_429_in_a_row_end_within_the_time_there_is(request_: Request) -> None:
    line = Line(*[says(429)] * 100, OK)
    error = line.failure(request_)
    assert type(error) is RateLimited
    # Waits of 0.5 + 1 + 2 + 4 + 8 + 16, then eighteen of 30 seconds: one more would be beyond 600.
    assert line.clock.seconds == 31.5 + 18 * 30
    assert len(line.far.asked) == 1 + 6 + 18
    assert not error.is_ambiguous
    assert {type(event) for event in line.told} == {RequestRetried}


def test_waits_grow_although_fivetran_asks_for_shorter_ones() -> None:
    line = Line(*[says(429, Retry_After="1")] * 4, OK)
    line.courier.send(GET)
    assert line.clock.waits == [1, 1, 2, 4]


def test_429s_do_not_count_among_the_attempts() -> None:
    line = Line(*[says(429)] * 10, *[says(503)] * 4, OK)
    line.courier.send(GET)
    assert len(line.far.asked) == 15


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry_After": "60"}, 60), ({}, 0.5)])
def test_a_pause_of_one_call_holds_for_the_others_too(headers: dict[str, str], seconds: float) -> None:
    line = Line(says(429, **headers), OK)
    send_in_between = [lambda: line.courier.send(POST)]
    line.clock.on_wait = lambda seconds: send_in_between.pop()() if send_in_between else None
    line.courier.send(GET)
    assert line.clock.waits == [seconds, seconds]  # of the call in between, and of the first one
    assert line.far.asked == ["GET", "POST", "GET"]
    assert (Throttled("requests", 60) in line.told) == (seconds == 60)


FAULTS: list[tuple[Step, type[ApiError], str]] = [
    (says(500), ServerError, "server-fault"),
    (says(502, b"<html>Bad gateway</html>"), ServerError, "server-fault"),
    (says(524, b""), ServerError, "server-fault"),
    (says(200, b"<html>Please log in</html>"), InvalidResponseError, "unintelligible-answer"),
    (says(200, b'{"code": "InternalServerError"}'), InvalidResponseError, "unintelligible-answer"),
    (hangs_up, Unreachable, "unreachable"),
]


@pytest.mark.parametrize(("fault", "kind", "code"), FAULTS)
@pytest.mark.parametrize("request_", IDEMPOTENT, ids=lambda each: each.method)
def test_what_can_be_repeated_is_tried_five_times_with_growing_waits(
    fault: Step, kind: type[ApiError], code: str, request_: Request
) -> None:
    line = Line(fault)
    error = line.failure(request_)
    assert type(error) is kind
    assert error.is_ambiguous == (request_ is not GET)
    assert line.far.asked == [request_.method] * 5
    assert line.clock.waits == [0.5, 1, 2, 4]
    path = "/v1" + request_.path
    assert line.told == [
        RequestRetried(request_.method, path, code, attempt, seconds)
        for attempt, seconds in ((2, 0.5), (3, 1), (4, 2), (5, 4))
    ]
    assert (line.courier.retry_count, line.courier.requests_sent) == (4, 5)


@pytest.mark.parametrize(("fault", "kind", "code"), FAULTS)
@pytest.mark.parametrize("request_", [POST, TEST], ids=lambda each: each.path)
def test_a_post_that_may_have_been_carried_out_goes_out_once(
    fault: Step, kind: type[ApiError], code: str, request_: Request
) -> None:
    line = Line(fault, OK)
    error = line.failure(request_)
    assert type(error) is kind
    assert error.is_ambiguous
    assert get_diagnostic_code(error) == code == explain_read(error).code
    assert line.far.asked == ["POST"]
    assert (line.clock.waits, line.told) == ([], [])


def takes(line: Line, seconds: float, step: Step) -> Step:
    """An answer that comes after so many seconds, or at the deadline of its request if that is earlier."""

    def late(start: Callable[..., Any]) -> list[bytes]:
        left = get_current_deadline().ends_at - line.clock.monotonic()
        line.clock.advance(min(seconds, left))
        if seconds > left:
            raise ConnectionResetError
        return step(start)

    return late


def slow_line(seconds: float, step: Step, **options: Any) -> Line:
    """A line on which every answer takes so many seconds."""
    line = Line(OK, **options)
    line.far.steps = [takes(line, seconds, step)]
    return line


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
    line = slow_line(seconds, says(500))
    assert isinstance(line.failure(request_), ServerError | Unreachable)
    assert line.far.asked == [request_.method] * times
    assert line.clock.seconds == pytest.approx(total)


def test_a_wait_that_fivetran_asks_for_beyond_the_budget_ends_the_call_at_once() -> None:
    line = Line(says(503, Retry_After="119.5"), OK)
    assert isinstance(line.failure(GET), ServerError)
    assert (line.far.asked, line.clock.seconds) == (["GET"], 0)
    line = Line(says(503, Retry_After="118"), OK)
    line.courier.send(GET)
    assert (line.far.asked, line.clock.seconds) == (["GET", "GET"], 118)


def test_pauses_after_429s_are_not_part_of_the_budget_but_slow_429s_are() -> None:
    line = slow_line(50.0, says(429, Retry_After="100"))
    assert isinstance(line.failure(GET), RateLimited | Unreachable)
    assert line.clock.waits == [100, 100]
    assert line.clock.seconds == 2 * 100 + 120


def test_a_call_with_setup_tests_has_one_budget_of_its_own() -> None:
    patch = replace(PATCH, timeout_class=TimeoutClass.SETUP_TESTS)
    line = slow_line(500.0, says(500))
    line.failure(patch)
    assert (len(line.far.asked), line.clock.seconds) == (2, 900)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 409])
@pytest.mark.parametrize("request_", ALL, ids=lambda each: f"{each.method} {each.path}")
def test_what_would_be_refused_again_goes_out_once(status: int, request_: Request) -> None:
    line = Line(says(status), OK)
    assert line.failure(request_).status == status
    assert line.far.asked == [request_.method]


def test_what_cannot_be_sent_is_not_tried() -> None:
    line = Line(OK)
    assert isinstance(line.failure(Request("PATCH", "/g", body={"a": float("nan")})), InvalidRequestError)
    assert line.far.asked == []


def test_a_patch_that_was_cut_off_is_sent_again() -> None:
    line = Line(hangs_up, OK)
    assert line.courier.send(PATCH).data == {"id": "g1"}
    assert line.far.asked == ["PATCH", "PATCH"]


def test_a_delete_that_was_cut_off_and_then_finds_nothing_is_not_found() -> None:
    line = Line(hangs_up, says(404))
    assert type(line.failure(DELETE)) is NotFound


@pytest.mark.parametrize("first", [hangs_up, says(500), says(200, b"hello")])
@pytest.mark.parametrize(
    ("second", "kind"),
    [
        (says(429, Retry_After="3600"), RateLimited),
        (says(400), BadRequest),
        (says(401), Unauthorized),
        (says(404), NotFound),
    ],
)
@pytest.mark.parametrize("request_", IDEMPOTENT, ids=lambda each: each.method)
def test_the_last_error_is_told_but_an_earlier_attempt_stays_in_doubt(
    first: Step, second: Step, kind: type[ApiError], request_: Request
) -> None:
    error = Line(first, second).failure(request_)
    assert type(error) is kind
    assert error.is_ambiguous == (request_ is not GET)


def test_doubt_lasts_over_many_attempts_and_not_from_one_call_to_the_next() -> None:
    line = Line(hangs_up, says(429), says(429), says(400))
    assert line.failure(PATCH).is_ambiguous
    assert not line.failure(PATCH).is_ambiguous


def test_cut_off_and_then_not_sent_is_still_in_doubt() -> None:
    """The server dies with the first request; from then on connections are refused."""
    with ExitStack() as server_, ExitStack() as stack:
        clock = FakeClock(on_wait=lambda seconds: server_.close())
        server = server_.enter_context(serve_script(lambda wire, _: wire.reset()))
        courier = on_a_socket(server.url, clock, stack)
        with pytest.raises(Unreachable) as caught:
            courier.send(PATCH)
        assert server.list_methods() == ["PATCH"]
    assert not caught.value.sent
    assert caught.value.is_ambiguous
    assert len(clock.waits) == 4
    assert courier.requests_sent == 1


@pytest.mark.parametrize("request_", ALL, ids=lambda each: f"{each.method} {each.path}")
def test_what_never_left_is_tried_again_and_nothing_is_in_doubt(request_: Request) -> None:
    clock = FakeClock()
    with ExitStack() as stack:
        courier = on_a_socket(f"http://127.0.0.1:{find_free_port()}", clock, stack)
        with pytest.raises(Unreachable) as caught:
            courier.send(request_)
    assert not caught.value.is_ambiguous
    assert clock.waits == [0.5, 1, 2, 4]
    assert (courier.requests_sent, courier.retry_count) == (0, 4)


@pytest.mark.parametrize("request_", [GET, POST], ids=lambda each: each.method)
def test_an_unknown_name_is_tried_a_few_times_only(request_: Request) -> None:
    clock = FakeClock()
    with ExitStack() as stack:
        courier = on_a_socket("https://nothing.invalid/v1", clock, stack)
        with pytest.raises(ServerUnverified) as caught:
            courier.send(request_)
    assert clock.waits == [0.5, 1]
    assert not caught.value.is_ambiguous


def test_a_server_that_is_not_trusted_is_sent_nothing_however_often_it_is_tried(tmp_path: Path) -> None:
    context, _ = make_server_context("api.example.test", tmp_path)
    with ExitStack() as stack:
        server = stack.enter_context(serve_script(lambda wire, _: None, tls=context, tunnel=True))
        clock = HastyClock()
        proxy = f"http://127.0.0.1:{server.port}"
        courier = on_a_socket("https://api.example.test/v1", clock, stack, HTTPS_PROXY=proxy)
        with pytest.raises(ServerUnverified) as caught:
            courier.send(POST)
        assert server.list_methods() == ["CONNECT"] * 3
    assert "certificate is not trusted" in caught.value.message
    assert clock.waits == [0.5, 1]


def broken_record(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.unwrap_tls().sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "times"), [(GET, 5), (POST, 1), (PATCH, 5), (DELETE, 5), (TEST, 1)], ids=str
)
def test_a_broken_tls_record_makes_no_post_go_out_again(
    request_: Request, times: int, tmp_path: Path
) -> None:
    context, certificate = make_server_context("api.example.test", tmp_path)
    with ExitStack() as stack:
        server = stack.enter_context(serve_script(broken_record, tls=context, tunnel=True))
        environ = {
            "HTTPS_PROXY": f"http://127.0.0.1:{server.port}",
            "REQUESTS_CA_BUNDLE": str(certificate),
        }
        courier = on_a_socket("https://api.example.test/v1", HastyClock(), stack, **environ)
        with pytest.raises(Unreachable) as caught:
            courier.send(request_)
        assert server.list_methods() == ["CONNECT", request_.method] * times
    assert caught.value.message.startswith("TLS failed")


def reset(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.reset()


def garbage(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(b"\x00\x01\x02 what is this\r\n\r\n")


def half_an_answer(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(build_response(build_envelope({"id": "g1"}))[:-5])


@pytest.mark.parametrize("mishap", [reset, garbage, half_an_answer])
@pytest.mark.parametrize(("request_", "times"), [(POST, 1), (TEST, 1), (PATCH, 2), (DELETE, 2), (GET, 2)])
def test_on_a_real_socket_the_server_sees_one_post_and_repeats_of_the_rest(
    mishap: Callable[[ServerConnection, ReceivedRequest], None], request_: Request, times: int
) -> None:
    def script(wire: ServerConnection, seen: ReceivedRequest) -> None:
        if len(server.requests) == 1:
            mishap(wire, seen)
        else:
            wire.send(build_response(build_envelope({"id": "g1"})))

    with ExitStack() as stack:
        server = stack.enter_context(serve_script(script))
        courier = on_a_socket(server.url, HastyClock(), stack)
        if times == 1:
            with pytest.raises(Unreachable):
                courier.send(request_)
        else:
            courier.send(request_)
        assert server.list_methods() == [request_.method] * times


@pytest.mark.parametrize("request_", ALL, ids=lambda each: f"{each.method} {each.path}")
def test_once_cancelled_nothing_is_sent(request_: Request) -> None:
    line = Line(OK)
    line.cancelled.set()
    error = line.failure(request_)
    assert type(error) is Cancelled
    assert explain_read(error).code == "withdrawn"
    assert (error.method, error.path, error.is_ambiguous) == (request_.method, request_.path, False)
    assert line.far.asked == []


def test_a_call_that_waits_for_the_budget_is_withdrawn() -> None:
    line = Line(OK, on_wait=lambda seconds: line.cancelled.set(), budget=Budget(requests_per_hour=1))
    line.courier.send(GET)
    assert type(line.failure(POST)) is Cancelled
    assert (line.far.asked, line.clock.seconds) == (["GET"], 0)


def test_a_call_that_waits_for_the_end_of_a_pause_is_withdrawn() -> None:
    line = Line(OK, on_wait=lambda seconds: line.cancelled.set())
    line.courier.limiter.pause(30)
    assert type(line.failure(GET)) is Cancelled
    assert line.far.asked == []


@pytest.mark.parametrize("fault", [says(429, Retry_After="5"), says(503), hangs_up])
def test_a_call_that_waits_for_another_attempt_ends_in_its_last_error(fault: Step) -> None:
    line = Line(fault, OK, on_wait=lambda seconds: line.cancelled.set())
    error = line.failure(PATCH)
    assert type(error) in {RateLimited, ServerError, Unreachable}
    assert error.is_ambiguous == (type(error) is not RateLimited)
    assert (line.far.asked, line.clock.seconds, line.courier.retry_count) == (["PATCH"], 0, 0)


def test_a_repeat_that_waits_for_the_budget_ends_in_its_last_error() -> None:
    def second_wait(seconds: float) -> None:
        if seconds > 1:
            line.cancelled.set()

    line = Line(says(503), OK, on_wait=second_wait, budget=Budget(requests_per_hour=1))
    assert type(line.failure(DELETE)) is ServerError
    assert line.clock.waits == [0.5]
    assert line.far.asked == ["DELETE"]


def test_a_call_that_is_under_way_is_waited_for_and_not_repeated() -> None:
    def cancels(start: Callable[..., Any]) -> list[bytes]:
        line.cancelled.set()
        return answer(start)

    for answer in (OK, says(503)):
        line = Line(cancels)
        if answer is OK:
            assert line.courier.send(GET).data == {"id": "g1"}
        else:
            assert type(line.failure(GET)) is ServerError
        assert (line.far.asked, line.told, line.clock.waits) == (["GET"], [], [])


def test_the_time_of_a_call_begins_with_its_first_attempt() -> None:
    hourly, short = Budget(requests_per_hour=1), RetryPolicy(max_seconds=10)
    line = Line(OK, says(503), OK, says(503), budget=hourly, persistence=short)
    line.courier.send(GET)
    line.courier.send(GET)  # an hour for its turn, a fault, another hour, and an answer
    assert line.clock.seconds == 2 * 3600
    assert type(line.failure(GET)) is ServerError  # two faults, and an hour between them
    assert line.far.asked == ["GET"] * 5


def test_errors_hold_nothing_of_the_http_library() -> None:
    error = Line(hangs_up).failure(PATCH)
    assert (error.__cause__, error.__context__) == (None, None)
    assert (Line(hangs_up, says(400)).failure(PATCH).__context__) is None


def test_what_answers_say_of_the_rest_of_the_budget_is_heard() -> None:
    line = Line(
        says(200, X_Rate_Limit_Remaining="480"),
        says(400, X_Rate_Limit_Remaining="479"),
        says(200, X_Rate_Limit_Remaining="plenty"),
        says(200, X_Rate_Limit_Remaining="-1"),
        says(200, X_Rate_Limit_Remaining="9" * 30),
    )
    assert line.courier.limiter.count_remaining_requests() == 20_000
    assert line.courier.send(GET).exchange.remaining == 480
    assert line.courier.limiter.count_remaining_requests() == 480
    assert line.failure(GET).exchange.remaining == 479
    for _ in range(3):
        assert line.courier.send(GET).exchange.remaining is None
        assert line.courier.limiter.count_remaining_requests() == 479


def test_setup_tests_are_counted_where_fivetran_runs_them() -> None:
    line = Line(says(200, build_envelope({"id": "g1", "group_id": "g1", "service": "snowflake"})))
    client = Client(line.courier)
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
        left.append(line.courier.limiter.count_remaining_tests())
    assert left == [2500, 2500, 2500, 2499, 2498, 2497, 2497]
    assert line.courier.limiter.count_remaining_requests() == 20_000 - 7


def test_repeats_cost_budget_too() -> None:
    line = Line(says(503), says(429), OK)
    line.courier.send(GET)
    assert line.courier.limiter.count_remaining_requests() == 20_000 - 3
