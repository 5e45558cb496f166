"""Ctrl-C and SIGTERM, before the first change and during changes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from reconciler.cli.exit import ExitCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TerminatedError(KeyboardInterrupt):
    """SIGTERM. To most code it is the same as Ctrl-C, which reaches the children of a process as well."""


def install_sigterm_handler() -> None:
    """Let SIGTERM end this process as Ctrl-C does: with its exit code, its last message, and a released lock."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        raise TerminatedError

    signal.signal(signal.SIGTERM, on_signal)


@contextlib.contextmanager
def cancel_on_signal(cancelled: threading.Event, before_exit: Callable[[], None]) -> Iterator[None]:
    """Let the first signal set `cancelled`, so that calls under way end and no new call starts.

    The second signal ends the process at once, after `before_exit`: calls under way then have an unknown end.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:
        if cancelled.is_set():
            before_exit()
            _write_stderr(
                "Left at once: what was being changed may or may not have happened. Run plan to see."
            )
            os._exit(ExitCode.INCOMPLETE)
        cancelled.set()
        _write_stderr("Stopping: what is in flight has a few seconds to end. Once more leaves at once.")

    previous = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _write_stderr(text: str) -> None:
    """Write past all buffers: a signal may arrive in the middle of another write."""
    with contextlib.suppress(OSError, ValueError):
        os.write(sys.stderr.fileno(), f"\n{text}\n".encode("ascii"))
