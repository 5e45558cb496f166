from __future__ import annotations

import io
from datetime import UTC, datetime

from report_values import CREATED, FakeTerminal, make_test_console

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.event import (
    AnswerArrived,
    AwaitingAnswer,
    ChangeFinished,
    ChangeStarted,
    ConvergenceCheck,
    Event,
    ReadingAccount,
    SetupTestsStarted,
    WarningIssued,
)
from reconciler.model.plan import Action
from reconciler.report.formats import Verbosity
from reconciler.report.progress import Progress

RUN: list[Event] = [
    ReadingAccount(0, 12),
    ReadingAccount(3, 12),
    ReadingAccount(12, 12),
    ChangeStarted(CREATED.address, Action.CREATE),
    SetupTestsStarted(CREATED.address),
    ChangeFinished(CREATED),
    ConvergenceCheck(1),
]
RESULT = "  + group.finance_prod  created    yawning_sponge        0.4 s\n"


def show_progress(live: io.StringIO, verbosity: Verbosity = Verbosity.NORMAL, moving: bool = True) -> str:
    results = io.StringIO()
    with Progress(make_test_console(live), make_test_console(results), verbosity, moving) as progress:
        progress.expect((CREATED.address,))
        for event in RUN:
            progress(event)
    return results.getvalue()


def test_without_a_terminal_there_is_no_progress_between_results() -> None:
    live = io.StringIO()
    assert show_progress(live) == RESULT
    assert live.getvalue() == ""


def test_without_a_terminal_many_reads_are_reported_once() -> None:
    live = io.StringIO()
    with Progress(make_test_console(live)) as progress:
        for done in (0, 1, 99, 100):
            progress(ReadingAccount(done, 100))
    assert live.getvalue() == "reading 100 destinations\n"


WAIT = AwaitingAnswer("GET", "/v1/groups", datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC), 5.0)
WAITING = "waiting for the answer to GET /v1/groups since 12:00:05 UTC"


def test_without_a_terminal_a_wait_for_an_answer_is_one_line() -> None:
    live = io.StringIO()
    with Progress(make_test_console(live)) as progress:
        for event in (WAIT, AnswerArrived("GET", "/v1/groups")):
            progress(event)
    assert live.getvalue() == f"{WAITING}\n"
    quiet = io.StringIO()
    with Progress(make_test_console(quiet), verbosity=Verbosity.QUIET) as progress:
        progress(WAIT)
    assert quiet.getvalue() == ""


def test_on_a_terminal_a_wait_for_an_answer_gives_way_to_the_work_when_it_ends() -> None:
    live = FakeTerminal()
    with Progress(make_test_console(live)) as progress:
        progress(WAIT)
        assert progress._status is not None
        assert str(progress._status.status) == WAITING
        progress(AnswerArrived("GET", "/v1/groups"))
        assert str(progress._status.status) == "reading specs and account"


def test_verbose_shows_every_step() -> None:
    live = io.StringIO()
    show_progress(live, Verbosity.VERBOSE)
    assert live.getvalue().splitlines() == [
        "reading specs and account",
        "reading 12 destinations",
        "creating group.finance_prod",
        "running setup tests of group.finance_prod",
        "planning 1 change again",
    ]


def test_quiet_shows_results_only() -> None:
    for live in (io.StringIO(), FakeTerminal()):
        assert show_progress(live, Verbosity.QUIET) == RESULT
        assert live.getvalue() == ""


def test_a_terminal_gets_a_live_line_that_is_erased() -> None:
    live = FakeTerminal()
    assert show_progress(live) == RESULT
    text = live.getvalue()
    assert "reading destinations 3/12" in text
    assert "\x1b[2K" in text, "the line is erased"
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") > 0, "the cursor comes back each time"


def test_a_terminal_without_cursor_control_gets_plain_lines() -> None:
    live = FakeTerminal()
    show_progress(live, moving=False)
    assert "\x1b" not in live.getvalue()


def test_the_live_line_is_erased_before_a_result_is_printed() -> None:
    shared = FakeTerminal()
    console = make_test_console(shared)
    with Progress(console, console) as progress:
        progress(ChangeStarted(CREATED.address, Action.CREATE))
        progress(ChangeFinished(CREATED))
    before_result = shared.getvalue().split("yawning_sponge")[0]
    assert before_result.rindex("\x1b[?25h") > before_result.rindex("creating")


def test_progress_without_a_result_stream_prints_no_result() -> None:
    live = io.StringIO()
    with Progress(make_test_console(live)) as progress:
        progress(ChangeFinished(CREATED))
    assert live.getvalue() == ""


def test_a_warning_is_shown_at_every_verbosity() -> None:
    live = io.StringIO()
    with Progress(make_test_console(live), verbosity=Verbosity.QUIET, is_animated=False) as progress:
        progress(
            WarningIssued(Diagnostic("lock-left", "it is left", severity=Severity.WARNING, help="free it"))
        )
    assert live.getvalue() == "warning[lock-left]: it is left\n   = help: free it\n"
