"""JSON on its way out and in, with bounds. Secrets in bodies become clear text here."""

# ruff: noqa: N818 - named like the errors of this layer

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.model.value import MASKED_IN_OUTPUT, Secret, dotted

DEEPEST = 64
LONGEST_INTEGER = 64  # bits
SHORTEST_SCRUBBED = 5

LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Unencodable(ValueError):
    """A value that JSON or UTF-8 cannot carry. Its text names the place, never the value."""


class Undecodable(ValueError):
    """Bytes that are not the JSON of a sane server."""


def encoded(body: Mapping[str, Any], revealed: set[str]) -> bytes:
    """The body as UTF-8 JSON. The clear texts of its secrets are added to `revealed`.

    Raises `Unencodable`.
    """
    return json.dumps(_clear(body, (), revealed), ensure_ascii=False, allow_nan=False).encode("utf-8")


def _clear(value: Any, place: tuple[str, ...], revealed: set[str]) -> Any:
    """Plain data with its secrets in clear, checked here so that serialising it cannot fail: the
    errors of `json` and `str.encode` hold the whole body."""
    if len(place) > DEEPEST:
        raise Unencodable(f"`{place[0]}` is nested too deep")
    match value:
        case Secret():
            clear = value.reveal()
            revealed.update(_texts(clear))
            return _clear(clear, place, revealed)
        case str():
            return _text(value, place)
        case None | bool() | int() | float() if _is_plain(value):
            return value
        case Mapping():
            return {_text(key, place): _clear(each, (*place, key), revealed) for key, each in value.items()}
        case list() | tuple():
            return [_clear(each, (*place, str(number)), revealed) for number, each in enumerate(value)]
    kind = "number out of range" if isinstance(value, int | float) else type(value).__name__
    raise Unencodable(f"`{_dotted(place)}` is a {kind}, which cannot be sent as JSON")


def _is_plain(value: bool | int | float | None) -> bool:
    """Whether a value other than a text is one that JSON and its readers know."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or value.bit_length() <= LONGEST_INTEGER


def _text(value: Any, place: tuple[str, ...]) -> str:
    if not isinstance(value, str):
        raise Unencodable(f"a key below `{_dotted(place)}` is not a text")
    if LONE_SURROGATE.search(value):
        raise Unencodable(f"`{_dotted(place)}` holds half a surrogate pair, which cannot be sent")
    return value


def _dotted(place: tuple[str, ...]) -> str:
    return dotted(place) or "body"


def _texts(clear: Any) -> Iterator[str]:
    """Every text inside a clear value."""
    match clear:
        case str():
            yield clear
        case Mapping():
            for each in clear.values():
                yield from _texts(each)
        case list() | tuple():
            for each in clear:
                yield from _texts(each)


def scrubbed(text: Any, revealed: Iterable[str]) -> Any:
    """An API message without the secrets that the request held, in case the server quotes them.

    Very short ones stay, since their letters occur in ordinary words.
    """
    if not isinstance(text, str):
        return text
    for secret in sorted(revealed, key=len, reverse=True):
        if len(secret) >= SHORTEST_SCRUBBED:
            text = text.replace(secret, MASKED_IN_OUTPUT)
    return text


def decoded(body: bytes) -> Any:
    """The data of a JSON text.

    Raises `Undecodable` on anything but UTF-8 JSON, on a key that occurs twice in one object (which
    of the two would count?), on NaN and on absurd depth. Halves of surrogate pairs, which JSON can
    carry and no output can, become U+FFFD.
    """
    try:
        text = body.decode("utf-8")
        data = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise Undecodable("nested too deep") from None
    except Undecodable:
        raise
    except ValueError:
        raise Undecodable("not JSON") from None
    if _is_deeper_than(data, DEEPEST):
        raise Undecodable("nested too deep")
    return _well_formed(data) if "\\ud" in text or "\\uD" in text else data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Undecodable("a key occurs twice in one object")
    return found


def _constant(name: str) -> Any:
    raise Undecodable(f"{name} is not JSON")


def _is_deeper_than(data: Any, bound: int) -> bool:
    level = [data]
    for _ in range(bound):
        level = [child for each in level for child in _children(each)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _well_formed(value: Any) -> Any:
    match value:
        case str():
            return LONE_SURROGATE.sub("\ufffd", value)
        case dict():
            return {_well_formed(key): _well_formed(each) for key, each in value.items()}
        case list():
            return [_well_formed(each) for each in value]
    return value
