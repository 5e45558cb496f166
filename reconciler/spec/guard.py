"""Check the size of a file before a tree is built."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits of a file. `takes_escapes` accepts an invisible character that is written as an escape, in a file that
    programs write."""

    max_bytes: int = 4 * 1024 * 1024
    max_nodes: int = MAX_NODES
    takes_escapes: bool = False


SPEC_LIMITS = ReadLimits()
SNAPSHOT_LIMITS = ReadLimits(64 * 1024 * 1024, 4_000_000, takes_escapes=True)
"""Limits of the description of a whole account."""


def refuse_too_many(text: str, path: str, max_nodes: int = MAX_NODES) -> None:
    """Refuse a file with more than `max_nodes` keys and values. Raises ReconcilerError.

    Syntax errors and deep nesting end the count here; the composer reports them.
    """
    if len(text) < max_nodes:  # no node has less than a character
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
            if nodes > max_nodes:
                raise ReconcilerError([_explain_too_many(path, event.start_mark.line + 1, max_nodes)])
    except YAMLError:
        return


def _explain_too_many(path: str, line: int, max_nodes: int) -> Diagnostic:
    return Diagnostic(
        "too-large",
        f"this file holds more than {max_nodes:,} keys and values",
        Span(path, line, 1, line, 1),
        help="split it into several files; `specs:` takes globs" if max_nodes == MAX_NODES else "",
        secret=True,
    )
