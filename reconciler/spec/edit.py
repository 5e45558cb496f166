"""Change spec files on disk."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.spec.files import SpecPath


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
        descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(file.stat().st_mode)
        Path(temporary).replace(file)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()
        raise ReconcilerError([_explain_unwritable(spec.shown, error)]) from error


def _explain_unwritable(shown: str, error: OSError) -> Diagnostic:
    return Diagnostic(
        "file-unwritable",
        f"cannot write `{shown}`: {error.strerror or error}",
        help="make the file and its folder writable",
    )
