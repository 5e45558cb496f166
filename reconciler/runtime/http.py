"""Open HTTP connections that keep one deadline for a whole call, and record whether the request left.

The timeouts of requests and urllib3 hold for one read each, so a server that sends a byte now and then can hold a call
for ever. Here every operation on the socket gets the remaining time of the call, and headers have a maximal size. This
works below TLS and through proxies, without a second thread.

urllib3 has no way to hand a value to a connection, so the deadline of the current call is a context variable.

Nothing is sent twice: urllib3's retries are off, and http.client only reconnects before the first byte of a request. A
write does not use a kept-alive connection at all: if the server gave up the connection at that moment, it would stay
unknown whether the write was carried out.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from requests import Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError
from urllib3.util import SKIP_HEADER, make_headers
from urllib3.util.connection import create_connection

from reconciler.model.clock import Clock

MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
_CHUNK_SIZE = 16 * 1024
_MAX_CHAIN_DEPTH = 20
_INTERIM_STATUSES = range(102, 200)
"""Interim answers that http.client does not skip, other than 101, after which the connection speaks no HTTP."""


@dataclass(slots=True)
class CallDeadline:
    """The deadline of one call. Seconds: to connect to one address, and to wait for the next byte; `ends_at` is on the
    clock's monotonic scale.

    `max_body_bytes` bounds the bytes of a body as they arrive: chunk extensions and trailers count, since the HTTP
    library reads them without a bound.

    `sent` turns true just before the first byte of the request (not of a proxy's CONNECT or of a TLS handshake) is
    handed to the system.
    """

    clock: Clock
    connect: float
    read: float
    ends_at: float
    needs_fresh_connection: bool
    sent: bool = False
    max_body_bytes: int = MAX_BODY_BYTES

    @property
    def is_expired(self) -> bool:
        """Whether the deadline of the call as a whole has passed."""
        return self.clock.monotonic() >= self.ends_at

    def clamp(self, seconds: float) -> float:
        """Return `seconds`, or the rest of the call if that is less. Raises TimeoutError if nothing is left."""
        remaining = self.ends_at - self.clock.monotonic()
        if remaining <= 0:
            raise TimeoutError("the deadline of the call has passed")
        return min(seconds, remaining)


_current_deadline: ContextVar[CallDeadline] = ContextVar("call")


@contextmanager
def use_deadline(deadline: CallDeadline) -> Iterator[None]:
    """Apply a deadline to all connections that are used inside."""
    token = _current_deadline.set(deadline)
    try:
        yield
    finally:
        _current_deadline.reset(token)


def get_current_deadline() -> CallDeadline:
    """Get the deadline of the current call: for adapters that replace the network."""
    return _current_deadline.get()


class HeadersTooLarge(http.client.HTTPException):
    """The headers of an answer and of its interim answers are larger than `MAX_HEADER_BYTES`."""


class BodyTooLarge(http.client.HTTPException):
    """The body of an answer, with its framing, is larger than `CallDeadline.max_body_bytes`."""


class UnreadableAnswer(http.client.HTTPException):
    """The HTTP library failed while it read an answer, by an exception that it does not document."""


LIBRARY_ERRORS = (HTTPError, http.client.HTTPException, OSError)
"""Everything that a call raises if it gets no answer. The exceptions of requests are OSErrors."""


@contextmanager
def name_library_failures() -> Iterator[None]:
    """Raise `UnreadableAnswer` for an exception that the HTTP library does not document: a negative chunk size, for
    example, ends in a ValueError. Only code of the library may run inside, or a bug of ours would pass as an answer."""
    failure: str | None = None
    try:
        yield
    except LIBRARY_ERRORS:
        raise
    except Exception as error:
        failure = type(error).__name__
    if failure is not None:
        # Raised here, so that it has no context: `root_cause` would take that for the cause.
        raise UnreadableAnswer(failure)


class _DeadlineReader(io.RawIOBase):
    """Stream of the bytes of one answer; each read obeys the remaining time of the call."""

    def __init__(self, sock: socket.socket, deadline: CallDeadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._raw_stream = sock.makefile("rb", buffering=0)
        self._header_bytes = 0
        self._body_bytes = 0
        self.in_headers = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.in_headers and self._header_bytes >= MAX_HEADER_BYTES:
            raise HeadersTooLarge("the headers of the answer are too large")
        if self._body_bytes > self._deadline.max_body_bytes:
            raise BodyTooLarge("the answer is too large")
        self._sock.settimeout(self._deadline.clamp(self._deadline.read))
        count = self._raw_stream.readinto(buffer)
        if count == 0 and self.in_headers:
            # http.client takes headers that break off for complete headers.
            raise http.client.RemoteDisconnected("the connection ended within the headers")
        if self.in_headers:
            self._header_bytes += count or 0
        else:
            self._body_bytes += count or 0
        return count

    def close(self) -> None:
        self._raw_stream.close()
        super().close()


class _ReadOnlySocket:
    """Stand-in for a socket with the only method that `http.client.HTTPResponse` calls."""

    def __init__(self, reader: _DeadlineReader) -> None:
        self._reader = reader

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader, _CHUNK_SIZE)


class _DeadlineResponse(http.client.HTTPResponse):
    """Answer that is read through `_DeadlineReader`."""

    def __init__(self, sock: socket.socket, debuglevel: int = 0, method: str | None = None) -> None:
        self._reader = _DeadlineReader(sock, _current_deadline.get())
        super().__init__(_ReadOnlySocket(self._reader), debuglevel, method)  # type: ignore[arg-type]

    def begin(self) -> None:
        super().begin()
        self._reader.in_headers = False

    def _read_status(self) -> tuple[str, int, str]:
        """Read the status line of the final answer. http.client skips 100 only, and takes every other interim answer
        for the final answer: a create would count as refused while its answer is still to come."""
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status not in _INTERIM_STATUSES:
                return version, status, reason
            http.client.parse_headers(self.fp)


class _DeadlineConnection(HTTPConnection):
    """Connection that obeys the deadline of the current call, with or without TLS."""

    _is_connecting = False
    _opened_response: _DeadlineResponse | None = None

    def response_class(self, *arguments: Any, **keywords: Any) -> _DeadlineResponse:  # type: ignore[override]
        """Open a response, for `http.client`."""
        self._opened_response = _DeadlineResponse(*arguments, **keywords)
        return self._opened_response

    def getresponse(self) -> Any:
        """Read the headers of the answer. A response with refused headers is closed: urllib3 drops it open."""
        try:
            return super().getresponse()
        except BaseException:
            if self._opened_response is not None:
                self._opened_response.close()
            raise
        finally:
            self._opened_response = None

    def connect(self) -> None:
        self._is_connecting = True
        try:
            super().connect()
        finally:
            self._is_connecting = False

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers, within the deadline of the call."""
        deadline = _current_deadline.get()
        try:
            addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, socket.gaierror(str(error))) from error
        last_error: OSError | None = None
        for *_, address in addresses:
            try:
                return create_connection(
                    (str(address[0]), self.port),
                    deadline.clamp(deadline.connect),
                    socket_options=self.socket_options,
                )
            except OSError as error:
                last_error = error
        if isinstance(last_error, TimeoutError):
            raise ConnectTimeoutError(self, "connecting took too long") from last_error
        raise NewConnectionError(self, "no connection") from last_error

    def send(self, data: Any) -> None:
        """Send bytes. A server that does not accept them has as much time as for an answer."""
        deadline = _current_deadline.get()
        if self.sock is None:
            self.connect()
        for start in range(0, len(data), _CHUNK_SIZE):
            self.sock.settimeout(deadline.clamp(deadline.connect if self._is_connecting else deadline.read))
            deadline.sent = deadline.sent or not self._is_connecting
            super().send(data[start : start + _CHUNK_SIZE])


class _PlainConnection(_DeadlineConnection):
    """`http://`, for loopback."""


class _TlsConnection(_DeadlineConnection, HTTPSConnection):
    """`https://`."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection

    def _get_conn(self, timeout: float | None = None) -> Any:
        return _reset_if_needed(super()._get_conn(timeout))


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection

    def _get_conn(self, timeout: float | None = None) -> Any:
        return _reset_if_needed(super()._get_conn(timeout))


def _reset_if_needed(connection: Any) -> Any:
    """Return the connection; closed first, so that it connects anew, if the call must not use an old connection."""
    if _current_deadline.get().needs_fresh_connection:
        connection.close()
    return connection


_POOLS = {"http": _PlainPool, "https": _TlsPool}


class DeadlineAdapter(HTTPAdapter):
    """A requests adapter for one thread. Every `send` must happen inside `use_deadline`."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=_build_no_retries())

    def init_poolmanager(self, *arguments: Any, **keywords: Any) -> None:
        super().init_poolmanager(*arguments, **keywords)
        _install_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **keywords: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **keywords)
        _install_pools(manager)
        return manager

    def send(self, *arguments: Any, **keywords: Any) -> Response:
        """Send a request, and read the headers of its answer. Raises `LIBRARY_ERRORS`."""
        with name_library_failures():
            return super().send(*arguments, **keywords)


def iterate_body(response: Response) -> Iterator[bytes]:
    """Iterate over the uncompressed body of an answer. Raises `LIBRARY_ERRORS`."""
    with name_library_failures():
        yield from response.iter_content(_CHUNK_SIZE)


def _build_no_retries() -> Retry:
    return Retry(0, connect=0, read=False, redirect=0, status=0, other=0, respect_retry_after_header=False)


def _install_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = dict(_POOLS)


class NoAnswer(Exception):  # noqa: N818 - the usual end of a call, not a bug
    """A call without a usable answer. `reason` is a phrase for users and holds nothing of the request."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class AnswerTimeout(NoAnswer):
    """A call that has used up its time without an answer."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A status with the bytes of its body."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        return f"HttpResponse({self.status})"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy, possibly with credentials for it."""

    url: str = field(repr=False)
    user: str | None = None
    password: str = field(default="", repr=False)


def send(
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    body: bytes | None = None,
    clock: Clock,
    timeout: float,
    max_bytes: int,
    tls: ssl.SSLContext | None = None,
    proxy: Proxy | None = None,
) -> HttpResponse:
    """Send one request on a connection of its own. Returns the answer for any status. Redirects are not followed, and
    nothing is repeated.

    `tls` holds the trusted certificates. Raises NoAnswer, also if headers and body together take longer than `timeout`
    seconds, or the body has more than `max_bytes`.
    """
    deadline = CallDeadline(
        clock,
        timeout,
        timeout,
        clock.monotonic() + timeout,
        needs_fresh_connection=True,
        max_body_bytes=2 * max_bytes,  # with room for the framing of chunks
    )
    try:
        with name_library_failures(), use_deadline(deadline), _open_manager(tls, proxy) as manager:
            response = manager.urlopen(
                method,
                url,
                body=body,
                headers={"User-Agent": SKIP_HEADER, **headers},
                retries=_build_no_retries(),
                redirect=False,
                preload_content=False,
                enforce_content_length=False,  # the caller validates a body that breaks off
            )
            with closing(response):
                content = response.read(max_bytes + 1, decode_content=False)
    except LIBRARY_ERRORS as error:
        cause = root_cause(error)
    else:
        if len(content) <= max_bytes:
            return HttpResponse(response.status, content)
        cause = BodyTooLarge()
    # Raised outside of the handler: as its context, an error of the library would carry the request along.
    match cause:
        case TimeoutError():
            raise AnswerTimeout(f"there was no answer within {timeout:g} s")
        case ssl.SSLCertVerificationError():
            raise NoAnswer("its TLS certificate cannot be verified")
        case BodyTooLarge():
            raise NoAnswer(f"the answer is larger than {max_bytes // 1024} KiB")
        case ValueError() | OverflowError() if deadline.sent:  # such as the error of a number in a header
            raise NoAnswer("the answer is not HTTP")
        case UnreadableAnswer():
            reason = "the answer is not HTTP" if deadline.sent else f"the connection failed ({cause})"
            raise NoAnswer(reason)
    raise NoAnswer(f"the connection failed ({type(cause).__name__})")


def _open_manager(tls: ssl.SSLContext | None, proxy: Proxy | None) -> PoolManager:
    manager: PoolManager
    if proxy is None:
        manager = PoolManager(ssl_context=tls)
    else:
        has_credentials = proxy.user is not None
        credentials = f"{proxy.user}:{proxy.password}" if has_credentials else None
        manager = ProxyManager(
            proxy.url, proxy_headers=make_headers(proxy_basic_auth=credentials), ssl_context=tls
        )
    _install_pools(manager)
    return manager


def root_cause(error: BaseException) -> BaseException:
    """Find the innermost error, which the system raised: the libraries wrap it several times."""
    for _ in range(_MAX_CHAIN_DEPTH):
        # urllib3 keeps some errors only as an argument of its own errors.
        wrapped = [argument for argument in error.args if isinstance(argument, BaseException)]
        error = error.__cause__ or error.__context__ or (wrapped[-1] if wrapped else error)
    return error
