"""Compare a JSON value with a pattern of values, types, regular expressions and keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


class PartialObject(dict[str, Any]):
    """Sketch of an object that may have further keys. A plain dict must have exactly its keys."""


def find_differences(expected: Any, value: Any, path: str = "") -> list[str]:
    """Find the differences from a sketch, each with its place; empty if there are none.

    In a sketch a type stands for any value of that JSON type, a pattern for any text that it matches as a whole, a list
    for a list of that length, and everything else for itself.
    """
    if isinstance(expected, type):
        is_same = type(value) is expected
        return [] if is_same else [f"{path}: {value!r} is no {expected.__name__}"]
    if isinstance(expected, re.Pattern):
        is_match = isinstance(value, str) and expected.fullmatch(value)
        return [] if is_match else [f"{path}: {value!r} does not match {expected.pattern!r}"]
    if isinstance(expected, Mapping):
        return _compare_objects(expected, value, path)
    if isinstance(expected, list):
        if not isinstance(value, list) or len(value) != len(expected):
            return [f"{path}: {value!r} is no list of {len(expected)}"]
        pairs = enumerate(zip(expected, value, strict=True))
        return [
            difference
            for index, (expected_item, item) in pairs
            for difference in find_differences(expected_item, item, f"{path}[{index}]")
        ]
    is_same = type(value) is type(expected) and value == expected
    return [] if is_same else [f"{path}: {value!r} is not {expected!r}"]


def _compare_objects(expected: Mapping[str, Any], value: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: {value!r} is no object"]
    mismatches = [f"{path}.{key}: missing" for key in expected.keys() - value.keys()]
    if not isinstance(expected, PartialObject):
        mismatches += [f"{path}.{key}: unexpected" for key in value.keys() - expected.keys()]
    for key in expected.keys() & value.keys():
        mismatches += find_differences(expected[key], value[key], f"{path}.{key}")
    return sorted(mismatches)
