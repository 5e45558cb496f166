"""Handle Ctrl-C and SIGTERM, before the first change and during changes."""

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
    """Interrupt by SIGTERM. Most code handles it like Ctrl-C; unlike Ctrl-C, children do not receive it."""


def install_sigterm_handler() -> None:
    """Install a handler of SIGTERM that ends this process like Ctrl-C: with exit code, message and released lock."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        raise TerminatedError

    signal.signal(signal.SIGTERM, on_signal)


@contextlib.contextmanager
def cancel_on_signal(
    cancelled: threading.Event, announce: Callable[[str], None], before_exit: Callable[[], None]
) -> Iterator[None]:
    """Cancel the run on the first signal, and `announce` that: calls in flight end, and no new call starts.

    The second signal ends the process at once, after `before_exit`: calls in flight then have an unknown outcome. Both
    functions must write past all buffers and locks: a signal may arrive in the middle of another write.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:
        if cancelled.is_set():
            before_exit()
            _write_stderr(
                "Stopped at once: changes in flight may or may not be in effect. `reconciler plan` shows them."
            )
            os._exit(ExitCode.INCOMPLETE)
        cancelled.set()
        announce("Stopping: calls in flight have a few seconds to end. Ctrl-C again stops at once.")

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
