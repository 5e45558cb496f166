"""One GET, for stores that answer over HTTP: verified, bounded, never redirected, never repeated."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote

from reconciler.runtime.url import find_proxy, is_loopback, split_url

MAX_BYTES = 1024 * 1024


class NoAnswer(Exception):  # noqa: N818 - a state of the world, not a bug
    """There was no usable answer. `reason` is fit for people and holds nothing of the request."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Server:
    """A checked base address and the way to it. `proxy` is an `http://` URL, possibly with a password."""

    base: SplitResult
    proxy: SplitResult | None = None
    ca_bundle: str | None = None

    def __repr__(self) -> str:
        return f"Server({self.base.hostname!r})"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A status with the bytes that came with it."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        return f"Answer({self.status})"


def parse_server(address: str, environ: Mapping[str, str], *, ca_bundle: str | None = None) -> Server:
    """Check an address; `https_proxy` and `no_proxy` in either spelling and `SSL_CERT_FILE` are honoured.

    Raises Unanswered for anything but https (http for loopback) without credentials, query and fragment.
    """
    base = split_url(address)
    if base is None or base.scheme not in {"http", "https"} or not base.hostname:
        raise NoAnswer("its address is not a web address")
    if "@" in base.netloc or base.query or base.fragment:
        raise NoAnswer("its address holds more than scheme, host, port and path")
    if is_loopback(base.hostname):
        return Server(base, None, ca_bundle)
    if base.scheme == "http":
        raise NoAnswer("its address is not `https://`, so the request would travel unencrypted")
    bundle = ca_bundle or environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE") or None
    return Server(base, _resolve_proxy(base, environ), bundle)


def get(server: Server, path: str, headers: Mapping[str, str], *, timeout: float) -> HttpResponse:
    """The answer to one GET of `path` below the base address, whatever its status.

    Raises Unanswered, also where headers and body together take longer than `timeout` seconds or
    the body is larger than 1 MiB.
    """
    try:
        connection = _open_connection(server, timeout)
        with closing(connection), _enforce_timeout(timeout) as timed_socket:
            try:
                response = _exchange(connection, timed_socket, server, path, headers)
            except (OSError, http.client.HTTPException):
                if timed_socket.is_expired:
                    raise TimeoutError from None
                raise
        if timed_socket.is_expired:  # what was cut off can look complete
            raise TimeoutError
    except TimeoutError:
        raise NoAnswer(f"there was no answer within {timeout:g} s") from None
    except ssl.SSLCertVerificationError:
        raise NoAnswer("its TLS certificate cannot be verified") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswer(f"the connection failed ({type(error).__name__})") from None
    if len(response.body) > MAX_BYTES:
        raise NoAnswer(f"the answer is larger than {MAX_BYTES // 1024} KiB")
    return response


def _open_connection(server: Server, timeout: float) -> http.client.HTTPConnection:
    base, target = server.base, server.proxy or server.base
    default_port = 443 if target is base and base.scheme == "https" else 80
    connection = http.client.HTTPConnection(
        target.hostname or "", target.port or default_port, timeout=timeout
    )
    if server.proxy:
        connection.set_tunnel(base.hostname or "", base.port or 443, _build_proxy_headers(server.proxy))
    return connection


@dataclass(slots=True)
class _TimedSocket:
    """The socket in use, which `http.client` forgets early, and whether its time is up."""

    sock: socket.socket | None = None
    is_expired: bool = False

    def shut_down(self) -> None:
        self.is_expired = True
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


def _exchange(
    connection: http.client.HTTPConnection,
    timed_socket: _TimedSocket,
    server: Server,
    path: str,
    headers: Mapping[str, str],
) -> HttpResponse:
    connection.connect()
    timed_socket.sock = connection.sock
    if server.base.scheme == "https":
        # The handshake comes after the socket is known, so that it can be cut off too.
        timed_socket.sock = connection.sock = _create_tls_context(server).wrap_socket(
            connection.sock, server_hostname=server.base.hostname, do_handshake_on_connect=False
        )
        connection.sock.do_handshake()
    connection.request("GET", server.base.path.rstrip("/") + path, headers=dict(headers))
    with connection.getresponse() as response:
        return HttpResponse(response.status, response.read(MAX_BYTES + 1))


def _create_tls_context(server: Server) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=server.ca_bundle)
    except OSError:
        raise NoAnswer("the file with certificate authorities cannot be read") from None


@contextmanager
def _enforce_timeout(seconds: float) -> Iterator[_TimedSocket]:
    """Shut a line down when time is up: timeouts of sockets hold for one read each, so a server that
    sends a byte now and then would never be given up."""
    timed_socket = _TimedSocket()
    timer = threading.Timer(seconds, timed_socket.shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield timed_socket
    finally:
        timer.cancel()


def _resolve_proxy(base: SplitResult, environ: Mapping[str, str]) -> SplitResult | None:
    proxy = find_proxy(base, environ)
    if proxy is None:
        return None
    parts = split_url(proxy)
    if parts is None or parts.scheme != "http" or not parts.hostname:
        raise NoAnswer("the proxy in the environment is not an `http://` address")
    return parts


def _build_proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
