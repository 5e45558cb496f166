"""From YAML events to a tree, in one pass and within bounds.

Nothing is composed by the parser library: a composer recurses on its own terms, and the one in C
dies of deep nesting. Here every event is looked at before anything is built of it.
"""

from __future__ import annotations

import re
from functools import cached_property
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
from reconciler.model.nearest import did_you_mean
from reconciler.model.source import Span
from reconciler.spec.characters import described, forbidden_in_value
from reconciler.spec.guard import MAX_DEPTH
from reconciler.spec.scalars import typed
from reconciler.spec.syntax import (
    SECRET_WORDS,
    Place,
    is_below_secret,
    may_hold_secret,
    span_of,
    syntax_error,
)
from reconciler.spec.tree import Entry, Node, Scalar, Sequence, Table

MAX_EXPANDED = 500_000
MAX_FINDINGS = 100

_MERGE_KEY = "<<"
_TAKES_ALIAS = re.compile(
    r"\b(?:groups|profiles|defaults|destination|config|extra_config|trust|setup_tests):\s+$|<<:\s+$"
)
_SECRET = re.compile(SECRET_WORDS, re.IGNORECASE)
_ANCHOR = re.compile(r"&\S+(?:\s+(?:#[^\n]*)?)*")


class Builder:
    """Builds the tree of one file. Findings are collected; what makes going on senseless is raised."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._next = CParser(text).get_event
        self._findings: list[Diagnostic] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._unfinished: set[str] = set()
        self._open_brackets: list[Place] = []
        self._expanded = 0
        self._depth = 0
        self._config_depth = 0
        self._secret_depth = 0

    def document(self) -> Node | None:
        """The root of the only document, or None where there is none. Raises ReconcilerError."""
        try:
            self._next()  # stream start
            root = self._only_document()
        except YAMLError as error:
            opened = self._open_brackets[-1] if self._open_brackets else None
            problem = syntax_error(error, self._text, self._path, opened)
            self._abandon(problem)
        if self._findings:
            raise ReconcilerError(self._findings)
        return root

    def _only_document(self) -> Node | None:
        start = self._next()
        if isinstance(start, StreamEndEvent):
            return None
        if start.version not in {None, (1, 2)}:
            self._report(
                "yaml-syntax",
                "this file asks for a YAML version other than 1.2",
                Span(self._path, 1, 1, 1, 2),
                "remove the `%YAML` line",
            )
        root = self._node(self._next())
        self._next()  # document end
        after = self._next()
        if not isinstance(after, StreamEndEvent):
            place = (after.start_mark.line, after.start_mark.column)
            self._abandon(
                Diagnostic(
                    "multiple-documents",
                    "a second document starts here",
                    span_of(place, self._lines, self._path),
                    help="keep one document per file: remove the `---`, or move the rest elsewhere",
                    secret=may_hold_secret(self._lines, place[0]),
                )
            )
        return root

    def _node(self, event: Any) -> Node:
        self._expanded += 1
        kind = type(event)
        if kind is AliasEvent:
            return self._alias(event)
        if event.tag is not None:
            self._refuse_tag(event)
        if kind is ScalarEvent:
            scalar = self._scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = (scalar, 1)
            return scalar
        before = self._expanded
        self._enter(event)
        node: Node = self._table(event) if kind is MappingStartEvent else self._sequence(event)
        self._depth -= 1
        if event.flow_style:
            self._open_brackets.pop()
        if event.anchor is not None:
            self._unfinished.discard(event.anchor)
            self._anchors[event.anchor] = (node, self._expanded - before + 1)
        return node

    def _enter(self, event: Any) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._abandon(
                Diagnostic(
                    "too-deep",
                    f"more than {MAX_DEPTH} mappings and lists are nested here",
                    self._span(event),
                    help="no spec needs that: look for brackets that are not closed",
                    secret=self._may_hold_secret(self._span(event)),
                )
            )
        if event.flow_style:
            self._open_brackets.append((event.start_mark.line, event.start_mark.column))
        if event.anchor is not None:
            self._unfinished.add(event.anchor)

    def _scalar(self, event: Any) -> Scalar:
        text = event.value
        span = self._scalar_span(event)
        if event.implicit[0]:
            value = typed(text)
            return Scalar(text, span) if value is text else Scalar(value, span, text)
        if event.style == '"' and (character := forbidden_in_value(text)) is not None:
            self._report(
                "forbidden-character",
                f"this text holds the invisible character {described(character)}",
                span,
                "remove the escape",
                notes=("it cannot be seen in a review",),
            )
        return Scalar(text, span)

    def _sequence(self, event: Any) -> Sequence:
        items = []
        while type(following := self._next()) is not SequenceEndEvent:
            items.append(self._node(following))
        return Sequence(
            tuple(items), self._collection_span(event, following, items[-1].span if items else None)
        )

    def _table(self, event: Any) -> Table:
        entries: dict[str, Entry] = {}
        own: dict[str, Scalar] = {}
        last: Span | None = None
        while type(following := self._next()) is not MappingEndEvent:
            key = self._node(following)
            written = key.span
            if type(following) is AliasEvent:
                written = self._span(following)
                key = Scalar(key.value, written, key.text) if isinstance(key, Scalar) else key
            name = key.value if isinstance(key, Scalar) else None
            below_config = isinstance(name, str) and "config" in name
            below_secret = isinstance(name, str) and _SECRET.search(name) is not None
            self._config_depth += below_config
            self._secret_depth += below_secret
            value_event = self._next()
            node = self._node(value_event)
            self._config_depth -= below_config
            self._secret_depth -= below_secret
            last = node.span if type(value_event) is not AliasEvent else self._span(value_event)
            if not isinstance(name, str) or not isinstance(key, Scalar):
                self._refuse_key(key, written)
            elif name in own:
                self._refuse_duplicate(name, written, own[name].span)
            elif name == _MERGE_KEY and _is_plain(following):
                own[name] = key
                self._merge(entries, node, last)
            else:
                own[name] = key
                entries[name] = Entry(key, node)
        return Table(entries, self._collection_span(event, following, last))

    def _merge(self, entries: dict[str, Entry], node: Node, span: Span) -> None:
        """Put in the keys of `<<`. Own keys win, then the earlier of several sources."""
        sources = node.items if isinstance(node, Sequence) else (node,)
        for source in sources:
            if not isinstance(source, Table):
                self._report(
                    "wrong-shape",
                    "`<<` takes a mapping or a list of mappings",
                    span,
                    "refer to a mapping, for example `<<: *name`",
                )
                return
            for name, entry in source.entries.items():
                entries.setdefault(name, entry)

    def _alias(self, event: Any) -> Node:
        name = event.anchor
        if name in self._unfinished:
            self._report(
                "alias-bomb",
                "this alias refers to what it is part of",
                self._span(event),
                "write the value out",
            )
        elif name not in self._anchors:
            span = self._span(event)
            self._report(
                "yaml-syntax",
                f"no anchor {self._anchor_name(name, span)} stands before this",
                span,
                did_you_mean(name, self._anchors)
                or "put the value in quotes if the `*` belongs to it, or define the anchor above",
            )
        else:
            node, weight = self._anchors[name]
            self._expanded += weight
            if self._expanded > MAX_EXPANDED:
                self._abandon(
                    Diagnostic(
                        "alias-bomb",
                        f"the aliases of this file stand for more than {MAX_EXPANDED:,} keys and values",
                        self._span(event),
                        help="write less by aliases; a profile can hold what many destinations share",
                    )
                )
            return node
        return Table({}, self._span(event))  # what `<<` takes too

    def _anchor_name(self, name: str, span: Span) -> str:
        """The name, unless it may be a password that starts with a star."""
        before = self._lines[span.line - 1][: span.column - 1]
        is_named = _TAKES_ALIAS.search(before) or not self._may_hold_secret(span)
        return f"`{name}`" if is_named else "of this name"

    def _refuse_key(self, key: Node, written: Span) -> None:
        text = key.text if isinstance(key, Scalar) and not self._secret_depth else ""
        self._report(
            "bad-key",
            f"a key must be text, and {f'`{text}`' if text else 'this'} is not",
            written,
            f'put the key in quotes: `"{text}":`'
            if text.isalpha()
            else "give it a name that starts with a letter",
        )

    def _refuse_duplicate(self, name: str, written: Span, first: Span) -> None:
        self._report(
            "duplicate-key",
            f"{'this key' if self._secret_depth else f'`{name}`'} stands twice in one mapping",
            written,
            "keep one of them",
            notes=(f"first written at {first}",),
        )

    def _refuse_tag(self, event: Any) -> None:
        self._report(
            "yaml-tag",
            "`!` starts a YAML tag, and specs have none",
            self._span(event),
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

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(self._path, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def _scalar_span(self, event: Any) -> Span:
        """The place of the text itself: without its anchor, and without the blank lines after a block."""
        start, end = event.start_mark, event.end_mark
        if event.anchor is None and event.style not in {"|", ">"}:
            return Span(self._path, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
        whole = self._text[start.index : end.index].rstrip()
        anchor = _ANCHOR.match(whole) if event.anchor is not None else None
        line, column = _moved(start.line + 1, start.column + 1, anchor.group() if anchor else "")
        end_line, end_column = _moved(start.line + 1, start.column + 1, whole)
        return Span(self._path, line, column, end_line, end_column)

    def _collection_span(self, event: Any, end: Any, last: Span | None) -> Span:
        """From the first token to the last. A block ends with its last value, not with the next token."""
        start, stop = event.start_mark, end.end_mark
        if event.flow_style or last is None:
            return Span(self._path, start.line + 1, start.column + 1, stop.line + 1, stop.column + 1)
        return Span(self._path, start.line + 1, start.column + 1, last.end_line, last.end_column)


def _is_plain(event: Any) -> bool:
    return type(event) is ScalarEvent and bool(event.implicit[0])


def _moved(line: int, column: int, over: str) -> tuple[int, int]:
    """Line and column after some text."""
    breaks = over.count("\n")
    if breaks:
        return line + breaks, len(over) - over.rfind("\n")
    return line, column + len(over)
