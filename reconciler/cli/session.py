"""One run of a command: its consoles, its settings, and how it tells that it failed."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.cli.clock import SystemClock
from reconciler.cli.exit import Exit, exit_for
from reconciler.cli.options import Shared
from reconciler.cli.source_lines import SourceLines
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.plan import Plan
from reconciler.report import diagnostics as report
from reconciler.report.document import document, dumped, failure
from reconciler.report.plan_text import Detail, plan_text
from reconciler.report.progress import Progress
from reconciler.report.style import Colour, Screen, Styled, failure_of, make_console, write_plain
from reconciler.report.verbosity import Verbosity

if TYPE_CHECKING:
    from reconciler.operations.settings import Settings

JSON = "json"
CONCISE = "concise"


@dataclass(frozen=True, slots=True)
class Session:
    """Results go to `out`, diagnostics and progress to `err`. `form` is the chosen `--format`."""

    shared: Shared
    form: str
    out: Screen
    err: Screen
    environ: Mapping[str, str]
    directory: Path
    clock: SystemClock
    read_line: SourceLines

    @property
    def wants_json(self) -> bool:
        """Whether stdout must be one JSON document."""
        return self.form == JSON

    @property
    def settings(self) -> Settings:
        """What operations need to know."""
        # Brings requests with it, which not every command needs.
        from reconciler.operations.settings import Settings

        return Settings(
            project=self.shared.project,
            directory=self.directory,
            environ=self.environ,
            clock=self.clock,
            sandbox=self.shared.sandbox,
        )

    def progress(self) -> Progress:
        """A listener for this run. Result lines are left out where a document follows."""
        moves = self.environ.get("TERM") != "dumb"
        return Progress(self.err, None if self.wants_json else self.out, self.shared.verbosity, moves)

    def tell(self, text: Styled | str) -> None:
        """Print a result, unless a document takes its place."""
        if not self.wants_json:
            self.out.print(text)

    def tell_plan(self, plan: Plan) -> None:
        """Print a plan for people."""
        if not self.wants_json:
            everything = self.shared.verbosity is Verbosity.VERBOSE
            detail = Detail.EVERYTHING if everything else Detail.CHANGES
            self.out.print(plan_text(plan, self.read_line, detail))

    def tell_document(self, exit_code: Exit, content: Mapping[str, Any]) -> None:
        """Print the document of a run, if that is what was asked for."""
        if self.wants_json:
            write_plain(self.out, dumped(document(exit_code, exit_code.reason, content)))

    def tell_failure(self, exit_code: Exit, diagnostics: Iterable[Diagnostic]) -> None:
        """Print why a run stopped: for people on stderr, for programs on stdout."""
        diagnostics = list(diagnostics)
        if self.wants_json:
            write_plain(self.out, dumped(failure(exit_code, exit_code.reason, diagnostics)))
        else:
            self.tell_diagnostics(diagnostics)

    def tell_diagnostics(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Print diagnostics for people on stderr."""
        concise = self.form == CONCISE
        self.err.print(report.concise(diagnostics) if concise else report.full(diagnostics, self.read_line))


def in_session(shared: Shared, form: str, work: Callable[[Session], Exit]) -> Exit:
    """Run the work of a command. Whatever happens, it ends with an exit code and without a traceback of ours.

    A bug is the exception: it shows where it is, but never its message, which may hold a secret.
    """
    session = _open(shared, form)
    try:
        code = work(session)
    except ReconcilerError as error:
        code = exit_for(error.diagnostics)
        session.tell_failure(code, error.diagnostics)
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
        session.tell_failure(code, [Diagnostic("interrupted", "interrupted before anything was changed")])
    except Exception as error:
        code = Exit.BUG
        session.err.print("".join(traceback.format_tb(error.__traceback__)).rstrip())
        session.tell_failure(code, [_bug(error)])
    return code if _was_printed(session) else code or Exit.FAILED


def _open(shared: Shared, form: str) -> Session:
    environ = dict(os.environ)
    plain = shared.no_color or bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
    colour = Colour.NEVER if plain else Colour.AUTO
    directory = Path.cwd()
    return Session(
        shared=shared,
        form=form,
        out=make_console(sys.stdout, colour),
        err=make_console(sys.stderr, colour),
        environ=environ,
        directory=directory,
        clock=SystemClock(),
        read_line=SourceLines(directory),
    )


def _bug(error: Exception) -> Diagnostic:
    return Diagnostic(
        "bug",
        f"this is a bug in reconciler: `{type(error).__name__}`",
        help="report it together with the lines above; they hold no values of yours",
    )


def _was_printed(session: Session) -> bool:
    """A reader that went away (`| head`) is no failure; a full disk is one, and is told."""
    problem = failure_of(session.out)
    if problem is None or problem.errno == errno.EPIPE:
        return True
    told = Diagnostic("output-lost", f"the output could not be written: {problem.strerror or problem}")
    session.tell_diagnostics([told])
    return False
