"""Log the start and the end of a run, for `--events`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.exit import ExitCode, get_exit_code
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.report.diagnostics import render_short
from reconciler.runtime.git import TRUST_ADVICE, GitError, GitRunner, find_work_tree
from reconciler.workspace.audit import EventLog

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext

_GIT_TIMEOUT = 5.0  # seconds
_HASH = re.compile(r"[0-9a-f]{40,64}")


@contextmanager
def open_event_log(context: CommandContext, command: str) -> Iterator[EventLog]:
    """Open the log of this run before the first request. Without `--events` nothing is logged.

    An end by an exception is logged here; the caller logs any other end by `log_finish`. Lost entries are reported on
    stderr at the end, and change no exit code. Raises ReconcilerError for an unusable file.
    """
    events_path = context.output.events
    path = context.settings.directory / events_path if events_path is not None else None
    log = EventLog(
        path,
        context.settings.clock,
        os.urandom(8).hex(),
        str(events_path),
        redactor=context.settings.redactor,
    )
    try:
        if path is not None:
            _log_start(log, context, command)
        try:
            with _log_exceptions(log):
                yield log
        finally:
            if log.loss_warning is not None:
                context.err.print(render_short(log.loss_warning))
    finally:
        log.close()


@contextmanager
def log_abandoned_runs(log: EventLog) -> Iterator[None]:
    """Log the end of runs that were killed earlier. Enter this context last, while the run holds the lock.

    An end by an exception is logged before the lock is released: otherwise the next run could take this run for a
    killed run.
    """
    with _log_exceptions(log):
        log.log_abandoned_runs()
        yield


def _log_start(log: EventLog, context: CommandContext, command: str) -> None:
    project = (context.settings.directory / context.settings.project).resolve()
    commit = _find_commit(project.parent, context.settings.environ)
    if isinstance(commit, Diagnostic):
        context.err.print(render_short(commit))
    commit_hash = commit if isinstance(commit, str) else None
    log.log_start(context.settings.holder, command, project, commit_hash, sandbox=context.settings.sandbox)


def _find_commit(folder: Path, environ: Mapping[str, str]) -> str | Diagnostic | None:
    """Find the hash of the commit that a folder is at; None outside of a repository.

    A warning if git cannot say the commit of a repository: a log without the commit is better than no run.
    """
    if find_work_tree(folder) is None:
        return None
    try:
        result = GitRunner(folder, environ, _GIT_TIMEOUT).run("rev-parse", "--verify", "HEAD")
    except GitError as error:
        return _warn_no_commit(str(error), advice=error.advice)
    commit = result.out.decode("ascii", "replace").strip()
    if result.code == 0 and _HASH.fullmatch(commit):
        return commit
    advice = (
        TRUST_ADVICE
        if result.is_untrusted
        else "commit the specs, so that the log says which specs a run had"
    )
    return _warn_no_commit(result.error_line, advice=advice)


def _warn_no_commit(reason: str, advice: str) -> Diagnostic:
    return Diagnostic(
        "events-without-commit",
        "the log has no commit for this run",
        severity=Severity.WARNING,
        notes=(reason,),
        help=advice,
    )


@contextmanager
def _log_exceptions(log: EventLog) -> Iterator[None]:
    try:
        yield
    except ReconcilerError as error:
        code = get_exit_code(error.diagnostics)
        log.log_finish(code, code.reason, diagnostics=error.diagnostics)
        raise
    except KeyboardInterrupt:
        log.log_finish(ExitCode.INTERRUPTED, ExitCode.INTERRUPTED.reason)
        raise
    except Exception:
        log.log_finish(ExitCode.BUG, ExitCode.BUG.reason)
        raise
