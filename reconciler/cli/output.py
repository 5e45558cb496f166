"""Plain text on standard output, for commands that need no session, and what to do when it does not get through."""

from __future__ import annotations

import errno
import os
import sys
from typing import TextIO, cast

from reconciler.cli.exit import ExitCode
from reconciler.model.diagnostic import Diagnostic
from reconciler.report.stream import ClosedStream, SafeStream


def print_text(text: str) -> ExitCode:
    """Print text with a line end, as far as somebody reads it."""
    stream = SafeStream(sys.stdout)
    stream.write(f"{text}\n")
    stream.flush()
    return report_lost_output(stream.failure)


def describe_lost_output(problem: OSError | None) -> Diagnostic | None:
    """Why output is missing. A reader that went away (`| head`) is no failure; a full disk or a closed stream is."""
    if problem is None or problem.errno == errno.EPIPE:
        return None
    return Diagnostic("output-lost", f"the output could not be written: {problem.strerror or problem}")


def report_lost_output(problem: OSError | None) -> ExitCode:
    """Say on stderr if output is missing, as far as that is possible."""
    diagnostic = describe_lost_output(problem)
    if diagnostic is None:
        return ExitCode.OK
    from reconciler.report.diagnostics import render_short
    from reconciler.report.style import Colour, make_console

    make_console(sys.stderr, Colour.NEVER).print(render_short(diagnostic))
    return ExitCode.FAILED


def replace_closed_streams() -> None:
    """Put something in the place of standard streams that the caller has closed, which says so when it is used.

    Their descriptors are taken too, or a file or a socket would get the number.
    """
    sys.stdout = sys.stdout or cast("TextIO", ClosedStream())
    sys.stderr = sys.stderr or cast("TextIO", ClosedStream())
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
