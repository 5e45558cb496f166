"""Render the details of setup tests, whatever their shape."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.model.sanitize import to_one_line

_MAX_LINES = 8
_MAX_LENGTH = 200


def render_details(details: Any) -> list[str]:
    """Render the details of a setup test as short lines: one for each item of a list and each member of an object."""
    lines = [_shorten(to_one_line(line)) for line in _list_lines(details)]
    omitted = len(lines) - _MAX_LINES
    return [*lines[:_MAX_LINES], f"and {omitted} more"] if omitted > 0 else lines


def _list_lines(details: Any) -> Iterator[str]:
    match details:
        case None | "":
            return
        case str():
            yield details
        case Mapping():
            yield from (f"{name}: {_format_value(value)}" for name, value in details.items())
        case list():
            for item in details:
                yield _format_item(item)
        case _:
            yield _format_value(details)


def _format_item(item: Any) -> str:
    """Format an item of a list on one line, so that several certificates are distinguished."""
    if not isinstance(item, Mapping):
        return _format_value(item)
    return ", ".join(
        f"{name}: {_format_value(value)}" for name, value in item.items() if name != _CERTIFICATE
    )


_CERTIFICATE = "encoded_cert"
"""Member with a whole certificate, of more characters than all others: its hash identifies it."""


def _format_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _shorten(line: str) -> str:
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}…"
