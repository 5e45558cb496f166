"""Write the audit log of runs for `--events`, one JSON object per line.

The log of a project has the user and command of each run, its plan, and the outcome of each change. Lines are only
appended. A killed run cannot log its end; the next run that writes the same state logs it.
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
from reconciler.model.lock_info import LockInfo
from reconciler.model.outcome import ApplyResult, Status
from reconciler.model.plan import AssertedValue, Plan
from reconciler.model.redaction import Redactor
from reconciler.runtime.process import is_running
from reconciler.workspace.event_json import (
    serialize_apply_end,
    serialize_event,
    serialize_findings,
    serialize_plan_event,
)
from reconciler.workspace.log_file import ForeignFileError, LogFile
from reconciler.workspace.unfinished_runs import UnfinishedRun, find_unfinished_runs

WRITE_COMMANDS = frozenset({"apply"})
"""Commands that change the account while they hold the lock of the state."""


class EventLog:
    """The log of one run, and a listener. Call it from one thread only, in the order start, plan, finish.

    Only opening the log and `log_start` raise. `loss_warning` reports later failures at the end.
    """

    def __init__(
        self,
        path: Path | None,
        clock: Clock,
        run_id: str,
        display_name: str = "",
        redactor: Redactor | None = None,
    ) -> None:
        """Open the log for the run `run_id`. Without a path nothing is logged.

        `redactor` removes secrets from all lines. Raises ReconcilerError if the file cannot be written, or is not a log
        of events.
        """
        self._clock = clock
        self._redactor = redactor or Redactor()
        self._run_id = run_id
        self._display_name = display_name or str(path)
        self._run_info: dict[str, Any] = {}
        self._counts: Counter[Status] = Counter()
        self._is_finished = False
        try:
            self._file = None if path is None else LogFile(path)
        except (OSError, ForeignFileError) as error:
            raise ReconcilerError([self._describe_unusable(error)]) from error

    def log_start(
        self, holder: LockInfo, command: str, project: Path, commit: str | None, *, sandbox: bool
    ) -> None:
        """Log the start of a run: user, command, project file (absolute) and commit.

        Raises ReconcilerError if the line cannot be written: a run without its log must not begin.
        """
        self._run_info = {
            "command": command,
            "project": project.as_posix(),
            "sandbox": sandbox,
            "user": holder.user,
            "host": holder.host,
            "pid": holder.pid,
            "commit": commit,
            "version": __version__,
        }
        self._write_entry("run-started", self._run_info, durable=True)
        if self._file is not None and self._file.failure is not None:
            raise ReconcilerError([self._describe_unusable(self._file.failure)])

    def log_abandoned_runs(self) -> None:
        """Log the end of earlier runs that were killed.

        Call this method while this run holds the lock of the state: no earlier holder still runs then.
        """
        if self._file is None:
            return
        try:
            runs = find_unfinished_runs(self._file.read_entries())
        except OSError as error:
            self._file.failure = error
            return
        for run_id, unfinished in runs.items():
            if run_id != self._run_id and self._is_abandoned(unfinished):
                self._log_abandoned(run_id, unfinished)

    def log_plan(
        self,
        plan: Plan,
        allowed: Mapping[str, float],
        reason: str | None = None,
        asserted: Iterable[AssertedValue] = (),
    ) -> None:
        """Log the plan. `allowed` are raised limits and `asserted` values to be recorded, for this `reason`."""
        self._write_entry("planned", serialize_plan_event(plan, allowed, reason, asserted))

    def __call__(self, event: Event) -> None:
        content = serialize_event(event)
        if content is not None:
            self._write_entry(
                content.pop("event"), content, durable=isinstance(event, ChangeWritten | ChangeFinished)
            )
        if isinstance(event, ChangeFinished):
            self._counts[event.outcome.status] += 1

    def log_finish(
        self,
        code: int,
        reason: str,
        applied: ApplyResult | None = None,
        diagnostics: Iterable[Diagnostic] = (),
    ) -> None:
        """Log the end of the run: exit code, reason in one word, and diagnostics of no single change.

        Only the first call counts.
        """
        if self._is_finished:
            return
        self._is_finished = True
        problems = applied.problems if applied is not None else ()
        content = {
            "exit": {"code": code, "reason": reason},
            "counts": {str(status): self._counts[status] for status in Status},
            "diagnostics": serialize_findings([*problems, *diagnostics]),
            **serialize_apply_end(applied),
            "lost": self._file.lost_lines if self._file is not None else 0,
        }
        self._write_entry("run-finished", content, durable=True)

    @property
    def loss_warning(self) -> Diagnostic | None:
        """Warning about missing lines, None if the log is complete."""
        if self._file is None or self._file.failure is None:
            return None
        failure, lost_lines = self._file.failure, self._file.lost_lines
        missing = (
            f"{lost_lines:,} line{'' if lost_lines == 1 else 's'} could not be written"
            if lost_lines
            else "its last lines may not be on disk"
        )
        return Diagnostic(
            "events-lost",
            f"the log `{self._display_name}` is incomplete, {missing}: {failure.strerror or failure}",
            severity=Severity.WARNING,
            notes=("the run itself is not affected",),
            help="make room for it, or correct its disk, before the next run",
        )

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _is_abandoned(self, unfinished: UnfinishedRun) -> bool:
        """Return whether an unfinished run of this project wrote, and cannot continue.

        A run with a plan had the lock and has lost it, or this run would not hold it. A run without a plan
        may be about to log that the lock was taken, so its process decides.
        """
        if unfinished.start_entry.get("command") not in WRITE_COMMANDS or not self._is_same_project(
            unfinished
        ):
            return False
        return unfinished.is_planned or not self._is_running_here(unfinished)

    def _is_same_project(self, unfinished: UnfinishedRun) -> bool:
        return all(
            unfinished.start_entry.get(name) == self._run_info[name] for name in ("project", "sandbox")
        )

    def _is_running_here(self, unfinished: UnfinishedRun) -> bool:
        """Return whether the process of a run still exists, as far as this host knows.

        This process is another run.
        """
        host, pid = unfinished.start_entry.get("host"), unfinished.start_entry.get("pid")
        return (
            host == self._run_info["host"]
            and isinstance(pid, int)
            and pid != self._run_info["pid"]
            and is_running(pid)
        )

    def _log_abandoned(self, run_id: str, unfinished: UnfinishedRun) -> None:
        content = {
            "found_by": self._run_id,
            "started_at": unfinished.start_entry.get("at"),
            **{
                name: unfinished.start_entry.get(name)
                for name in ("command", "project", "user", "host", "pid")
            },
            "unknown": unfinished.unknown,
            "written": unfinished.written,
        }
        self._write_entry("run-abandoned", content, run_id=run_id, durable=True)

    def _write_entry(
        self, event: str, content: Mapping[str, Any], *, run_id: str | None = None, durable: bool = False
    ) -> None:
        if self._file is not None:
            at = self._clock.now().isoformat(timespec="milliseconds")
            line = {"at": at, "run": run_id or self._run_id, "event": event}
            self._file.append({**line, **self._redactor.redact_all(content)}, durable=durable)

    def _describe_unusable(self, error: OSError | ForeignFileError) -> Diagnostic:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Diagnostic(
            "events-unusable",
            f"`{self._display_name}` cannot be used as the log of events: {reason}",
            notes=("nothing was sent to Fivetran",),
            help="name a new file in an existing folder, or a log of an earlier run",
        )


def combine_listeners(first: Listener, second: Listener) -> Listener:
    """Combine two listeners into a listener that passes every event to both, in this order."""

    def notify(event: Event) -> None:
        first(event)
        second(event)

    return notify
