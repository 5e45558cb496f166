"""Check the size of a file before a tree is built."""

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
    """Refuse a file with more than 250,000 keys and values. Raises ReconcilerError.

    Syntax errors and deep nesting end the count here; the composer reports them.
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
