"""`--events`: what runs did, one JSON object per line, for programs that follow and for whoever asks later.

The file is the audit log of a project: who ran what, which plan was carried out, how each change ended. Lines are
only ever added. A run that is killed cannot write its end; the next one that writes to the same state does it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reconciler import __version__
from reconciler.model.clock import Clock
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.event import ChangeFinished, ChangeWritten, Event, Listener
from reconciler.model.holder import Holder
from reconciler.model.outcome import Applied, Status
from reconciler.model.plan import Plan
from reconciler.report.event_history import Unfinished, unfinished_runs
from reconciler.report.event_json import applied_data, event_data, findings_data, planned_data
from reconciler.report.log_file import ForeignFileError, LogFile
from reconciler.report.style import counted
from reconciler.state.process import is_running

WRITING = frozenset({"apply"})
"""Commands that change something, and hold the lock of the state meanwhile."""


class EventLog:
    """The log of one run, and a listener. Call it from one thread only, in the order started, planned, finished.

    Only opening and `started` raise. Whatever cannot be written later is told by `losses`, at the end.
    """

    def __init__(self, path: Path | None, clock: Clock, run: str, shown_as: str = "") -> None:
        """Open the file, with `run` as the id of this run. Without a path nothing is kept.

        Raises ReconcilerError for a file that cannot be written, or is no such log.
        """
        self._clock = clock
        self._run = run
        self._shown = shown_as or str(path)
        self._started: dict[str, Any] = {}
        self._counts: Counter[Status] = Counter()
        self._is_finished = False
        try:
            self._file = None if path is None else LogFile(path)
        except (OSError, ForeignFileError) as error:
            raise ReconcilerError([self._unusable(error)]) from error

    def started(self, by: Holder, command: str, project: Path, commit: str | None, *, sandbox: bool) -> None:
        """Say who runs which command, on which project file (absolute) at which commit.

        Raises ReconcilerError where that cannot be written: a run without its log does not begin.
        """
        self._started = {
            "command": command,
            "project": project.as_posix(),
            "sandbox": sandbox,
            "user": by.user,
            "host": by.host,
            "pid": by.pid,
            "commit": commit,
            "version": __version__,
        }
        self._add("run-started", self._started, durable=True)
        if self._file is not None and self._file.failure is not None:
            raise ReconcilerError([self._unusable(self._file.failure)])

    def abandoned_before(self) -> None:
        """Write down the end of earlier runs that could not do it themselves.

        To be called while this run holds the lock of the state: whoever held it before has let go of it.
        """
        if self._file is None:
            return
        try:
            runs = unfinished_runs(self._file.entries())
        except OSError as error:
            self._file.failure = error
            return
        for run, earlier in runs.items():
            if run != self._run and self._is_gone(earlier):
                self._abandon(run, earlier)

    def planned(self, plan: Plan, allowed: Mapping[str, float], reason: str | None = None) -> None:
        """Say what the run is going to do. `allowed` are limits that were raised, for this `reason`."""
        self._add("planned", planned_data(plan, allowed, reason))

    def __call__(self, event: Event) -> None:
        content = event_data(event)
        if content is not None:
            self._add(
                content.pop("event"), content, durable=isinstance(event, ChangeWritten | ChangeFinished)
            )
        if isinstance(event, ChangeFinished):
            self._counts[event.outcome.status] += 1

    def finished(
        self, code: int, reason: str, applied: Applied | None = None, diagnostics: Iterable[Diagnostic] = ()
    ) -> None:
        """Say how the run ends: exit code and its reason in one word, and what belongs to no single change.

        Only the first call counts.
        """
        if self._is_finished:
            return
        self._is_finished = True
        problems = applied.problems if applied is not None else ()
        content = {
            "exit": {"code": code, "reason": reason},
            "counts": {str(status): self._counts[status] for status in Status},
            "diagnostics": findings_data([*problems, *diagnostics]),
            **applied_data(applied),
            "lost": self._file.lost if self._file is not None else 0,
        }
        self._add("run-finished", content, durable=True)

    @property
    def losses(self) -> Diagnostic | None:
        """A warning that lines are missing, or may be; None where all is well."""
        if self._file is None or self._file.failure is None:
            return None
        failure, lost = self._file.failure, self._file.lost
        missing = (
            f"{counted(lost, 'line')} could not be written" if lost else "its last lines may not be on disk"
        )
        return Diagnostic(
            "events-lost",
            f"the log `{self._shown}` is incomplete, {missing}: {failure.strerror or failure}",
            severity=Severity.WARNING,
            notes=("the run itself is not affected",),
            help="make room for it, or correct its disk, before the next run",
        )

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _is_gone(self, earlier: Unfinished) -> bool:
        """Whether an unfinished run of this project was one that writes, and cannot go on any more.

        One that had the lock has lost it, or this run would not hold it. One that was not so far may be about to
        write that somebody else has it.
        """
        if earlier.started.get("command") not in WRITING or not self._is_of_this_project(earlier):
            return False
        return earlier.is_planned or not self._runs_here(earlier)

    def _is_of_this_project(self, earlier: Unfinished) -> bool:
        return all(earlier.started.get(name) == self._started[name] for name in ("project", "sandbox"))

    def _runs_here(self, earlier: Unfinished) -> bool:
        """Whether its process is still there, as far as this host can tell. This process is another run."""
        host, pid = earlier.started.get("host"), earlier.started.get("pid")
        return (
            host == self._started["host"]
            and isinstance(pid, int)
            and pid != self._started["pid"]
            and is_running(pid)
        )

    def _abandon(self, run: str, earlier: Unfinished) -> None:
        content = {
            "found_by": self._run,
            "started_at": earlier.started.get("at"),
            **{name: earlier.started.get(name) for name in ("command", "project", "user", "host", "pid")},
            "unknown": earlier.unknown,
            "written": earlier.written,
        }
        self._add("run-abandoned", content, run=run, durable=True)

    def _add(
        self, event: str, content: Mapping[str, Any], *, run: str | None = None, durable: bool = False
    ) -> None:
        if self._file is not None:
            at = self._clock.now().isoformat(timespec="milliseconds")
            self._file.add({"at": at, "run": run or self._run, "event": event, **content}, durable=durable)

    def _unusable(self, error: OSError | ForeignFileError) -> Diagnostic:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Diagnostic(
            "events-unusable",
            f"`{self._shown}` cannot be the log of events: {reason}",
            notes=("nothing was sent to Fivetran",),
            help="name a new file in a folder that exists, or one that an earlier run wrote",
        )


def both(first: Listener, second: Listener) -> Listener:
    """A listener that passes every event on to two others, in this order."""

    def listener(event: Event) -> None:
        first(event)
        second(event)

    return listener
