"""What else stands on a line that is shown: in flow style a finding and a secret can share one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.source import Span
from reconciler.spec.tree import Node, Scalar, Sequence, Table

Keys: TypeAlias = tuple[str, ...]


def shaded(
    diagnostics: Iterable[Diagnostic],
    roots: Mapping[str, Table],
    is_harmless: Callable[[Keys, str], bool],
    hidden: Collection[Span] = (),
) -> list[Diagnostic]:
    """The diagnostics, secret where their line holds a value that need not be harmless beside the one in question.

    `roots` are trees by path; `is_harmless` judges a value by the keys that lead to it and by its text. Values at
    `hidden` places are known not to be.
    """
    found = list(diagnostics)
    lines: dict[str, set[int]] = defaultdict(set)
    for each in found:
        if each.span and not each.secret:
            lines[each.span.path].add(each.span.line)
    exposed = {
        (path, line): values
        for path, wanted in lines.items()
        if path in roots
        for line, values in _exposed(roots[path], wanted, is_harmless, hidden).items()
    }
    return [
        replace(each, secret=True)
        if each.span and exposed.get((each.span.path, each.span.line), set()) - {each.span}
        else each
        for each in found
    ]


def _exposed(
    root: Table, lines: set[int], is_harmless: Callable[[Keys, str], bool], hidden: Collection[Span]
) -> dict[int, set[Span]]:
    values: dict[int, set[Span]] = defaultdict(set)
    for keys, scalar in _scalars(root, ()):
        span = scalar.span
        touched = lines.intersection(range(span.line, span.end_line + 1))
        if (
            touched
            and scalar.value not in {None, "", True, False}
            and (span in hidden or not is_harmless(keys, scalar.as_written))
        ):
            for line in touched:
                values[line].add(span)
    return values


def _scalars(node: Node, keys: Keys) -> Iterator[tuple[Keys, Scalar]]:
    match node:
        case Scalar():
            yield keys, node
        case Sequence(items=items):
            for item in items:
                yield from _scalars(item, keys)
        case Table():
            for key, below in node.items():
                yield from _scalars(below, (*keys, key))
