"""Progress of real runs at a terminal: the line never vanishes, and never takes two rows. Without a terminal: lines."""

from __future__ import annotations

import re
import signal

import pytest
from applied_project import PAIR, AppliedProject
from background_process import BackgroundProcess
from blocking_server import serve_blocking
from cli_harness import EmulatedFivetran, Project, build_credentials
from command_line import PROCESS_TIMEOUT
from long_runs import small_and_large
from watched_terminal import WatchedTerminal

from reconciler.emulator.latency import LatencyRules, parse_latency

COUNT = re.compile(r"([\d,]+)/([\d,]+)( |$)")
BUDGET = "budget: {setup_tests_per_minute: 10000, setup_tests_per_hour: 10000}\n"


class SlowAccount(AppliedProject):
    """Project of pairs whose account takes its time to answer."""

    def declare_pairs(self, number: int, latency: str = "20ms..60ms") -> None:
        """Declare this number of pairs."""
        self.write_settings(BUDGET)
        self.write_specs("".join(PAIR.format(key=f"team_{key:03}") for key in range(number)))
        self.server.app.latencies = LatencyRules([parse_latency(latency)])

    def start(self, *arguments: str, columns: int) -> WatchedTerminal:
        """Start a command at a terminal of this width."""
        return WatchedTerminal(
            *arguments, directory=self.folder, columns=columns, **build_credentials(self.server.url)
        )


@pytest.fixture
def slow_account(project: Project, server: EmulatedFivetran) -> SlowAccount:
    """A project without entries."""
    return SlowAccount(project, server)


def list_live_rows(samples: list[list[str]], total: int) -> list[str]:
    """List the last row of each sample from the first start to the last count, and check that no other row looks like
    the line."""
    is_line = [bool(sample) and _counts(sample[-1], total) for sample in samples]
    first = is_line.index(True)
    last = len(is_line) - is_line[::-1].index(True)
    for sample in samples[first:last]:
        rows = [row for row in sample if _counts(row, total)]
        assert rows == sample[-1:], sample[-3:]
    return [sample[-1] for sample in samples[first:last]]


def _counts(row: str, total: int) -> bool:
    match = COUNT.match(row)
    return match is not None and int(match[2].replace(",", "")) == total


@small_and_large(("pairs", "columns"), (12, 60), (300, 80))
def test_the_line_of_an_apply_is_there_from_start_to_end(
    pairs: int, columns: int, slow_account: SlowAccount
) -> None:
    check_apply(slow_account, pairs, columns)


@pytest.mark.long
@pytest.mark.parametrize("columns", [40, 60, 120])
def test_the_line_of_an_apply_is_there_at_every_width(columns: int, slow_account: SlowAccount) -> None:
    check_apply(slow_account, 300, columns)


def check_apply(slow_account: SlowAccount, pairs: int, columns: int) -> None:
    slow_account.declare_pairs(pairs)
    with slow_account.start("apply", "--auto-approve", columns=columns) as terminal:
        assert terminal.wait_for_exit() == 0
    total = 2 * pairs
    rows = list_live_rows(terminal.samples, total)
    assert len(rows) > total / 20, "a busy machine joins samples, but not that many"
    counts = [int(row.partition("/")[0]) for row in rows]
    assert counts == sorted(counts)
    assert counts[0] < total / 10
    assert counts[-1] == total
    assert all(len(row) < columns for row in rows)
    shown = terminal.screen.rows
    assert not any(_counts(row, total) for row in shown)
    assert sum(row.startswith("  + ") for row in shown) == total
    assert terminal.screen.has_cursor
    assert terminal.screen.folds_lines


def test_the_line_fits_into_a_terminal_that_is_narrowed_meanwhile(slow_account: SlowAccount) -> None:
    slow_account.declare_pairs(12)
    with slow_account.start("apply", "--auto-approve", columns=120) as terminal:
        terminal.wait_for("3/24 ")
        terminal.resize(30)
        narrowed = len(terminal.samples)
        assert terminal.wait_for_exit() == 0
    rows = list_live_rows(terminal.samples[narrowed:], 24)
    assert all(len(row) <= 30 for row in rows), "also what was written before the terminal was narrowed"
    later = [row for row in rows if int(row.partition("/")[0]) >= 12]
    assert later
    assert all(len(row) < 30 for row in later)


@small_and_large("pairs", 12, 300)
def test_ctrl_c_shows_what_ended_and_one_line_for_the_rest(pairs: int, slow_account: SlowAccount) -> None:
    slow_account.declare_pairs(pairs)
    with slow_account.start("apply", "--auto-approve", columns=120) as terminal:
        terminal.wait_for("3/")
        terminal.signal(signal.SIGINT)
        assert terminal.wait_for_exit() == 6
    total = 2 * pairs
    list_live_rows(terminal.samples, total)
    shown = terminal.screen.rows
    stop = next(number for number, row in enumerate(shown) if row.startswith("Stopping: "))
    results = [row for row in shown if row.startswith("  + ") and "created" in row]
    [rest] = [row for row in shown if "not started" in row]
    assert re.fullmatch(
        r"  \d+ not started: cancelled \((group|destination)\.team_\d+, (group|destination)\.team_\d+ and \d+ more;"
        r" --verbose names all\)",
        rest,
    )
    assert len(results) + int(rest.split()[0]) == total
    assert len(shown) - stop < 80, "the end fits on a screen"
    assert shown[-1] == "Interrupted. Run apply again to continue: finished changes are not repeated."
    assert not any("cancelled" in row for row in results)


@pytest.mark.long
def test_a_run_of_setup_tests_has_the_line_too(slow_account: SlowAccount) -> None:
    slow_account.declare_pairs(20, "0ms")
    slow_account.must_apply()
    slow_account.server.app.latencies = LatencyRules([parse_latency("50ms")])
    with slow_account.start("test", columns=80) as terminal:
        assert terminal.wait_for_exit() == 0
    rows = list_live_rows(terminal.samples, 20)
    assert any("testing team_" in row for row in rows)


def test_a_plan_shows_what_it_reads(slow_account: SlowAccount) -> None:
    slow_account.declare_pairs(8, "0ms")
    slow_account.must_apply()
    slow_account.server.app.latencies = LatencyRules([parse_latency("30ms")])
    with slow_account.start("plan", "--parallelism", "1", columns=80) as terminal:
        assert terminal.wait_for_exit() == 0
    assert any("reading destinations" in row for row in list_live_rows(terminal.samples, 8))
    assert not any("reading" in row for row in terminal.screen.rows)


@pytest.mark.parametrize(
    "environ", [{"TERM": "dumb"}, {"CI": "true"}], ids=["a dumb terminal", "a CI job with a terminal"]
)
def test_no_live_line_where_it_would_not_work(environ: dict[str, str], slow_account: SlowAccount) -> None:
    slow_account.declare_pairs(2)
    with WatchedTerminal(
        "apply",
        "--auto-approve",
        directory=slow_account.folder,
        columns=80,
        **environ,
        **build_credentials(slow_account.server.url),
    ) as terminal:
        assert terminal.wait_for_exit() == 0
    assert "0/4" not in terminal.output
    assert "\x1b[?25l" not in terminal.output


@pytest.mark.long
def test_a_pipe_gets_a_line_every_fifteen_seconds(slow_account: SlowAccount) -> None:
    slow_account.declare_pairs(1)
    with (
        serve_blocking(slow_account.server) as (gate, url),
        BackgroundProcess(
            "apply", "--auto-approve", directory=slow_account.folder, **build_credentials(url)
        ) as process,
    ):
        assert gate.reached.wait(PROCESS_TIMEOUT)
        process.wait_for("reconciler: 0/2 · 0:")
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 0
    assert "reconciler: " not in ended.out
