"""Test the transport against misbehaving servers."""

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
from reconciler.model.redaction import Redactor
from reconciler.model.value import MASKED_IN_OUTPUT, Reference, Secret
from reconciler.runtime.clock import SystemClock

GET = Request("GET", "/groups")
POST = Request("POST", "/groups", body={"name": "analytics"})
PATCH = Request("PATCH", "/groups/g1", body={"name": "analytics"})
DELETE = Request("DELETE", "/groups/g1")
SHORT = Timeouts(connect=0.3, read=0.3, total=5, setup_tests=5)
SHORT_TOTAL = Timeouts(connect=5, read=5, total=0.3, setup_tests=0.3)


def make_transport(url: str, **options: Any) -> Transport:
    options.setdefault("environ", {})
    return Transport(url, (Secret("the-key"), Secret("the-secret")), clock=SystemClock(), **options)


def send_and_fail(url: str, request: Request = GET, **options: Any) -> ApiError:
    """Return the error of a failing call."""
    with make_transport(url, **options) as transport, pytest.raises(ApiError) as caught:
        transport.send(request)
    return caught.value


def fail_with_response(data: bytes, request: Request = GET, **options: Any) -> ApiError:
    """Return the error caused by a server with these exact bytes."""
    with serve_script(lambda wire, _: wire.send(data)) as server:
        return send_and_fail(server.url, request, **options)


def test_a_success_gives_data_and_metadata_of_the_response() -> None:
    body = build_envelope({"id": "g1"}, message="Group has been created")
    with serve_script(
        lambda wire, _: wire.send(build_response(body, "201 Created", "X-Request-Id: r-1"))
    ) as server:
        with make_transport(server.url) as transport:
            response = transport.send(POST)
        assert response.data == {"id": "g1"}
        assert (response.exchange.status, response.exchange.request_id) == (201, "r-1")
        assert transport.requests_sent == 1


def test_requests_carry_credentials_type_and_agent() -> None:
    with serve_script(lambda wire, _: wire.send(build_response(build_envelope()))) as server:
        with make_transport(server.url) as transport:
            transport.send(Request("POST", "/x", body={"a": Secret("s"), "b": [1, None, True, "ü"]}))
            server.wait_until_closed()
            transport.send(Request("GET", "/x", query={"cursor": "a b&c"}))
        post, get = server.requests
    assert post.headers["authorization"] == "Basic dGhlLWtleTp0aGUtc2VjcmV0"
    assert post.headers["user-agent"].startswith("fivetran-reconciler/")
    assert post.headers["content-type"] == "application/json"
    assert post.json == {"a": "s", "b": [1, None, True, "ü"]}
    assert (get.target, get.headers["accept"]) == ("/v1/x?cursor=a+b%26c", "application/json")
    assert "content-type" not in get.headers
    assert "cookie" not in get.headers


@pytest.mark.parametrize("code", ["Success", "Created"])
def test_both_success_codes_are_accepted(code: str) -> None:
    with (
        serve_script(lambda wire, _: wire.send(build_response(build_envelope(code=code)))) as server,
        make_transport(server.url) as transport,
    ):
        assert transport.send(DELETE).data is None


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
def test_the_status_decides_the_error_type(status: int, code: str, kind: type[ApiError]) -> None:
    error = fail_with_response(
        build_response(build_envelope(code=code, message="why"), f"{status} Some", "X-Request-Id: r-7")
    )
    assert type(error) is kind
    assert (error.method, error.path, error.status) == ("GET", "/v1/groups", status)
    assert (error.code, error.message, error.request_id) == (code, "why", "r-7")


def test_a_404_of_another_server_does_not_mean_absent() -> None:
    error = fail_with_response(build_response(b"<html>no such page</html>", "404 Not Found"))
    assert type(error) is RejectedError


@pytest.mark.parametrize("request_", [GET, POST, PATCH, DELETE])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_and_not_followed(status: int, request_: Request) -> None:
    def script(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.send(build_response(b"", f"{status} Moved", "Location: /v1/elsewhere"))

    with serve_script(script) as server:
        error = send_and_fail(server.url, request_)
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
def test_every_form_of_retry_after_is_parsed(header: list[str], seconds: float | None) -> None:
    error = fail_with_response(
        build_response(build_envelope(code="TooManyRequests"), "429 Too Many", *header)
    )
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
    ],
    ids=range(15),
)
def test_an_invalid_success_response_makes_a_write_ambiguous(body: bytes) -> None:
    error = fail_with_response(build_response(body), POST)
    assert type(error) is InvalidResponseError
    assert error.is_ambiguous


def test_an_invalid_response_to_a_read_is_not_ambiguous() -> None:
    assert not fail_with_response(build_response(b"hello")).is_ambiguous


def test_a_gateway_page_is_a_server_error_and_makes_a_write_ambiguous() -> None:
    error = fail_with_response(build_response(b"<html>502</html>", "502 Bad Gateway"), POST)
    assert type(error) is ServerError
    assert error.is_ambiguous


def test_a_lone_surrogate_does_not_break_a_response() -> None:
    body = rb'{"code": "Success", "data": {"name": "a\ud800b \ud83d\ude00"}}'
    with (
        serve_script(lambda wire, _: wire.send(build_response(body))) as server,
        make_transport(server.url) as transport,
    ):
        assert transport.send(GET).data == {"name": "a\ufffdb 😀"}


def test_messages_are_one_bounded_sanitized_line() -> None:
    message = "bad\r\n::error::\x1b[31m\u202e\u200b\ud800" + "x" * 2_000
    error = fail_with_response(
        build_response(build_envelope(code="Inv\x1balid", message=message), "400 Bad Request")
    )
    assert error.message.isprintable()
    assert len(error.message) == 500
    assert error.code == "Inv\ufffdalid"


def test_a_secret_in_a_message_is_redacted() -> None:
    body = {"config": {"password": Secret("hunter2-long"), "key": Secret({"pem": "inner-key"})}}
    response = build_envelope(code="InvalidInput", message="bad value 'hunter2-long' and inner-key")
    error = fail_with_response(build_response(response, "400 Bad Request"), Request("PATCH", "/d", body=body))
    assert "hunter2" not in str(error)
    assert "inner-key" not in str(error)
    assert error.message.startswith("bad value")


def test_the_credentials_are_redacted_from_every_text_of_an_error() -> None:
    header, secret = "dGhlLWtleTp0aGUtc2VjcmV0", "the-secret"
    body = build_envelope(code=f"Invalid_{secret.encode().hex()}", message=f"no {header} for %74he-key")
    error = fail_with_response(build_response(body, "400 Bad Request", f"X-Request-Id: r-{header}"))
    masked = MASKED_IN_OUTPUT
    assert (error.code, error.message) == (f"Invalid_{masked}", f"no {masked} for {masked}")
    assert error.request_id == f"r-{masked}"


def test_a_secret_is_redacted_before_a_long_message_is_cut() -> None:
    body = {"config": {"password": Secret("a-very-long-password-of-the-warehouse")}}
    message = "x" * 490 + " a-very-long-password-of-the-warehouse"
    response = build_response(build_envelope(code="InvalidInput", message=message), "400 Bad Request")
    assert "a-very" not in fail_with_response(response, Request("PATCH", "/d", body=body)).message


def test_setup_tests_are_redacted_and_other_data_stays_as_it_is() -> None:
    test = {"title": "Host the-secret", "status": "FAILED", "message": "746865", "details": ["the-secret"]}
    data = {"id": "g1", "name": "the-secret", "setup_tests": [test, "the-secret", None]}
    with (
        serve_script(lambda wire, _: wire.send(build_response(build_envelope(data)))) as server,
        make_transport(server.url) as transport,
    ):
        received = transport.send(GET).data
    masked = MASKED_IN_OUTPUT
    redacted_test = {**test, "title": f"Host {masked}", "details": [masked]}
    assert received == {**data, "setup_tests": [redacted_test, masked, None]}


def test_all_requests_of_a_run_add_their_secrets_to_its_redactor() -> None:
    redactor = Redactor()
    with (
        serve_script(lambda wire, _: wire.send(build_response(build_envelope()))) as server,
        make_transport(server.url, redactor=redactor) as transport,
    ):
        transport.send(Request("PATCH", "/d", body={"password": Secret("hunter2-long")}))
    assert redactor.redact("hunter2-long, the-secret") == f"{MASKED_IN_OUTPUT}, {MASKED_IN_OUTPUT}"


def test_a_refused_connection_sends_nothing() -> None:
    error = send_and_fail(f"http://127.0.0.1:{find_free_port()}", POST)
    assert type(error) is Unreachable
    assert not error.sent
    assert not error.is_ambiguous
    assert error.message == "the connection was refused"


def test_an_unknown_host_is_sent_nothing() -> None:
    error = send_and_fail("https://nothing.invalid/v1", POST)
    assert isinstance(error, Unreachable)
    assert not error.sent
    assert error.message == "the host name cannot be resolved"


def test_a_server_without_tls_is_sent_nothing() -> None:
    with serve_script(
        lambda wire, _: None, greeting=lambda wire: wire.send(b"HTTP/1.1 400 what\r\n\r\n")
    ) as server:
        error = send_and_fail(server.url.replace("http:", "https:"), POST)
    assert isinstance(error, Unreachable)
    assert not error.sent
    assert error.message.startswith("TLS failed")


def test_a_hanging_tls_handshake_sends_nothing() -> None:
    with serve_script(lambda wire, _: None, greeting=ServerConnection.hang) as server:
        error = send_and_fail(server.url.replace("http:", "https:"), POST, timeouts=SHORT)
    assert type(error) is Timeout
    assert not error.sent


def close_connection(wire: ServerConnection, _: ReceivedRequest) -> None:
    """Close the connection without a response."""


def send_reset(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.reset()


def send_half_status(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(b"HTTP/1.")


def send_half_headers(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Le")


def send_half_body(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(build_response(build_envelope({"id": "g1"}))[:-5])


def send_half_chunk(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{"code')


def reset_inside_body(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(build_response(build_envelope({"id": "g1"}))[:-5])
    wire.reset()


def send_garbage(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(b"\x00\x01\x02 what is this\r\n\r\n")


def send_many_headers(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(500)) + b"\r\n")


def send_endless_interim_responses(wire: ServerConnection, _: ReceivedRequest) -> None:
    while True:
        wire.send(b"HTTP/1.1 100 Continue\r\nX: " + b"y" * 900 + b"\r\n\r\n")


FAULTS = [
    close_connection,
    send_reset,
    send_half_status,
    send_half_headers,
    send_half_body,
    send_half_chunk,
    reset_inside_body,
    send_garbage,
    send_many_headers,
    send_endless_interim_responses,
]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("request_", [GET, POST, PATCH, DELETE])
def test_a_lost_response_is_ambiguous_and_the_request_is_sent_once(fault: Any, request_: Request) -> None:
    with serve_script(fault) as server:
        error = send_and_fail(server.url, request_)
        assert server.list_methods() == [request_.method]
    assert isinstance(error, Unreachable)
    assert error.sent
    assert error.is_ambiguous == (request_ is not GET)


@pytest.mark.parametrize("request_", [Request("GET", "/account/info"), POST, PATCH, DELETE])
def test_a_request_on_a_dropped_connection_arrives_once(request_: Request) -> None:
    """The server keeps the connection until the next request has arrived on it, and then drops it."""

    def script(wire: ServerConnection, seen: ReceivedRequest) -> None:
        if seen.target == "/v1/groups" and seen.method == "GET":
            wire.keep_alive = True
            wire.send(build_response(build_envelope()))

    with serve_script(script) as server, make_transport(server.url) as transport:
        transport.send(GET)
        with pytest.raises(Unreachable) as caught:
            transport.send(request_)
        assert server.list_methods() == ["GET", request_.method]
    assert caught.value.sent


def test_a_write_never_uses_an_old_connection() -> None:
    def script(wire: ServerConnection, seen: ReceivedRequest) -> None:
        wire.keep_alive = True
        wire.send(build_response(build_envelope()))

    with serve_script(script) as server, make_transport(server.url) as transport:
        for request in (GET, GET, POST, PATCH, GET):
            transport.send(request)
        assert [seen.connection for seen in server.requests] == [1, 1, 2, 3, 3]


def test_a_connection_closed_between_two_calls_is_no_error() -> None:
    with (
        serve_script(lambda wire, _: wire.send(build_response(build_envelope()))) as server,
        make_transport(server.url) as transport,
    ):
        for request in (GET, GET, DELETE, POST, GET):
            transport.send(request)
            server.wait_until_closed()
        assert server.list_methods() == ["GET", "GET", "DELETE", "POST", "GET"]
        assert transport.requests_sent == 5


def test_a_silent_server_ends_at_the_read_deadline() -> None:
    with serve_script(lambda wire, _: wire.hang()) as server:
        error = send_and_fail(server.url, POST, timeouts=SHORT)
    assert type(error) is Timeout
    assert error.sent
    assert error.message == "no answer in time"


def test_the_total_deadline_holds_within_one_read() -> None:
    def send_late(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.closing.wait(2)
        wire.send(build_response(build_envelope()))

    with serve_script(send_late) as server:
        error = send_and_fail(server.url, timeouts=SHORT_TOTAL)
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
def test_the_total_deadline_ends_a_dripping_response(script: Any, request_: Request) -> None:
    with serve_script(script) as server:
        error = send_and_fail(server.url, request_, timeouts=SHORT_TOTAL)
        assert len(server.requests) == 1
    assert type(error) is Timeout
    assert error.sent
    assert error.message == "the call took longer than its deadline"


def test_a_server_that_reads_no_bytes_does_not_block_a_call() -> None:
    body = {"config": {"key": "x" * 20_000_000}}
    with serve_script(close_connection, greeting=ServerConnection.hang) as server:
        error = send_and_fail(server.url, Request("PATCH", "/d", body=body), timeouts=SHORT_TOTAL)
    assert type(error) is Timeout
    assert error.is_ambiguous


def test_a_connection_stays_usable_after_calls_near_their_deadline() -> None:
    """The socket keeps the timeout of the last read, which must not be that of the next call."""

    def script(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.keep_alive = True
        wire.drip(build_response(build_envelope()), pause=0.004)

    with serve_script(script) as server, make_transport(server.url, timeouts=SHORT) as transport:
        assert [transport.send(GET).exchange.status for _ in range(2)] == [200, 200]
        assert server.connections == 1


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "500 Oops"])
def test_a_gzip_bomb_is_not_decompressed(status: str) -> None:
    bomb = gzip.compress(build_envelope() + b" " * 20_000_000)
    error = fail_with_response(
        build_response(bomb, status, "Content-Encoding: gzip"), max_response_bytes=100_000
    )
    assert type(error) is {"2": InvalidResponseError, "3": Redirected, "5": ServerError}[status[0]]
    assert error.code == ""


def test_compressed_responses_are_read() -> None:
    packed = build_response(gzip.compress(build_envelope({"id": "g1"})), "200 OK", "Content-Encoding: gzip")
    with serve_script(lambda wire, _: wire.send(packed)) as server, make_transport(server.url) as transport:
        assert transport.send(GET).data == {"id": "g1"}


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "snappy"])
def test_a_wrong_compression_is_an_invalid_response(encoding: str) -> None:
    error = fail_with_response(
        build_response(b"\x1f\x8bnonsense", "200 OK", f"Content-Encoding: {encoding}"), POST
    )
    assert type(error) is InvalidResponseError


def test_a_refusal_with_a_truncated_body_is_a_refusal() -> None:
    error = fail_with_response(build_response(build_envelope(code="Conflict"), "409 Conflict")[:-3], DELETE)
    assert type(error) is Conflict


def test_netrc_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login mallory password wrong\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with (
        serve_script(lambda wire, _: wire.send(build_response(build_envelope()))) as server,
        make_transport(server.url) as transport,
    ):
        transport.send(GET)
        assert server.requests[0].headers["authorization"] == "Basic dGhlLWtleTp0aGUtc2VjcmV0"


def test_loopback_never_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = f"http://127.0.0.1:{find_free_port()}"
    environ = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"), proxy)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with (
        serve_script(lambda wire, _: wire.send(build_response(build_envelope()))) as server,
        make_transport(server.url, environ=environ) as transport,
    ):
        assert isinstance(transport.send(GET), Response)


def test_the_proxy_is_read_from_the_given_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{find_free_port()}")
    with serve_script(lambda wire, _: wire.send(b"HTTP/1.1 407 Who are you\r\n\r\n")) as proxy:
        environ = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        error = send_and_fail("https://api.example.invalid/v1", POST, environ=environ)
        assert [(seen.method, seen.target) for seen in proxy.requests] == [
            ("CONNECT", "api.example.invalid:443")
        ]
        assert "authorization" not in proxy.requests[0].headers
    assert isinstance(error, Unreachable)
    assert not error.sent


def test_a_dripping_proxy_does_not_block_a_call() -> None:
    with serve_script(
        lambda wire, _: wire.drip(b"HTTP/1.1 200 Connected, slowly\r\n" + b"X: y\r\n" * 30)
    ) as proxy:
        environ = {"https_proxy": f"127.0.0.1:{proxy.port}"}
        error = send_and_fail("https://api.example.invalid/v1", POST, environ=environ, timeouts=SHORT_TOTAL)
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
def test_a_value_that_json_cannot_represent_is_refused_by_path(value: Any, wrap: Any) -> None:
    with serve_script(close_connection) as server:
        error = send_and_fail(server.url, Request("POST", "/d", body={"config": {"port": wrap(value)}}))
        assert server.requests == []
    assert type(error) is InvalidRequestError
    assert "`config.port" in error.message
    assert not error.is_ambiguous


def test_a_body_that_contains_itself_is_refused() -> None:
    body: dict[str, Any] = {}
    body["config"] = body
    assert isinstance(
        send_and_fail("http://127.0.0.1:1", Request("POST", "/d", body=body)), InvalidRequestError
    )


@pytest.mark.parametrize("fault", [close_connection, send_garbage, send_half_body])
def test_errors_hold_neither_bodies_nor_credentials(fault: Any) -> None:
    """The causes of the errors hold the prepared request, so they must not show it either."""
    body = {"config": {"password": Secret("canary-1234"), "bad": "\ud800"}}
    with serve_script(fault) as server:
        sent = send_and_fail(
            server.url, Request("POST", "/d", body={"config": {"password": Secret("canary-1234")}})
        )
        refused = send_and_fail(server.url, Request("POST", "/d", body=body))
    for error in (sent, refused):
        assert error.__cause__ is None
        assert error.__context__ is None
        shown = repr(error) + str(error) + "".join(traceback.format_exception(error))
        assert "canary" not in shown
        assert "dGhlLWtleTp0aGUtc2VjcmV0" not in shown


def test_requests_are_counted_across_threads() -> None:
    def script(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.keep_alive = True
        wire.send(build_response(build_envelope()))

    with serve_script(script) as server, make_transport(server.url) as transport:
        threads = [threading.Thread(target=lambda: [transport.send(GET) for _ in range(5)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert transport.requests_sent == 20
        assert server.connections == 4


def test_unsent_requests_are_not_counted() -> None:
    with make_transport(f"http://127.0.0.1:{find_free_port()}") as transport:
        with pytest.raises(Unreachable):
            transport.send(GET)
        assert transport.requests_sent == 0


def test_no_repr_shows_a_secret() -> None:
    request = Request("POST", "/d", body={"password": "canary"})
    with make_transport("http://127.0.0.1:1") as transport:
        assert "canary" not in repr(request)
        assert "the-secret" not in repr(vars(transport))
