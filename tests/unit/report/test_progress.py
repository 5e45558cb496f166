from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from fake_clock import FakeClock
from report_values import (
    CREATED,
    FakeTerminal,
    destination_address,
    group_address,
    make_test_console,
    open_terminal,
)

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Severity
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
from reconciler.model.outcome import Outcome, Status
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


# Without a terminal


def test_without_a_terminal_there_is_no_progress_between_results() -> None:
    live = io.StringIO()
    assert show_progress(live) == RESULT
    assert live.getvalue() == ""


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


def run_for(
    seconds: int, live: io.StringIO, verbosity: Verbosity = Verbosity.NORMAL, moving: bool = True
) -> None:
    """Run two changes for some seconds, with a tick in each."""
    clock = FakeClock()
    with Progress(make_test_console(live), None, verbosity, moving, clock=clock) as progress:
        progress.expect((group_address("a"), group_address("b")))
        progress(ChangeStarted(group_address("a"), Action.CREATE))
        progress(ChangeStarted(group_address("b"), Action.CREATE))
        for second in range(seconds):
            clock.advance(1)
            progress.tick()
            if second == 20:
                progress(ChangeFinished(replace(CREATED, address=group_address("a"))))


def test_without_a_terminal_there_is_a_line_every_15_seconds() -> None:
    live = io.StringIO()
    run_for(50, live)
    assert live.getvalue().splitlines() == [
        "reconciler: 0/2 · 0:15 · creating a and 1 more",
        "reconciler: 1/2 · 0:30 · creating b",
        "reconciler: 1/2 · 0:45 · creating b",
    ]


def test_a_run_of_less_than_15_seconds_has_no_such_line() -> None:
    live = io.StringIO()
    run_for(14, live)
    assert live.getvalue() == ""


def test_a_terminal_without_cursor_control_gets_the_lines_of_a_pipe() -> None:
    live = FakeTerminal()
    run_for(16, live, moving=False)
    assert live.getvalue() == "reconciler: 0/2 · 0:15 · creating a and 1 more\n"


def test_quiet_shows_results_only() -> None:
    for live in (io.StringIO(), FakeTerminal()):
        assert show_progress(live, Verbosity.QUIET) == RESULT
        run_for(40, live, Verbosity.QUIET)
        assert live.getvalue() == ""


def test_no_line_of_progress_appears_while_a_prompt_waits() -> None:
    clock, live = FakeClock(), io.StringIO()
    with Progress(make_test_console(live), clock=clock) as progress:
        progress.close()
        clock.advance(60)
        progress.tick()
    assert live.getvalue() == ""


# At a terminal


def list_lines(events: Iterable[Event], columns: int = 120, total: int = 2) -> list[str]:
    """List the live lines after each event, which all come after a second."""
    clock = FakeClock()
    terminal, console = open_terminal(columns)
    lines = []
    with Progress(console, console, clock=clock) as progress:
        if total:
            progress.expect(tuple(group_address(f"team_{number}") for number in range(total)))
        for event in events:
            clock.advance(1)
            progress(event)
            lines.append(terminal.screen.rows[-1])
    return lines


def start(number: int, action: Action = Action.CREATE) -> Event:
    return ChangeStarted(group_address(f"team_{number}"), action)


def finish(number: int, status: Status = Status.DONE) -> Event:
    return ChangeFinished(Outcome(group_address(f"team_{number}"), Action.CREATE, status))


def test_the_line_counts_the_changes_and_names_what_is_running() -> None:
    tests = SetupTestsStarted(group_address("team_1"))
    events = (start(0), start(1), finish(0), tests, finish(1), ConvergenceCheck(2), ReadingAccount(1, 2))
    assert list_lines(events) == [
        "0/2 · 0:01 · creating team_0",
        "0/2 · 0:02 · creating team_0 and 1 more",
        "1/2 · 0:03 · creating team_1",
        "1/2 · 0:04 · testing team_1",
        "2/2 · 0:05",
        "2/2 · 0:06 · planning 2 changes again",
        "2/2 · 0:07 · planning 2 changes again",
    ]


def test_before_the_changes_the_line_counts_the_destinations_that_are_read() -> None:
    assert list_lines([ReadingAccount(done, 4) for done in (0, 2, 4)], total=0) == [
        "0/4 · 0:01 · reading destinations",
        "2/4 · 0:02 · reading destinations",
        "4/4 · 0:03 · destinations read",
    ]


def test_the_line_estimates_the_time_left() -> None:
    events = [event for number in range(12) for event in (start(number), finish(number))]
    lines = list_lines(events, total=100)
    assert [line for line in lines[:9] if "left" in line] == [], "4 of 100 have no pace"
    assert lines[9] == "5/100 · 0:10 · about 3:10 left"
    assert lines[-1] == "12/100 · 0:24 · about 3:00 left"


def test_a_change_that_was_not_started_is_not_done_and_takes_no_time() -> None:
    events = [finish(number) for number in range(10)]
    events += [finish(number, Status.SKIPPED) for number in range(10, 90)]
    assert list_lines(events, total=100)[-1].startswith("10/100 · 1:30 · ")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (WAIT, WAITING),
        (
            RequestRetried("POST", "/v1/groups", "api-unavailable", 2, 12.4),
            "api-unavailable: trying again in 0:13",
        ),
        (Throttled("setup tests", 42), "no setup tests left for now: continuing in 0:42"),
        (RecoveringCreate(group_address("team_1")), "looking for team_1 after a lost response"),
        (
            AwaitingObjects(("private link 東京", "agent x"), 300),
            "waiting for private link 東京 and 1 more, at most 5:00",
        ),
    ],
)
def test_a_wait_has_words_of_its_own(event: Event, words: str) -> None:
    assert list_lines([start(1), event])[-1] == f"0/2 · 0:02 · {words}"


def test_a_wait_gives_way_to_the_work_when_it_ends() -> None:
    work = "creating team_0"
    assert list_lines([start(0), WAIT, AnswerArrived("GET", "/v1/groups")])[-1] == f"0/2 · 0:03 · {work}"
    lines = list_lines([start(0), Throttled("requests", 2.5), start(1), start(2), start(3)])
    pause = "no requests left for now: continuing in"
    assert lines[2:] == [
        f"0/2 · 0:03 · {pause} 0:02",
        f"0/2 · 0:04 · {pause} 0:01",
        f"0/2 · 0:05 · {work} and 3 more",
    ]


def test_the_line_is_there_after_every_write_and_takes_one_row() -> None:
    for columns in (20, 40, 60, 80, 120):
        clock = FakeClock()
        terminal, console = open_terminal(columns)
        addresses = tuple(destination_address(f"team_{number}") for number in range(60))
        with Progress(console, console, clock=clock) as progress:
            progress.expect(addresses)
            for number, address in enumerate(addresses):
                progress(ChangeStarted(address, Action.CREATE))
                clock.advance(0.7)
                progress.tick()
                if number % 3 == 2:
                    for each in reversed(addresses[number - 2 : number + 1]):
                        progress(ChangeFinished(Outcome(each, Action.CREATE, Status.DONE, id="x" * 30)))
            samples = terminal.samples[:]
        assert len(samples) > 100
        assert all(sample[-1].partition(" ")[0].partition("/")[0].isdigit() for sample in samples[1:])
        assert all(sum("/60" in row for row in sample) == 1 for sample in samples[1:])
        assert not any("/60" in row for row in terminal.screen.rows)
        assert sum("created" in row for row in terminal.screen.rows) == 60


def test_the_cursor_comes_back() -> None:
    live = FakeTerminal()
    assert show_progress(live) == RESULT
    text = live.getvalue()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") > 0


def test_a_stopping_run_keeps_its_line_without_an_estimate() -> None:
    clock = FakeClock()
    terminal, console = open_terminal(80)
    with Progress(console, console, clock=clock) as progress:
        progress.expect(tuple(group_address(f"team_{number}") for number in range(40)))
        for number in range(12):
            clock.advance(1)
            progress(finish(number))
        progress(start(12))
        assert terminal.screen.rows[-1] == "12/40 · 0:12 · about 0:30 left · creating team_12"
        progress.announce_stop("Stopping.")
        progress.tick()
        assert terminal.screen.rows[-1] == "12/40 · 0:12 · stopping: creating team_12"
        progress(finish(12))
        assert terminal.screen.rows[-1] == "13/40 · 0:12 · stopping"


# Results


def list_results(
    ends: Iterable[tuple[Address, Status]], verbosity: Verbosity = Verbosity.NORMAL
) -> list[str]:
    """List the result lines of changes that end in this order; the plan has them by address."""
    results, ends = io.StringIO(), list(ends)
    with Progress(make_test_console(io.StringIO()), make_test_console(results), verbosity) as progress:
        progress.expect(tuple(sorted(address for address, _ in ends)))
        for address, status in ends:
            progress(ChangeFinished(Outcome(address, Action.CREATE, status)))
    return [" ".join(line.split()) for line in results.getvalue().splitlines()]


def test_results_come_in_the_order_of_the_plan() -> None:
    ends = [(group_address(key), Status.DONE) for key in "bdac"]
    assert [line.split()[1] for line in list_results(ends)] == ["group.a", "group.b", "group.c", "group.d"]


CANCELLED = [(group_address(f"team_{number}"), Status.CANCELLED) for number in range(5)]
ENDED = [(group_address(key), Status.DONE) for key in ("alpha", "zeta")]


def test_cancelled_changes_are_one_line_after_the_results() -> None:
    first, second = ENDED
    assert list_results([first, *CANCELLED, second]) == [
        "+ group.alpha created 0.0 s",
        "+ group.zeta created 0.0 s",
        "5 not started: cancelled (group.team_0, group.team_1 and 3 more; --verbose names all)",
    ]


def test_verbose_names_each_cancelled_change_in_its_place() -> None:
    lines = list_results([*CANCELLED, *ENDED], Verbosity.VERBOSE)
    assert [line.split()[1:3] for line in lines[:2]] == [
        ["group.alpha", "created"],
        ["group.team_0", "cancelled"],
    ]
    assert len(lines) == 7


def test_a_few_cancelled_changes_have_a_line_each() -> None:
    assert list_results([*ENDED, *CANCELLED[:3]])[2:] == [
        f"+ group.team_{number} cancelled" for number in range(3)
    ]


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


def test_a_warning_stands_above_the_line() -> None:
    terminal, console = open_terminal(80)
    with Progress(console, console, clock=FakeClock()) as progress:
        progress(WarningIssued(Diagnostic("lock-left", "it is left", severity=Severity.WARNING)))
        assert terminal.screen.rows == ["warning[lock-left]: it is left", "0:00 · reading specs and account"]
