"""One request, one answer: sending bytes under deadlines, and telling apart what may have happened.

Nothing is ever repeated or redirected here, so every mutating call reaches the server at most once.
"""

from __future__ import annotations

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
from urllib3.exceptions import HTTPError

from reconciler import __version__
from reconciler.api.body import Undecodable, Unencodable, decoded, encoded, scrubbed
from reconciler.api.deadline import Call, DeadlineAdapter, under
from reconciler.api.endpoint import endpoint
from reconciler.api.errors import (
    LONGEST_NAME,
    READS,
    ApiError,
    Exchange,
    TimedOut,
    Unidentified,
    Unintelligible,
    Unreachable,
    Unsendable,
    count_of,
    harmless,
    rejection,
    seconds_of,
)
from reconciler.api.failure import reason_of, root_of
from reconciler.api.server_clock import ServerClock
from reconciler.api.wire import SUCCESS_CODES, Envelope
from reconciler.model.clock import Clock
from reconciler.model.value import Secret

PLAIN = "application/json"
REQUEST_ID_HEADERS = ("X-Request-Id", "X-Fivetran-Request-Id", "X-Correlation-Id", "CF-RAY")
_CHUNK = 16 * 1024


class Patience(Enum):
    """Which deadlines a call gets."""

    ORDINARY = auto()
    SETUP_TESTS = auto()


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds: to connect to one address, to wait for the next byte, and for a call as a whole.

    `setup_tests` replaces the last two where setup tests run, since the server is silent until they end.
    """

    connect: float = 10.0
    read: float = 60.0
    total: float = 120.0
    setup_tests: float = 900.0


Credentials: TypeAlias = tuple[Secret, Secret]
"""An API key with its secret."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call: the path is below the base URL and percent-encoded. Values in `body` may be `Secret`.

    `before_leaving` is called each time right before it leaves, and may raise an `ApiError` to keep it here.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    accept: str = PLAIN
    patience: Patience = Patience.ORDINARY
    before_leaving: Callable[[], None] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer with a success code. `data` is None where there is none, as for deletes."""

    exchange: Exchange
    data: Any = field(default=None, repr=False)


class Sender(Protocol):
    """Whatever takes a request to the API. Safe to share between threads."""

    def send(self, request: Request) -> Answer:
        """The answer to a request. Raises one of the `ApiError`s of `reconciler.api.errors`."""


class Transport:
    """Sends requests to one account. Safe to share between threads; each gets its own connection.

    `environ` is where proxy and CA settings are taken from (see `endpoint`). `adapter` replaces the
    network (see `inprocess.WsgiAdapter`) and must be safe for threads itself. `largest_answer` is in
    bytes, uncompressed. Raises `ReconcilerError` for an address or settings that cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        clock: Clock,
        environ: Mapping[str, str],
        adapter: BaseAdapter | None = None,
        deadlines: Deadlines = Deadlines(),
        largest_answer: int = 64 * 1024 * 1024,
    ) -> None:
        self.server_clock = ServerClock(clock)
        self._endpoint = endpoint(base_url, environ)
        self._credentials = credentials
        self._clock = clock
        self._adapter = adapter
        self._deadlines = deadlines
        self._largest_answer = largest_answer
        self._own = threading.local()
        self._lock = threading.Lock()
        self._adapters: list[DeadlineAdapter] = []
        self._requests_sent = 0
        self._under_way: list[Call] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def requests_sent(self) -> int:
        """How many requests left, whatever became of them; those that are under way as well."""
        with self._lock:
            return self._requests_sent + sum(call.sent for call in self._under_way)

    def close(self) -> None:
        """Close all connections. Calls of other threads that are under way end in an error."""
        with self._lock:
            for adapter in self._adapters:
                adapter.close()

    def send(self, request: Request) -> Answer:
        """Send a request once and return its answer.

        Raises one of the `ApiError`s of `reconciler.api.errors`; none of them holds a body or a header.
        """
        exchange = Exchange(request.method, self._endpoint.base_path + request.path, self._endpoint.server)
        revealed: set[str] = set()
        prepared = self._prepared(request, exchange, revealed)
        if request.before_leaving is not None:
            request.before_leaving()
        outcome = self._exchanged(prepared, self._call(request), exchange, revealed)
        # Raised here, outside every handler: as its context, an error of the HTTP library would ride along.
        if isinstance(outcome, ApiError):
            raise outcome
        return outcome

    def _prepared(self, request: Request, exchange: Exchange, revealed: set[str]) -> requests.PreparedRequest:
        headers = {
            "Accept": request.accept,
            "Accept-Encoding": "gzip",
            "Authorization": self._authorization(),
            "User-Agent": f"fivetran-reconciler/{__version__}",
        }
        content = None
        problem = ""
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            try:
                content = encoded(request.body, revealed)
            except Unencodable as error:
                problem = str(error)
        if problem:
            raise Unsendable(replace(exchange, message=harmless(problem)))
        query = f"?{urlencode(request.query)}" if request.query else ""
        url = self._endpoint.base_url + request.path + query
        return requests.Request(request.method, url, headers=headers, data=content).prepare()

    def _authorization(self) -> str:
        key, secret = self._credentials
        pair = f"{key.reveal()}:{secret.reveal()}"
        return "Basic " + b64encode(pair.encode("utf-8", "surrogateescape")).decode("ascii")

    def _call(self, request: Request) -> Call:
        read, total = self._deadlines.read, self._deadlines.total
        if request.patience is Patience.SETUP_TESTS:
            read = total = self._deadlines.setup_tests
        return Call(
            self._clock,
            connect=self._deadlines.connect,
            read=read,
            ends_at=self._clock.monotonic() + total,
            fresh_connection=request.method not in READS,
        )

    def _exchanged(
        self, prepared: requests.PreparedRequest, call: Call, exchange: Exchange, revealed: set[str]
    ) -> Answer | ApiError:
        """The answer, or the error to raise in its place."""
        with self._lock:
            self._under_way.append(call)
        try:
            with under(call):
                response = self._sent(prepared, call)
                with closing(response):
                    return self._understood(response, call, exchange, revealed)
        except (requests.RequestException, HTTPError, OSError) as error:
            return _unanswered(error, call, exchange)
        finally:
            with self._lock:
                self._under_way = [each for each in self._under_way if each is not call]
                self._requests_sent += call.sent

    def _sent(self, prepared: requests.PreparedRequest, call: Call) -> requests.Response:
        adapter = self._adapter or self._adapter_of_this_thread()
        # With an adapter that was handed in nobody knows what left: assume that the request did.
        call.sent = self._adapter is not None
        proxies = {"https": self._endpoint.proxy} if self._endpoint.proxy else {}
        return adapter.send(
            prepared,
            stream=True,
            timeout=(call.connect, call.read),
            verify=self._endpoint.ca_bundle or True,
            proxies=proxies,
        )

    def _adapter_of_this_thread(self) -> DeadlineAdapter:
        adapter: DeadlineAdapter | None = getattr(self._own, "adapter", None)
        if adapter is None:
            adapter = self._own.adapter = DeadlineAdapter()
            with self._lock:
                self._adapters.append(adapter)
        return adapter

    def _understood(
        self, response: requests.Response, call: Call, exchange: Exchange, revealed: set[str]
    ) -> Answer | ApiError:
        """Read an answer. One that is not 2xx counts by its status, however its body ends."""
        self.server_clock.hear(response.headers.get("Date"))
        retry_after = seconds_of(response.headers.get("Retry-After"), self._clock.now())
        exchange = replace(
            exchange,
            status=response.status_code,
            request_id=_request_id(response.headers),
            retry_after=retry_after,
            remaining=count_of(response.headers.get("X-Rate-Limit-Remaining")),
        )
        accepted = 200 <= response.status_code < 300
        try:
            envelope = Envelope.model_validate(decoded(self._content(response)))
        except (Undecodable, ValidationError, requests.exceptions.ContentDecodingError) as error:
            envelope, problem = None, _shape_of(error)
        except (requests.RequestException, HTTPError, OSError) as error:
            if accepted:
                return _unanswered(error, call, exchange)
            envelope, problem = None, "the answer was cut short"
        if 300 <= response.status_code < 400:
            problem = "a redirect, and redirects are not followed"
        if envelope is None:
            told = replace(exchange, message=problem)
            return Unintelligible(told) if accepted else rejection(told)
        exchange = replace(
            exchange,
            code=harmless(envelope.code, LONGEST_NAME),
            message=harmless(scrubbed(envelope.message, revealed)),
        )
        if not accepted:
            return rejection(exchange)
        return Answer(exchange, envelope.data) if envelope.code in SUCCESS_CODES else Unintelligible(exchange)

    def _content(self, response: requests.Response) -> bytes:
        """The decoded body, at most `largest_answer` bytes. Raises `Undecodable` beyond."""
        content = bytearray()
        for chunk in response.iter_content(_CHUNK):
            content += chunk
            if len(content) > self._largest_answer:
                raise Undecodable("too large")
        return bytes(content)


def _request_id(headers: Mapping[str, str]) -> str:
    return next((harmless(headers[name], LONGEST_NAME) for name in REQUEST_ID_HEADERS if name in headers), "")


def _shape_of(error: Exception) -> str:
    """What is wrong with a body, without anything of the body."""
    match error:
        case Undecodable():
            return f"the answer is {error}"
        case ValidationError():
            return "the answer is not in the API's envelope"
    return "the answer is compressed wrongly"


def _unanswered(error: Exception, call: Call, exchange: Exchange) -> Unreachable:
    """The error for a call that ended without an answer."""
    root = root_of(error)
    kind = next((kind for kind, causes in _CAUSES if isinstance(root, causes)), Unreachable)
    return kind(replace(exchange, message=reason_of(root, call)), sent=call.sent)


_CAUSES: tuple[tuple[type[Unreachable], tuple[type[Exception], ...]], ...] = (
    (TimedOut, (TimeoutError,)),
    (Unidentified, (socket.gaierror, ssl.SSLCertVerificationError)),
)
