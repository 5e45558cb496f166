"""Asking a person, where there is one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.cli.session import Session


def somebody_answers() -> bool:
    """Whether a person sees what is asked and can answer: with `> file` on a terminal nobody has seen it."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams)


def agreed(
    session: Session, question: str, answer: str = "yes", prompt: str = 'Only "yes" is accepted: '
) -> bool:
    """Ask on stderr and wait for this very `answer`."""
    session.err.print()
    session.err.print(question)
    given = ""
    try:
        # Past all buffers: a signal in the middle would leave the question in them, to be printed again.
        os.write(sys.stderr.fileno(), prompt.encode())
        given = sys.stdin.readline()
    finally:
        if not given.endswith("\n"):  # Ctrl-C and Ctrl-D leave the cursor behind the question
            session.err.print()
    return given.strip() == answer
