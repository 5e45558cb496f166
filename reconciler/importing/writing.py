"""Write planned files: each whole or not at all, and no file that has changed since it was read.

All contents are on disk, beside their files, before the first file is replaced: a disk without room and a folder that
cannot be written stop nothing halfway.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.importing.file_plan import PlannedFile, WriteStage
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.spec.edit import explain_changed, has_content
from reconciler.spec.files import resolve_path
from reconciler.spec.staging import stage


@dataclass(frozen=True, slots=True)
class WriteResult:
    """Written files, in their order, and the errors of files that could not be written, by path."""

    written: tuple[PlannedFile, ...] = ()
    problems: dict[Path, Diagnostic] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _StagedFile:
    """Planned file with its new content in a temporary file beside it."""

    planned: PlannedFile
    target: Path
    temporary: Path


_OTHER_FILE = "make the file and its folder writable, or name another file with `--into FILE`"


def write_files(files: Iterable[PlannedFile], advice: str = _OTHER_FILE) -> WriteResult:
    """Write files in the given order. The first error ends the work. `advice` is the next step for a file that cannot
    be written.

    Raises ReconcilerError if the user interrupts the work after the first file, else KeyboardInterrupt.
    """
    staged: list[_StagedFile] = []
    written: list[PlannedFile] = []
    try:
        for file in files:
            try:
                staged.append(_stage(file))
            except OSError as error:
                return WriteResult((), {file.path: _explain_unwritable(file, error, advice)})
        for staged_file in staged:
            problem = _put_in_place(staged_file, advice)
            if problem is not None:
                return WriteResult(tuple(written), {staged_file.planned.path: problem})
            written.append(staged_file.planned)
    except KeyboardInterrupt:
        if not written:
            raise
        raise ReconcilerError([_explain_interruption(len(written), len(staged))]) from None
    finally:
        for staged_file in staged:
            with suppress(OSError):
                staged_file.temporary.unlink(missing_ok=True)
    return WriteResult(tuple(written))


def _stage(file: PlannedFile) -> _StagedFile:
    """Write the new content of a file beside it, with the permissions of the file. Raises OSError."""
    target = resolve_path(file.path)
    return _StagedFile(file, target, stage(target, file.after))


def _put_in_place(staged: _StagedFile, advice: str) -> Diagnostic | None:
    """Put the new content in the place of a file that is as it was planned. Returns a problem."""
    file = staged.planned
    try:
        if file.before is None:
            os.link(staged.temporary, staged.target)  # unlike a rename, it replaces no file
        elif not has_content(staged.target, file.before):
            return explain_changed(file.shown)
        else:
            staged.temporary.replace(staged.target)
        _sync_folder(staged.target.parent)
    except FileExistsError:
        return explain_changed(file.shown)
    except OSError as error:
        return _explain_unwritable(file, error, advice)
    return None


def _sync_folder(folder: Path) -> None:
    """Make the new name of a file durable, as far as the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _explain_interruption(written: int, files: int) -> Diagnostic:
    return Diagnostic(
        "interrupted",
        f"interrupted after {written} of {files} files were written, each of them whole",
        help="run the command again: it completes the work",
    )


def _explain_unwritable(file: PlannedFile, error: OSError, advice: str) -> Diagnostic:
    if file.stage is WriteStage.PROJECT:
        advice = (
            "its `specs` must name the new file, which no line finds yet: make it writable, or name a file that `specs`"
            " finds with `--into FILE`"
        )
    return Diagnostic(
        "file-unwritable", f"cannot write `{file.shown}`: {error.strerror or error}", help=advice
    )
