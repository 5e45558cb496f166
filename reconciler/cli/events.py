"""Log the start and the end of a run, for `--events`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.exit import ExitCode, get_exit_code
from reconciler.model.diagnostic import ReconcilerError
from reconciler.report.diagnostics import render_short
from reconciler.runtime.git import GitError, GitRunner
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
    log.log_start(context.settings.holder, command, project, commit, sandbox=context.settings.sandbox)


def _find_commit(folder: Path, environ: Mapping[str, str]) -> str | None:
    """Find the commit of a work tree, as a hash; None if git cannot name it.

    The folder may be in no repository, or git may be missing or may not trust the repository. A log without the commit
    is better than no run.
    """
    try:
        result = GitRunner(folder, environ, _GIT_TIMEOUT).run("rev-parse", "HEAD")
    except GitError:
        return None
    commit = result.out.decode("ascii", "replace").strip()
    return commit if result.code == 0 and _HASH.fullmatch(commit) else None


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
