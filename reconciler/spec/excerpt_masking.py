"""Mask excerpts of spec files: lines that show a secret beside the value of a diagnostic.

In parsed specs each value is judged by the `is_public` function of the caller, which knows the catalogue. Specs with
syntax errors are judged by their text alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.source import Span
from reconciler.spec.nodes import MappingNode, Node, Scalar, Sequence

Keys: TypeAlias = tuple[str, ...]

# After the first of these words, any line of a broken file may be part of a destination.
SECRET_WORDS = "passw|passphrase|secret|key|token|credential"  # noqa: S105 - words, no passwords
_DESTINATION_WORDS = re.compile(f"config|destination|profiles|defaults|vars|{SECRET_WORDS}")
_SECRET_KEY = re.compile(rf"\s*(?:-\s+)?[\"']?\w*(?:{SECRET_WORDS})\w*[\"']?\s*:", re.IGNORECASE)
_SAFE_LINE = re.compile(
    r"""\s*(?:-\s*)?(?:#.*|---|
    (?:version|specs|overrides|account_id|groups|profiles|destination|config|extra_config):\s*(?:\#.*)?|
    (?:version|id|name|profile|service|region|time_zone_offset):\s+[^\s{}\[\]:]?[\w\s@`"'+*&!%.-]*)?\r?""",
    re.VERBOSE,
)


def mask_lines(
    diagnostics: Iterable[Diagnostic],
    roots: Mapping[str, MappingNode],
    is_public: Callable[[Keys, str], bool],
    hidden: Collection[Span] = (),
) -> list[Diagnostic]:
    """Mark diagnostics as secret if their line holds another value that may not be shown.

    `roots` are trees by path; `is_public` judges a value by the keys that lead to it and by its text. Values at
    `hidden` places are never public.
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


def may_hold_secret(lines: list[str], number: int) -> bool:
    """Return whether a line (from 0) may show a value of a `config`, judged by the text alone.

    In a file with syntax errors neither indentation nor brackets show the end of a `config`: a line can be shown if it
    stands before every destination, or if its key never has a secret value.
    """
    number = min(number, len(lines) - 1)
    if _SAFE_LINE.fullmatch(lines[number]):
        return False
    return any(_DESTINATION_WORDS.search(line) for line in lines[: number + 1])


def is_below_secret(lines: list[str], number: int) -> bool:
    """Return whether a line (from 0) stands below a key that sounds secret.

    Such a line may be a password with a colon in it, so its own key proves nothing.
    """
    number = min(number, len(lines) - 1)
    depth = _get_indent(lines[number])
    for line in reversed(lines[:number]):
        if line.strip() and _get_indent(line) < depth:
            depth = _get_indent(line)
            if _SECRET_KEY.match(line):
                return True
    return False


def _get_indent(line: str) -> int:
    return len(line) - len(line.lstrip())
