"""Ask the user at a terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext


def can_prompt() -> bool:
    """Return whether the user can see the plan and a question, and can answer it.

    With `> file` on a terminal the plan is not visible, so the user could only approve it unseen.
    """
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams)


def confirm(
    context: CommandContext, question: str, answer: str = "yes", prompt: str = 'Only "yes" is accepted: '
) -> bool:
    """Ask a question on stderr. Returns whether the reply is exactly `answer`."""
    context.err.print()
    context.err.print(question)
    reply = ""
    try:
        # Written past all buffers: after a signal, a buffered question would be printed again.
        os.write(sys.stderr.fileno(), context.settings.redactor.redact(prompt).encode())
        reply = sys.stdin.readline()
    finally:
        if not reply.endswith("\n"):  # after Ctrl-C and Ctrl-D the cursor stays behind the question
            context.err.print()
    return reply.strip() == answer
