"""Asking a person, where there is one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext


def can_prompt() -> bool:
    """Whether a person sees what is asked and can answer: with `> file` on a terminal nobody has seen it."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams)


def confirm(
    context: CommandContext, question: str, answer: str = "yes", prompt: str = 'Only "yes" is accepted: '
) -> bool:
    """Ask on stderr and wait for this very `answer`."""
    context.err.print()
    context.err.print(question)
    reply = ""
    try:
        # Past all buffers: a signal in the middle would leave the question in them, to be printed again.
        os.write(sys.stderr.fileno(), prompt.encode())
        reply = sys.stdin.readline()
    finally:
        if not reply.endswith("\n"):  # Ctrl-C and Ctrl-D leave the cursor behind the question
            context.err.print()
    return reply.strip() == answer
