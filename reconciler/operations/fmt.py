"""`fmt`: bring spec files into their normal form."""

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
    """Whether files are changed, or only looked at."""

    WRITE = "write"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class ReformattedFile:
    """A file that is not in normal form, as it is (without a byte order mark) and as it should be."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class FormatResult:
    """What `fmt` did or would do. `files` counts all that were looked at."""

    files: int
    changed: tuple[ReformattedFile, ...]


def format_specs(settings: Settings, paths: Sequence[Path], mode: Mode) -> FormatResult:
    """Format the files of a project, or those that are named.

    Raises `ReconcilerError` with the findings of every file that cannot be read; nothing is written then.
    """
    files = select_files(settings, paths)
    findings: list[Diagnostic] = []
    changed: list[tuple[SpecPath, ReformattedFile]] = []
    for each in files:
        try:
            before = read_text(each.file, each.shown)
            after = format_spec(before, each.shown)
        except ReconcilerError as error:
            findings += error.diagnostics
            continue
        if not has_content(each.file, after):
            changed.append((each, ReformattedFile(each.shown, before, after)))
    if findings:
        raise ReconcilerError(sort_diagnostics(findings))
    if mode is Mode.WRITE:
        for file, reformatted in changed:
            rewrite(file, reformatted.after)
    return FormatResult(len(files), tuple(each for _, each in changed))
