"""Bounds that a file has to keep before a tree is built."""

from __future__ import annotations

from ruamel.yaml import CParser
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    MappingEndEvent,
    MappingStartEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.source import Span

MAX_DEPTH = 64
MAX_NODES = 250_000


def refuse_too_many(text: str, path: str) -> None:
    """Count keys and values before a tree is built. Raises ReconcilerError beyond 250,000.

    Syntax errors and deep nesting end the count; the composer meets them again and explains them.
    """
    if len(text) < MAX_NODES:  # no node has less than a character
        return
    next_event = CParser(text).get_event
    nodes = depth = 0
    try:
        while depth <= MAX_DEPTH and type(event := next_event()) is not StreamEndEvent:
            kind = type(event)
            if kind is MappingEndEvent or kind is SequenceEndEvent:
                depth -= 1
                continue
            depth += kind is MappingStartEvent or kind is SequenceStartEvent
            nodes += 1
            if nodes > MAX_NODES:
                raise ReconcilerError([_explain_too_many(path, event.start_mark.line + 1)])
    except YAMLError:
        return


def _explain_too_many(path: str, line: int) -> Diagnostic:
    return Diagnostic(
        "too-large",
        f"this file holds more than {MAX_NODES:,} keys and values",
        Span(path, line, 1, line, 1),
        help="split it into several files; `specs:` takes globs",
        secret=True,
    )
