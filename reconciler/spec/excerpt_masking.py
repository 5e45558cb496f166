"""What else stands on a line that is shown: in flow style a finding and a secret can share one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.source import Span
from reconciler.spec.nodes import MappingNode, Node, Scalar, Sequence

Keys: TypeAlias = tuple[str, ...]


def mask_lines(
    diagnostics: Iterable[Diagnostic],
    roots: Mapping[str, MappingNode],
    is_public: Callable[[Keys, str], bool],
    hidden: Collection[Span] = (),
) -> list[Diagnostic]:
    """The diagnostics, secret where their line holds a value that need not be harmless beside the one in question.

    `roots` are trees by path; `is_harmless` judges a value by the keys that lead to it and by its text. Values at
    `hidden` places are known not to be.
    """
    listed = list(diagnostics)
    lines_by_path: dict[str, set[int]] = defaultdict(set)
    for diagnostic in listed:
        if diagnostic.span and not diagnostic.secret:
            lines_by_path[diagnostic.span.path].add(diagnostic.span.line)
    values_by_line = {
        (path, line): values
        for path, line_numbers in lines_by_path.items()
        if path in roots
        for line, values in _find_exposed_values(roots[path], line_numbers, is_public, hidden).items()
    }
    return [
        replace(diagnostic, secret=True)
        if diagnostic.span
        and values_by_line.get((diagnostic.span.path, diagnostic.span.line), set()) - {diagnostic.span}
        else diagnostic
        for diagnostic in listed
    ]


def _find_exposed_values(
    root: MappingNode, lines: set[int], is_public: Callable[[Keys, str], bool], hidden: Collection[Span]
) -> dict[int, set[Span]]:
    values: dict[int, set[Span]] = defaultdict(set)
    for keys, scalar in _walk_scalars(root, ()):
        span = scalar.span
        touched_lines = lines.intersection(range(span.line, span.end_line + 1))
        if (
            touched_lines
            and scalar.value not in {None, "", True, False}
            and (span in hidden or not is_public(keys, scalar.as_written))
        ):
            for line in touched_lines:
                values[line].add(span)
    return values


def _walk_scalars(node: Node, keys: Keys) -> Iterator[tuple[Keys, Scalar]]:
    match node:
        case Scalar():
            yield keys, node
        case Sequence(items=items):
            for item in items:
                yield from _walk_scalars(item, keys)
        case MappingNode():
            for key, child in node.items():
                yield from _walk_scalars(child, (*keys, key))
