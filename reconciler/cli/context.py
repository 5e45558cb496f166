"""Run the work of a command with its consoles, settings and renderer."""

from __future__ import annotations

import getpass
import os
import platform
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from reconciler.cli.exit import ExitCode, get_exit_code
from reconciler.cli.github_job import write_github_outputs, write_github_summary
from reconciler.cli.output import OutputOptions, choose_colour, describe_lost_output
from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.lock_info import LockInfo
from reconciler.model.redaction import Redactor
from reconciler.report.diagnostics import render_short
from reconciler.report.formats import Verbosity, make_renderer
from reconciler.report.progress import Progress
from reconciler.report.project import render_found_project
from reconciler.report.renderer import JobFiles, Part, Printed, Renderer, RunView
from reconciler.report.style import (
    Screen,
    StyledText,
    get_stream_failure,
    get_terminal_width,
    make_console,
    write_plain,
)
from reconciler.runtime.clock import SystemClock
from reconciler.workspace.environment_secrets import add_environment_secrets
from reconciler.workspace.settings import Settings

_LINE_END = re.compile(r"\r\n|\r|\n")
_MAX_SOURCE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Context of a running command.

    Results go to `out`, diagnostics and progress to `err`. `renderer` renders both in the chosen format.
    """

    settings: Settings
    output: OutputOptions
    renderer: Renderer
    out: Screen
    err: Screen

    def make_progress(self) -> Progress:
        """Make the progress listener of this run, which prints the end of each change if the format includes it.

        The log of a CI job keeps every frame of a live line, even if the job has a terminal.
        """
        environ = self.settings.environ
        is_animated = environ.get("TERM") != "dumb" and environ.get("CI", "false") in {"", "false", "0"}
        results = self.out if self.renderer.shows_outcomes_live else None
        return Progress(self.err, results, self.output.verbosity, is_animated, ticks=True)

    def show(self, parts: Iterable[Part]) -> None:
        """Print the texts of a renderer, and write the files of a step of GitHub Actions."""
        for part in parts:
            match part:
                case Printed():
                    _print_part(self.err if part.to_stderr else self.out, part)
                case JobFiles():
                    self._write_job_files(part)

    def print_result(self, text: StyledText | str) -> None:
        """Print a result for people, unless a document takes its place."""
        self.show(self.renderer.result(text))

    def print_document(self, exit_code: ExitCode, content: Mapping[str, Any]) -> None:
        """Print a result for programs, if the format is JSON."""
        self.show(self.renderer.document(exit_code, content))

    def _write_job_files(self, files: JobFiles) -> None:
        """Write the files of a CI step. An unwritable file is a warning, and does not change the run."""
        environ, redactor = self.settings.environ, self.settings.redactor
        warnings = (
            write_github_summary(environ, files.summary, redactor.redact) if files.summary is not None else []
        )
        outputs = redactor.redact_all(files.outputs)
        for warning in [*warnings, *write_github_outputs(environ, outputs)]:
            self.err.print(render_short(warning))


def make_settings(project: Path, *, sandbox: bool = False) -> Settings:
    """Make the settings of this process: its directory, its environment, the system clock."""
    clock = SystemClock()
    environ = dict(os.environ)
    redactor = Redactor()
    add_environment_secrets(redactor, environ)
    return Settings(
        project=project,
        directory=Path.cwd(),
        environ=environ,
        clock=clock,
        entropy=os.urandom,
        holder=_make_lock_info(clock),
        sandbox=sandbox,
        fallback_dir=Path(tempfile.gettempdir()),
        redactor=redactor,
    )


def _make_lock_info(clock: Clock) -> LockInfo:
    """Describe this process to other runs that wait for its lock."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user that has no name
        user = str(os.getuid())
    since = clock.now().isoformat(timespec="seconds")
    command = f"reconciler {' '.join(sys.argv[1:2])}".strip()
    return LockInfo(os.getpid(), platform.node(), user, since, command)


def run_command(
    settings: Settings,
    output: OutputOptions,
    form: str,
    work: Callable[[CommandContext], ExitCode],
    command: str = "",
    *,
    stdout: TextIO | None = None,
) -> ExitCode:
    """Run the work of a command. Every run ends with an exit code and, except for a bug, without a traceback.

    A bug shows its place and never its message, which may contain a secret. `command` is the name of a command whose
    failure has a headline of its own. `stdout` takes the results instead of standard output.
    """
    context = _make_context(settings, output, form, command, stdout or sys.stdout)
    _print_found_project(context, form)
    try:
        code = work(context)
    except ReconcilerError as error:
        code = get_exit_code(error.diagnostics)
        context.show(context.renderer.failure(code, error.diagnostics))
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
        context.show(context.renderer.interrupted(code, _INTERRUPTED))
    except Exception as error:
        code = ExitCode.BUG
        context.err.print("".join(traceback.format_tb(error.__traceback__)).rstrip())
        context.show(context.renderer.failure(code, [_describe_bug(error)]))
    return code if _is_output_complete(context) else code or ExitCode.FAILED


def _print_found_project(context: CommandContext, form: str) -> None:
    """Print the project file if the user has not named it and does not see it in this folder."""
    project = context.settings.project
    if not context.settings.is_project_named and ".." in project.parts and form != "json":
        context.err.print(render_found_project(str(project)))


_INTERRUPTED = Diagnostic("interrupted", "interrupted before anything was changed")


def _print_part(screen: Screen, part: Printed) -> None:
    if part.is_verbatim:
        write_plain(screen, str(part.text))
    else:
        screen.print(part.text)


def _make_context(
    settings: Settings, output: OutputOptions, form: str, command: str, stdout: TextIO
) -> CommandContext:
    colour = choose_colour(settings.environ, no_color=output.no_color)
    redact = settings.redactor.redact
    out, err = make_console(stdout, colour, redact), make_console(sys.stderr, colour, redact)

    def to_repo_path(path: str) -> str:
        """Make a path relative to the root of the repository, if the root is known; else to this directory."""
        root = Path(settings.environ.get("GITHUB_WORKSPACE") or settings.directory)
        file = Path(os.path.normpath(settings.directory / path))  # a spec may stand in `../shared`
        return (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()

    run = RunView(
        command=command,
        project_file=str(settings.project),
        to_repo_path=to_repo_path,
        read_line=SourceLines(settings.directory),
        get_time=settings.clock.now,
        get_out_width=lambda: get_terminal_width(out),
        get_err_width=lambda: get_terminal_width(err),
        is_verbose=output.verbosity is Verbosity.VERBOSE,
        is_full=output.is_full,
        counts_codes=output.counts_codes,
    )
    return CommandContext(settings, output, make_renderer(form, run), out, err)


@dataclass(slots=True)
class SourceLines:
    """Lines of spec files, for the excerpts of diagnostics. Each file is read once, for the first of its lines."""

    directory: Path
    _files: dict[str, list[str]] = field(default_factory=dict)

    def __call__(self, path: str, line: int) -> str | None:
        """Return line `line` (from 1) of a file, by a path relative to `directory`; None if there is no such line."""
        if path not in self._files:
            self._files[path] = self._read(self.directory / path)
        lines = self._files[path]
        return lines[line - 1] if 1 <= line <= len(lines) else None

    def _read(self, file: Path) -> list[str]:
        try:
            if not file.is_file() or file.stat().st_size > _MAX_SOURCE_BYTES:
                return []
            return _LINE_END.split(file.read_text("utf-8-sig", errors="replace"))
        except (OSError, ValueError):
            return []


def _describe_bug(error: Exception) -> Diagnostic:
    return Diagnostic(
        "bug",
        f"this is a bug in reconciler: `{type(error).__name__}`",
        help="report it together with the lines above; they contain none of your values",
    )


def _is_output_complete(context: CommandContext) -> bool:
    """Return whether both streams took the whole output."""
    lost = describe_lost_output(get_stream_failure(context.out)) or describe_lost_output(
        get_stream_failure(context.err)
    )
    if lost is None:
        return True
    context.err.print(render_short(lost))
    return False
