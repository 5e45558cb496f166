"""Write to text streams without errors: a closed pipe or an ASCII terminal must not end an apply half-way."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable
from typing import TextIO

# Each replacement has one character, so that carets and columns stay where they are.
_ASCII_FALLBACKS = str.maketrans(
    {"•": "*", "·": "-", "…": "~", "—": "-", "–": "-", "“": '"', "”": '"', "’": "'"}
)


class ClosedStream(io.TextIOBase):
    """Substitute for a closed standard stream (`>&-`), for which the interpreter has None."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Raise the error of a write to a closed descriptor."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


class SafeStream:
    """Text stream for rich that writes as much as it can.

    `redact` removes secrets from every text. Characters that the encoding lacks are replaced. After the first failed
    write all output is dropped, and `failure` is the error: a run must finish its changes even if it cannot report
    them.
    """

    def __init__(self, stream: TextIO, redact: Callable[[str], str] = str) -> None:
        self._stream = stream
        self._redact = redact
        self.failure: OSError | None = None

    @property
    def encoding(self) -> str:
        """Return the encoding of the stream below; rich chooses its spinner by the encoding."""
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return not self._stream.closed and self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor below. Raises `OSError` for a stream that has none."""
        return self._stream.fileno()

    @property
    def columns(self) -> int | None:
        """Return the cells of a line of the terminal at this moment; None if they are unknown."""
        try:
            return os.get_terminal_size(self.fileno()).columns or None
        except (OSError, ValueError):
            return None

    def has_terminal_of(self, other: SafeStream) -> bool:
        """Return whether both streams write to the same terminal."""
        if self is other:
            return self.isatty()
        try:
            devices = {os.fstat(stream.fileno()).st_rdev for stream in (self, other)}
        except (OSError, ValueError):
            return False
        return self.isatty() and other.isatty() and len(devices) == 1

    def prepare(self, text: str) -> str:
        """Return `text` as it is written: redacted, and with replaced characters."""
        return self._replace_unencodable(self._redact(text))

    def write(self, text: str) -> int:
        """Write `text`; characters that the encoding lacks are replaced."""
        if self.failure is None:
            try:
                self._stream.write(self.prepare(text))
            except (OSError, ValueError) as error:
                self._stop_writing(error)
        return len(text)

    def write_at_once(self, prepared: str) -> None:
        """Write a prepared text past all buffers and locks, for a signal handler: the signal may have arrived in the
        middle of another write. Never raises."""
        if self.failure is None:
            with contextlib.suppress(OSError, ValueError):
                os.write(self.fileno(), prepared.encode(self.encoding, "replace"))

    def flush(self) -> None:
        """Flush the stream below. Never raises."""
        if self.failure is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._stop_writing(error)

    def _replace_unencodable(self, text: str) -> str:
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            text = text.translate(_ASCII_FALLBACKS).encode(self.encoding, "replace").decode(self.encoding)
        return text

    def _stop_writing(self, error: OSError | ValueError) -> None:
        # A stream that this process has closed raises ValueError.
        self.failure = error if isinstance(error, OSError) else OSError(str(error))
        try:
            # The interpreter flushes its streams once more at exit, and would report the error there.
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, self._stream.fileno())
            os.close(devnull)
        except (OSError, ValueError):
            return
