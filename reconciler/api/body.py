"""Encode and decode JSON bodies, with bounds. Secrets become clear text here."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.model.redaction import Redactor
from reconciler.model.value import MASKED_IN_OUTPUT, Secret, format_path

MAX_DEPTH = 64
MAX_INTEGER_BITS = 64
MIN_REDACTED_LENGTH = 5

LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


class EncodeError(ValueError):
    """JSON or UTF-8 cannot carry a value. The text names the path of the value, never the value."""


class DecodeError(ValueError):
    """Bytes of a response are no acceptable JSON."""


def encode(body: Mapping[str, Any], clear_texts: set[str]) -> bytes:
    """Encode a body as UTF-8 JSON.

    Adds the clear texts of its secrets to `clear_texts`. Raises EncodeError.
    """
    return json.dumps(_to_plain_data(body, (), clear_texts), ensure_ascii=False, allow_nan=False).encode(
        "utf-8"
    )


def _to_plain_data(value: Any, path: tuple[str, ...], clear_texts: set[str]) -> Any:
    """Convert a value to plain data with its secrets in clear.

    All checks happen here, so that serialising cannot fail: errors of `json` and `str.encode` hold the whole
    body.
    """
    if len(path) > MAX_DEPTH:
        raise EncodeError(f"`{path[0]}` is nested too deep")
    match value:
        case Secret():
            clear = value.reveal()
            clear_texts.update(_iterate_texts(clear))
            return _to_plain_data(clear, path, clear_texts)
        case str():
            return _check_text(value, path)
        case None | bool() | int() | float() if _is_plain(value):
            return value
        case Mapping():
            return {
                _check_text(key, path): _to_plain_data(child, (*path, key), clear_texts)
                for key, child in value.items()
            }
        case list() | tuple():
            return [
                _to_plain_data(child, (*path, str(index)), clear_texts) for index, child in enumerate(value)
            ]
    kind = "number out of range" if isinstance(value, int | float) else type(value).__name__
    raise EncodeError(f"`{_describe_path(path)}` is a {kind}, which cannot be sent as JSON")


def _is_plain(value: bool | int | float | None) -> bool:
    """Check whether JSON and its readers can carry a number, a truth value or None."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or value.bit_length() <= MAX_INTEGER_BITS


def _check_text(value: Any, path: tuple[str, ...]) -> str:
    if not isinstance(value, str):
        raise EncodeError(f"a key below `{_describe_path(path)}` is not a text")
    if LONE_SURROGATE.search(value):
        raise EncodeError(f"`{_describe_path(path)}` holds half a surrogate pair, which cannot be sent")
    return value


def _describe_path(path: tuple[str, ...]) -> str:
    return format_path(path) or "body"


def _iterate_texts(value: Any) -> Iterator[str]:
    """Yield every text inside a clear value."""
    match value:
        case str():
            yield value
        case Mapping():
            for child in value.values():
                yield from _iterate_texts(child)
        case list() | tuple():
            for child in value:
                yield from _iterate_texts(child)


def redact(text: Any, clear_texts: Iterable[str]) -> Any:
    """Redact the secrets of a request from an API message, in case the server quotes them as they are.

    Very short secrets stay, since their letters occur in ordinary words.
    """
    if not isinstance(text, str):
        return text
    # Longest first: a secret that contains another secret must not leave its rest behind.
    for secret in sorted(clear_texts, key=len, reverse=True):
        if len(secret) >= MIN_REDACTED_LENGTH:
            text = text.replace(secret, MASKED_IN_OUTPUT)
    return text


def redact_setup_tests(data: Any, redactor: Redactor, clear_texts: Iterable[str]) -> Any:
    """Redact known secrets from the setup tests of a response. All other data decides, so it stays as it is."""
    if not isinstance(data, dict) or not isinstance(data.get("setup_tests"), list):
        return data
    return {
        **data,
        "setup_tests": [_redact_test(test, redactor, clear_texts) for test in data["setup_tests"]],
    }


def _redact_test(test: Any, redactor: Redactor, clear_texts: Iterable[str]) -> Any:
    redacted = redactor.redact_all(test)
    if not isinstance(redacted, dict):
        return redacted
    return (
        {**redacted, "message": redact(redacted["message"], clear_texts)}
        if "message" in redacted
        else redacted
    )


def decode(body: bytes) -> Any:
    """Decode a JSON text.

    Raises DecodeError for bytes that are no UTF-8 JSON, for a key that occurs twice in an object (readers
    would disagree on its value), for NaN and for excessive depth. Halves of surrogate pairs, which JSON can
    carry and output cannot, become U+FFFD.
    """
    try:
        text = body.decode("utf-8")
        data = json.loads(text, object_pairs_hook=_build_object, parse_constant=_reject_constant)
    except RecursionError:
        raise DecodeError("nested too deep") from None
    except DecodeError:  # a ValueError too, but its text names the problem
        raise
    except ValueError:
        raise DecodeError("not JSON") from None
    if _is_deeper_than(data, MAX_DEPTH):
        raise DecodeError("nested too deep")
    return _replace_surrogates(data) if "\\ud" in text or "\\uD" in text else data


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DecodeError("a key occurs twice in one object")
    return members


def _reject_constant(name: str) -> Any:
    raise DecodeError(f"{name} is not JSON")


def _is_deeper_than(data: Any, max_depth: int) -> bool:
    level = [data]
    for _ in range(max_depth):
        level = [child for parent in level for child in _list_children(parent)]
        if not level:
            return False
    return True


def _list_children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _replace_surrogates(value: Any) -> Any:
    match value:
        case str():
            return LONE_SURROGATE.sub("\ufffd", value)
        case dict():
            return {_replace_surrogates(key): _replace_surrogates(child) for key, child in value.items()}
        case list():
            return [_replace_surrogates(child) for child in value]
    return value
