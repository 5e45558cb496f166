"""A file of JSON Lines that is only ever added to, also by several processes at once."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reconciler.state.file import sync_directory

LINE_START = b'{"at": "'
"""How every line of ours begins. Each has the id of its run under `run`."""

_HEAD = 65536


class ForeignFileError(ValueError):
    """The file is something else than such a log."""


class LogFile:
    """An open log. Adding to it never raises: `failure` is the latest thing that went wrong, `lost` counts lines."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it, for its owner only. Raises OSError and ForeignFileError."""
        # Not to wait for a reader, should it be a pipe.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self.failure: OSError | None = None
        self.lost = 0
        try:
            size = _checked_size(self._file)
            if size == 0:
                sync_directory(path.resolve().parent)
            self._torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        except (OSError, ForeignFileError):
            self.close()
            raise

    def entries(self) -> Iterator[Mapping[str, Any]]:
        """All entries so far, oldest first. Lines that a killed process left in pieces are passed over.

        Raises OSError.
        """
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for line in file:
                entry = _parsed(line)
                if entry is not None:
                    yield entry

    def add(self, content: Mapping[str, Any], *, durable: bool) -> None:
        """Write one line. A durable one has reached the disk afterwards, and so has all before it."""
        left = (b"\n" if self._torn else b"") + _line(content)
        try:
            while left:  # nearly always one write, so that lines of two processes never mix
                left = left[os.write(self._file, left) :]
                self._torn = bool(left)
        except OSError as error:
            self.failure = error
            self.lost += 1
            return
        if durable:
            try:
                os.fsync(self._file)
            except OSError as error:
                self.failure = error

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def _checked_size(file: int) -> int:
    """The size in bytes. Raises ForeignFileError for what is no such log."""
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise ForeignFileError("it is no regular file")
    if found.st_size > 0 and not _begins_like_a_log(os.pread(file, _HEAD, 0)):
        raise ForeignFileError("it holds something else than such a log")
    return found.st_size


def _begins_like_a_log(head: bytes) -> bool:
    first = head.partition(b"\n")[0]
    entry = _parsed(first)
    # A first line may be torn, or longer than what was read of it.
    return first.startswith(LINE_START) if entry is None else "run" in entry


def _parsed(line: bytes) -> Mapping[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _line(content: Mapping[str, Any]) -> bytes:
    """ASCII, so that no terminal finds anything to act on; `##[x]` would be a command for some runners (S-44)."""
    text = json.dumps(content, default=str).replace("##", "\\u0023\\u0023")
    return f"{text}\n".encode("ascii")
