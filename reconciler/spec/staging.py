"""Write the new content of a file beside it, in a temporary file that takes its place later."""

from __future__ import annotations

import glob
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from reconciler.runtime.process import is_running

_MARK = "reconciler"
_OWNER = re.compile(rf"\.{_MARK}-(\d+)\.[^.]*\Z")


def write_temporary(file: Path, text: str) -> Path:
    """Write a text to a new hidden file beside a file, durably. Raises OSError.

    Removes the temporary files of the same file that killed runs of this machine have left.
    """
    _remove_leftovers(file)
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.{_MARK}-{os.getpid()}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise
    return Path(name)


def stage(file: Path, text: str) -> Path:
    """Write the new text of a file to a temporary file beside it, with the permissions of the file.

    Makes the folder of a new file. Raises OSError, also for a file that is read-only.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = write_temporary(file, text)
    try:
        if not file.exists():
            temporary.chmod(0o666 & ~_get_umask())
        elif os.access(file, os.W_OK):
            temporary.chmod(file.stat().st_mode)
        else:
            raise PermissionError(13, "the file is read-only")
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _get_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _remove_leftovers(file: Path) -> None:
    for leftover in file.parent.glob(f".{glob.escape(file.name)}.{_MARK}-*"):
        owner = _OWNER.search(leftover.name)
        if owner is not None and not is_running(int(owner[1])):
            with suppress(OSError):
                leftover.unlink()
