"""Show progress of a run: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from types import TracebackType

from rich.text import Text

from reconciler.model.address import Address
from reconciler.model.clock import Clock
from reconciler.model.event import (
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
from reconciler.report.diagnostics import render_short
from reconciler.report.formats import Verbosity
from reconciler.report.live_line import LiveLine, fit_parts
from reconciler.report.result_lines import ResultLines
from reconciler.report.run_progress import PROGRESS_WORDS, RunProgress, describe_waiting
from reconciler.report.style import (
    Screen,
    StyledText,
    format_count,
    get_stream_failure,
    write_plain,
)
from reconciler.report.style import format_duration as duration
from reconciler.runtime.clock import SystemClock
from reconciler.runtime.ticker import Ticker

PLAIN_INTERVAL = 15.0
"""Seconds between two lines of progress without a terminal."""
_NOTICEABLE_DELAY = 10.0  # seconds


class Progress:
    """Listener that shows events. As a context manager it removes the live line at the end.

    Results go to `results` (None: a document follows, so they are not shown), everything else to `live`. On a terminal
    the live line stays below the results; elsewhere a line of progress appears every `PLAIN_INTERVAL` seconds. Call it
    from one thread only; with `ticks` a thread of its own lets the time go on.
    """

    def __init__(
        self,
        live: Screen,
        results: Screen | None = None,
        verbosity: Verbosity = Verbosity.NORMAL,
        is_animated: bool = True,
        *,
        clock: Clock | None = None,
        ticks: bool = False,
    ) -> None:
        self._live = live
        self._results = results
        self._verbosity = verbosity
        self._is_animated = is_animated and live.is_terminal
        self._clock = clock or SystemClock()
        self._ticker = Ticker(self.tick) if ticks and verbosity is not Verbosity.QUIET else None
        self._lock = threading.Lock()
        self._line = LiveLine(live)
        self._run = RunProgress(self._clock.monotonic())
        self._is_open = False
        self._next_plain_line = self._clock.monotonic() + PLAIN_INTERVAL
        self._lines = ResultLines()
        self._awaited: tuple[str, ...] = ()

    def __enter__(self) -> Progress:
        with self._lock:
            self._is_open = True
            self._refresh()
            self._print_step("reading specs and account")
        if self._ticker is not None:
            self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if self._ticker is not None:
            self._ticker.stop()

    def expect(self, addresses: tuple[Address, ...]) -> None:
        """Set the addresses that will have results, so that they are counted, and that their lines stand in columns and
        in this order."""
        with self._lock:
            self._lines = ResultLines(addresses, names_all=self._verbosity is Verbosity.VERBOSE)
            self._run.expect(len(addresses), self._clock.monotonic())
            self._is_open = True
            self._refresh()

    def close(self) -> None:
        """Remove the live line. The next event shows it again."""
        with self._lock:
            self._is_open = False
            self._line.remove()

    def announce_stop(self, text: str) -> None:
        """Print from a signal handler that the run is to stop. The live line stays."""
        self._run.stop()
        self._line.print_at_once(text)

    def close_at_once(self) -> None:
        """Remove the live line in a signal handler that ends the process."""
        self._line.remove_at_once()

    def tick(self) -> None:
        """Let the time of the live line go on, or print the line of progress that is due. Called from any thread."""
        with self._lock:
            if not self._is_open or self._verbosity is Verbosity.QUIET:
                return
            if self._is_animated:
                self._refresh()
            else:
                self._print_plain_line()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._run.update(event, self._clock.monotonic())
            match event:
                case WarningIssued(diagnostic=diagnostic):
                    self._print_above(self._live, [render_short(diagnostic)])
                    return
                case ChangeFinished(outcome=outcome):
                    self._print_above(self._results, self._lines.add(outcome))
                case _:
                    self._print_event(event)
            self._is_open = True
            self._refresh()

    # Steps without a terminal

    def _print_event(self, event: Event) -> None:
        match event:
            case ReadingAccount(done=0, total=total):
                self._print_step(f"reading {format_count(total, 'destination')}")
            case ChangeStarted(address=address, action=action):
                self._print_step(f"{PROGRESS_WORDS[action]} {address}")
            case SetupTestsStarted(address=address):
                self._print_step(f"running setup tests of {address}")
            case RecoveringCreate(address=address):
                self._print_step(f"looking for {address} after a lost response")
            case RequestRetried(reason=reason, seconds=seconds):
                self._print_delay(f"{reason}: trying again", seconds)
            case Throttled(quota=quota, seconds=seconds):
                self._print_delay(f"no {quota} left for now: continuing", seconds)
            case AwaitingAnswer():
                self._print_step(describe_waiting(event), is_notable=True)
            case AwaitingObjects(names=names, seconds=seconds):
                others = f" and {len(names) - 1} more" if len(names) > 1 else ""
                text = f"waiting up to {duration(seconds)} for {names[0]}{others}"
                self._print_step(text, is_notable=names != self._awaited)
                self._awaited = names
            case ConvergenceCheck(total=total):
                self._print_step(f"planning {format_count(total, 'change')} again")

    def _print_delay(self, activity: str, seconds: float) -> None:
        self._print_step(f"{activity} in {duration(seconds)}", is_notable=seconds >= _NOTICEABLE_DELAY)

    def _print_step(self, activity: str, is_notable: bool = False) -> None:
        """Print a step without a terminal: only notable steps, or all steps with `--verbose`."""
        is_wanted = self._verbosity is Verbosity.VERBOSE or (
            is_notable and self._verbosity is not Verbosity.QUIET
        )
        if is_wanted and not self._is_animated:
            self._live.print(Text(activity))

    def _print_plain_line(self) -> None:
        now = self._clock.monotonic()
        parts = self._run.describe(now)
        if now >= self._next_plain_line:
            self._next_plain_line = now + PLAIN_INTERVAL
            parts[0] = f"reconciler: {parts[0]}"
            columns = self._line.columns if self._live.is_terminal else math.inf
            write_plain(self._live, fit_parts(parts, columns))

    # The live line

    def _print_above(self, screen: Screen | None, texts: Sequence[StyledText]) -> None:
        if texts and screen is not None:
            self._line.print_above(screen, texts, self._describe())

    def _refresh(self) -> None:
        is_shown = self._is_animated and self._verbosity is not Verbosity.QUIET
        if is_shown and get_stream_failure(self._live) is None:
            self._line.show(self._describe())

    def _describe(self) -> list[str]:
        return self._run.describe(self._clock.monotonic())
