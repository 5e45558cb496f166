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
    return _ask(context, question, prompt) == answer


def choose(context: CommandContext, question: str, count: int) -> int | None:
    """Ask for one of the numbers 1 to `count` on stderr. Any other reply is no choice."""
    reply = _ask(context, question, f"A number from 1 to {count}, anything else for none: ")
    return int(reply) if reply in map(str, range(1, count + 1)) else None


def _ask(context: CommandContext, question: str, prompt: str) -> str:
    """Ask a question on stderr. Returns the reply without the blanks around it."""
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
    return reply.strip()
