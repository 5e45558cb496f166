"""Append to a file of JSON Lines, which several processes may write at once."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reconciler.state.atomic_file import sync_directory

LINE_PREFIX = b'{"at": "'
"""Start of every line. Every line has the id of its run under `run`."""

_HEADER_BYTES = 65536


class ForeignFileError(ValueError):
    """The file is not a log of events."""


class LogFile:
    """An open log.

    `append` never raises: `failure` is the latest error, `lost_lines` counts the lost lines.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or create it for its owner only. Raises OSError and ForeignFileError."""
        # Non-blocking: opening a pipe must not wait for a reader.
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
        """Read all entries, oldest first.

        Incomplete lines of killed processes are skipped. Raises OSError.
        """
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for line in file:
                entry = _parse_line(line)
                if entry is not None:
                    yield entry

    def append(self, content: Mapping[str, Any], *, durable: bool) -> None:
        """Append a line. A durable line has reached the disk afterwards, and so have all lines before it."""
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
        """Close the file."""
        os.close(self._file)


def _check_size(file: int) -> int:
    """Check the file and return its size in bytes. Raises ForeignFileError for another kind of file."""
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        raise ForeignFileError("it is not a regular file")
    if status.st_size > 0 and not _has_log_header(os.pread(file, _HEADER_BYTES, 0)):
        raise ForeignFileError("it is not a log of events")
    return status.st_size


def _has_log_header(header: bytes) -> bool:
    first_line = header.partition(b"\n")[0]
    entry = _parse_line(first_line)
    # A first line may be incomplete, or longer than the bytes that were read.
    return first_line.startswith(LINE_PREFIX) if entry is None else "run" in entry


def _parse_line(line: bytes) -> Mapping[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _encode_line(content: Mapping[str, Any]) -> bytes:
    """Encode a line as ASCII, so that terminals find nothing to interpret.

    Some CI runners interpret `##[x]` as a command, so `##` is escaped.
    """
    text = json.dumps(content, default=str).replace("##", "\\u0023\\u0023")
    return f"{text}\n".encode("ascii")
