"""Write generated files all at once, and compare them with what they should be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.spec.files import resolve_path
from reconciler.spec.staging import stage


class FileState(Enum):
    """Relation of a file to its generated text."""

    CURRENT = "current"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """File with its path for people and the text that it should have. Every earlier text of the file has `mark`."""

    path: Path
    shown: str
    text: str
    mark: str


def compare(file: GeneratedFile) -> FileState:
    """Compare a file with its generated text. Raises ReconcilerError for a file that cannot be read.

    Line ends do not count: git may convert them in a clone.
    """
    try:
        content = _read(file)
    except OSError as error:
        raise ReconcilerError([_explain_unreadable(file, error)]) from error
    if content is None:
        return FileState.MISSING
    return FileState.CURRENT if content == file.text.encode() else FileState.STALE


def write_generated(files: Sequence[GeneratedFile], root: Path | None) -> tuple[GeneratedFile, ...]:
    """Write the files that are not current, and return them. Raises ReconcilerError.

    All new texts are on the disk before the first file is replaced, so an error leaves every file as it was. Symbolic
    links stay; they must not lead out of `root`, None for anywhere. A file without its mark is not replaced.
    """
    _check_places(files, root)
    changed = tuple(file for file in files if compare(file) is not FileState.CURRENT)
    _check_owners(changed)
    staged: list[tuple[Path, Path]] = []
    for file in changed:
        try:
            target = resolve_path(file.path)
            staged.append((stage(target, file.text), target))
        except OSError as error:
            _drop(staged)
            raise ReconcilerError([_explain_unwritable(file, error)]) from error
    for file, (temporary, target) in zip(changed, staged, strict=True):
        try:
            temporary.replace(target)
        except OSError as error:
            _drop(staged)
            raise ReconcilerError([_explain_unwritable(file, error)]) from error
    return changed


def _read(file: GeneratedFile) -> bytes | None:
    """Read a file with LF line ends; None if it does not exist. Raises OSError."""
    try:
        return file.path.read_bytes().replace(b"\r\n", b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _check_places(files: Iterable[GeneratedFile], root: Path | None) -> None:
    outside = [file for file in files if root and not resolve_path(file.path).is_relative_to(root)]
    if outside:
        raise ReconcilerError([_explain_outside(file) for file in outside])


def _check_owners(files: Iterable[GeneratedFile]) -> None:
    """Check that every existing file is a generated file, whole or damaged. Raises ReconcilerError."""
    for file in files:
        content = _read(file)
        if content is not None and content.strip() and file.mark.encode() not in content:
            raise ReconcilerError([_explain_foreign(file)])


def _drop(staged: Iterable[tuple[Path, Path]]) -> None:
    for temporary, _ in staged:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _explain_unreadable(file: GeneratedFile, error: OSError) -> Diagnostic:
    return Diagnostic(
        "file-unreadable",
        f"cannot read `{file.shown}`: {error.strerror or error}",
        help="correct its permissions, or remove what stands in its place",
    )


def _explain_unwritable(file: GeneratedFile, error: OSError) -> Diagnostic:
    return Diagnostic(
        "file-unwritable",
        f"cannot write `{file.shown}`: {error.strerror or error}",
        help="name another folder, or make this folder writable",
    )


def _explain_outside(file: GeneratedFile) -> Diagnostic:
    return Diagnostic(
        "outside-project",
        f"a symbolic link leads from `{file.shown}` out of the project",
        notes=("nothing was written",),
        help="remove the link, or name the folder: `reconciler schema --write DIR`",
    )


def _explain_foreign(file: GeneratedFile) -> Diagnostic:
    return Diagnostic(
        "file-unwritable",
        f"`{file.shown}` is no schema of this program, and is not replaced",
        help="move the file away, or name another folder: `reconciler schema --write DIR`",
    )
