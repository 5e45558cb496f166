"""Comparing a JSON value with a sketch of it: fixed values, types, patterns, keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


class AtLeast(dict[str, Any]):
    """A sketch of an object that may have further keys. A plain dict is one that may not."""


def differences(sketch: Any, value: Any, where: str = "") -> list[str]:
    """What is not as sketched, each with its place; empty where everything is.

    In a sketch a type stands for any value of that JSON type, a pattern for any text that it matches as a
    whole, a list for a list of that length, and everything else for itself.
    """
    if isinstance(sketch, type):
        same = type(value) is sketch
        return [] if same else [f"{where}: {value!r} is no {sketch.__name__}"]
    if isinstance(sketch, re.Pattern):
        fits = isinstance(value, str) and sketch.fullmatch(value)
        return [] if fits else [f"{where}: {value!r} does not match {sketch.pattern!r}"]
    if isinstance(sketch, Mapping):
        return _differences_of_objects(sketch, value, where)
    if isinstance(sketch, list):
        if not isinstance(value, list) or len(value) != len(sketch):
            return [f"{where}: {value!r} is no list of {len(sketch)}"]
        pairs = enumerate(zip(sketch, value, strict=True))
        return [
            each for place, (one, other) in pairs for each in differences(one, other, f"{where}[{place}]")
        ]
    same = type(value) is type(sketch) and value == sketch
    return [] if same else [f"{where}: {value!r} is not {sketch!r}"]


def _differences_of_objects(sketch: Mapping[str, Any], value: Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    found = [f"{where}.{key}: missing" for key in sketch.keys() - value.keys()]
    if not isinstance(sketch, AtLeast):
        found += [f"{where}.{key}: unexpected" for key in value.keys() - sketch.keys()]
    for key in sketch.keys() & value.keys():
        found += differences(sketch[key], value[key], f"{where}.{key}")
    return sorted(found)
