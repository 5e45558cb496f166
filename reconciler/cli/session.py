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

from reconciler.cli.clock import SystemClock
from reconciler.cli.exit import Exit, exit_for
from reconciler.cli.github_job import leave_outputs, leave_summary
from reconciler.cli.options import Shared
from reconciler.cli.output import what_was_lost
from reconciler.cli.source_lines import SourceLines
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.holder import Holder
from reconciler.model.plan import Plan
from reconciler.model.policy import Judgement
from reconciler.report import diagnostics as report
from reconciler.report.document import document, dumped, failure
from reconciler.report.github import github_annotations
from reconciler.report.github_job import outputs_of_failure, outputs_of_plan
from reconciler.report.plan_markdown import failure_markdown, plan_markdown
from reconciler.report.plan_text import Detail, plan_text
from reconciler.report.progress import Progress
from reconciler.report.sarif import sarif_log
from reconciler.report.style import Colour, Screen, Styled, failure_of, make_console, width_of, write_plain
from reconciler.report.verbosity import Verbosity

if TYPE_CHECKING:
    from reconciler.operations.settings import Settings

JSON = "json"
SARIF = "sarif"
GITHUB = "github"
GITLAB = "gitlab"
JUNIT = "junit"
CONCISE = "concise"
MARKDOWN = "markdown"
TERRAFORM = "terraform"
TERRAFORM_JSON = "terraform-json"

_DOCUMENTS = {JSON, SARIF, MARKDOWN, GITLAB, JUNIT, TERRAFORM_JSON}
_ALSO_TOLD_TO_PEOPLE = {MARKDOWN, JUNIT, TERRAFORM_JSON}
"""Documents that are handed on to others, while the log of the job is what whoever wonders reads."""


@dataclass(frozen=True, slots=True)
class Session:
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
    failing: str = "No plan"

    @property
    def wants_document(self) -> bool:
        """Whether stdout must be one document for a program."""
        return self.form in _DOCUMENTS

    @property
    def holds_diagnostics(self) -> bool:
        """Whether that document has diagnostics in it, so that nobody needs them beside it."""
        return self.wants_document and self.form != GITLAB

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
            entropy=os.urandom,
            holder=_holder(self.clock),
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
            refuge=Path(tempfile.gettempdir()),
        )

    def progress(self) -> Progress:
        """A listener for this run. Result lines are left out where a document follows."""
        moves = self.environ.get("TERM") != "dumb"
        return Progress(self.err, None if self.wants_document else self.out, self.shared.verbosity, moves)

    def tell(self, text: Styled | str) -> None:
        """Print a result, unless a document takes its place."""
        if not self.wants_document:
            self.out.print(text)

    def tell_plan(self, plan: Plan) -> None:
        """Print a plan for people, on a terminal or in a pull request."""
        if self.form == MARKDOWN:
            self.write(plan_markdown(plan, self.project, self.read_line))
        elif self.form == TERRAFORM:
            from reconciler.report.terraform_text import terraform_text

            self.write(terraform_text(plan))
        elif not self.wants_document:
            everything = self.shared.verbosity is Verbosity.VERBOSE
            detail = Detail.EVERYTHING if everything else Detail.CHANGES
            self.out.print(plan_text(plan, detail, width_of(self.out)))

    def tell_warnings(self, warnings: Collection[Diagnostic]) -> None:
        """Print what does not stop a run on stderr, before its results. In a document it is inside."""
        if warnings and not self.holds_diagnostics:
            self.tell_diagnostics(warnings)
            if self.form != CONCISE:
                self.err.print()

    def tell_document(
        self,
        exit_code: Exit,
        content: Mapping[str, Any],
        findings: Iterable[Diagnostic] = (),
        judgements: Iterable[Judgement] = (),
    ) -> None:
        """Print the document of a run, if that is what was asked for. SARIF has room for `findings` only, and for
        the policies that some of them come from."""
        if self.form == SARIF:
            self._tell_sarif(exit_code, findings, judgements)
        elif self.form == JSON:
            self.write_document(document(exit_code, exit_code.reason, content))

    def tell_failure(
        self, exit_code: Exit, diagnostics: Iterable[Diagnostic], judgements: Iterable[Judgement] = ()
    ) -> None:
        """Print why a run stopped: for people on stderr, for programs on stdout. No document of a failure can be
        taken for one of a plan without changes."""
        diagnostics = list(diagnostics)
        if not self.holds_diagnostics or self.form in _ALSO_TOLD_TO_PEOPLE:
            self.tell_diagnostics(diagnostics)
        match self.form:
            case "sarif":
                self._tell_sarif(exit_code, diagnostics, judgements)
            case "markdown":
                self.write(failure_markdown(diagnostics, self.project, self.read_line, self.failing))
            case "json":
                self.write_document(failure(exit_code, exit_code.reason, diagnostics))
            case "terraform-json":
                from reconciler.report.terraform_json import failed_terraform_plan

                told = {"exit": {"code": int(exit_code), "reason": exit_code.reason}}
                self.write_document(failed_terraform_plan(diagnostics, self.clock.now(), told))
            case "junit":
                from reconciler.report.junit import failure_junit

                self.write(failure_junit(diagnostics, str(self.shared.project), judgements))
            case "github":
                self._leave_failure(exit_code, diagnostics)

    def tell_blockers(self, blockers: Iterable[Diagnostic]) -> None:
        """Print why a plan is not applied, for people, unless a document has it inside."""
        if blockers and not self.holds_diagnostics:
            self.err.print()
            self.tell_diagnostics(blockers)

    def tell_interrupt(self) -> None:
        """Say that the user stopped the run. That is no error, but a document has to say it."""
        told = Diagnostic("interrupted", "interrupted before anything was changed")
        if self.holds_diagnostics:
            self.tell_failure(Exit.INTERRUPTED, [told])
            return
        self.err.print("Interrupted before anything was changed.")
        if self.form == GITHUB:
            self._leave_failure(Exit.INTERRUPTED, [told])

    def tell_diagnostics(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Print diagnostics for people on stderr, and where GitHub is asked to show them, as annotations."""
        diagnostics = list(diagnostics)
        if self.form == CONCISE:
            self.err.print(report.concise(diagnostics))
        elif self.form == TERRAFORM:
            from reconciler.report.terraform_text import terraform_diagnostics

            write_plain(self.err, terraform_diagnostics(diagnostics))
        else:
            self.err.print(report.full(diagnostics, self.read_line, width_of(self.err)))
        self.annotate(diagnostics)

    def annotate(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Print annotations, if that is what was asked for."""
        if self.form == GITHUB:
            for line in github_annotations(diagnostics, self._from_root):
                write_plain(self.out, line)

    def write(self, text: str) -> None:
        """Write a document, whatever its form."""
        write_plain(self.out, text)

    def write_document(self, content: Mapping[str, Any]) -> None:
        """Write a document of JSON."""
        self.write(dumped(content))

    def leave_plan(self, plan: Plan, exit_code: Exit) -> None:
        """Leave a plan in the summary and in the outputs of a step of GitHub Actions."""
        self.leave(
            exit_code,
            outputs_of_plan(plan),
            lambda room: plan_markdown(plan, self.project, self.read_line, room),
        )

    def leave(
        self, exit_code: Exit, outputs: Mapping[str, str], summary: Callable[[int], str] | None = None
    ) -> None:
        """Leave outputs, and a summary for so many bytes, in a step of GitHub Actions. A file that does not take
        them is one warning: the run itself is as it is."""
        ends = {"exit-code": str(int(exit_code)), "reason": exit_code.reason}
        lost = leave_summary(self.environ, summary) if summary is not None else []
        lost += leave_outputs(self.environ, {**outputs, **ends})
        for each in lost:
            self.err.print(report.short(each))

    def _leave_failure(self, exit_code: Exit, diagnostics: Sequence[Diagnostic]) -> None:
        refused = exit_code in {Exit.REFUSED, Exit.PLAN_REFUSED}
        self.leave(
            exit_code,
            outputs_of_failure(refused=refused),
            lambda room: failure_markdown(diagnostics, self.project, self.read_line, self.failing, room),
        )

    def _tell_sarif(
        self, exit_code: Exit, diagnostics: Iterable[Diagnostic], judgements: Iterable[Judgement]
    ) -> None:
        elsewhere = str(self.shared.project)
        log = sarif_log(diagnostics, self._from_root, judgements, elsewhere=elsewhere, exit_code=exit_code)
        self.write_document(log)

    @property
    def project(self) -> str:
        """The project file, as it tells the comments of one repository apart."""
        return self._from_root(str(self.shared.project))

    def _from_root(self, path: str) -> str:
        """A path as seen from the root of the repository, where it is known; else from this directory."""
        root = Path(self.environ.get("GITHUB_WORKSPACE") or self.directory)
        file = self.directory / path
        return (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()


def in_session(shared: Shared, form: str, work: Callable[[Session], Exit], failing: str = "No plan") -> Exit:
    """Run the work of a command. Whatever happens, it ends with an exit code and without a traceback of ours.

    A bug is the exception: it shows where it is, but never its message, which may hold a secret.
    """
    session = replace(_open(shared, form), failing=failing)
    try:
        code = work(session)
    except ReconcilerError as error:
        code = exit_for(error.diagnostics)
        session.tell_failure(code, error.diagnostics)
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
        session.tell_interrupt()
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
    """Whether everything came through, on both streams."""
    lost = what_was_lost(failure_of(session.out)) or what_was_lost(failure_of(session.err))
    if lost is None:
        return True
    session.err.print(report.short(lost))
    return False


def _holder(clock: SystemClock) -> Holder:
    """This process, for others who have to wait for it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user that has no name
        user = str(os.getuid())
    since = clock.now().isoformat(timespec="seconds")
    return Holder(os.getpid(), platform.node(), user, since, f"reconciler {' '.join(sys.argv[1:2])}".strip())
