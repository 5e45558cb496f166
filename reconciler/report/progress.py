"""Show progress of a run: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections import deque
from types import TracebackType

from rich.console import Console
from rich.status import Status
from rich.text import Text

from reconciler.model.address import Address
from reconciler.model.event import (
    AnswerArrived,
    AwaitingAnswer,
    AwaitingObjects,
    ChangeFinished,
    ChangeStarted,
    ConvergenceCheck,
    Event,
    ReadingAccount,
    RecoveringCreate,
    RequestRetried,
    SetupTestsStarted,
    Throttled,
    WarningIssued,
)
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Action
from reconciler.report import apply as apply_report
from reconciler.report.diagnostics import render_short
from reconciler.report.formats import Verbosity
from reconciler.report.style import format_count, get_stream_failure
from reconciler.report.style import format_duration as duration

_PROGRESS_WORDS = {
    Action.CREATE: "creating",
    Action.UPDATE: "updating",
    Action.VERIFY: "testing",
    Action.APPROVE: "approving",
    Action.REVOKE: "revoking",
    Action.REPLACE: "replacing",
    Action.DELETE: "deleting",
    Action.ADOPT: "adopting",
    Action.FORGET: "forgetting",
    Action.NO_OP: "reading",
}

_MANY_DESTINATIONS = 100
_NOTICEABLE_DELAY = 10.0  # seconds


class Progress:
    """Listener that shows events. As a context manager it removes the live line at the end.

    Results go to `results` (None: a document follows, so they are not shown), everything else to `live`. The live line
    is removed before a result is printed. Call it from one thread only.
    """

    def __init__(
        self,
        live: Console,
        results: Console | None = None,
        verbosity: Verbosity = Verbosity.NORMAL,
        is_animated: bool = True,
    ) -> None:
        self._live = live
        self._results = results
        self._verbosity = verbosity
        self._is_animated = is_animated and live.is_terminal
        self._status: Status | None = None
        self._in_progress: dict[Address, str] = {}
        self._pending: deque[Address] = deque()
        self._finished: dict[Address, Outcome] = {}
        self._address_width = 0
        self._activity = ""
        self._awaited: tuple[str, ...] = ()

    def __enter__(self) -> Progress:
        self._show("reading specs and account")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def expect(self, addresses: tuple[Address, ...]) -> None:
        """Set the addresses that will have results, so that their lines stand in columns and in this order."""
        self._address_width = apply_report.measure_addresses(addresses)
        self._pending = deque(addresses)

    def close(self) -> None:
        """Remove the live line. The next event shows it again."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __call__(self, event: Event) -> None:
        match event:
            case ReadingAccount(done=done, total=total):
                self._show_reading(done, total)
            case ChangeStarted(address=address, action=action):
                self._show_work(address, f"{_PROGRESS_WORDS[action]} {address}")
            case SetupTestsStarted(address=address):
                self._show_work(address, f"running setup tests of {address}")
            case RecoveringCreate(address=address):
                self._show_work(address, f"looking for {address} after a lost response")
            case RequestRetried(reason=reason, seconds=seconds):
                self._show_delay(f"{reason}: trying again", seconds)
            case Throttled(quota=quota, seconds=seconds):
                self._show_delay(f"no {quota} left for now: continuing", seconds)
            case AwaitingAnswer():
                self._show_waiting(event)
            case AnswerArrived():
                self._hide_waiting()
            case AwaitingObjects(names=names, seconds=seconds):
                self._show_awaited(names, seconds)
            case ChangeFinished(outcome=outcome):
                self._show_result(outcome)
            case ConvergenceCheck(total=total):
                self._show(f"planning {format_count(total, 'change')} again")
            case WarningIssued(diagnostic=diagnostic):
                self.close()
                self._live.print(render_short(diagnostic))

    def _show_reading(self, done: int, total: int) -> None:
        if done >= total:
            self.close()
        elif self._is_animated:
            self._show(f"reading destinations {done:,}/{total:,}")
        elif done == 0:
            self._show(
                f"reading {format_count(total, 'destination')}", is_notable=total >= _MANY_DESTINATIONS
            )

    def _show_result(self, outcome: Outcome) -> None:
        """Show results in the order of the plan: an early result waits for the results before it."""
        self._in_progress.pop(outcome.address, None)
        self._finished[outcome.address] = outcome
        self.close()
        if outcome.address not in self._pending:
            self._print(self._finished.pop(outcome.address))
        while self._pending and self._pending[0] in self._finished:
            self._print(self._finished.pop(self._pending.popleft()))
        self._show_in_progress()

    def _print(self, outcome: Outcome) -> None:
        if self._results is not None:
            self._results.print(apply_report.render_outcome(outcome, self._address_width))

    def _show_delay(self, activity: str, seconds: float) -> None:
        """Show a wait; without a terminal only a noticeable wait, on a line of its own."""
        self._show(f"{activity} in {duration(seconds)}", is_notable=seconds >= _NOTICEABLE_DELAY)

    def _show_waiting(self, call: AwaitingAnswer) -> None:
        """Show the call that a run waits for; without a terminal it is a line of its own."""
        previous = self._activity
        self._show(
            f"waiting for the answer to {call.method} {call.path} since {call.since:%H:%M:%S} UTC",
            is_notable=True,
        )
        self._activity = previous

    def _show_awaited(self, names: tuple[str, ...], seconds: float) -> None:
        """Show the objects that a run waits for; without a terminal once, on a line of its own."""
        suffix = f" and {len(names) - 1} more" if len(names) > 1 else ""
        is_new = names != self._awaited
        self._awaited = names
        self._show(f"waiting up to {duration(seconds)} for {names[0]}{suffix}", is_notable=is_new)

    def _hide_waiting(self) -> None:
        """Show the work again that went on before a wait."""
        if self._status is not None:
            self._status.update(Text(self._activity))

    def _show_work(self, address: Address, activity: str) -> None:
        self._in_progress[address] = activity
        if self._is_animated:
            self._show_in_progress()
        else:
            self._show(activity)

    def _show_in_progress(self) -> None:
        if self._in_progress and self._is_animated:
            activities = list(self._in_progress.values())
            suffix = f" and {len(activities) - 1} more" if len(activities) > 1 else ""
            self._show(activities[0] + suffix)

    def _show(self, activity: str, is_notable: bool = False) -> None:
        """Show an activity; without a terminal only notable activities, or all activities with `--verbose`."""
        self._activity = activity
        if self._verbosity is Verbosity.QUIET or get_stream_failure(self._live) is not None:
            return
        if not self._is_animated:
            if is_notable or self._verbosity is Verbosity.VERBOSE:
                self._live.print(Text(activity))
        elif self._status is None:
            self._status = self._live.status(Text(activity), spinner=self._choose_spinner())
            self._status.start()
        else:
            self._status.update(Text(activity))

    def _choose_spinner(self) -> str:
        return "dots" if self._live.encoding.startswith("utf") else "line"
