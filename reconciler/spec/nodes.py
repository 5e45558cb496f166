"""YAML data as a tree: every key and value has its span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from reconciler.model.source import Span


@dataclass(frozen=True, slots=True)
class Scalar:
    """YAML scalar: a string, integer, float, boolean or None.

    `text` is the spelling of the file for a value that is no string: `+1` and `1.10` may be meant as text. It is empty
    for strings.
    """

    value: str | int | float | bool | None
    span: Span
    text: str = ""

    @property
    def as_written(self) -> str:
        """Return the value as the file spells it."""
        return self.value if isinstance(self.value, str) else self.text


@dataclass(frozen=True, slots=True)
class VariableUse:
    """Use of a variable in a text. `span` is None if the file spells the mark by an escape."""

    name: str
    span: Span | None


@dataclass(frozen=True, slots=True)
class Template(Scalar):
    """Text with variables that have no values yet. `value` is the text with its marks."""

    uses: tuple[VariableUse, ...] = ()


@dataclass(frozen=True, slots=True)
class FilledScalar(Scalar):
    """Value of a template. `prefix` is the text that the spec itself has before the first variable."""

    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Sequence:
    """A YAML list."""

    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class KeyValue:
    """Key of a mapping with its value and the place of the key itself."""

    key: Scalar
    node: Node


@dataclass(frozen=True, slots=True)
class MappingNode:
    """YAML mapping with string keys, in the order of the file."""

    entries: Mapping[str, KeyValue]
    span: Span

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    def get(self, key: str) -> Node | None:
        """Return the value of a key, or None if the key is absent."""
        entry = self.entries.get(key)
        return entry.node if entry else None

    def items(self) -> Iterator[tuple[str, Node]]:
        """Iterate over keys with their values."""
        return ((key, entry.node) for key, entry in self.entries.items())


Node: TypeAlias = Scalar | Sequence | MappingNode


def to_plain(node: Node) -> Any:
    """Return the data without its spans."""
    match node:
        case Scalar(value=value):
            return value
        case Sequence(items=items):
            return [to_plain(item) for item in items]
        case MappingNode():
            return {key: to_plain(value) for key, value in node.items()}


def find_node(root: Node, location: tuple[str | int, ...]) -> Node:
    """Find a value by its path of keys and indexes; the nearest parent if it is absent."""
    node = root
    for step in location:
        match node:
            case MappingNode() if isinstance(step, str) and step in node:
                node = node.entries[step].node
            case Sequence() if isinstance(step, int) and step < len(node.items):
                node = node.items[step]
            case _:
                break
    return node


def find_span(root: Node, location: tuple[str | int, ...]) -> Span:
    """Find the place of a value by its path; the place of the nearest parent if the value is absent."""
    return find_node(root, location).span


def find_key_span(root: Node, location: tuple[str | int, ...]) -> Span:
    """Find the place of the last key of a path; the place of the value if the last step is an index."""
    if not location:
        return root.span
    parent, last = find_node(root, location[:-1]), location[-1]
    if isinstance(parent, MappingNode) and isinstance(last, str) and last in parent:
        return parent.entries[last].key.span
    return find_span(root, location)
