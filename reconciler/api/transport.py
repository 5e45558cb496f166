"""Send one request and read its response, within deadlines and with typed errors.

Nothing is repeated or redirected here, so every write reaches the server at most once.
"""

from __future__ import annotations

import math
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias
from urllib.parse import urlencode

import requests
from pydantic import ValidationError
from requests.adapters import BaseAdapter

from reconciler import __version__
from reconciler.api.body import DecodeError, EncodeError, decode, encode, redact, redact_setup_tests
from reconciler.api.call_watch import CallWatch
from reconciler.api.errors import (
    MAX_MESSAGE_LENGTH,
    MAX_NAME_LENGTH,
    READ_METHODS,
    ApiError,
    CertificateUntrusted,
    Exchange,
    InvalidRequestError,
    InvalidResponseError,
    ServerUnverified,
    Timeout,
    Unreachable,
    error_for_status,
    parse_count,
    parse_retry_after,
    sanitize,
)
from reconciler.api.limiter import NOTIFY_AFTER
from reconciler.api.responses import SUCCESS_CODES, Envelope
from reconciler.api.server_clock import ServerClock
from reconciler.api.transport_errors import describe
from reconciler.model.clock import Clock
from reconciler.model.redaction import Redactor
from reconciler.model.value import Secret
from reconciler.runtime.endpoint import resolve_endpoint
from reconciler.runtime.http import (
    LIBRARY_ERRORS,
    MAX_BODY_BYTES,
    BodyTooLarge,
    CallDeadline,
    DeadlineAdapter,
    iterate_body,
    root_cause,
    use_deadline,
)

JSON_MEDIA_TYPE = "application/json"
REQUEST_ID_HEADERS = ("X-Request-Id", "X-Fivetran-Request-Id", "X-Correlation-Id", "CF-RAY")
_MAX_REDACTED_LENGTH = 100_000  # far more than is shown, so that no secret is cut in two where it is shown


class TimeoutClass(Enum):
    """Choice of timeouts for a request."""

    ORDINARY = auto()
    SETUP_TESTS = auto()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds: to connect to one address, to wait for the next byte, and for a call in total.

    `total` is the budget of time of a call with all its attempts: `Transport` sends one attempt within it, and
    `RetryState` shares it among the attempts. `setup_tests` replaces `read` and `total` for requests that run setup
    tests, since the server is silent until the tests end.
    """

    connect: float = 10.0
    read: float = 60.0
    total: float = 120.0
    setup_tests: float = 900.0


_NOTIFY_AFTER = {TimeoutClass.ORDINARY: NOTIFY_AFTER, TimeoutClass.SETUP_TESTS: 12 * NOTIFY_AFTER}
"""Seconds after which a run reports the call that it waits for. Setup tests usually take longer than other calls."""

Credentials: TypeAlias = tuple[Secret, Secret]
"""An API key with its secret."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `path` is below the base URL and percent-encoded. Values in `body` may be `Secret`.

    `before_send` is called right before each attempt, and may raise an `ApiError` to hold the request back.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    accept: str = JSON_MEDIA_TYPE
    timeout_class: TimeoutClass = TimeoutClass.ORDINARY
    before_send: Callable[[], None] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Response:
    """A 2xx response with a success code. `data` is None if the response has none, as for deletions."""

    exchange: Exchange
    data: Any = field(default=None, repr=False)


class Sender(Protocol):
    """Sender of requests to the API. Safe to share between threads."""

    def send(self, request: Request) -> Response:
        """Send a request and return its response. Raises an `ApiError` of `reconciler.api.errors`."""


class Transport:
    """HTTP connections to one account. Safe to share between threads, each of which has its own connection.

    `environ` has proxy and CA settings (see `resolve_endpoint`). `adapter` replaces the network (see
    `wsgi_adapter.WsgiAdapter`) and must be safe for threads itself. `max_response_bytes` bounds uncompressed
    responses. `redactor` gets the credentials and the sent secrets, and redacts the texts of responses. Raises
    ReconcilerError for an unusable address or unusable settings.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        clock: Clock,
        environ: Mapping[str, str],
        adapter: BaseAdapter | None = None,
        timeouts: Timeouts = Timeouts(),
        max_response_bytes: int = MAX_BODY_BYTES,
        redactor: Redactor | None = None,
    ) -> None:
        self.server_clock = ServerClock(clock)
        self.call_watch = CallWatch(clock)
        self._endpoint = resolve_endpoint(base_url, environ)
        self._credentials = credentials
        self._clock = clock
        self._adapter = adapter
        self._timeouts = timeouts
        self._max_response_bytes = max_response_bytes
        self._redactor = redactor or Redactor()
        self._add_credentials()
        self._thread_local = threading.local()
        self._lock = threading.Lock()
        self._adapters: list[DeadlineAdapter] = []
        self._requests_sent = 0
        self._in_flight: list[CallDeadline] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def requests_sent(self) -> int:
        """Number of requests that left, with any outcome, including requests in flight."""
        with self._lock:
            return self._requests_sent + sum(deadline.sent for deadline in self._in_flight)

    def close(self) -> None:
        """Close all connections. Requests in flight on other threads end in an error."""
        with self._lock:
            for adapter in self._adapters:
                adapter.close()

    def get_budget(self, request: Request) -> float:
        """Get the seconds that a call may take in total, with all its attempts."""
        is_test = request.timeout_class is TimeoutClass.SETUP_TESTS
        return self._timeouts.setup_tests if is_test else self._timeouts.total

    def send(self, request: Request, max_seconds: float = math.inf) -> Response:
        """Send a request once and return its response, within the budget of its call and within `max_seconds`.

        Raises an `ApiError` of `reconciler.api.errors`, which holds neither bodies nor headers.
        """
        exchange = Exchange(request.method, self._endpoint.base_path + request.path, self._endpoint.server)
        clear_texts: set[str] = set()
        prepared_request = self._prepare(request, exchange, clear_texts)
        if request.before_send is not None:
            request.before_send()
        deadline = self._create_deadline(request, max_seconds)
        notify_after = _NOTIFY_AFTER[request.timeout_class]
        with self.call_watch.follow(exchange.method, exchange.path, notify_after):
            result = self._exchange(prepared_request, deadline, exchange, clear_texts)
        # Raised here, outside every handler: otherwise an error of the HTTP library, which holds the credentials,
        # would become its context.
        if isinstance(result, ApiError):
            raise result
        return result

    def _prepare(
        self, request: Request, exchange: Exchange, clear_texts: set[str]
    ) -> requests.PreparedRequest:
        headers = {
            "Accept": request.accept,
            "Accept-Encoding": "gzip",
            "Authorization": self._build_authorization(),
            "User-Agent": f"fivetran-reconciler/{__version__}",
        }
        content = None
        problem = ""
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            try:
                content = encode(request.body, clear_texts)
            except EncodeError as error:
                problem = str(error)
        self._redactor.add(tuple(clear_texts))
        if problem:
            raise InvalidRequestError(replace(exchange, message=sanitize(problem)))
        query = f"?{urlencode(request.query)}" if request.query else ""
        url = self._endpoint.base_url + request.path + query
        return requests.Request(request.method, url, headers=headers, data=content).prepare()

    def _build_authorization(self) -> str:
        key, secret = self._credentials
        pair = f"{key.reveal()}:{secret.reveal()}"
        # surrogateescape restores bytes of environment variables that are not UTF-8.
        return "Basic " + b64encode(pair.encode("utf-8", "surrogateescape")).decode("ascii")

    def _add_credentials(self) -> None:
        """Add the credentials to the known secrets: alone, as a pair, and as they are sent."""
        key, secret = (str(part.reveal()) for part in self._credentials)
        header = self._build_authorization().removeprefix("Basic ")
        for text in (key, secret, f"{key}:{secret}", header):
            self._redactor.add(text, is_credential=True)

    def _create_deadline(self, request: Request, max_seconds: float) -> CallDeadline:
        is_test = request.timeout_class is TimeoutClass.SETUP_TESTS
        return CallDeadline(
            self._clock,
            connect=self._timeouts.connect,
            read=self._timeouts.setup_tests if is_test else self._timeouts.read,
            ends_at=self._clock.monotonic() + min(self.get_budget(request), max_seconds),
            needs_fresh_connection=request.method not in READ_METHODS,
            max_body_bytes=2 * self._max_response_bytes,  # with room for the framing of chunks
        )

    def _exchange(
        self,
        prepared_request: requests.PreparedRequest,
        deadline: CallDeadline,
        exchange: Exchange,
        clear_texts: set[str],
    ) -> Response | ApiError:
        """Exchange a request for its response, or for the error to raise."""
        with self._lock:
            self._in_flight.append(deadline)
        try:
            with use_deadline(deadline):
                response = self._send_prepared(prepared_request, deadline)
                with closing(response):
                    return self._interpret(response, deadline, exchange, clear_texts)
        except LIBRARY_ERRORS as error:
            return _build_unreachable_error(error, deadline, exchange)
        finally:
            with self._lock:
                self._in_flight = [other for other in self._in_flight if other is not deadline]
                self._requests_sent += deadline.sent

    def _send_prepared(
        self, prepared_request: requests.PreparedRequest, deadline: CallDeadline
    ) -> requests.Response:
        adapter = self._adapter or self._get_thread_adapter()
        # A foreign adapter does not report whether the request left: assume that it did.
        deadline.sent = self._adapter is not None
        proxies = {"https": self._endpoint.proxy} if self._endpoint.proxy else {}
        return adapter.send(
            prepared_request,
            stream=True,
            timeout=(deadline.connect, deadline.read),
            verify=self._endpoint.ca_bundle or True,
            proxies=proxies,
        )

    def _get_thread_adapter(self) -> DeadlineAdapter:
        adapter: DeadlineAdapter | None = getattr(self._thread_local, "adapter", None)
        if adapter is None:
            adapter = self._thread_local.adapter = DeadlineAdapter()
            with self._lock:
                self._adapters.append(adapter)
        return adapter

    def _interpret(
        self, response: requests.Response, deadline: CallDeadline, exchange: Exchange, clear_texts: set[str]
    ) -> Response | ApiError:
        """Interpret a response. For an error, the status decides, even if its body is invalid or cut off."""
        self.server_clock.observe(response.headers.get("Date"))
        retry_after = parse_retry_after(response.headers.get("Retry-After"), self._clock.now())
        exchange = replace(
            exchange,
            status=response.status_code,
            request_id=self._find_request_id(response.headers),
            retry_after=retry_after,
            remaining=parse_count(response.headers.get("X-Rate-Limit-Remaining")),
        )
        is_success = 200 <= response.status_code < 300
        is_interim = response.status_code < 200  # 101: the server speaks another protocol from here on
        try:
            envelope = Envelope.model_validate(decode(self._read_content(response)))
        except (DecodeError, ValidationError, requests.exceptions.ContentDecodingError) as error:
            envelope, problem = None, _describe_decode_failure(error)
        except LIBRARY_ERRORS as error:
            envelope, problem = None, describe(root_cause(error), deadline)
            # A success whose body is cut off has an unknown outcome. An error stays the same error without
            # its body.
            if is_success and not isinstance(root_cause(error), BodyTooLarge):
                return _build_unreachable_error(error, deadline, exchange)
        if 300 <= response.status_code < 400:
            problem = "a redirect, and redirects are not followed"
        if is_interim:
            envelope, problem = None, "the answer is an interim answer"
        if envelope is None:
            failed_exchange = replace(exchange, message=problem)
            if is_success or is_interim:
                return InvalidResponseError(failed_exchange)
            return error_for_status(failed_exchange)
        exchange = replace(
            exchange,
            code=self._sanitize(envelope.code, MAX_NAME_LENGTH),
            # The short secrets of this request are redacted too, which a document could not do without.
            message=self._sanitize(redact(envelope.message, clear_texts)),
        )
        if not is_success:
            return error_for_status(exchange)
        return (
            Response(exchange, redact_setup_tests(envelope.data, self._redactor, clear_texts))
            if envelope.code in SUCCESS_CODES
            else InvalidResponseError(exchange)
        )

    def _sanitize(self, text: Any, max_length: int = MAX_MESSAGE_LENGTH) -> str:
        """Redact and sanitize a text of the server, in this order: a secret that is cut is not recognised."""
        return sanitize(
            self._redactor.redact(text[:_MAX_REDACTED_LENGTH]) if isinstance(text, str) else text, max_length
        )

    def _find_request_id(self, headers: Mapping[str, str]) -> str:
        return next(
            (
                self._sanitize(headers[name], MAX_NAME_LENGTH)
                for name in REQUEST_ID_HEADERS
                if name in headers
            ),
            "",
        )

    def _read_content(self, response: requests.Response) -> bytes:
        """Read the uncompressed body. Raises DecodeError beyond `max_response_bytes`."""
        content = bytearray()
        for chunk in iterate_body(response):
            content += chunk
            if len(content) > self._max_response_bytes:
                raise DecodeError("too large")
        return bytes(content)


def _describe_decode_failure(error: Exception) -> str:
    """Describe an invalid body without quoting it."""
    match error:
        case DecodeError():
            return f"the answer is {error}"
        case ValidationError():
            return "the answer is not in the API's envelope"
    return "the answer is compressed wrongly"


def _build_unreachable_error(error: Exception, deadline: CallDeadline, exchange: Exchange) -> Unreachable:
    """Build the error of a request that got no response."""
    root = root_cause(error)
    error_type = next(
        (error_type for error_type, causes in _ERRORS_BY_CAUSE if isinstance(root, causes)), Unreachable
    )
    return error_type(replace(exchange, message=describe(root, deadline)), sent=deadline.sent)


_ERRORS_BY_CAUSE: tuple[tuple[type[Unreachable], tuple[type[Exception], ...]], ...] = (
    (Timeout, (TimeoutError,)),
    (CertificateUntrusted, (ssl.SSLCertVerificationError,)),
    (ServerUnverified, (socket.gaierror,)),
)
