"""Read and parse YAML files within bounds, as trees with spans."""

from __future__ import annotations

import os
import re
import stat
from itertools import islice
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.source import Span
from reconciler.spec.characters import BYTE_ORDER_MARK, describe_character, find_forbidden_in_file
from reconciler.spec.composer import MAX_FINDINGS, compose
from reconciler.spec.excerpt_masking import may_hold_secret
from reconciler.spec.guard import SPEC_LIMITS, ReadLimits
from reconciler.spec.nodes import MappingNode, Scalar


def parse(text: str, path: str, limits: ReadLimits = SPEC_LIMITS) -> MappingNode:
    """Parse one YAML 1.2 document whose root is a mapping. `path` is the path that spans show.

    Anchors, aliases and `<<` are resolved; a value from an alias keeps the span of its anchor. Tags,
    several documents, duplicate keys, keys that are not text and invisible characters are refused, and so is a file
    that is too large or too deep. A byte order mark at the start is skipped and counts for no column. Raises
    ReconcilerError with all findings.
    """
    text = text.removeprefix(BYTE_ORDER_MARK)
    _refuse_invisible(text, path)
    if len(text) > limits.max_bytes:
        raise ReconcilerError([_explain_too_large(path, limits)])
    root = compose(text, path, limits)
    if root is None or (isinstance(root, Scalar) and root.value is None):
        raise ReconcilerError(
            [
                Diagnostic(
                    "empty-spec",
                    f"`{path}` is empty",
                    Span(path, 1, 1, 1, 1),
                    help="write `version: 1` and `groups:`, or take the file out of `specs`",
                )
            ]
        )
    if not isinstance(root, MappingNode):
        raise ReconcilerError(
            [
                Diagnostic(
                    "wrong-shape",
                    "the file must hold a mapping at its top, not "
                    + ("a single value" if isinstance(root, Scalar) else "a list"),
                    root.span,
                    help="start with `version: 1`",
                    secret=not _is_plain_word(text),
                )
            ]
        )
    return root


def read_text(file: Path, display_path: str, limits: ReadLimits = SPEC_LIMITS) -> str:
    """Read the text of a regular file in UTF-8, within the limits. Raises ReconcilerError."""
    try:
        data = _read_bytes(file, limits.max_bytes)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ReconcilerError([_explain_unreadable(display_path, reason[:1].lower() + reason[1:])]) from None
    if data is None and file.is_dir():
        raise ReconcilerError(
            [
                _explain_unreadable(
                    display_path,
                    "it is a folder",
                    "name the files in it, for example with `*.yaml` behind it",
                )
            ]
        )
    if data is None:
        raise ReconcilerError([_explain_unreadable(display_path, "it is not a regular file")])
    if len(data) > limits.max_bytes:
        raise ReconcilerError([_explain_too_large(display_path, limits)])
    try:
        return data.decode("utf-8").removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        span = _locate_end(data[: error.start].decode("utf-8").removeprefix(BYTE_ORDER_MARK), display_path)
        raise ReconcilerError(
            [
                Diagnostic(
                    "not-utf8",
                    f"`{display_path}` is not UTF-8",
                    span,
                    notes=(f"byte {error.start} does not belong to any UTF-8 character",),
                    help="save the file as UTF-8",
                    secret=True,
                )
            ]
        ) from None


def _read_bytes(file: Path, max_bytes: int) -> bytes | None:
    """Read the bytes of a regular file, at most one more than allowed; None for any other file.

    Checks the type before it opens the file, since opening a FIFO or a device can block or have effects.
    """
    if not stat.S_ISREG(file.stat().st_mode):
        return None
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return stream.read(max_bytes + 1)


def _refuse_invisible(text: str, path: str) -> None:
    places = list(islice(find_forbidden_in_file(text), MAX_FINDINGS))
    if places:
        lines = text.split("\n")
        raise ReconcilerError(
            _explain_forbidden_character(text[place], _locate_end(text[:place], path), lines)
            for place in places
        )


def _explain_forbidden_character(character: str, span: Span, lines: list[str]) -> Diagnostic:
    return Diagnostic(
        "forbidden-character",
        f"the character {describe_character(character)} is not allowed in a spec",
        span,
        notes=("it cannot be seen in a review",),
        help="remove it",
        secret=may_hold_secret(lines, span.line - 1),
    )


def _is_plain_word(text: str) -> bool:
    """Return whether a file without a mapping at its top is one plain word, and so no key file in the wrong place."""
    return re.fullmatch(r"(?:-\s+)?[a-z]{1,12}\s*", text) is not None


def _locate_end(preceding: str, path: str) -> Span:
    line = preceding.count("\n") + 1
    column = len(preceding) - (preceding.rfind("\n") + 1) + 1
    return Span(path, line, column, line, column + 1)


def _explain_too_large(display_path: str, limits: ReadLimits) -> Diagnostic:
    return Diagnostic(
        "too-large",
        f"`{display_path}` is larger than {limits.max_bytes // 1024 // 1024} MiB",
        help="split it into several files; `specs:` takes globs" if limits is SPEC_LIMITS else "",
    )


def _explain_unreadable(
    display_path: str,
    reason: str,
    advice: str = "check that the path is right and that it is a file that you may read",
) -> Diagnostic:
    return Diagnostic(
        "file-unreadable",
        f"cannot read `{display_path}`: {reason}",
        help=advice,
    )
