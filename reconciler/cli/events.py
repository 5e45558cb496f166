"""`--events`: the log of a run, from who started it to the exit code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.cli.commit import commit_of
from reconciler.cli.exit import Exit, exit_for
from reconciler.model.diagnostic import ReconcilerError
from reconciler.report.diagnostics import short
from reconciler.report.event_log import EventLog

if TYPE_CHECKING:
    from reconciler.cli.session import Session


@contextmanager
def event_log(session: Session, command: str) -> Iterator[EventLog]:
    """The log of this run, opened before anything is sent; one that keeps nothing without `--events`.

    An end by an exception is logged here; any other one has to be told by `finished`. What could not be written
    is told on stderr at the very end, and changes no exit code. Raises ReconcilerError for an unusable file.
    """
    shown = session.shared.events
    path = session.directory / shown if shown is not None else None
    log = EventLog(path, session.clock, os.urandom(8).hex(), str(shown))
    try:
        if path is not None:
            _tell_who(log, session, command)
        try:
            with _ended_by_exceptions(log):
                yield log
        finally:
            if log.losses is not None:
                session.err.print(short(log.losses))
    finally:
        log.close()


@contextmanager
def succeeding(log: EventLog) -> Iterator[None]:
    """To be entered last, with the lock of the state held: log the end of runs that were killed before.

    An end by an exception is logged before the lock is free, or the next run would take this one for a dead one.
    """
    with _ended_by_exceptions(log):
        log.abandoned_before()
        yield


def _tell_who(log: EventLog, session: Session, command: str) -> None:
    project = (session.directory / session.shared.project).resolve()
    commit = commit_of(project.parent, session.environ)
    log.started(session.settings.holder, command, project, commit, sandbox=session.shared.sandbox)


@contextmanager
def _ended_by_exceptions(log: EventLog) -> Iterator[None]:
    try:
        yield
    except ReconcilerError as error:
        code = exit_for(error.diagnostics)
        log.finished(code, code.reason, diagnostics=error.diagnostics)
        raise
    except KeyboardInterrupt:
        log.finished(Exit.INTERRUPTED, Exit.INTERRUPTED.reason)
        raise
    except Exception:
        log.finished(Exit.BUG, Exit.BUG.reason)
        raise
