"""One run of a command: its consoles, its settings, and how it tells that it failed."""

from __future__ import annotations

import getpass
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.cli.exit import ExitCode, get_exit_code
from reconciler.cli.github_job import write_github_outputs, write_github_summary
from reconciler.cli.options import Shared
from reconciler.cli.output import describe_lost_output
from reconciler.cli.source_lines import SourceLines
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.lock_info import LockInfo
from reconciler.model.plan import Plan
from reconciler.model.policy import PolicyResult
from reconciler.report import diagnostics as report
from reconciler.report.formats import Verbosity
from reconciler.report.github import build_failure_outputs, build_plan_outputs, render_github_annotations
from reconciler.report.json_document import build_document, build_failure_document, dump_document
from reconciler.report.plan_markdown import render_failure_markdown, render_plan_markdown
from reconciler.report.plan_text import Detail, render_plan_text
from reconciler.report.progress import Progress
from reconciler.report.sarif import build_sarif_log
from reconciler.report.style import (
    Colour,
    Screen,
    StyledText,
    get_stream_failure,
    get_terminal_width,
    make_console,
    write_plain,
)
from reconciler.runtime.clock import SystemClock

if TYPE_CHECKING:
    from reconciler.workspace.settings import Settings

JSON = "json"
SARIF = "sarif"
GITHUB = "github"
GITLAB = "gitlab"
JUNIT = "junit"
CONCISE = "concise"
MARKDOWN = "markdown"
TERRAFORM = "terraform"
TERRAFORM_JSON = "terraform-json"

_DOCUMENT_FORMATS = {JSON, SARIF, MARKDOWN, GITLAB, JUNIT, TERRAFORM_JSON}
_ALSO_ON_STDERR = {MARKDOWN, JUNIT, TERRAFORM_JSON}
"""Documents that are handed on to others, while the log of the job is what whoever wonders reads."""


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Results go to `out`, diagnostics and progress to `err`. `form` is the chosen `--format`; `failing` is what a
    run that could not do its work is called where it has a headline."""

    shared: Shared
    form: str
    out: Screen
    err: Screen
    environ: Mapping[str, str]
    directory: Path
    clock: SystemClock
    read_line: SourceLines
    failure_headline: str = "No plan"

    @property
    def is_document_format(self) -> bool:
        """Whether stdout must be one document for a program."""
        return self.form in _DOCUMENT_FORMATS

    @property
    def has_embedded_diagnostics(self) -> bool:
        """Whether that document has diagnostics in it, so that nobody needs them beside it."""
        return self.is_document_format and self.form != GITLAB

    @property
    def settings(self) -> Settings:
        """What operations need to know."""
        # Brings requests with it, which not every command needs.
        from reconciler.workspace.settings import Settings

        return Settings(
            project=self.shared.project,
            directory=self.directory,
            environ=self.environ,
            clock=self.clock,
            entropy=os.urandom,
            holder=_make_lock_info(self.clock),
            sandbox=self.shared.sandbox,
            strict=self.shared.strict,
            compare_secrets=self.shared.compare_secrets,
            resend=self.shared.resend,
            recreate=self.shared.recreate,
            allowed=self.shared.allowed,
            overridden=self.shared.overridden,
            resent_creates=self.shared.resent_creates,
            reason=self.shared.reason,
            targets=self.shared.targets,
            excludes=self.shared.excludes,
            changed_since=self.shared.changed_since,
            settings_from=self.shared.settings_from,
            parallelism=self.shared.parallelism,
            fail_fast=self.shared.fail_fast,
            fallback_dir=Path(tempfile.gettempdir()),
        )

    def make_progress(self) -> Progress:
        """A listener for this run. Result lines are left out where a document follows."""
        is_animated = self.environ.get("TERM") != "dumb"
        return Progress(
            self.err, None if self.is_document_format else self.out, self.shared.verbosity, is_animated
        )

    def print_result(self, text: StyledText | str) -> None:
        """Print a result, unless a document takes its place."""
        if not self.is_document_format:
            self.out.print(text)

    def render_plan(self, plan: Plan) -> None:
        """Print a plan for people, on a terminal or in a pull request."""
        if self.form == MARKDOWN:
            self.write(render_plan_markdown(plan, self.project, self.read_line))
        elif self.form == TERRAFORM:
            from reconciler.report.terraform_text import render_terraform_plan

            self.write(render_terraform_plan(plan))
        elif not self.is_document_format:
            everything = self.shared.verbosity is Verbosity.VERBOSE
            detail = Detail.EVERYTHING if everything else Detail.CHANGES
            self.out.print(render_plan_text(plan, detail, get_terminal_width(self.out)))

    def render_warnings(self, warnings: Collection[Diagnostic]) -> None:
        """Print what does not stop a run on stderr, before its results. In a document it is inside."""
        if warnings and not self.has_embedded_diagnostics:
            self.render_diagnostics(warnings)
            if self.form != CONCISE:
                self.err.print()

    def render_document(
        self,
        exit_code: ExitCode,
        content: Mapping[str, Any],
        findings: Iterable[Diagnostic] = (),
        policy_results: Iterable[PolicyResult] = (),
    ) -> None:
        """Print the document of a run, if that is what was asked for. SARIF has room for `findings` only, and for
        the policies that some of them come from."""
        if self.form == SARIF:
            self._render_sarif(exit_code, findings, policy_results)
        elif self.form == JSON:
            self.write_document(build_document(exit_code, exit_code.reason, content))

    def render_failure(
        self,
        exit_code: ExitCode,
        diagnostics: Iterable[Diagnostic],
        policy_results: Iterable[PolicyResult] = (),
    ) -> None:
        """Print why a run stopped: for people on stderr, for programs on stdout. No document of a failure can be
        taken for one of a plan without changes."""
        diagnostics = list(diagnostics)
        if not self.has_embedded_diagnostics or self.form in _ALSO_ON_STDERR:
            self.render_diagnostics(diagnostics)
        match self.form:
            case "sarif":
                self._render_sarif(exit_code, diagnostics, policy_results)
            case "markdown":
                self.write(
                    render_failure_markdown(diagnostics, self.project, self.read_line, self.failure_headline)
                )
            case "json":
                self.write_document(build_failure_document(exit_code, exit_code.reason, diagnostics))
            case "terraform-json":
                from reconciler.report.terraform_json import build_failed_terraform_plan

                extra = {"exit": {"code": int(exit_code), "reason": exit_code.reason}}
                self.write_document(build_failed_terraform_plan(diagnostics, self.clock.now(), extra))
            case "junit":
                from reconciler.report.junit import render_failure_junit

                self.write(render_failure_junit(diagnostics, str(self.shared.project), policy_results))
            case "github":
                self._write_github_failure(exit_code, diagnostics)

    def render_blockers(self, blockers: Iterable[Diagnostic]) -> None:
        """Print why a plan is not applied, for people, unless a document has it inside."""
        if blockers and not self.has_embedded_diagnostics:
            self.err.print()
            self.render_diagnostics(blockers)

    def render_interrupt(self) -> None:
        """Say that the user stopped the run. That is no error, but a document has to say it."""
        diagnostic = Diagnostic("interrupted", "interrupted before anything was changed")
        if self.has_embedded_diagnostics:
            self.render_failure(ExitCode.INTERRUPTED, [diagnostic])
            return
        self.err.print("Interrupted before anything was changed.")
        if self.form == GITHUB:
            self._write_github_failure(ExitCode.INTERRUPTED, [diagnostic])

    def render_diagnostics(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Print diagnostics for people on stderr, and where GitHub is asked to show them, as annotations."""
        diagnostics = list(diagnostics)
        if self.form == CONCISE:
            self.err.print(report.render_concise(diagnostics))
        elif self.form == TERRAFORM:
            from reconciler.report.terraform_text import render_terraform_diagnostics

            write_plain(self.err, render_terraform_diagnostics(diagnostics))
        else:
            self.err.print(report.render_full(diagnostics, self.read_line, get_terminal_width(self.err)))
        self.annotate(diagnostics)

    def annotate(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Print annotations, if that is what was asked for."""
        if self.form == GITHUB:
            for line in render_github_annotations(diagnostics, self._to_repo_path):
                write_plain(self.out, line)

    def write(self, text: str) -> None:
        """Write a document, whatever its form."""
        write_plain(self.out, text)

    def write_document(self, content: Mapping[str, Any]) -> None:
        """Write a document of JSON."""
        self.write(dump_document(content))

    def write_github_plan(self, plan: Plan, exit_code: ExitCode) -> None:
        """Leave a plan in the summary and in the outputs of a step of GitHub Actions."""
        self.write_github_files(
            exit_code,
            build_plan_outputs(plan),
            lambda room: render_plan_markdown(plan, self.project, self.read_line, room),
        )

    def write_github_files(
        self, exit_code: ExitCode, outputs: Mapping[str, str], summary: Callable[[int], str] | None = None
    ) -> None:
        """Leave outputs, and a summary for so many bytes, in a step of GitHub Actions. A file that does not take
        them is one warning: the run itself is as it is."""
        exit_outputs = {"exit-code": str(int(exit_code)), "reason": exit_code.reason}
        warnings = write_github_summary(self.environ, summary) if summary is not None else []
        warnings += write_github_outputs(self.environ, {**outputs, **exit_outputs})
        for warning in warnings:
            self.err.print(report.render_short(warning))

    def _write_github_failure(self, exit_code: ExitCode, diagnostics: Sequence[Diagnostic]) -> None:
        refused = exit_code in {ExitCode.REFUSED, ExitCode.PLAN_REFUSED}
        self.write_github_files(
            exit_code,
            build_failure_outputs(refused=refused),
            lambda room: render_failure_markdown(
                diagnostics, self.project, self.read_line, self.failure_headline, room
            ),
        )

    def _render_sarif(
        self, exit_code: ExitCode, diagnostics: Iterable[Diagnostic], policy_results: Iterable[PolicyResult]
    ) -> None:
        default_file = str(self.shared.project)
        log = build_sarif_log(
            diagnostics, self._to_repo_path, policy_results, default_file=default_file, exit_code=exit_code
        )
        self.write_document(log)

    @property
    def project(self) -> str:
        """The project file, as it tells the comments of one repository apart."""
        return self._to_repo_path(str(self.shared.project))

    def _to_repo_path(self, path: str) -> str:
        """A path as seen from the root of the repository, where it is known; else from this directory."""
        root = Path(self.environ.get("GITHUB_WORKSPACE") or self.directory)
        file = self.directory / path
        return (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()


def run_command(
    shared: Shared, form: str, work: Callable[[CommandContext], ExitCode], failure_headline: str = "No plan"
) -> ExitCode:
    """Run the work of a command. Whatever happens, it ends with an exit code and without a traceback of ours.

    A bug is the exception: it shows where it is, but never its message, which may hold a secret.
    """
    context = replace(_make_context(shared, form), failure_headline=failure_headline)
    try:
        code = work(context)
    except ReconcilerError as error:
        code = get_exit_code(error.diagnostics)
        context.render_failure(code, error.diagnostics)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
        context.render_interrupt()
    except Exception as error:
        code = ExitCode.BUG
        context.err.print("".join(traceback.format_tb(error.__traceback__)).rstrip())
        context.render_failure(code, [_describe_bug(error)])
    return code if _is_output_complete(context) else code or ExitCode.FAILED


def _make_context(shared: Shared, form: str) -> CommandContext:
    environ = dict(os.environ)
    plain = shared.no_color or bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
    colour = Colour.NEVER if plain else Colour.AUTO
    directory = Path.cwd()
    return CommandContext(
        shared=shared,
        form=form,
        out=make_console(sys.stdout, colour),
        err=make_console(sys.stderr, colour),
        environ=environ,
        directory=directory,
        clock=SystemClock(),
        read_line=SourceLines(directory),
    )


def _describe_bug(error: Exception) -> Diagnostic:
    return Diagnostic(
        "bug",
        f"this is a bug in reconciler: `{type(error).__name__}`",
        help="report it together with the lines above; they hold no values of yours",
    )


def _is_output_complete(context: CommandContext) -> bool:
    """Whether everything came through, on both streams."""
    lost = describe_lost_output(get_stream_failure(context.out)) or describe_lost_output(
        get_stream_failure(context.err)
    )
    if lost is None:
        return True
    context.err.print(report.render_short(lost))
    return False


def _make_lock_info(clock: SystemClock) -> LockInfo:
    """This process, for others who have to wait for it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user that has no name
        user = str(os.getuid())
    since = clock.now().isoformat(timespec="seconds")
    return LockInfo(
        os.getpid(), platform.node(), user, since, f"reconciler {' '.join(sys.argv[1:2])}".strip()
    )
