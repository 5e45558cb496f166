"""Test TLS through a proxy, because certificates and proxies of the environment are ignored for loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scripted_server import (
    ReceivedRequest,
    Script,
    ScriptedServer,
    ServerConnection,
    build_envelope,
    build_response,
    serve_script,
)
from self_signed_cert import make_server_context

from reconciler.api.errors import Timeout, Unreachable
from reconciler.api.transport import Request, Timeouts, Transport
from reconciler.model.value import Secret
from reconciler.runtime.clock import SystemClock

HOST = "api.example.test"
GET = Request("GET", "/groups")
WRITES = [
    Request("POST", "/groups", body={"name": "n"}),
    Request("PATCH", "/g", body={}),
    Request("DELETE", "/g"),
]


@contextmanager
def open_tunnel(
    script: Script, folder: Path, **options: Timeouts
) -> Iterator[tuple[ScriptedServer, Transport]]:
    """Open a transport through a proxy that is itself the trusted server."""
    context, certificate = make_server_context(HOST, folder)
    with serve_script(script, tls=context, tunnel=True) as server:
        environ = {"HTTPS_PROXY": f"http://127.0.0.1:{server.port}", "REQUESTS_CA_BUNDLE": str(certificate)}
        credentials = (Secret("the-key"), Secret("the-secret"))
        with Transport(
            f"https://{HOST}/v1", credentials, clock=SystemClock(), environ=environ, **options
        ) as transport:
            yield server, transport


def send_broken_record(wire: ServerConnection, _: ReceivedRequest) -> None:
    """Insert bytes that are no TLS record into the stream, as a broken middlebox does."""
    raw = wire.unwrap_tls()
    raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def drip_records(wire: ServerConnection, _: ReceivedRequest) -> None:
    wire.drip(build_response(build_envelope({"id": "y" * 200})))


def test_the_ca_bundle_of_the_environment_is_trusted_and_the_proxy_sees_no_credentials(
    tmp_path: Path,
) -> None:
    def script(wire: ServerConnection, _: ReceivedRequest) -> None:
        wire.keep_alive = True
        wire.send(build_response(build_envelope({"id": "g1"})))

    with open_tunnel(script, tmp_path) as (server, transport):
        for request in (GET, GET, *WRITES):
            assert transport.send(request).data == {"id": "g1"}
        assert server.list_methods() == [
            "CONNECT",
            "GET",
            "GET",
            "CONNECT",
            "POST",
            "CONNECT",
            "PATCH",
            "CONNECT",
            "DELETE",
        ]
        assert all(
            "authorization" not in seen.headers for seen in server.requests if seen.method == "CONNECT"
        )
        assert transport.requests_sent == 5


def test_an_unknown_authority_is_refused_before_any_request(tmp_path: Path) -> None:
    context, _ = make_server_context(HOST, tmp_path)
    with serve_script(send_broken_record, tls=context, tunnel=True) as server:
        environ = {"HTTPS_PROXY": f"http://127.0.0.1:{server.port}"}
        with (
            Transport(
                f"https://{HOST}/v1", (Secret("k"), Secret("s")), clock=SystemClock(), environ=environ
            ) as transport,
            pytest.raises(Unreachable) as caught,
        ):
            transport.send(WRITES[0])
        assert server.list_methods() == ["CONNECT"]
    assert not caught.value.sent
    assert "certificate is not trusted" in caught.value.message


@pytest.mark.parametrize("request_", WRITES, ids=lambda request: request.method)
def test_a_broken_tls_record_never_repeats_a_write(request_: Request, tmp_path: Path) -> None:
    with open_tunnel(send_broken_record, tmp_path) as (server, transport):
        with pytest.raises(Unreachable) as caught:
            transport.send(request_)
        assert server.list_methods() == ["CONNECT", request_.method]
    assert caught.value.sent
    assert caught.value.message.startswith("TLS failed")


def test_the_total_deadline_holds_below_tls(tmp_path: Path) -> None:
    timeouts = Timeouts(connect=5, read=5, total=0.4)
    with (
        open_tunnel(drip_records, tmp_path, timeouts=timeouts) as (_, transport),
        pytest.raises(Timeout) as caught,
    ):
        transport.send(GET)
    assert caught.value.sent
