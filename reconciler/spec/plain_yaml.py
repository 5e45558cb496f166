"""Write plain data as YAML: block mappings and lists, with texts in JSON's quotes, so that no reader guesses a type."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.spec.characters import find_forbidden_in_value

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MEANINGFUL_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_INDENT = "  "


def dump_plain_yaml(content: Mapping[str, Any]) -> str:
    """Write a mapping of texts, numbers, truth values, None, lists and mappings. The order of keys stays."""
    return "\n".join([*_write_mapping(content, ""), ""])


def _write_mapping(content: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in content.items():
        yield from _write_value(f"{indent}{_write_key(key)}:", value, indent + _INDENT)


def _write_list(items: list[Any], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, Mapping) and item:
            first, *rest = _write_mapping(item, indent + _INDENT)
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield from _write_value(f"{indent}-", item, indent + _INDENT)


def _write_value(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield head
        yield from _write_mapping(value, indent)
    elif isinstance(value, list) and value:
        yield head
        yield from _write_list(value, indent)
    else:
        yield f"{head} {_write_scalar(value)}"


def _write_key(key: str) -> str:
    is_plain = _PLAIN_KEY.fullmatch(key) is not None and key.lower() not in _MEANINGFUL_WORDS
    return key if is_plain else _write_scalar(key)


def _write_scalar(value: Any) -> str:
    """Write a scalar, or an empty list or mapping. A character that a reader may not see is written as an escape."""
    return "".join(map(_escape, json.dumps(value, ensure_ascii=False)))


def _escape(character: str) -> str:
    if character.isprintable() and find_forbidden_in_value(character) is None:
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
