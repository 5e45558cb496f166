"""`fmt`: bring spec files into their normal form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, in_reading_order
from reconciler.operations.selection import select_files
from reconciler.operations.settings import Settings
from reconciler.spec.edit import is_exactly, rewrite
from reconciler.spec.files import SpecPath
from reconciler.spec.normal_form import normalised
from reconciler.spec.source import read


class Mode(Enum):
    """Whether files are changed, or only looked at."""

    WRITE = "write"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class Reformatted:
    """A file that is not in normal form, as it is (without a byte order mark) and as it should be."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Formatted:
    """What `fmt` did or would do. `files` counts all that were looked at."""

    files: int
    changed: tuple[Reformatted, ...]


def format_specs(settings: Settings, paths: Sequence[Path], mode: Mode) -> Formatted:
    """Format the files of a project, or those that are named.

    Raises `ReconcilerError` with the findings of every file that cannot be read; nothing is written then.
    """
    files = select_files(settings, paths)
    findings: list[Diagnostic] = []
    changed: list[tuple[SpecPath, Reformatted]] = []
    for each in files:
        try:
            before = read(each.file, each.shown)
            after = normalised(before, each.shown)
        except ReconcilerError as error:
            findings += error.diagnostics
            continue
        if not is_exactly(each.file, after):
            changed.append((each, Reformatted(each.shown, before, after)))
    if findings:
        raise ReconcilerError(in_reading_order(findings))
    if mode is Mode.WRITE:
        for file, reformatted in changed:
            rewrite(file, reformatted.after)
    return Formatted(len(files), tuple(each for _, each in changed))
