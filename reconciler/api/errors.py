"""What can go wrong between a call and its answer.

    ApiError
    ├── Unsendable          the call was refused on this side; nothing was sent
    ├── Withdrawn           the run is ending; the call was not sent
    ├── Unreachable         no answer came; `.sent` says whether the request left
    │   ├── TimedOut        … because a deadline passed
    │   └── Unidentified    … because the name is not known, or who answers there is not trusted
    ├── Rejected            an answer other than 2xx
    │   ├── Redirected      3xx; never followed
    │   ├── BadRequest      400
    │   ├── Unauthorized    401
    │   ├── Forbidden       403
    │   ├── NotFound        404 with a code that starts with `NotFound`
    │   ├── Conflict        409
    │   ├── RateLimited     429
    │   └── ServerFault     5xx
    └── Unintelligible      2xx, but not an answer that can be understood

The HTTP status decides first, then the prefix of the code; the wording of a message never does.
A 404 without such a code is a plain `Rejected`: it says that the address is wrong (a gateway, a
mistyped base URL), not that an object is absent.

Errors hold no bodies, no headers and no query strings, and they are never raised *from* an error
of the HTTP library, since those hold the request with its credentials.
"""

# ruff: noqa: N818 - outcomes of a call; `except NotFound` reads better than `except NotFoundError`

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
    """Which call it was and what came back of it. Texts are neutralised and bounded already.

    `server` is scheme, host and port; `path` has no query. `status` is None where no answer came;
    `retry_after` is in seconds; `remaining` is how many calls the account has left, None where the answer
    did not say. `in_doubt`: an earlier attempt of the same call may have taken effect.
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


class ApiError(Exception):
    """A call that brought no usable answer."""

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
        """Server and path: what a browser would be pointed at."""
        return self.exchange.server + self.exchange.path

    @property
    def status(self) -> int | None:
        """The HTTP status; None where no answer came."""
        return self.exchange.status

    @property
    def code(self) -> str:
        """The API's own code, `NotFound_Group` for example; empty where there is none."""
        return self.exchange.code

    @property
    def message(self) -> str:
        """What the API said, or what is wrong in our words; one line without control characters."""
        return self.exchange.message

    @property
    def request_id(self) -> str:
        """The id that the server gave to the request; empty where it gave none."""
        return self.exchange.request_id

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait, not bounded; None where it did not say."""
        return self.exchange.retry_after

    @property
    def is_write(self) -> bool:
        """Whether the call was one that changes something."""
        return self.method not in READ_METHODS

    @property
    def is_ambiguous(self) -> bool:
        """Whether the call may have changed something although it failed: look before trying again."""
        return self.exchange.is_ambiguous

    def mark_ambiguous(self) -> None:
        """An earlier attempt of the same call may have taken effect, whatever became of the last one."""
        self.exchange = replace(self.exchange, is_ambiguous=True)

    def __str__(self) -> str:
        status = " ".join(str(part) for part in (self.status, self.code) if part)
        text = ": ".join(part for part in (f"{self.method} {self.path}", status, self.message) if part)
        return f"{text} (request {self.request_id})" if self.request_id else text


class InvalidRequestError(ApiError):
    """The call was refused on this side: a bad id, or a value that JSON cannot carry. Nothing was sent."""


class Cancelled(ApiError):
    """The run is ending, and the call had to wait for its turn: it was not sent."""


class Unreachable(ApiError):
    """No answer came.

    `sent` is False where it is certain that the request did not leave (name not resolved,
    connection refused, TLS handshake failed, proxy refused): a repeat is safe. With True the
    server may have carried it out.
    """

    def __init__(self, exchange: Exchange, *, sent: bool) -> None:
        super().__init__(exchange)
        self.sent = sent

    @property
    def is_ambiguous(self) -> bool:
        """A write that left and got no answer."""
        return super().is_ambiguous or (self.is_write and self.sent)


class Timeout(Unreachable):
    """A deadline passed: connecting, waiting for the next byte, or the call as a whole."""


class ServerUnverified(Unreachable):
    """The host name cannot be resolved, or the certificate is not trusted. Seldom passes by itself."""


class RejectedError(ApiError):
    """The API, or something before it, answered with a status other than 2xx."""


class Redirected(RejectedError):
    """3xx. Redirects are never followed: the credentials belong to the base URL alone."""


class BadRequest(RejectedError):
    """400: the body was refused."""


class Unauthorized(RejectedError):
    """401: the key or the secret is wrong. Every further call would end the same."""


class Forbidden(RejectedError):
    """403: the key may not do this."""


class NotFound(RejectedError):
    """404 with a `NotFound…` code: the object does not exist."""


class Conflict(RejectedError):
    """409: the state of the object does not allow the call."""


class RateLimited(RejectedError):
    """429: too many calls; `retry_after` says for how long to pause."""


class ServerError(RejectedError):
    """5xx, also from a gateway: what became of a write is not known."""

    @property
    def is_ambiguous(self) -> bool:
        """A gateway gives up while the server behind it goes on."""
        return self.is_write


class InvalidResponseError(ApiError):
    """2xx, but not JSON, not the API's envelope, of wrong types, or about another object."""

    @property
    def is_ambiguous(self) -> bool:
        """A write that was accepted by someone."""
        return self.is_write


_ERRORS_BY_STATUS: dict[int, type[RejectedError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    409: Conflict,
    429: RateLimited,
}


def error_for_status(exchange: Exchange) -> RejectedError:
    """The error for an answer whose status is not 2xx."""
    status = exchange.status or 0
    if status == 404 and exchange.code.startswith("NotFound"):
        return NotFound(exchange)
    if 300 <= status < 400:
        return Redirected(exchange)
    if status >= 500:
        return ServerError(exchange)
    return _ERRORS_BY_STATUS.get(status, RejectedError)(exchange)


def sanitize(text: object, max_length: int = MAX_MESSAGE_LENGTH) -> str:
    """Foreign text as one bounded line: no control, bidi, zero-width or surrogate characters.

    Anything but a string becomes the empty string, since servers put objects where texts belong.
    """
    if not isinstance(text, str):
        return ""
    line = " ".join(text[: max_length * 4].split())
    printable = "".join(character if character.isprintable() else "\ufffd" for character in line)
    return printable if len(printable) <= max_length else printable[: max_length - 1] + "…"


def parse_retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds meant by a `Retry-After` header: a number, or a date that is compared with `now`.

    Negative numbers and past dates are 0, `LONGEST_WAIT` is the most. Absent, or neither a number nor
    a date: None.
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
    """Calls meant by an `X-Rate-Limit-Remaining` header. Absent, or no whole number of sane length: None."""
    text = (header or "").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else None
