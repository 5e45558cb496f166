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

from reconciler.model.web import is_loopback, proxy_for, split_url

MAX_BYTES = 1024 * 1024


class Unanswered(Exception):  # noqa: N818 - a state of the world, not a bug
    """There was no usable answer. `reason` is fit for people and holds nothing of the request."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Server:
    """A checked base address and the way to it. `proxy` is an `http://` URL, possibly with a password."""

    base: SplitResult
    proxy: SplitResult | None = None
    authorities: str | None = None

    def __repr__(self) -> str:
        return f"Server({self.base.hostname!r})"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status with the bytes that came with it."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        return f"Answer({self.status})"


def server(address: str, environ: Mapping[str, str], *, authorities: str | None = None) -> Server:
    """Check an address; `https_proxy` and `no_proxy` in either spelling and `SSL_CERT_FILE` are honoured.

    Raises Unanswered for anything but https (http for loopback) without credentials, query and fragment.
    """
    base = split_url(address)
    if base is None or base.scheme not in {"http", "https"} or not base.hostname:
        raise Unanswered("its address is not a web address")
    if "@" in base.netloc or base.query or base.fragment:
        raise Unanswered("its address holds more than scheme, host, port and path")
    if is_loopback(base.hostname):
        return Server(base, None, authorities)
    if base.scheme == "http":
        raise Unanswered("its address is not `https://`, so the request would travel unencrypted")
    bundle = authorities or environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE") or None
    return Server(base, _proxy(base, environ), bundle)


def get(server: Server, path: str, headers: Mapping[str, str], *, timeout: float) -> Answer:
    """The answer to one GET of `path` below the base address, whatever its status.

    Raises Unanswered, also where headers and body together take longer than `timeout` seconds or
    the body is larger than 1 MiB.
    """
    try:
        connection = _connection(server, timeout)
        with closing(connection), _cut_off_after(timeout) as line:
            try:
                answer = _exchange(connection, line, server, path, headers)
            except (OSError, http.client.HTTPException):
                if line.expired:
                    raise TimeoutError from None
                raise
        if line.expired:  # what was cut off can look complete
            raise TimeoutError
    except TimeoutError:
        raise Unanswered(f"there was no answer within {timeout:g} s") from None
    except ssl.SSLCertVerificationError:
        raise Unanswered("its TLS certificate cannot be verified") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unanswered(f"the connection failed ({type(error).__name__})") from None
    if len(answer.body) > MAX_BYTES:
        raise Unanswered(f"the answer is larger than {MAX_BYTES // 1024} KiB")
    return answer


def _connection(server: Server, timeout: float) -> http.client.HTTPConnection:
    base, way = server.base, server.proxy or server.base
    default = 443 if way is base and base.scheme == "https" else 80
    connection = http.client.HTTPConnection(way.hostname or "", way.port or default, timeout=timeout)
    if server.proxy:
        connection.set_tunnel(base.hostname or "", base.port or 443, _proxy_credentials(server.proxy))
    return connection


@dataclass(slots=True)
class _Line:
    """The socket in use, which `http.client` forgets early, and whether its time is up."""

    sock: socket.socket | None = None
    expired: bool = False

    def cut_off(self) -> None:
        self.expired = True
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


def _exchange(
    connection: http.client.HTTPConnection, line: _Line, server: Server, path: str, headers: Mapping[str, str]
) -> Answer:
    connection.connect()
    line.sock = connection.sock
    if server.base.scheme == "https":
        # The handshake comes after the socket is known, so that it can be cut off too.
        line.sock = connection.sock = _authorities(server).wrap_socket(
            connection.sock, server_hostname=server.base.hostname, do_handshake_on_connect=False
        )
        connection.sock.do_handshake()
    connection.request("GET", server.base.path.rstrip("/") + path, headers=dict(headers))
    with connection.getresponse() as response:
        return Answer(response.status, response.read(MAX_BYTES + 1))


def _authorities(server: Server) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=server.authorities)
    except OSError:
        raise Unanswered("the file with certificate authorities cannot be read") from None


@contextmanager
def _cut_off_after(seconds: float) -> Iterator[_Line]:
    """Shut a line down when time is up: timeouts of sockets hold for one read each, so a server that
    sends a byte now and then would never be given up."""
    line = _Line()
    timer = threading.Timer(seconds, line.cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield line
    finally:
        timer.cancel()


def _proxy(base: SplitResult, environ: Mapping[str, str]) -> SplitResult | None:
    proxy = proxy_for(base, environ)
    if proxy is None:
        return None
    parts = split_url(proxy)
    if parts is None or parts.scheme != "http" or not parts.hostname:
        raise Unanswered("the proxy in the environment is not an `http://` address")
    return parts


def _proxy_credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
