"""Compose YAML events to a tree, in one pass and within bounds.

The composer of the parser library is not used: it recurses without a bound, and the C version crashes on deep nesting.
This composer checks every event before it builds a node.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import Any, NoReturn

from ruamel.yaml import CParser
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.source import Span
from reconciler.model.suggestions import did_you_mean
from reconciler.spec.characters import describe_character, find_forbidden_in_value
from reconciler.spec.excerpt_masking import SECRET_WORDS, is_below_secret, may_hold_secret
from reconciler.spec.flow_text import ParserText, replace_flow_marks
from reconciler.spec.guard import MAX_DEPTH, SPEC_LIMITS, ReadLimits, refuse_too_many
from reconciler.spec.nodes import KeyValue, MappingNode, Node, Scalar, Sequence
from reconciler.spec.scalars import parse_scalar
from reconciler.spec.syntax_errors import Position, explain_syntax_error, to_span

MAX_EXPANDED_NODES = 500_000
MAX_FINDINGS = 100

_MERGE_KEY = "<<"
_ALIAS_POSITION = re.compile(
    r"\b(?:groups|profiles|defaults|destination|config|extra_config|trust|setup_tests):\s+$|<<:\s+$"
)
_SECRET_KEY = re.compile(SECRET_WORDS, re.IGNORECASE)
_ANCHOR = re.compile(r"&\S+(?:\s+(?:#[^\n]*)?)*")


def compose(text: str, path: str, limits: ReadLimits = SPEC_LIMITS) -> Node | None:
    """Compose the root of the only document of a file; None if there is none. Raises ReconcilerError.

    Most files need no stand-ins, so a file is read without them first.
    """
    refuse_too_many(text, path, limits.max_nodes)
    composer = Composer(path, text, ParserText(text), limits)
    try:
        return composer.compose()
    except YAMLError as error:
        parser_text = replace_flow_marks(text)
        if parser_text is None:
            composer.refuse_syntax(error)
    refuse_too_many(parser_text.text, path, limits.max_nodes)
    composer = Composer(path, text, parser_text, limits)
    try:
        return composer.compose()
    except YAMLError as error:
        composer.refuse_syntax(error)


class Composer:
    """Composer of the tree of one file. Collects findings; raises findings that make the rest unreadable."""

    def __init__(
        self, path: str, text: str, parser_text: ParserText, limits: ReadLimits = SPEC_LIMITS
    ) -> None:
        """Read `parser_text`, which has a character for each character of the file's `text`."""
        self._text = text
        self._path = path
        self._takes_escapes = limits.takes_escapes
        self._restore = parser_text.restore if parser_text.stand_ins else None
        self._next_event = CParser(parser_text.text).get_event
        self._findings: list[Diagnostic] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._open_anchors: set[str] = set()
        self._open_brackets: list[Position] = []
        self._expanded = 0
        self._depth = 0
        self._config_depth = 0
        self._secret_depth = 0

    def compose(self) -> Node | None:
        """Compose the root of the only document; None for an empty file. Raises ReconcilerError and YAMLError."""
        self._next_event()  # stream start
        root = self._compose_document()
        if self._findings:
            raise ReconcilerError(self._findings)
        return root

    def refuse_syntax(self, error: YAMLError) -> NoReturn:
        """Explain an error of the parser, behind all findings before it. Raises ReconcilerError."""
        open_bracket = self._open_brackets[-1] if self._open_brackets else None
        self._abandon(explain_syntax_error(error, self._text, self._path, open_bracket))

    def _compose_document(self) -> Node | None:
        start = self._next_event()
        if isinstance(start, StreamEndEvent):
            return None
        if start.version not in {None, (1, 2)}:
            self._report(
                "yaml-syntax",
                "this file asks for a YAML version other than 1.2",
                Span(self._path, 1, 1, 1, 2),
                "remove the `%YAML` line",
            )
        root = self._compose_node(self._next_event())
        self._next_event()  # document end
        next_event = self._next_event()
        if not isinstance(next_event, StreamEndEvent):
            position = (next_event.start_mark.line, next_event.start_mark.column)
            self._abandon(
                Diagnostic(
                    "multiple-documents",
                    "a second document starts here",
                    to_span(position, self._lines, self._path),
                    help="keep one document per file: remove the `---`, or move the rest elsewhere",
                    secret=may_hold_secret(self._lines, position[0]),
                )
            )
        return root

    def _compose_node(self, event: Any) -> Node:
        self._expanded += 1
        event_type = type(event)
        if event_type is AliasEvent:
            return self._resolve_alias(event)
        if event.tag is not None:
            self._refuse_tag(event)
        if event_type is ScalarEvent:
            scalar = self._compose_scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = (scalar, 1)
            return scalar
        start_count = self._expanded
        self._enter_collection(event)
        node: Node = (
            self._compose_mapping(event) if event_type is MappingStartEvent else self._compose_sequence(event)
        )
        self._depth -= 1
        if event.flow_style:
            self._open_brackets.pop()
        if event.anchor is not None:
            self._open_anchors.discard(event.anchor)
            self._anchors[event.anchor] = (node, self._expanded - start_count + 1)
        return node

    def _enter_collection(self, event: Any) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._abandon(
                Diagnostic(
                    "too-deep",
                    f"more than {MAX_DEPTH} mappings and lists are nested here",
                    self._locate(event),
                    help="no spec needs that: look for brackets that are not closed",
                    secret=self._may_hold_secret(self._locate(event)),
                )
            )
        if event.flow_style:
            self._open_brackets.append((event.start_mark.line, event.start_mark.column))
        if event.anchor is not None:
            self._open_anchors.add(event.anchor)

    def _compose_scalar(self, event: Any) -> Scalar:
        text = event.value if self._restore is None else self._restore(event.value)
        span = self._locate_scalar(event)
        if event.implicit[0]:
            value = parse_scalar(text)
            return Scalar(text, span) if value is text else Scalar(value, span, text)
        if event.style == '"' and not self._takes_escapes:
            self._check_visible(text, span)
        return Scalar(text, span)

    def _check_visible(self, text: str, span: Span) -> None:
        """Report an invisible character that an escape has put into a text."""
        character = find_forbidden_in_value(text)
        if character is not None:
            self._report(
                "forbidden-character",
                f"this text holds the invisible character {describe_character(character)}",
                span,
                "remove the escape",
                notes=("it cannot be seen in a review",),
            )

    def _compose_sequence(self, event: Any) -> Sequence:
        items = []
        while type(next_event := self._next_event()) is not SequenceEndEvent:
            items.append(self._compose_node(next_event))
        return Sequence(
            tuple(items), self._locate_collection(event, next_event, items[-1].span if items else None)
        )

    def _compose_mapping(self, event: Any) -> MappingNode:
        """Compose a mapping. Counts the open `config` and secret keys, so that findings inside show no secret."""
        entries: dict[str, KeyValue] = {}
        own_keys: dict[str, Scalar] = {}
        last_span: Span | None = None
        while type(key_event := self._next_event()) is not MappingEndEvent:
            key = self._compose_node(key_event)
            key_span = key.span
            if type(key_event) is AliasEvent:
                key_span = self._locate(key_event)
                key = Scalar(key.value, key_span, key.text) if isinstance(key, Scalar) else key
            name = key.value if isinstance(key, Scalar) else None
            in_config, in_secret = _classify_key(name) if isinstance(name, str) else (False, False)
            self._config_depth += in_config
            self._secret_depth += in_secret
            value_event = self._next_event()
            node = self._compose_node(value_event)
            self._config_depth -= in_config
            self._secret_depth -= in_secret
            last_span = node.span if type(value_event) is not AliasEvent else self._locate(value_event)
            if not isinstance(name, str) or not isinstance(key, Scalar):
                self._refuse_key(key, key_span)
            elif name in own_keys:
                self._refuse_duplicate(name, key_span, own_keys[name].span)
            elif name == _MERGE_KEY and _is_plain_scalar(key_event):
                own_keys[name] = key
                self._merge_keys(entries, node, last_span)
            else:
                own_keys[name] = key
                entries[name] = KeyValue(key, node)
        return MappingNode(entries, self._locate_collection(event, key_event, last_span))

    def _merge_keys(self, entries: dict[str, KeyValue], node: Node, span: Span) -> None:
        """Add the keys of `<<`. Own keys win, then the earlier of several sources."""
        sources = node.items if isinstance(node, Sequence) else (node,)
        for source in sources:
            if not isinstance(source, MappingNode):
                self._report(
                    "wrong-shape",
                    "`<<` takes a mapping or a list of mappings",
                    span,
                    "refer to a mapping, for example `<<: *name`",
                )
                return
            for name, entry in source.entries.items():
                entries.setdefault(name, entry)

    def _resolve_alias(self, event: Any) -> Node:
        """Resolve an alias to the node of its anchor.

        Nodes are shared, so aliases cost no memory here, but later steps walk them at every place: their expanded
        number is bounded, against a file that grows exponentially.
        """
        name = event.anchor
        if name in self._open_anchors:
            self._report(
                "alias-bomb",
                "this alias refers to a value that contains it",
                self._locate(event),
                "write the value out",
            )
        elif name not in self._anchors:
            span = self._locate(event)
            self._report(
                "yaml-syntax",
                f"no anchor {self._describe_anchor(name, span)} stands before this",
                span,
                did_you_mean(name, self._anchors)
                or "put the value in quotes if the `*` belongs to it, or define the anchor above",
            )
        else:
            node, weight = self._anchors[name]
            self._expanded += weight
            if self._expanded > MAX_EXPANDED_NODES:
                self._abandon(
                    Diagnostic(
                        "alias-bomb",
                        f"the aliases of this file stand for more than {MAX_EXPANDED_NODES:,} keys and values",
                        self._locate(event),
                        help="write less by aliases; a profile can hold what many destinations share",
                    )
                )
            return node
        return MappingNode({}, self._locate(event))  # an empty mapping, which `<<` accepts too

    def _describe_anchor(self, name: str, span: Span) -> str:
        """Describe an anchor by its name, unless it may be a password that starts with a star."""
        prefix = self._lines[span.line - 1][: span.column - 1]
        can_show = _ALIAS_POSITION.search(prefix) or not self._may_hold_secret(span)
        return f"`{name}`" if can_show else "of this name"

    def _refuse_key(self, key: Node, key_span: Span) -> None:
        text = key.text if isinstance(key, Scalar) and not self._secret_depth else ""
        self._report(
            "bad-key",
            f"a key must be text, and {f'`{text}`' if text else 'this'} is not",
            key_span,
            f'put the key in quotes: `"{text}":`'
            if text.isalpha()
            else "give it a name that starts with a letter",
        )

    def _refuse_duplicate(self, name: str, key_span: Span, first: Span) -> None:
        self._report(
            "duplicate-key",
            f"{'this key' if self._secret_depth else f'`{name}`'} stands twice in one mapping",
            key_span,
            "keep one of them",
            notes=(f"first written at {first}",),
        )

    def _refuse_tag(self, event: Any) -> None:
        self._report(
            "yaml-tag",
            "`!` starts a YAML tag, and specs have none",
            self._locate(event),
            "remove the tag, or put the value in quotes if the `!` belongs to it",
        )

    @cached_property
    def _lines(self) -> list[str]:
        return self._text.split("\n")

    def _report(self, code: str, message: str, span: Span, advice: str, notes: tuple[str, ...] = ()) -> None:
        secret = self._may_hold_secret(span)
        secret_line = secret and is_below_secret(self._lines, span.line - 1)
        self._findings.append(
            Diagnostic(code, message, span, notes=notes, help=advice, secret=secret, secret_line=secret_line)
        )
        if len(self._findings) >= MAX_FINDINGS:
            raise ReconcilerError(self._findings)

    def _may_hold_secret(self, span: Span) -> bool:
        return self._config_depth > 0 or may_hold_secret(self._lines, span.line - 1)

    def _abandon(self, problem: Diagnostic) -> NoReturn:
        raise ReconcilerError([*self._findings, problem])

    def _locate(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        line = start.line + 1
        # One number for both lines: there are as many places as keys and values.
        end_line = line if end.line == start.line else end.line + 1
        return Span(self._path, line, start.column + 1, end_line, end.column + 1)

    def _locate_scalar(self, event: Any) -> Span:
        """Locate the text of a scalar: without its anchor, and without the blank lines after a block."""
        start, end = event.start_mark, event.end_mark
        if event.anchor is None and event.style not in {"|", ">"}:
            return self._locate(event)
        source = self._text[start.index : end.index].rstrip()
        anchor = _ANCHOR.match(source) if event.anchor is not None else None
        line, column = _advance(start.line + 1, start.column + 1, anchor.group() if anchor else "")
        end_line, end_column = _advance(start.line + 1, start.column + 1, source)
        return Span(self._path, line, column, end_line, end_column)

    def _locate_collection(self, event: Any, end: Any, last_span: Span | None) -> Span:
        """Locate a collection from its first token to its last. A block ends with its last value, not with the next
        token."""
        start, stop = event.start_mark, end.end_mark
        if event.flow_style or last_span is None:
            return Span(self._path, start.line + 1, start.column + 1, stop.line + 1, stop.column + 1)
        return Span(self._path, start.line + 1, start.column + 1, last_span.end_line, last_span.end_column)


@lru_cache(maxsize=4096)  # entries repeat the same few keys
def _classify_key(name: str) -> tuple[bool, bool]:
    """Return whether a key may hold a config, and whether it sounds secret."""
    return "config" in name, _SECRET_KEY.search(name) is not None


def _is_plain_scalar(event: Any) -> bool:
    return type(event) is ScalarEvent and bool(event.implicit[0])


def _advance(line: int, column: int, text: str) -> tuple[int, int]:
    """Return the line and column after a text."""
    breaks = text.count("\n")
    if breaks:
        return line + breaks, len(text) - text.rfind("\n")
    return line, column + len(text)
