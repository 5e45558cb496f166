"""Encode a secret in the ways in which a server can repeat it. Written without the redactor of the product."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus

Encode = Callable[[str], str]


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8")


def _quote_all(text: str) -> str:
    return quote(text, safe="")


def _lower_percents(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in _to_bytes(text))


def _escape_as_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _escape_every_character(text: str) -> str:
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[index : index + 2].hex()}" for index in range(0, len(units), 2))


ENCODINGS: Mapping[str, Encode] = {
    "raw": str,
    "upper case": lambda text: text.swapcase() if text.isascii() else text,
    "base64": lambda text: base64.b64encode(_to_bytes(text)).decode(),
    "base64 without padding": lambda text: base64.b64encode(_to_bytes(text)).decode().rstrip("="),
    "base64 behind one byte": lambda text: base64.b64encode(b"|" + _to_bytes(text) + b"|").decode(),
    "base64 behind two bytes": lambda text: base64.b64encode(b"u:" + _to_bytes(text)).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(_to_bytes(text)).decode(),
    "base64 in lines": lambda text: base64.encodebytes(_to_bytes(text)).decode(),
    "hex": lambda text: _to_bytes(text).hex(),
    "hex in upper case": lambda text: _to_bytes(text).hex().upper(),
    "URL": _quote_all,
    "URL path": quote,
    "URL in lower case": _lower_percents,
    "URL twice": lambda text: _quote_all(_quote_all(text)),
    "form": quote_plus,
    "JSON": _escape_as_json,
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON of every character": _escape_every_character,
    "JSON with slashes": lambda text: _escape_as_json(text).replace("/", "\\/"),
    "JSON twice": lambda text: _escape_as_json(_escape_as_json(text)),
    "repr": lambda text: repr(text)[1:-1],
    "repr of bytes": lambda text: repr(_to_bytes(text))[2:-1],
    "HTML": html.escape,
    "XML of every character": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "XML in hex": lambda text: "".join(f"&#x{ord(character):X};" for character in text),
    "HTML in JSON": lambda text: _escape_as_json(html.escape(text)),
    "base64 in a URL": lambda text: _quote_all(base64.b64encode(_to_bytes(text)).decode()),
}
"""Encodings by name."""

LINE_ENCODINGS: Mapping[str, Encode] = {
    "one line": lambda text: "".join(text.splitlines()),
    "one line with spaces": lambda text: " ".join(text.splitlines()),
    "one line with escapes": lambda text: "\\n".join(text.splitlines()),
    "one line with escaped escapes": lambda text: "\\\\n".join(text.splitlines()),
    "Windows lines": lambda text: "\r\n".join(text.splitlines()),
    "other lines": lambda text: "\n".join(_wrap("".join(text.splitlines()), 50)),
    "indented": lambda text: "\n    ".join(text.splitlines()),
}
"""Encodings of a secret of several lines, by name."""


def _wrap(text: str, width: int) -> list[str]:
    return [text[start : start + width] for start in range(0, len(text), width)]
