"""A file of JSON Lines that is only ever added to, also by several processes at once."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reconciler.state.atomic_file import sync_directory

LINE_PREFIX = b'{"at": "'
"""How every line of ours begins. Each has the id of its run under `run`."""

_HEADER_BYTES = 65536


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
        self.lost_lines = 0
        try:
            size = _check_size(self._file)
            if size == 0:
                sync_directory(path.resolve().parent)
            self._is_torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        except (OSError, ForeignFileError):
            self.close()
            raise

    def read_entries(self) -> Iterator[Mapping[str, Any]]:
        """All entries so far, oldest first. Lines that a killed process left in pieces are passed over.

        Raises OSError.
        """
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for line in file:
                entry = _parse_line(line)
                if entry is not None:
                    yield entry

    def append(self, content: Mapping[str, Any], *, durable: bool) -> None:
        """Write one line. A durable one has reached the disk afterwards, and so has all before it."""
        pending = (b"\n" if self._is_torn else b"") + _encode_line(content)
        try:
            while pending:  # nearly always one write, so that lines of two processes never mix
                pending = pending[os.write(self._file, pending) :]
                self._is_torn = bool(pending)
        except OSError as error:
            self.failure = error
            self.lost_lines += 1
            return
        if durable:
            try:
                os.fsync(self._file)
            except OSError as error:
                self.failure = error

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def _check_size(file: int) -> int:
    """The size in bytes. Raises ForeignFileError for what is no such log."""
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        raise ForeignFileError("it is no regular file")
    if status.st_size > 0 and not _has_log_header(os.pread(file, _HEADER_BYTES, 0)):
        raise ForeignFileError("it holds something else than such a log")
    return status.st_size


def _has_log_header(header: bytes) -> bool:
    first_line = header.partition(b"\n")[0]
    entry = _parse_line(first_line)
    # A first line may be torn, or longer than what was read of it.
    return first_line.startswith(LINE_PREFIX) if entry is None else "run" in entry


def _parse_line(line: bytes) -> Mapping[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _encode_line(content: Mapping[str, Any]) -> bytes:
    """ASCII, so that no terminal finds anything to act on; `##[x]` would be a command for some runners (S-44)."""
    text = json.dumps(content, default=str).replace("##", "\\u0023\\u0023")
    return f"{text}\n".encode("ascii")
