"""YAML data with the places of its text: anchors, aliases, merge keys and styles, which trees of values do not have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ruamel.yaml import CParser
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.spec.flow_text import ParserText, replace_flow_marks
from reconciler.spec.scalars import parse_scalar

MERGE_KEY = "<<"
_ANCHOR = re.compile(r"&\S+(?:\s+(?:#[^\n]*)?)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextNode:
    """Part of a text with its data. The text is `start` to `end`; `inner` is the start behind an anchor."""

    start: int
    inner: int
    end: int
    data: Any
    anchor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextScalar(TextNode):
    """Text of a single value. `style` is the quote or the sign of a block, or empty for plain text."""

    style: str = ""

    @property
    def is_block(self) -> bool:
        """Return whether the text stands below its sign, as `|` or `>`."""
        return self.style in {"|", ">"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextAlias(TextNode):
    """Alias of an anchored node."""

    target: TextParent | TextScalar


@dataclass(frozen=True, slots=True, kw_only=True)
class TextElement:
    """Element of a mapping or a list: `start` is the place of its key, or of its dash or value."""

    start: int
    key: TextNode | None
    value: AnyTextNode

    @property
    def end(self) -> int:
        """Return the end of the element."""
        return self.value.end if self.key is None else max(self.value.end, self.key.end)

    @property
    def is_merge(self) -> bool:
        """Return whether the element is a merge key `<<`."""
        key = self.key
        return isinstance(key, TextScalar) and key.data == MERGE_KEY and not key.style


@dataclass(frozen=True, slots=True, kw_only=True)
class TextParent(TextNode):
    """Mapping or list in the text. The data of a mapping has the keys of `<<` too."""

    is_flow: bool
    elements: tuple[TextElement, ...] = ()

    @property
    def is_mapping(self) -> bool:
        """Return whether the node is a mapping."""
        return isinstance(self.data, dict)


AnyTextNode: TypeAlias = TextParent | TextScalar | TextAlias


def parse_nodes(text: str) -> TextParent:
    """Parse the nodes of a file without byte order mark, which `source.parse` has accepted."""
    try:
        return _NodeParser(text, ParserText(text)).parse_root()
    except YAMLError:
        parser_text = replace_flow_marks(text)
        if parser_text is None:
            raise
        return _NodeParser(text, parser_text).parse_root()


def iterate_nodes(node: AnyTextNode) -> Iterator[AnyTextNode]:
    """Iterate over a node and all nodes below it, keys included, in the order of the text."""
    pending: list[TextNode] = [node]
    while pending:
        current = pending.pop()
        assert isinstance(current, TextParent | TextScalar | TextAlias)  # noqa: S101 - for the type
        yield current
        if isinstance(current, TextParent):
            for element in reversed(current.elements):
                pending.append(element.value)
                if element.key is not None:
                    pending.append(element.key)


@dataclass(slots=True)
class _NodeParser:
    """Parser of the nodes of one text. `anchors` are the nodes of the anchors so far."""

    text: str
    parser_text: ParserText
    anchors: dict[str, TextParent | TextScalar] = field(default_factory=dict)
    next_event: Callable[[], Any] = field(init=False)

    def __post_init__(self) -> None:
        self.next_event = CParser(self.parser_text.text).get_event

    def parse_root(self) -> TextParent:
        self.next_event()  # stream start
        self.next_event()  # document start
        root = self._parse(self.next_event())
        assert isinstance(root, TextParent)  # noqa: S101 - an accepted file has a mapping at its top
        return root

    def _parse(self, event: Any) -> AnyTextNode:
        start, end = event.start_mark.index, event.end_mark.index
        if isinstance(event, AliasEvent):
            target = self.anchors[event.anchor]
            return TextAlias(start=start, inner=start, end=end, data=target.data, target=target)
        inner = self._skip_anchor(start, event)
        node: TextParent | TextScalar
        if isinstance(event, ScalarEvent):
            value = self.parser_text.restore(event.value)
            style = event.style or ""
            node = TextScalar(
                start=start,
                inner=min(inner, end),
                end=end,
                data=parse_scalar(value) if event.implicit[0] else value,
                anchor=event.anchor,
                style=style,
            )
        elif isinstance(event, MappingStartEvent):
            node = self._parse_mapping(event, inner)
        else:
            node = self._parse_sequence(event, inner)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _skip_anchor(self, start: int, event: Any) -> int:
        if event.anchor is None:
            return int(start)
        match = _ANCHOR.match(self.text, start)
        return match.end() if match else int(start)

    def _parse_mapping(self, event: Any, inner: int) -> TextParent:
        elements = []
        while not isinstance(key_event := self.next_event(), MappingEndEvent):
            key = self._parse(key_event)
            value = self._parse(self.next_event())
            elements.append(TextElement(start=key.start, key=key, value=value))
        return self._make_parent((event, key_event), inner, elements, _merge_data(elements))

    def _parse_sequence(self, event: Any, inner: int) -> TextParent:
        assert isinstance(event, SequenceStartEvent)  # noqa: S101 - the only event that is left
        elements: list[TextElement] = []
        place = inner
        while not isinstance(item_event := self.next_event(), SequenceEndEvent):
            value = self._parse(item_event)
            item_start = value.start if event.flow_style else self._find_dash(place, value.start)
            elements.append(TextElement(start=item_start, key=None, value=value))
            place = value.end
        data = [element.value.data for element in elements]
        return self._make_parent((event, item_event), inner, elements, data)

    def _find_dash(self, place: int, value_start: int) -> int:
        """Find the dash of an item: the last one between the item before it and its value, outside of comments."""
        gap = self.text[place:value_start]
        offset = 0
        for line in gap.split("\n"):
            stripped = line.lstrip(" ")
            if stripped.startswith("-"):
                return place + offset + len(line) - len(stripped)
            offset += len(line) + 1
        return value_start

    def _make_parent(
        self, events: tuple[Any, Any], inner: int, elements: Sequence[TextElement], data: Any
    ) -> TextParent:
        first_event, end_event = events
        is_flow = bool(first_event.flow_style)
        return TextParent(
            start=first_event.start_mark.index,
            inner=inner,
            end=end_event.end_mark.index if is_flow or not elements else elements[-1].end,
            data=data,
            anchor=first_event.anchor,
            is_flow=is_flow,
            elements=tuple(elements),
        )


def _merge_data(elements: Sequence[TextElement]) -> dict[str, Any]:
    """Merge the keys of a mapping with those of `<<`: own keys win, then the earlier of several sources."""
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    order: dict[str, None] = {}
    for element in elements:
        if element.is_merge:
            sources = element.value.data if isinstance(element.value.data, list) else [element.value.data]
            for source in sources:
                for key, value in source.items():
                    merged.setdefault(key, value)
                    order.setdefault(key)
        elif element.key is not None:
            own[element.key.data] = element.value.data
            order.setdefault(element.key.data)
    return {key: own[key] if key in own else merged[key] for key in order}
