"""Rewrite spec files in their normal form, for `fmt`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, sort_diagnostics
from reconciler.operations.selection import select_files
from reconciler.spec.edit import has_content, rewrite
from reconciler.spec.files import SpecPath
from reconciler.spec.formatter import format_spec
from reconciler.spec.source import read_text
from reconciler.workspace.settings import Settings


class Mode(Enum):
    """Whether files are rewritten or only checked."""

    WRITE = "write"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class ReformattedFile:
    """A file that is not in normal form: its text without a byte order mark, and its normal form."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class FormatResult:
    """Result of `fmt`. `files` counts all checked files."""

    files: int
    changed: tuple[ReformattedFile, ...]


def format_specs(settings: Settings, paths: Sequence[Path], mode: Mode) -> FormatResult:
    """Format the files of a project, or the named files.

    Raises ReconcilerError with the findings of every unreadable file, before any file is written.
    """
    files = select_files(settings, paths)
    findings: list[Diagnostic] = []
    changed: list[tuple[SpecPath, ReformattedFile]] = []
    for path in files:
        try:
            before = read_text(path.file, path.shown)
            after = format_spec(before, path.shown)
        except ReconcilerError as error:
            findings += error.diagnostics
            continue
        if not has_content(path.file, after):
            changed.append((path, ReformattedFile(path.shown, before, after)))
    if findings:
        raise ReconcilerError(sort_diagnostics(findings))
    # Written after every file was formatted, so that an error leaves all files as they were.
    if mode is Mode.WRITE:
        for file, reformatted in changed:
            rewrite(file, reformatted.after)
    return FormatResult(len(files), tuple(reformatted for _, reformatted in changed))
