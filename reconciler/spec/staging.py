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


def _remove_leftovers(file: Path) -> None:
    for leftover in file.parent.glob(f".{glob.escape(file.name)}.{_MARK}-*"):
        owner = _OWNER.search(leftover.name)
        if owner is not None and not is_running(int(owner[1])):
            with suppress(OSError):
                leftover.unlink()
