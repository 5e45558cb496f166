"""Define the errors of requests, one type for each way in which a request can fail.

    ApiError
    ├── InvalidRequestError     the client refused the request; nothing was sent
    ├── Cancelled               the run is ending; the request was not sent
    ├── BudgetSpent             the run may send no more requests; the request was not sent
    ├── Unreachable             no response; `.sent` says whether the request left
    │   ├── Timeout             … because a deadline passed
    │   └── ServerUnverified    … because the name is unknown, or the server is not trusted
    │       └── CertificateUntrusted    … because of its certificate
    ├── RejectedError           a response other than 2xx
    │   ├── Redirected          3xx; never followed
    │   ├── BadRequest          400
    │   ├── Unauthorized        401
    │   ├── Forbidden           403
    │   ├── NotFound            404 with a code that starts with `NotFound`
    │   ├── Conflict            409
    │   ├── RateLimited         429
    │   └── ServerError         5xx
    └── InvalidResponseError    2xx, but no valid response

The HTTP status decides first, then the prefix of the code; the wording of a message never does. A 404 without
such a code is a plain `RejectedError`: the address is wrong (a gateway, a mistyped base URL), not the object
absent.

Errors hold no bodies, no headers and no query strings, and they are never raised *from* an error of the HTTP
library, since such errors hold the request with its credentials.
"""

# ruff: noqa: N818 - outcomes of a request; `except NotFound` reads better with no suffix

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

READ_METHODS = frozenset({"GET", "HEAD"})

MAX_MESSAGE_LENGTH = 500
MAX_NAME_LENGTH = 100
MAX_RETRY_AFTER = 1e9  # seconds; keeps endless numbers from becoming infinity


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the facts of its response. Texts are sanitized and bounded.

    `server` is scheme, host and port; `path` has no query. `status` is None without a response. `retry_after`
    is in seconds. `remaining` is the number of requests that the account has left, None if the response does
    not report it. `is_ambiguous` is true if an earlier attempt of the same request may have taken effect,
    `precedes_write` if the request was a read for a write that was not sent then.
    """

    method: str
    path: str
    server: str = ""
    status: int | None = None
    code: str = ""
    message: str = ""
    request_id: str = ""
    retry_after: float | None = None
    remaining: int | None = None
    is_ambiguous: bool = False
    precedes_write: bool = False


class ApiError(Exception):
    """A request without a usable response."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        super().__init__(exchange)

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.exchange.method

    @property
    def path(self) -> str:
        """The path on the server, without the query."""
        return self.exchange.path

    @property
    def address(self) -> str:
        """Server and path, as a browser would open them."""
        return self.exchange.server + self.exchange.path

    @property
    def status(self) -> int | None:
        """The HTTP status, None without a response."""
        return self.exchange.status

    @property
    def code(self) -> str:
        """The API's own code, such as `NotFound_Group`; empty if there is none."""
        return self.exchange.code

    @property
    def message(self) -> str:
        """The API's message, or the client's description of the problem, in one printable line."""
        return self.exchange.message

    @property
    def request_id(self) -> str:
        """The server's id of the request; empty if there is none."""
        return self.exchange.request_id

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks the client to wait, not bounded; None if it asks for no wait."""
        return self.exchange.retry_after

    @property
    def is_write(self) -> bool:
        """Whether the request may change something."""
        return self.method not in READ_METHODS

    @property
    def is_ambiguous(self) -> bool:
        """Whether the failed request may have taken effect: read before trying again."""
        return self.exchange.is_ambiguous

    def mark_ambiguous(self) -> None:
        """Record that an earlier attempt may have taken effect, for any outcome of the last attempt."""
        self.exchange = replace(self.exchange, is_ambiguous=True)

    @property
    def precedes_write(self) -> bool:
        """Whether a read failed that a write needed, so that the write was not sent."""
        return self.exchange.precedes_write

    def mark_before_write(self) -> None:
        """Record that the request was a read for a write that is not sent now."""
        self.exchange = replace(self.exchange, precedes_write=True)

    def __str__(self) -> str:
        status = " ".join(str(part) for part in (self.status, self.code) if part)
        text = ": ".join(part for part in (f"{self.method} {self.path}", status, self.message) if part)
        return f"{text} (request {self.request_id})" if self.request_id else text


class InvalidRequestError(ApiError):
    """The client refused the request: an invalid id, or a value that JSON cannot carry. Nothing was sent."""


class Cancelled(ApiError):
    """The run is ending while the request waits for its turn: it was not sent."""


class BudgetSpent(ApiError):
    """The run has sent all requests that it may send: this request was not sent."""


class Unreachable(ApiError):
    """The request got no response.

    `sent` is False if the request certainly did not leave (name not resolved, connection refused, TLS
    handshake failed, proxy refused): a repeat is safe. With True the server may have executed the request.
    """

    def __init__(self, exchange: Exchange, *, sent: bool) -> None:
        super().__init__(exchange)
        self.sent = sent

    @property
    def is_ambiguous(self) -> bool:
        """Whether a write left without a response."""
        return super().is_ambiguous or (self.is_write and self.sent)


class Timeout(Unreachable):
    """A deadline passed: to connect, to wait for the next byte, or for the request in total."""


class ServerUnverified(Unreachable):
    """The host name cannot be resolved, or the certificate is not trusted. A repeat seldom helps."""


class CertificateUntrusted(ServerUnverified):
    """No known authority has signed the certificate of the server, or it is for another host or another time."""


class RejectedError(ApiError):
    """The API, or a proxy before it, responded with a status other than 2xx."""


class Redirected(RejectedError):
    """3xx. Redirects are never followed: the credentials belong to the base URL alone."""


class BadRequest(RejectedError):
    """400: the body is invalid."""


class Unauthorized(RejectedError):
    """401: the key or the secret is wrong. Every further request would fail too."""


class Forbidden(RejectedError):
    """403: the key lacks the permission."""


class NotFound(RejectedError):
    """404 with a `NotFound…` code: the object does not exist."""


class Conflict(RejectedError):
    """409: the state of the object forbids the request."""


class RateLimited(RejectedError):
    """429: too many requests. `retry_after` is the pause in seconds."""


class ServerError(RejectedError):
    """5xx, also from a gateway. The outcome of a write is unknown."""

    @property
    def is_ambiguous(self) -> bool:
        """Whether the request is a write: a gateway gives up while the server behind it continues."""
        return self.is_write


class InvalidResponseError(ApiError):
    """2xx, but not JSON, not the API's envelope, of wrong types, or about another object."""

    @property
    def is_ambiguous(self) -> bool:
        """Whether the request is a write, which some server has accepted."""
        return self.is_write


_ERRORS_BY_STATUS: dict[int, type[RejectedError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    409: Conflict,
    429: RateLimited,
}


def error_for_status(exchange: Exchange) -> RejectedError:
    """Build the error of a response whose status is not 2xx."""
    status = exchange.status or 0
    if status == 404 and exchange.code.startswith("NotFound"):
        return NotFound(exchange)
    if 300 <= status < 400:
        return Redirected(exchange)
    if status >= 500:
        return ServerError(exchange)
    return _ERRORS_BY_STATUS.get(status, RejectedError)(exchange)


def sanitize(text: object, max_length: int = MAX_MESSAGE_LENGTH) -> str:
    """Sanitize foreign text to one bounded line, without control, bidi, zero-width or surrogate characters.

    Any value but a string becomes the empty string, since some servers put objects in place of texts.
    """
    if not isinstance(text, str):
        return ""
    # Cut before splitting, so that a text of megabytes is not scanned as a whole.
    line = " ".join(text[: max_length * 4].split())
    printable = "".join(character if character.isprintable() else "\ufffd" for character in line)
    return printable if len(printable) <= max_length else printable[: max_length - 1] + "…"


def parse_retry_after(header: str | None, now: datetime) -> float | None:
    """Parse a `Retry-After` header into seconds: a number, or a date relative to `now`.

    Negative numbers and past dates are 0, the maximum is `MAX_RETRY_AFTER`. None for a missing or invalid
    header.
    """
    if header is None:
        return None
    text = header.strip()
    if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]*)?", text):
        return min(max(0.0, float(text)), MAX_RETRY_AFTER)
    try:
        retry_at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if retry_at.tzinfo is None:
        retry_at = retry_at.replace(tzinfo=UTC)
    return min(max(0.0, (retry_at - now).total_seconds()), MAX_RETRY_AFTER)


def parse_count(header: str | None) -> int | None:
    """Parse an `X-Rate-Limit-Remaining` header. None for a missing header or an implausible number."""
    text = (header or "").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else None
