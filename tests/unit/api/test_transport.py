"""What the transport makes of servers that misbehave."""

from __future__ import annotations

import gzip
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest
from scripted_server import (
    ReceivedRequest,
    ServerConnection,
    build_envelope,
    build_response,
    find_free_port,
    serve_script,
)

from reconciler.api.errors import (
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    InvalidRequestError,
    InvalidResponseError,
    NotFound,
    RateLimited,
    Redirected,
    RejectedError,
    ServerError,
    Timeout,
    Unauthorized,
    Unreachable,
)
from reconciler.api.transport import Request, Response, Timeouts, Transport
from reconciler.model.value import Reference, Secret
from reconciler.runtime.clock import SystemClock

GET = Request("GET", "/groups")
POST = Request("POST", "/groups", body={"name": "analytics"})
PATCH = Request("PATCH", "/groups/g1", body={"name": "analytics"})
DELETE = Request("DELETE", "/groups/g1")
SHORT = Timeouts(connect=0.3, read=0.3, total=5, setup_tests=5)
SHORT_TOTAL = Timeouts(connect=5, read=5, total=0.3, setup_tests=0.3)


def transport(url: str, **options: Any) -> Transport:
    options.setdefault("environ", {})
    return Transport(url, (Secret("the-key"), Secret("the-secret")), clock=SystemClock(), **options)


def failure(url: str, request: Request = GET, **options: Any) -> ApiError:
    """The error that a call ends in."""
    with transport(url, **options) as line, pytest.raises(ApiError) as caught:
        line.send(request)
    return caught.value


def answered_with(data: bytes, request: Request = GET, **options: Any) -> ApiError:
    """The error that a server's exact bytes lead to."""
    with serve_script(lambda wire, _: wire.send(data)) as server:
        return failure(server.url, request, **options)


def test_a_success_gives_the_data_and_what_the_answer_said_of_itself() -> None:
    body = build_envelope({"id": "g1"}, message="Group has been created")
    with serve_script(
        lambda wire, _: wire.send(build_response(body, "201 Created", "X-Request-Id: r-1"))
    ) as server:
        with transport(server.url) as line:
            answer = line.send(POST)
        assert answer.data == {"id": "g1"}
        assert (answer.exchange.status, answer.exchange.request_id) == (201, "r-1")
        assert line.requests_sent == 1


def test_requests_carry_credentials_type_and_agent() -> None:
    with serve_script(lambda wire, _: wire.send(build_response(build_envelope()))) as server:
        with transport(server.url) as line:
            line.send(Request("POST", "/x", body={"a": Secret("s"), "b": [1, None, True, "ü"]}))
            server.wait_until_closed()
            line.send(Request("GET", "/x", query={"cursor": "a b&c"}))
        post, get = server.requests
    assert post.headers["authorization"] == "Basic dGhlLWtleTp0aGUtc2VjcmV0"
    assert post.headers["user-agent"].startswith("fivetran-reconciler/")
    assert post.headers["content-type"] == "application/json"
    assert post.json == {"a": "s", "b": [1, None, True, "ü"]}
    assert (get.target, get.headers["accept"]) == ("/v1/x?cursor=a+b%26c", "application/json")
    assert "content-type" not in get.headers
    assert "cookie" not in get.headers


@pytest.mark.parametrize("code", ["Success", "Created"])
def test_both_success_codes_count(code: str) -> None:
    with (
        serve_script(lambda wire, _: wire.send(build_response(build_envelope(code=code)))) as server,
        transport(server.url) as line,
    ):
        assert line.send(DELETE).data is None


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InvalidInput", BadRequest),
        (401, "AuthFailed", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (404, "NotFound_Group", NotFound),
        (404, "SomethingElse", RejectedError),
        (405, "MethodNotAllowed", RejectedError),
        (400, "NotFound_Group", BadRequest),
        (409, "Conflict", Conflict),
        (429, "TooManyRequests", RateLimited),
        (500, "Oops", ServerError),
        (524, "Oops", ServerError),
        (301, "Moved", Redirected),
        (600, "Odd", ServerError),
    ],
)
def test_the_status_decides_the_type(status: int, code: str, kind: type[ApiError]) -> None:
    error = answered_with(
        build_response(build_envelope(code=code, message="why"), f"{status} Some", "X-Request-Id: r-7")
    )
    assert type(error) is kind
    assert (error.method, error.path, error.status) == ("GET", "/v1/groups", status)
    assert (error.code, error.message, error.request_id) == (code, "why", "r-7")


def test_a_404_that_is_not_the_apis_does_not_mean_absent() -> None:
    error = answered_with(build_response(b"<html>no such page</html>", "404 Not Found"))
    assert type(error) is RejectedError


@pytest.mark.parametrize("request_", [GET, POST, PATCH, DELETE])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_and_not_followed(status: int, request_: Request) -> None:
    def script(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.send(build_response(b"", f"{status} Moved", "Location: /v1/elsewhere"))

    with serve_script(script) as server:
        error = failure(server.url, request_)
        assert len(server.requests) == 1
    assert type(error) is Redirected
    assert not error.is_ambiguous


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (["Retry-After: 7"], 7),
        (["Retry-After: 0"], 0),
        (["Retry-After: -3"], 0),
        (["Retry-After: 3600"], 3600),
        (["Retry-After: " + "9" * 400], 1e9),
        (["Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"], 0),
        (["Retry-After: soon"], None),
        (["Retry-After: "], None),
        ([], None),
    ],
)
def test_every_form_of_retry_after(header: list[str], seconds: float | None) -> None:
    error = answered_with(build_response(build_envelope(code="TooManyRequests"), "429 Too Many", *header))
    assert type(error) is RateLimited
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Bad gateway</body></html>",
        b"{",
        b"null",
        b"[]",
        b'{"data": {}}',
        b'{"code": 7}',
        b'{"code": "Success", "code": "Success"}',
        b'{"code": "Success", "data": {"id": "a", "id": "b"}}',
        b'{"code": "Success", "data": NaN}',
        b'{"code": "Success", "data": "\xff"}',
        b'{"code": "InvalidInput", "message": "no"}',
        b'{"code": "Success", "data": ' + b"[" * 70 + b"]" * 70 + b"}",
        b'{"code": "Success", "data": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"code": "Success", "data": ' + b"9" * 5_000 + b"}",
        b'{"code": "Success", "data": ' + b"9" * 400 + b"}",
        b'{"code": "Success", "data": 1e999}',
        b'{"code": "Success", "data": -1e999}',
    ],
    ids=range(18),
)
def test_a_success_that_cannot_be_understood_leaves_a_write_open(body: bytes) -> None:
    error = answered_with(build_response(body), POST)
    assert type(error) is InvalidResponseError
    assert error.is_ambiguous


def test_an_unintelligible_read_changed_nothing() -> None:
    assert not answered_with(build_response(b"hello")).is_ambiguous


def test_a_gateway_page_is_a_server_fault_that_leaves_a_write_open() -> None:
    error = answered_with(build_response(b"<html>502</html>", "502 Bad Gateway"), POST)
    assert type(error) is ServerError
    assert error.is_ambiguous


def test_halves_of_surrogate_pairs_do_not_break_an_answer() -> None:
    body = rb'{"code": "Success", "data": {"name": "a\ud800b \ud83d\ude00"}}'
    with (
        serve_script(lambda wire, _: wire.send(build_response(body))) as server,
        transport(server.url) as line,
    ):
        assert line.send(GET).data == {"name": "a\ufffdb 😀"}


def test_messages_are_one_bounded_harmless_line() -> None:
    message = "bad\r\n::error::\x1b[31m\u202e\u200b\ud800" + "x" * 2_000
    error = answered_with(
        build_response(build_envelope(code="Inv\x1balid", message=message), "400 Bad Request")
    )
    assert error.message.isprintable()
    assert len(error.message) == 500
    assert error.code == "Inv\ufffdalid"


def test_a_message_that_quotes_a_secret_is_scrubbed() -> None:
    body = {"config": {"password": Secret("hunter2-long"), "key": Secret({"pem": "inner-key"})}}
    told = build_envelope(code="InvalidInput", message="bad value 'hunter2-long' and inner-key")
    error = answered_with(build_response(told, "400 Bad Request"), Request("PATCH", "/d", body=body))
    assert "hunter2" not in str(error)
    assert "inner-key" not in str(error)
    assert error.message.startswith("bad value")


def test_a_refused_connection_sent_nothing() -> None:
    error = failure(f"http://127.0.0.1:{find_free_port()}", POST)
    assert type(error) is Unreachable
    assert not error.sent
    assert not error.is_ambiguous
    assert error.message == "the connection was refused"


def test_an_unknown_host_sent_nothing() -> None:
    error = failure("https://nothing.invalid/v1", POST)
    assert isinstance(error, Unreachable)
    assert not error.sent
    assert error.message == "the host name cannot be resolved"


def test_a_server_that_does_not_speak_tls_was_sent_nothing() -> None:
    with serve_script(
        lambda wire, _: None, greeting=lambda wire: wire.send(b"HTTP/1.1 400 what\r\n\r\n")
    ) as server:
        error = failure(server.url.replace("http:", "https:"), POST)
    assert isinstance(error, Unreachable)
    assert not error.sent
    assert error.message.startswith("TLS failed")


def test_a_tls_handshake_that_hangs_sent_nothing() -> None:
    with serve_script(lambda wire, _: None, greeting=ServerConnection.hang) as server:
        error = failure(server.url.replace("http:", "https:"), POST, timeouts=SHORT)
    assert type(error) is Timeout
    assert not error.sent


def cut(wire: ServerConnection, _: ReceivedRequest) -> None:
    """Close without a word."""


def reset(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.reset()


def half_a_status(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(b"HTTP/1.")


def half_the_headers(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Le")


def half_the_body(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(build_response(build_envelope({"id": "g1"}))[:-5])


def half_a_chunk(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{"code')


def reset_in_the_body(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(build_response(build_envelope({"id": "g1"}))[:-5])
    wire.reset()


def garbage(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(b"\x00\x01\x02 what is this\r\n\r\n")


def too_many_headers(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(500)) + b"\r\n")


def endless_interim_answers(wire: ServerConnection, _: ReceivedRequest) -> None:
    while True:
        wire.send(b"HTTP/1.1 100 Continue\r\nX: " + b"y" * 900 + b"\r\n\r\n")


def framed(framing: bytes) -> Any:
    """A server that answers 200 with these bytes as a body in chunks."""

    def script(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framing)

    return script


negative_chunk = framed(b"-5\r\n{}\r\n0\r\n\r\n")
chunk_without_a_number = framed(b"zz\r\n{}\r\n0\r\n\r\n")
MISHAPS = [
    negative_chunk,
    chunk_without_a_number,
    cut,
    reset,
    half_a_status,
    half_the_headers,
    half_the_body,
    half_a_chunk,
    reset_in_the_body,
    garbage,
    too_many_headers,
    endless_interim_answers,
]


@pytest.mark.parametrize("mishap", MISHAPS)
@pytest.mark.parametrize("request_", [GET, POST, PATCH, DELETE])
def test_a_lost_answer_is_ambiguous_and_the_request_is_sent_once(mishap: Any, request_: Request) -> None:
    with serve_script(mishap) as server:
        error = failure(server.url, request_)
        assert server.list_methods() == [request_.method]
    assert isinstance(error, Unreachable)
    assert error.sent
    assert error.is_ambiguous == (request_ is not GET)


@pytest.mark.parametrize("request_", [GET, POST, PATCH, DELETE])
def test_an_endless_body_in_tiny_chunks_or_of_trailers_is_too_large(request_: Request) -> None:
    def chunks(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            wire.send(b"1;" + b"e" * 900 + b"\r\n \r\n")

    def trailers(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")
        while True:
            wire.send(b"X-Trailer: " + b"y" * 900 + b"\r\n")

    for script in (chunks, trailers):
        with serve_script(script) as server:
            error = failure(server.url, request_, max_response_bytes=100_000)
        assert type(error) is InvalidResponseError
        assert error.message == "the answer is too large"
        assert error.is_ambiguous == (request_ is not GET)


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints", b"199 Odd"])
def test_the_final_answer_counts_and_not_an_interim_answer(interim: bytes) -> None:
    def script(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.send(b"HTTP/1.1 " + interim + b"\r\nLink: </x>\r\n\r\n" + build_response(build_envelope()))

    with serve_script(script) as server, transport(server.url) as line:
        assert line.send(POST).exchange.status == 200


def test_a_change_of_protocol_is_no_answer_and_leaves_a_write_open() -> None:
    error = answered_with(build_response(build_envelope(), "101 Switching Protocols"), POST)
    assert type(error) is InvalidResponseError
    assert error.is_ambiguous


def test_a_negative_chunk_in_an_error_leaves_the_error() -> None:
    head = b"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert type(answered_with(head + b"-5\r\n{}\r\n0\r\n\r\n", DELETE)) is Conflict


@pytest.mark.parametrize("request_", [Request("GET", "/account/info"), POST, PATCH, DELETE])
def test_a_request_on_a_connection_that_the_server_gives_up_is_seen_once(request_: Request) -> None:
    """The server keeps the connection until the next request has arrived on it, and then drops it."""

    def script(wire: ServerConnection, seen: ReceivedRequest) -> None:
        if seen.target == "/v1/groups" and seen.method == "GET":
            wire.keep_alive = True
            wire.send(build_response(build_envelope()))

    with serve_script(script) as server, transport(server.url) as line:
        line.send(GET)
        with pytest.raises(Unreachable) as caught:
            line.send(request_)
        assert server.list_methods() == ["GET", request_.method]
    assert caught.value.sent


def test_a_write_never_travels_on_an_old_connection() -> None:
    def script(wire: ServerConnection, seen: ReceivedRequest) -> None:
        wire.keep_alive = True
        wire.send(build_response(build_envelope()))

    with serve_script(script) as server, transport(server.url) as line:
        for request in (GET, GET, POST, PATCH, GET):
            line.send(request)
        assert [seen.connection for seen in server.requests] == [1, 1, 2, 3, 3]


def test_a_server_that_hangs_up_between_two_calls_is_no_error() -> None:
    with (
        serve_script(lambda wire, _: wire.send(build_response(build_envelope()))) as server,
        transport(server.url) as line,
    ):
        for request in (GET, GET, DELETE, POST, GET):
            line.send(request)
            server.wait_until_closed()
        assert server.list_methods() == ["GET", "GET", "DELETE", "POST", "GET"]
        assert line.requests_sent == 5


def test_silence_ends_at_the_read_deadline() -> None:
    with serve_script(lambda wire, _: wire.hang()) as server:
        error = failure(server.url, POST, timeouts=SHORT)
    assert type(error) is Timeout
    assert error.sent
    assert error.message == "no answer in time"


def test_the_total_deadline_holds_within_one_read() -> None:
    def late(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.closing.wait(2)
        wire.send(build_response(build_envelope()))

    with serve_script(late) as server:
        error = failure(server.url, timeouts=SHORT_TOTAL)
    assert type(error) is Timeout


def drip_headers(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.drip(
        b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 200 + b"\r\nContent-Length: 19\r\n\r\n" + build_envelope()
    )


def drip_body(wire: ServerConnection, _: ReceivedRequest) -> None:
    body = build_envelope({"id": "y" * 200})
    wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    wire.drip(body)


def drip_chunks(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.drip(b"".join(b"1\r\n%c\r\n" % letter for letter in build_envelope({"id": "y" * 40})) + b"0\r\n\r\n")


@pytest.mark.parametrize("script", [drip_headers, drip_body, drip_chunks])
@pytest.mark.parametrize("request_", [GET, POST])
def test_the_total_deadline_beats_an_answer_that_drips(script: Any, request_: Request) -> None:
    with serve_script(script) as server:
        error = failure(server.url, request_, timeouts=SHORT_TOTAL)
        assert len(server.requests) == 1
    assert type(error) is Timeout
    assert error.sent
    assert error.message == "the call took longer than its deadline"


def test_a_receiver_that_takes_no_bytes_does_not_hold_a_call() -> None:
    body = {"config": {"key": "x" * 20_000_000}}
    with serve_script(cut, greeting=ServerConnection.hang) as server:
        error = failure(server.url, Request("PATCH", "/d", body=body), timeouts=SHORT_TOTAL)
    assert type(error) is Timeout
    assert error.is_ambiguous


def test_a_connection_works_on_after_calls_with_little_time_left() -> None:
    """The socket keeps the timeout of the last read, which must not be that of the next call."""

    def script(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.keep_alive = True
        wire.drip(build_response(build_envelope()), pause=0.004)

    with serve_script(script) as server, transport(server.url, timeouts=SHORT) as line:
        assert [line.send(GET).exchange.status for _ in range(2)] == [200, 200]
        assert server.connections == 1


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "500 Oops"])
def test_a_gzip_bomb_is_not_unpacked(status: str) -> None:
    bomb = gzip.compress(build_envelope() + b" " * 20_000_000)
    error = answered_with(build_response(bomb, status, "Content-Encoding: gzip"), max_response_bytes=100_000)
    assert type(error) is {"2": InvalidResponseError, "3": Redirected, "5": ServerError}[status[0]]
    assert error.code == ""


def test_compressed_answers_are_read() -> None:
    packed = build_response(gzip.compress(build_envelope({"id": "g1"})), "200 OK", "Content-Encoding: gzip")
    with serve_script(lambda wire, _: wire.send(packed)) as server, transport(server.url) as line:
        assert line.send(GET).data == {"id": "g1"}


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "snappy"])
def test_a_wrong_compression_is_not_understood(encoding: str) -> None:
    error = answered_with(
        build_response(b"\x1f\x8bnonsense", "200 OK", f"Content-Encoding: {encoding}"), POST
    )
    assert type(error) is InvalidResponseError


def test_a_refusal_counts_although_its_body_is_cut() -> None:
    error = answered_with(build_response(build_envelope(code="Conflict"), "409 Conflict")[:-3], DELETE)
    assert type(error) is Conflict


def test_netrc_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login mallory password wrong\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with (
        serve_script(lambda wire, _: wire.send(build_response(build_envelope()))) as server,
        transport(server.url) as line,
    ):
        line.send(GET)
        assert server.requests[0].headers["authorization"] == "Basic dGhlLWtleTp0aGUtc2VjcmV0"


def test_loopback_never_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = f"http://127.0.0.1:{find_free_port()}"
    environ = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"), proxy)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with (
        serve_script(lambda wire, _: wire.send(build_response(build_envelope()))) as server,
        transport(server.url, environ=environ) as line,
    ):
        assert isinstance(line.send(GET), Response)


def test_the_proxy_comes_from_the_environment_that_is_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{find_free_port()}")
    with serve_script(lambda wire, _: wire.send(b"HTTP/1.1 407 Who are you\r\n\r\n")) as proxy:
        environ = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        error = failure("https://api.example.invalid/v1", POST, environ=environ)
        assert [(seen.method, seen.target) for seen in proxy.requests] == [
            ("CONNECT", "api.example.invalid:443")
        ]
        assert "authorization" not in proxy.requests[0].headers
    assert isinstance(error, Unreachable)
    assert not error.sent


def test_a_dripping_proxy_does_not_hold_a_call() -> None:
    with serve_script(
        lambda wire, _: wire.drip(b"HTTP/1.1 200 Connected, slowly\r\n" + b"X: y\r\n" * 30)
    ) as proxy:
        environ = {"https_proxy": f"127.0.0.1:{proxy.port}"}
        error = failure("https://api.example.invalid/v1", POST, environ=environ, timeouts=SHORT_TOTAL)
    assert type(error) is Timeout
    assert not error.sent


@pytest.mark.parametrize(
    "value",
    [
        "a\ud800",
        float("nan"),
        float("-inf"),
        object(),
        {1: "x"},
        {"\ud800": 1},
        Reference("env", "X"),
        1 << 80,
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("wrap", [lambda value: value, Secret, lambda value: [{"deep": value}]])
def test_a_value_that_json_cannot_carry_is_refused_by_its_place(value: Any, wrap: Any) -> None:
    with serve_script(cut) as server:
        error = failure(server.url, Request("POST", "/d", body={"config": {"port": wrap(value)}}))
        assert server.requests == []
    assert type(error) is InvalidRequestError
    assert "`config.port" in error.message
    assert not error.is_ambiguous


def test_a_body_that_contains_itself_is_refused() -> None:
    body: dict[str, Any] = {}
    body["config"] = body
    assert isinstance(failure("http://127.0.0.1:1", Request("POST", "/d", body=body)), InvalidRequestError)


@pytest.mark.parametrize("mishap", [cut, garbage, half_the_body])
def test_errors_hold_neither_bodies_nor_credentials(mishap: Any) -> None:
    """Neither do the errors that they came from, which hold the prepared request."""
    body = {"config": {"password": Secret("canary-1234"), "bad": "\ud800"}}
    with serve_script(mishap) as server:
        sent = failure(
            server.url, Request("POST", "/d", body={"config": {"password": Secret("canary-1234")}})
        )
        refused = failure(server.url, Request("POST", "/d", body=body))
    for error in (sent, refused):
        assert error.__cause__ is None
        assert error.__context__ is None
        told = repr(error) + str(error) + "".join(traceback.format_exception(error))
        assert "canary" not in told
        assert "dGhlLWtleTp0aGUtc2VjcmV0" not in told


def test_requests_are_counted_across_threads() -> None:
    def script(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.keep_alive = True
        wire.send(build_response(build_envelope()))

    with serve_script(script) as server, transport(server.url) as line:
        threads = [threading.Thread(target=lambda: [line.send(GET) for _ in range(5)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert line.requests_sent == 20
        assert server.connections == 4


def test_requests_that_never_left_are_not_counted() -> None:
    with transport(f"http://127.0.0.1:{find_free_port()}") as line:
        with pytest.raises(Unreachable):
            line.send(GET)
        assert line.requests_sent == 0


def test_no_repr_shows_a_secret() -> None:
    request = Request("POST", "/d", body={"password": "canary"})
    with transport("http://127.0.0.1:1") as line:
        assert "canary" not in repr(request)
        assert "the-secret" not in repr(vars(line))
