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

READS = frozenset({"GET", "HEAD"})

LONGEST_MESSAGE = 500
LONGEST_NAME = 100
LONGEST_WAIT = 1e9  # seconds; keeps endless numbers from becoming infinity


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
    in_doubt: bool = False


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
        return self.method not in READS

    @property
    def may_have_taken_effect(self) -> bool:
        """Whether the call may have changed something although it failed: look before trying again."""
        return self.exchange.in_doubt

    def put_in_doubt(self) -> None:
        """An earlier attempt of the same call may have taken effect, whatever became of the last one."""
        self.exchange = replace(self.exchange, in_doubt=True)

    def __str__(self) -> str:
        answer = " ".join(str(part) for part in (self.status, self.code) if part)
        told = ": ".join(part for part in (f"{self.method} {self.path}", answer, self.message) if part)
        return f"{told} (request {self.request_id})" if self.request_id else told


class Unsendable(ApiError):
    """The call was refused on this side: a bad id, or a value that JSON cannot carry. Nothing was sent."""


class Withdrawn(ApiError):
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
    def may_have_taken_effect(self) -> bool:
        """A write that left and got no answer."""
        return super().may_have_taken_effect or (self.is_write and self.sent)


class TimedOut(Unreachable):
    """A deadline passed: connecting, waiting for the next byte, or the call as a whole."""


class Unidentified(Unreachable):
    """The host name cannot be resolved, or the certificate is not trusted. Seldom passes by itself."""


class Rejected(ApiError):
    """The API, or something before it, answered with a status other than 2xx."""


class Redirected(Rejected):
    """3xx. Redirects are never followed: the credentials belong to the base URL alone."""


class BadRequest(Rejected):
    """400: the body was refused."""


class Unauthorized(Rejected):
    """401: the key or the secret is wrong. Every further call would end the same."""


class Forbidden(Rejected):
    """403: the key may not do this."""


class NotFound(Rejected):
    """404 with a `NotFound…` code: the object does not exist."""


class Conflict(Rejected):
    """409: the state of the object does not allow the call."""


class RateLimited(Rejected):
    """429: too many calls; `retry_after` says for how long to pause."""


class ServerFault(Rejected):
    """5xx, also from a gateway: what became of a write is not known."""

    @property
    def may_have_taken_effect(self) -> bool:
        """A gateway gives up while the server behind it goes on."""
        return self.is_write


class Unintelligible(ApiError):
    """2xx, but not JSON, not the API's envelope, of wrong types, or about another object."""

    @property
    def may_have_taken_effect(self) -> bool:
        """A write that was accepted by someone."""
        return self.is_write


_BY_STATUS: dict[int, type[Rejected]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    409: Conflict,
    429: RateLimited,
}


def rejection(exchange: Exchange) -> Rejected:
    """The error for an answer whose status is not 2xx."""
    status = exchange.status or 0
    if status == 404 and exchange.code.startswith("NotFound"):
        return NotFound(exchange)
    if 300 <= status < 400:
        return Redirected(exchange)
    if status >= 500:
        return ServerFault(exchange)
    return _BY_STATUS.get(status, Rejected)(exchange)


def harmless(text: object, longest: int = LONGEST_MESSAGE) -> str:
    """Foreign text as one bounded line: no control, bidi, zero-width or surrogate characters.

    Anything but a string becomes the empty string, since servers put objects where texts belong.
    """
    if not isinstance(text, str):
        return ""
    line = " ".join(text[: longest * 4].split())
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in line)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def seconds_of(retry_after: str | None, now: datetime) -> float | None:
    """Seconds meant by a `Retry-After` header: a number, or a date that is compared with `now`.

    Negative numbers and past dates are 0, `LONGEST_WAIT` is the most. Absent, or neither a number nor
    a date: None.
    """
    if retry_after is None:
        return None
    text = retry_after.strip()
    if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]*)?", text):
        return min(max(0.0, float(text)), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), LONGEST_WAIT)


def count_of(remaining: str | None) -> int | None:
    """Calls meant by an `X-Rate-Limit-Remaining` header. Absent, or no whole number of sane length: None."""
    text = (remaining or "").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else None
