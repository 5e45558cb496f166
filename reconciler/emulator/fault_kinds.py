"""The kinds of faults: when each can strike, and what can be said about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class FaultError(ValueError):
    """A fault that makes no sense: what is wrong, and what to write instead."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")
        self.message = message
        self.advice = advice


class Phase(StrEnum):
    """A moment in the life of a request."""

    AT_ACCEPT = "at-accept"
    BEFORE_EFFECT = "before-effect"
    AFTER_EFFECT = "after-effect"
    MID_HEADERS = "mid-headers"
    MID_BODY = "mid-body"
    AFTER_ANSWER = "after-answer"


PHASE_MEANINGS: Mapping[Phase, str] = MappingProxyType(
    {
        Phase.AT_ACCEPT: "when the connection is made, before anything is read",
        Phase.BEFORE_EFFECT: "the request was read, and nothing is done",
        Phase.AFTER_EFFECT: "the request was carried out, and its answer does not go out",
        Phase.MID_HEADERS: "carried out, and half of the headers go out",
        Phase.MID_BODY: "carried out, and the headers and half of the body go out",
        Phase.AFTER_ANSWER: "carried out and answered in full",
    }
)


class Kind(StrEnum):
    """What happens."""

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
class Traits:
    """What a kind allows. The first phase is the usual one; `numbers` bounds a numeric argument;
    `default` of None makes the argument necessary, and no `argument` name forbids it."""

    meaning: str
    phases: tuple[Phase, ...]
    argument: str = ""
    default: str | None = None
    numbers: tuple[float, float] | None = None
    whole: bool = True
    options: tuple[str, ...] = ()


_WHILE_ANSWERING = (
    Phase.AFTER_EFFECT,
    Phase.BEFORE_EFFECT,
    Phase.MID_HEADERS,
    Phase.MID_BODY,
    Phase.AFTER_ANSWER,
)
_ANYWHERE = (*_WHILE_ANSWERING, Phase.AT_ACCEPT)
_INSTEAD = (Phase.BEFORE_EFFECT, Phase.AFTER_EFFECT)
_ANSWER = (Phase.AFTER_EFFECT,)
_BYTES_INSTEAD = (Phase.AFTER_EFFECT, Phase.BEFORE_EFFECT, Phase.AT_ACCEPT)

TRAITS: Mapping[Kind, Traits] = MappingProxyType(
    {
        Kind.RESET: Traits("the connection is cut with RST", _ANYWHERE),
        Kind.CLOSE: Traits("the connection is closed in good order", _ANYWHERE),
        Kind.HANG: Traits(
            "nothing more comes for so many seconds, then the connection closes",
            _ANYWHERE,
            "SECONDS",
            "60",
            (0, 600),
            whole=False,
        ),
        Kind.DRIP: Traits(
            "the answer comes at so many bytes per second; cut off after `seconds=`",
            (Phase.MID_BODY, Phase.MID_HEADERS),
            "RATE",
            "10",
            (0.1, 1e6),
            whole=False,
            options=("seconds",),
        ),
        Kind.TRUNCATE: Traits("the body ends before its Content-Length", (Phase.MID_BODY,)),
        Kind.GARBAGE: Traits("bytes that are no HTTP", _BYTES_INSTEAD),
        Kind.TLS_GARBAGE: Traits("bytes that look like a broken TLS record", _BYTES_INSTEAD),
        Kind.STATUS: Traits(
            "an error answer; `body=` is envelope, html, text or empty",
            _INSTEAD,
            "CODE",
            None,
            (200, 599),
            options=("code", "message", "retry-after", "body"),
        ),
        Kind.REDIRECT: Traits(
            "a redirect; `to=` is the new address", _INSTEAD, "CODE", "302", (300, 399), options=("to",)
        ),
        Kind.ERROR_CODE: Traits(
            "the status of success with the code of an error", _ANSWER, "CODE", "InternalServerError"
        ),
        Kind.NOT_JSON: Traits("the status of success with a page of HTML", _ANSWER),
        Kind.EMPTY_BODY: Traits("the status of success with no body", _ANSWER),
        Kind.DUPLICATE_KEYS: Traits(
            "keys stand twice in the answer, the second time with another value", _ANSWER
        ),
        Kind.WRONG_TYPES: Traits("every value of the answer has another type", _ANSWER),
        Kind.OTHER_ID: Traits("the answer tells of another object", _ANSWER),
        Kind.GZIP_BOMB: Traits(
            "a small answer that unpacks to so many MiB", _ANSWER, "MIB", "100", (1, 2048)
        ),
        Kind.STALE: Traits(
            "so many reads behind a write answer the state before it", _ANSWER, "READS", "1", (1, 10_000)
        ),
        Kind.MISSING_ITEM: Traits("a list page leaves out its last item", _ANSWER),
        Kind.ITEM_TWICE: Traits("a list page has its last item twice", _ANSWER),
        Kind.CURSOR_LOOP: Traits("a list page leads on to itself, for ever", _ANSWER),
        Kind.EMPTY_PAGE: Traits("a list page is empty and yet leads on", _ANSWER),
        Kind.EMPTY_LIST: Traits("a list is empty", _ANSWER),
    }
)

EFFECT_AFTER = "effect-after"
"""The option of every kind that can strike `before-effect`: the effect comes all the same, so many seconds later."""
EFFECT_AFTER_MEANING = (
    f"{EFFECT_AFTER}=SECONDS behind any before-effect: a write takes effect all the same, so much later"
)
_LATEST_EFFECT = (0.0, 86_400.0)

BODIES = ("envelope", "html", "text", "empty")
"""What the body of a `status` fault can be."""

_DRIP_SECONDS = (0.0, 600.0)

ON_THE_LINE = frozenset(
    {Kind.RESET, Kind.CLOSE, Kind.HANG, Kind.DRIP, Kind.TRUNCATE, Kind.GARBAGE, Kind.TLS_GARBAGE}
)
"""Kinds that happen to the connection. All others are answers."""

ON_LISTS = frozenset({Kind.MISSING_ITEM, Kind.ITEM_TWICE, Kind.CURSOR_LOOP, Kind.EMPTY_PAGE, Kind.EMPTY_LIST})


def argument_of(kind: Kind, written: str) -> str:
    """The argument of a kind, its default where nothing was written. Raises FaultError."""
    traits = TRAITS[kind]
    if not traits.argument:
        if written:
            raise FaultError(
                f"`{kind}` takes nothing more, and there is `{written}`", f"write `{kind}` alone"
            )
        return ""
    if not written and traits.default is None:
        raise FaultError(f"`{kind}` needs a {traits.argument.lower()}", f"write for example `{kind} 503`")
    value = written or traits.default or ""
    if traits.numbers is not None:
        _check_number(f"{kind} ", value, traits.numbers, whole=traits.whole)
    return value


def options_of(kind: Kind) -> tuple[str, ...]:
    """The names of the options that a kind has."""
    traits = TRAITS[kind]
    return (*traits.options, EFFECT_AFTER) if Phase.BEFORE_EFFECT in traits.phases else traits.options


def check_option(kind: Kind, name: str, value: str) -> None:
    """Raise FaultError for an option that a kind does not have, or a value that it cannot have."""
    options = options_of(kind)
    if name not in options:
        known = ", ".join(f"`{each}=`" for each in options)
        raise FaultError(f"`{kind}` has no option `{name}`", f"it has {known or 'none'}")
    if name == "seconds":
        _check_number(f"{kind} ", value, _DRIP_SECONDS, whole=False)
    if name == EFFECT_AFTER:
        _check_number(f"{EFFECT_AFTER}=", value, _LATEST_EFFECT, whole=False)
    if name == "body" and value not in BODIES:
        known = ", ".join(f"`{each}`" for each in BODIES)
        raise FaultError(f"`body={value}` is not possible", f"it can be {known}")


def _check_number(word: str, value: str, bounds: tuple[float, float], *, whole: bool) -> None:
    least, most = bounds
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not least <= number <= most or (whole and not number.is_integer()):
        sort = "a whole number" if whole else "a number"
        raise FaultError(
            f"`{word}{value}` is not possible",
            f"write {sort} from {least:g} to {most:g} behind `{word.strip()}`",
        )
