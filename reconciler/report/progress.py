"""What is going on right now: a live line on a terminal, plain lines everywhere else."""

from __future__ import annotations

from collections import deque
from types import TracebackType

from rich.console import Console
from rich.status import Status
from rich.text import Text

from reconciler.model.address import Address
from reconciler.model.event import (
    CallRepeated,
    ChangeFinished,
    ChangeStarted,
    Checking,
    Event,
    LookingForLostAnswer,
    Paused,
    ReadingAccount,
    SetupTestsStarted,
    Warned,
)
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Action
from reconciler.report import apply_text
from reconciler.report.diagnostics import short
from reconciler.report.style import counted, failure_of
from reconciler.report.style import seconds as duration
from reconciler.report.verbosity import Verbosity

_DOING = {
    Action.CREATE: "creating",
    Action.UPDATE: "updating",
    Action.VERIFY: "testing",
    Action.REPLACE: "replacing",
    Action.DELETE: "deleting",
    Action.ADOPT: "adopting",
    Action.FORGET: "forgetting",
    Action.NO_OP: "reading",
}

_MANY = 100
_NOTICEABLE = 10.0  # seconds


class Progress:
    """A listener that shows events. Use it as a context manager; it leaves nothing on the screen.

    Results go to `results` (None: they are not shown, since a document follows), everything else to
    `live`. The live line is taken away before a result is printed. Call it from one thread only.
    """

    def __init__(
        self,
        live: Console,
        results: Console | None = None,
        verbosity: Verbosity = Verbosity.NORMAL,
        moving: bool = True,
    ) -> None:
        self._live = live
        self._results = results
        self._verbosity = verbosity
        self._moving = moving and live.is_terminal
        self._status: Status | None = None
        self._busy: dict[Address, str] = {}
        self._awaited: deque[Address] = deque()
        self._finished: dict[Address, Outcome] = {}
        self._width = 0

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
        """Say which addresses will have results, so that their lines stand in columns and in this order."""
        self._width = apply_text.address_width(addresses)
        self._awaited = deque(addresses)

    def close(self) -> None:
        """Take the live line away. It comes back with the next event."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __call__(self, event: Event) -> None:
        match event:
            case ReadingAccount(done=done, total=total):
                self._reading(done, total)
            case ChangeStarted(address=address, action=action):
                self._work(address, f"{_DOING[action]} {address}")
            case SetupTestsStarted(address=address):
                self._work(address, f"running setup tests of {address}")
            case LookingForLostAnswer(address=address):
                self._work(address, f"looking what became of {address}")
            case CallRepeated(reason=reason, seconds=seconds):
                self._delay(f"{reason}: trying again", seconds)
            case Paused(what=what, seconds=seconds):
                self._delay(f"no {what} left for now: going on", seconds)
            case ChangeFinished(outcome=outcome):
                self._result(outcome)
            case Checking(total=total):
                self._show(f"planning {counted(total, 'change')} again")
            case Warned(diagnostic=diagnostic):
                self.close()
                self._live.print(short(diagnostic))

    def _reading(self, done: int, total: int) -> None:
        if done >= total:
            self.close()
        elif self._moving:
            self._show(f"reading destinations {done:,}/{total:,}")
        elif done == 0:
            self._show(f"reading {counted(total, 'destination')}", worth_a_line=total >= _MANY)

    def _result(self, outcome: Outcome) -> None:
        """Show results in the order of the plan (S-15): one that is early waits for those before it."""
        self._busy.pop(outcome.address, None)
        self._finished[outcome.address] = outcome
        self.close()
        if outcome.address not in self._awaited:
            self._print(self._finished.pop(outcome.address))
        while self._awaited and self._awaited[0] in self._finished:
            self._print(self._finished.pop(self._awaited.popleft()))
        self._show_busy()

    def _print(self, outcome: Outcome) -> None:
        if self._results is not None:
            self._results.print(apply_text.result(outcome, self._width))

    def _delay(self, doing: str, seconds: float) -> None:
        """A wait that a person would notice is a line also where nothing moves."""
        self._show(f"{doing} in {duration(seconds)}", worth_a_line=seconds >= _NOTICEABLE)

    def _work(self, address: Address, doing: str) -> None:
        self._busy[address] = doing
        if self._moving:
            self._show_busy()
        else:
            self._show(doing)

    def _show_busy(self) -> None:
        if self._busy and self._moving:
            doing = list(self._busy.values())
            more = f" and {len(doing) - 1} more" if len(doing) > 1 else ""
            self._show(doing[0] + more)

    def _show(self, doing: str, worth_a_line: bool = False) -> None:
        """Show a line of work; without a terminal only one that takes long, or every one when asked to."""
        if self._verbosity is Verbosity.QUIET or failure_of(self._live) is not None:
            return
        if not self._moving:
            if worth_a_line or self._verbosity is Verbosity.VERBOSE:
                self._live.print(Text(doing))
        elif self._status is None:
            self._status = self._live.status(Text(doing), spinner=self._spinner())
            self._status.start()
        else:
            self._status.update(Text(doing))

    def _spinner(self) -> str:
        return "dots" if self._live.encoding.startswith("utf") else "line"
