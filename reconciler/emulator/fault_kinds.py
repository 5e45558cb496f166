"""Kinds of faults: their phases, arguments and options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class FaultError(ValueError):
    """Error of an invalid fault. `message` names the error, `advice` the repair."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")
        self.message = message
        self.advice = advice


class Phase(StrEnum):
    """Moment of a request at which a fault strikes."""

    AT_ACCEPT = "at-accept"
    BEFORE_EFFECT = "before-effect"
    AFTER_EFFECT = "after-effect"
    MID_HEADERS = "mid-headers"
    MID_BODY = "mid-body"
    AFTER_ANSWER = "after-answer"


PHASE_MEANINGS: Mapping[Phase, str] = MappingProxyType(
    {
        Phase.AT_ACCEPT: "the connection is made, and no request was read",
        Phase.BEFORE_EFFECT: "the request was read, and has no effect",
        Phase.AFTER_EFFECT: "the request took effect, and its response is not sent",
        Phase.MID_HEADERS: "the request took effect, and half of the headers are sent",
        Phase.MID_BODY: "the request took effect, and the headers and half of the body are sent",
        Phase.AFTER_ANSWER: "the request took effect, and the whole response is sent",
    }
)


class FaultKind(StrEnum):
    """Kind of a fault."""

    RESET = "reset"
    CLOSE = "close"
    HANG = "hang"
    DRIP = "drip"
    TRUNCATE = "truncate"
    GARBAGE = "garbage"
    TLS_GARBAGE = "tls-garbage"
    STATUS = "status"
    REDIRECT = "redirect"
    ERROR_CODE = "error-code"
    NOT_JSON = "not-json"
    EMPTY_BODY = "empty-body"
    DUPLICATE_KEYS = "duplicate-keys"
    WRONG_TYPES = "wrong-types"
    OTHER_ID = "other-id"
    GZIP_BOMB = "gzip-bomb"
    STALE = "stale"
    MISSING_ITEM = "missing-item"
    ITEM_TWICE = "item-twice"
    CURSOR_LOOP = "cursor-loop"
    EMPTY_PAGE = "empty-page"
    EMPTY_LIST = "empty-list"


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """Phases, argument and options that a kind of fault allows.

    The first phase is the default. `numbers` bounds a numeric argument. A kind with an empty `argument` takes no
    argument; `default` of None makes the argument mandatory.
    """

    meaning: str
    phases: tuple[Phase, ...]
    argument: str = ""
    default: str | None = None
    numbers: tuple[float, float] | None = None
    is_integer: bool = True
    options: tuple[str, ...] = ()


_RESPONSE_PHASES = (
    Phase.AFTER_EFFECT,
    Phase.BEFORE_EFFECT,
    Phase.MID_HEADERS,
    Phase.MID_BODY,
    Phase.AFTER_ANSWER,
)
_ALL_PHASES = (*_RESPONSE_PHASES, Phase.AT_ACCEPT)
_REPLACEMENT_PHASES = (Phase.BEFORE_EFFECT, Phase.AFTER_EFFECT)
_BODY_PHASES = (Phase.AFTER_EFFECT,)
_RAW_BYTES_PHASES = (Phase.AFTER_EFFECT, Phase.BEFORE_EFFECT, Phase.AT_ACCEPT)

FAULT_SPECS: Mapping[FaultKind, FaultSpec] = MappingProxyType(
    {
        FaultKind.RESET: FaultSpec("the connection is cut with RST", _ALL_PHASES),
        FaultKind.CLOSE: FaultSpec("the connection is closed with FIN", _ALL_PHASES),
        FaultKind.HANG: FaultSpec(
            "no byte is sent for this number of seconds, then the connection is closed",
            _ALL_PHASES,
            "SECONDS",
            "60",
            (0, 600),
            is_integer=False,
        ),
        FaultKind.DRIP: FaultSpec(
            "the response is sent at this rate in bytes per second, and cut off after `seconds=`",
            (Phase.MID_BODY, Phase.MID_HEADERS),
            "RATE",
            "10",
            (0.1, 1e6),
            is_integer=False,
            options=("seconds",),
        ),
        FaultKind.TRUNCATE: FaultSpec("the body ends before its Content-Length", (Phase.MID_BODY,)),
        FaultKind.GARBAGE: FaultSpec("bytes that are no HTTP", _RAW_BYTES_PHASES),
        FaultKind.TLS_GARBAGE: FaultSpec("bytes that look like a broken TLS record", _RAW_BYTES_PHASES),
        FaultKind.STATUS: FaultSpec(
            "an error response; `body=` is envelope, html, text or empty",
            _REPLACEMENT_PHASES,
            "CODE",
            None,
            (200, 599),
            options=("code", "message", "retry-after", "body"),
        ),
        FaultKind.REDIRECT: FaultSpec(
            "a redirect; `to=` is the new address",
            _REPLACEMENT_PHASES,
            "CODE",
            "302",
            (300, 399),
            options=("to",),
        ),
        FaultKind.ERROR_CODE: FaultSpec(
            "the status of success with the code of an error", _BODY_PHASES, "CODE", "InternalServerError"
        ),
        FaultKind.NOT_JSON: FaultSpec("the status of success with a page of HTML", _BODY_PHASES),
        FaultKind.EMPTY_BODY: FaultSpec("the status of success with no body", _BODY_PHASES),
        FaultKind.DUPLICATE_KEYS: FaultSpec(
            "the response has each key twice, the second time with another value", _BODY_PHASES
        ),
        FaultKind.WRONG_TYPES: FaultSpec("every value of the response has another type", _BODY_PHASES),
        FaultKind.OTHER_ID: FaultSpec("the response has the id of another object", _BODY_PHASES),
        FaultKind.GZIP_BOMB: FaultSpec(
            "a small response that unpacks to this number of MiB", _BODY_PHASES, "MIB", "100", (1, 2048)
        ),
        FaultKind.STALE: FaultSpec(
            "this number of reads after a write show the state before the write",
            _BODY_PHASES,
            "READS",
            "1",
            (1, 10_000),
        ),
        FaultKind.MISSING_ITEM: FaultSpec("a list page lacks its last item", _BODY_PHASES),
        FaultKind.ITEM_TWICE: FaultSpec("a list page has its last item twice", _BODY_PHASES),
        FaultKind.CURSOR_LOOP: FaultSpec("the cursor of a list page leads to the same page", _BODY_PHASES),
        FaultKind.EMPTY_PAGE: FaultSpec("a list page is empty, but has a cursor", _BODY_PHASES),
        FaultKind.EMPTY_LIST: FaultSpec("a list is empty", _BODY_PHASES),
    }
)

EFFECT_AFTER = "effect-after"
"""Option of every kind that can strike `before-effect`: the request takes effect late, by this many seconds."""
EFFECT_AFTER_MEANING = (
    f"{EFFECT_AFTER}=SECONDS after any before-effect: a write still takes effect, SECONDS later"
)
_EFFECT_DELAY_BOUNDS = (0.0, 86_400.0)

BODY_FORMS = ("envelope", "html", "text", "empty")
"""Forms of the body of a `status` fault."""

_DRIP_BOUNDS = (0.0, 600.0)

CONNECTION_FAULTS = frozenset(
    {
        FaultKind.RESET,
        FaultKind.CLOSE,
        FaultKind.HANG,
        FaultKind.DRIP,
        FaultKind.TRUNCATE,
        FaultKind.GARBAGE,
        FaultKind.TLS_GARBAGE,
    }
)
"""Kinds that break the connection. All other kinds change the response."""

LIST_FAULTS = frozenset(
    {
        FaultKind.MISSING_ITEM,
        FaultKind.ITEM_TWICE,
        FaultKind.CURSOR_LOOP,
        FaultKind.EMPTY_PAGE,
        FaultKind.EMPTY_LIST,
    }
)


def resolve_argument(kind: FaultKind, text: str) -> str:
    """Resolve the argument of a kind: the text, or the kind's default for an empty text.

    Raises FaultError.
    """
    spec = FAULT_SPECS[kind]
    if not spec.argument:
        if text:
            raise FaultError(f"`{kind}` takes no argument, not `{text}`", f"write `{kind}` alone")
        return ""
    if not text and spec.default is None:
        raise FaultError(f"`{kind}` needs a {spec.argument.lower()}", f"write for example `{kind} 503`")
    value = text or spec.default or ""
    if spec.numbers is not None:
        _check_number(f"{kind} ", value, spec.numbers, is_integer=spec.is_integer)
    return value


def list_options(kind: FaultKind) -> tuple[str, ...]:
    """List the names of a kind's options."""
    spec = FAULT_SPECS[kind]
    return (*spec.options, EFFECT_AFTER) if Phase.BEFORE_EFFECT in spec.phases else spec.options


def check_option(kind: FaultKind, name: str, value: str) -> None:
    """Check an option of a kind and its value. Raises FaultError."""
    options = list_options(kind)
    if name not in options:
        known = ", ".join(f"`{option}=`" for option in options)
        raise FaultError(f"`{kind}` has no option `{name}`", f"it has {known or 'none'}")
    if name == "seconds":
        _check_number(f"{kind} ", value, _DRIP_BOUNDS, is_integer=False)
    if name == EFFECT_AFTER:
        _check_number(f"{EFFECT_AFTER}=", value, _EFFECT_DELAY_BOUNDS, is_integer=False)
    if name == "body" and value not in BODY_FORMS:
        known = ", ".join(f"`{form}`" for form in BODY_FORMS)
        raise FaultError(f"`body={value}` is not possible", f"it can be {known}")


def _check_number(prefix: str, value: str, bounds: tuple[float, float], *, is_integer: bool) -> None:
    minimum, maximum = bounds
    try:
        number = float(value)
    except ValueError:
        # NaN fails every comparison below, so a text that is no number is refused like a number out of
        # bounds.
        number = math.nan
    if not minimum <= number <= maximum or (is_integer and not number.is_integer()):
        noun = "a whole number" if is_integer else "a number"
        raise FaultError(
            f"`{prefix}{value}` is not possible",
            f"write {noun} from {minimum:g} to {maximum:g} after `{prefix.strip()}`",
        )
