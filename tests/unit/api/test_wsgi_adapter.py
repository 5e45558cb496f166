"""Test that a WSGI app behind the adapter behaves like a server behind a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from scripted_server import build_envelope

from reconciler.api.errors import Unreachable
from reconciler.api.transport import Request, Transport
from reconciler.api.wsgi_adapter import WsgiAdapter
from reconciler.model.value import Secret
from reconciler.runtime.clock import SystemClock

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def make_transport(app: App) -> Transport:
    return Transport(
        "https://sandbox.invalid/v1",
        (Secret("key"), Secret("secret")),
        clock=SystemClock(),
        environ={},
        adapter=WsgiAdapter(app),
    )


def test_the_app_receives_a_complete_request() -> None:
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        seen.update(environ, content=environ["wsgi.input"].read())
        start("200 OK", [])
        return [build_envelope()]

    make_transport(app).send(Request("POST", "/a%20%C3%BC", query={"limit": "7"}, body={"name": "ü"}))
    assert seen["REQUEST_METHOD"] == "POST"
    assert seen["PATH_INFO"].encode("latin-1").decode() == "/v1/a ü"
    assert seen["QUERY_STRING"] == "limit=7"
    assert seen["CONTENT_TYPE"] == "application/json"
    assert int(seen["CONTENT_LENGTH"]) == len(seen["content"])
    assert seen["content"].decode() == '{"name": "ü"}'
    assert seen["HTTP_AUTHORIZATION"].startswith("Basic ")
    assert (seen["wsgi.url_scheme"], seen["SERVER_PORT"]) == ("https", "443")


def test_an_app_may_write_or_return_bytes_and_is_closed() -> None:
    closed = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b'cess"'
            yield b"}"

        def close(self) -> None:
            closed.append(True)

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Body:
        write = start("200 OK", [("X-Request-Id", "r-1")])
        write(b'{"code": "Suc')
        return Body()

    answer = make_transport(app).send(Request("GET", "/x"))
    assert answer.exchange.request_id == "r-1"
    assert closed == [True]


def raise_before_start(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    raise RuntimeError("boom")


def raise_inside_body(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    start("200 OK", [])
    yield b"{"
    raise RuntimeError("boom")


def return_without_start(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    return []


def return_short_body(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    start("200 OK", [("Content-Length", "1000")])
    return [build_envelope()]


@pytest.mark.parametrize(
    "app", [raise_before_start, raise_inside_body, return_without_start, return_short_body]
)
def test_an_app_without_response_is_a_cut_connection(app: App) -> None:
    transport = make_transport(app)
    with pytest.raises(Unreachable) as caught:
        transport.send(Request("POST", "/x", body={}))
    assert caught.value.is_ambiguous
    assert transport.requests_sent == 1
