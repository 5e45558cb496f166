"""Print plain text, choose colours, and report lost output."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

from reconciler.cli.exit import ExitCode
from reconciler.model.diagnostic import Diagnostic
from reconciler.report.colour import Colour
from reconciler.report.formats import Verbosity
from reconciler.report.stream import ClosedStream, SafeStream


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Options for the output of a run. `events` is the file of its event log. If `is_full`, each change is shown by
    itself. With `counts_codes` texts have the number of findings of each code in place of the findings."""

    no_color: bool = False
    verbosity: Verbosity = Verbosity.NORMAL
    events: Path | None = None
    is_full: bool = False
    counts_codes: bool = False

    @property
    def is_quiet(self) -> bool:
        """Whether the user wants results and diagnostics alone."""
        return self.verbosity is Verbosity.QUIET


def choose_colour(environ: Mapping[str, str], *, no_color: bool) -> Colour:
    """Choose the use of colours. Of the variables, the one that forbids colours wins."""
    if no_color or environ.get("NO_COLOR"):
        return Colour.NEVER
    if any(environ.get(name, "") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return Colour.ALWAYS
    is_plain = environ.get("TERM") == "dumb" or environ.get("CLICOLOR") == "0"
    return Colour.NEVER if is_plain else Colour.AUTO


def get_terminal_columns() -> int | None:
    """Return the cells of a line if the results go to a terminal; None for a pipe or a file, which gets whole lines."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_text(text: str) -> ExitCode:
    """Print text with a line end. Returns the exit code of a run that printed nothing else."""
    stream = SafeStream(sys.stdout)
    stream.write(f"{text}\n")
    stream.flush()
    return report_lost_output(stream.failure)


def describe_lost_output(problem: OSError | None) -> Diagnostic | None:
    """Describe lost output; None if nothing is lost, or if the reader closed the pipe, as `| head` does."""
    if problem is None or problem.errno == errno.EPIPE:
        return None
    return Diagnostic("output-lost", f"the output could not be written: {problem.strerror or problem}")


def report_lost_output(problem: OSError | None) -> ExitCode:
    """Report lost output on stderr, as far as stderr works. Returns the exit code."""
    diagnostic = describe_lost_output(problem)
    if diagnostic is None:
        return ExitCode.OK
    from reconciler.report.diagnostics import render_short
    from reconciler.report.style import make_console

    make_console(sys.stderr, Colour.NEVER).print(render_short(diagnostic))
    return ExitCode.FAILED


def replace_closed_streams() -> None:
    """Replace standard streams that the caller has closed by streams that raise on use.

    Their descriptors are occupied too: otherwise the next file or socket would get the number.
    """
    sys.stdout = sys.stdout or cast("TextIO", ClosedStream())
    sys.stderr = sys.stderr or cast("TextIO", ClosedStream())
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
