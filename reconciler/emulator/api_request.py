"""Check requests, and convert them to the form for handlers."""

from __future__ import annotations

import hmac
import json
import math
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.http import parse_options_header

from reconciler.emulator.envelope import error_reply, invalid_input

JSON = "application/json"
MAX_BODY_DEPTH = 100
METHODS_WITH_BODY = frozenset({"POST", "PATCH", "PUT"})


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """Request in the form for handlers.

    `version` is the API version of the Accept header, 1 if the header names none. `arguments` are the
    variable parts of the path. `body` is empty if the request has none.
    """

    arguments: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    version: int

    @property
    def id(self) -> str:
        """Return the id in the path."""
        return self.arguments["id"]


def check_credentials(authorization: str | None, expected: tuple[str, str] | None) -> None:
    """Check Basic credentials against the expected pair, any pair if None is expected. Raises a 401."""
    given = _decode_basic(authorization or "")
    if given is not None and (expected is None or hmac.compare_digest(given, ":".join(expected).encode())):
        return
    raise error_reply(
        401, "AuthFailed", "Invalid authorization credentials", {"WWW-Authenticate": 'Basic realm="Fivetran"'}
    )


def _decode_basic(authorization: str) -> bytes | None:
    """Decode `key:secret` from an Authorization header. None if the header has another form."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        pair = b64decode(encoded.strip(), validate=True)
    except ValueError:
        return None
    key, colon, _ = pair.partition(b":")
    return pair if scheme.lower() == "basic" and key and colon else None


def check_content_type(method: str, content_type: str | None, raw: bytes) -> None:
    """Check that the body of a writing method is declared as JSON. Raises a 415."""
    # The command line of Fivetran sends `POST …/test` and similar requests without a body and without a type.
    if content_type is None and not raw:
        return
    if method in METHODS_WITH_BODY and parse_options_header(content_type)[0].lower() != JSON:
        raise error_reply(415, "UnsupportedMediaType", f"Content-Type must be '{JSON}'")


def negotiate_version(accept: str | None) -> int:
    """Parse the API version of an Accept header. Raises a 406 if the header does not accept JSON."""
    for part in (accept or "*/*").split(","):
        media_type, options = parse_options_header(part.strip())
        version = options.get("version", "1")
        if media_type.lower() in {"*/*", "application/*", JSON} and version.isascii() and version.isdigit():
            # Bounded, since int() refuses texts of thousands of digits.
            return int(version[:9])
    raise error_reply(406, "NotAcceptable", f"Accept must be '{JSON}', with or without a version")


def parse_body(raw: bytes) -> Any:
    """Parse the JSON value of a body, None for an empty body. Raises a 400 if the body is no JSON."""
    if not raw.strip():
        return None
    try:
        value = json.loads(raw.decode(), parse_constant=_refuse_constant, parse_float=_parse_finite)
        _check_depth(value)
    except (ValueError, RecursionError) as error:
        raise invalid_input("The request body is not valid JSON") from error
    # Only an escape can hold half a surrogate pair, so other bodies need no copy.
    return _replace_surrogates(value) if b"\\ud" in raw.lower() else value


def require_object(value: Any) -> Mapping[str, Any]:
    """Require a JSON object, empty for None. Raises a 400 for any other value."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid_input("The request body must be a JSON object")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _parse_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond all bounds")
    return number


def _check_depth(value: Any) -> None:
    """Check that lists and objects are not nested deeper than `MAX_BODY_DEPTH`. Raises ValueError."""
    # Level by level and not by recursion: a hostile body must not exhaust the stack.
    level: list[Any] = [value]
    for _ in range(MAX_BODY_DEPTH):
        level = [
            child
            for parent in level
            if isinstance(parent, list | dict)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    raise ValueError("nested too deeply")


def _replace_surrogates(value: Any) -> Any:
    """Replace lone surrogates with `?`: no UTF-8 response could carry them."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_replace_surrogates(key): _replace_surrogates(item) for key, item in value.items()}
    return value
