"""Pair the nodes of a text with the data wanted: what stays, what goes, what is new."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from reconciler.spec.formatter import KEY_ORDER
from reconciler.spec.text_nodes import TextElement, TextParent
from reconciler.spec.value_text import Path

GONE: Final = object()
"""Data of an element that is to go."""

_ENTRY_DEPTH = 2
_BLOCKS = frozenset({"config", "extra_config"})


@dataclass(frozen=True, slots=True)
class Addition:
    """New key or item of a parent. `after` is the element before it, None for the first place."""

    after: TextElement | None
    key: str | None
    value: Any


def are_same(data: Any, other: Any) -> bool:
    """Return whether raw data is the same, types included. The order of keys does not count."""
    return dump_data(data) == dump_data(other)


def dump_data(data: Any) -> str:
    """Write raw data as a text that is the same for the same data."""
    return json.dumps(data, sort_keys=True)


def is_same_kind(node: TextParent, wanted: Any) -> bool:
    """Return whether the data wanted is a mapping or a list, as the node."""
    return isinstance(wanted, dict) if node.is_mapping else isinstance(wanted, list)


def pair_elements(node: TextParent, wanted: Any) -> Iterator[tuple[TextElement, Any]]:
    """Pair each element of a parent with its data wanted, `GONE` if it is to go."""
    if node.is_mapping:
        expands = _must_expand(node, wanted)
        for element in node.elements:
            if element.is_merge:
                yield element, GONE if expands else element.value.data
            else:
                assert element.key is not None  # noqa: S101 - elements of mappings have keys
                yield element, wanted.get(element.key.data, GONE)
        return
    targets = _align_items(node, wanted)
    for element, target in zip(node.elements, targets, strict=True):
        yield element, GONE if target is None else wanted[target]


def _must_expand(node: TextParent, wanted: Mapping[str, Any]) -> bool:
    """Return whether a `<<` brings keys that are not wanted."""
    return any(element.is_merge for element in node.elements) and any(
        key not in wanted for key in _list_merged(node)
    )


def _list_merged(node: TextParent) -> dict[str, Any]:
    """List the keys that `<<` brings, own keys included."""
    merged: dict[str, Any] = {}
    for element in node.elements:
        if element.is_merge:
            sources = element.value.data if isinstance(element.value.data, list) else [element.value.data]
            for source in sources:
                merged = {**source, **merged}
    return merged


def _align_items(node: TextParent, wanted: Sequence[Any]) -> list[int | None]:
    """Align the items of a list with the items wanted: the index of each, None for an item that goes."""
    before = [dump_data(element.value.data) for element in node.elements]
    after = [dump_data(item) for item in wanted]
    targets: list[int | None] = [None] * len(before)
    for _, first, last, start, stop in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        for offset in range(min(last - first, stop - start)):
            targets[first + offset] = start + offset
    return targets


def find_additions(
    node: TextParent, wanted: Any, kept: Sequence[TextElement], path: Path
) -> Iterator[Addition]:
    """Find the new keys or items of a parent, in their order. `kept` are its elements that stay."""
    if not node.is_mapping:
        targets = _align_items(node, wanted)
        by_target = {
            target: node.elements[number] for number, target in enumerate(targets) if target is not None
        }
        after = None
        for number, item in enumerate(wanted):
            if number in by_target:
                after = by_target[number]
            else:
                yield Addition(after, None, item)
        return
    own = {element.key.data for element in kept if element.key is not None and not element.is_merge}
    merged = {} if _must_expand(node, wanted) else _list_merged(node)
    for key, value in wanted.items():
        if key in own or (key in merged and are_same(merged[key], value)):
            continue
        yield Addition(_find_predecessor(kept, key, path), key, value)


def _find_predecessor(kept: Sequence[TextElement], key: str, path: Path) -> TextElement | None:
    """Find the element behind which a new key stands: the last one, but keys of a group have an order, and settings of
    a destination stand before its `config`."""
    followers: Collection[str] = ()
    if len(path) == _ENTRY_DEPTH and path[0] == "groups" and key in KEY_ORDER:
        followers = KEY_ORDER[KEY_ORDER.index(key) + 1 :]
    elif path[-1:] == ("destination",) and key not in _BLOCKS:
        followers = _BLOCKS
    after = None
    for element in kept:
        if element.key is not None and element.key.data in followers:
            break
        after = element
    return after
