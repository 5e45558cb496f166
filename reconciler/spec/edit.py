"""Change spec files on disk."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.spec.characters import BYTE_ORDER_MARK
from reconciler.spec.files import SpecPath
from reconciler.spec.source import read_text
from reconciler.spec.staging import write_temporary


@dataclass(frozen=True, slots=True)
class FileText:
    """Text of a file as it was read, with its byte order mark and its line ends."""

    path: SpecPath
    text: str

    def is_current(self) -> bool:
        """Return whether the file still has this text. Raises OSError."""
        return has_content(self.path.file, self.text)


def read_file_text(path: SpecPath) -> FileText:
    """Read the text of a file for a later edit. Raises ReconcilerError."""
    text = read_text(path.file, path.shown)
    for candidate in (text, BYTE_ORDER_MARK + text):
        read = FileText(path, candidate)
        with suppress(OSError):
            if read.is_current():
                return read
    raise ReconcilerError([explain_changed(path.shown)])


def check_current(read: FileText) -> None:
    """Check that a file still has the text that was read. Raises ReconcilerError."""
    try:
        is_current = read.is_current()
    except OSError:
        is_current = False
    if not is_current:
        raise ReconcilerError([explain_changed(read.path.shown)])


def has_content(file: Path, text: str) -> bool:
    """Return whether a file has exactly this content. Raises OSError."""
    return file.read_bytes() == text.encode()


def rewrite(spec: SpecPath, text: str) -> None:
    """Replace the content of a file in one step, so that no reader sees a part of it. Raises ReconcilerError.

    Permissions stay; a symbolic link keeps its target, whose content is replaced.
    """
    file = spec.file.resolve()
    temporary = None
    try:
        temporary = write_temporary(file, text)
        temporary.chmod(file.stat().st_mode)
        temporary.replace(file)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()
        raise ReconcilerError([_explain_unwritable(spec.shown, error)]) from error


def explain_changed(shown: str) -> Diagnostic:
    """Explain that a file is not as it was when it was read."""
    return Diagnostic(
        "file-changed",
        f"`{shown}` was changed by another program in the meantime",
        notes=("it is not overwritten",),
        help="run the command again",
    )


def _explain_unwritable(shown: str, error: OSError) -> Diagnostic:
    return Diagnostic(
        "file-unwritable",
        f"cannot write `{shown}`: {error.strerror or error}",
        help="make the file and its folder writable",
    )
