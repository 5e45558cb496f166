from __future__ import annotations

import pytest
from report_values import FakeTerminal, make_test_console, open_terminal
from rich.cells import cell_len
from rich.text import Text

from reconciler.report.live_line import LiveLine, fit_parts

PARTS = ["147/600", "0:52", "about 2:10 left", "testing team_148 and 7 more"]


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (80, "147/600 · 0:52 · about 2:10 left · testing team_148 and 7 more"),
        (60, "147/600 · 0:52 · about 2:10 left · testing team_148 and 7 m…"),
        (40, "147/600 · 0:52 · about 2:10 left"),
        (31, "147/600 · 0:52"),
        (13, "147/600"),
        (6, "147/6…"),
        (1, "…"),
    ],
)
def test_a_narrow_line_loses_its_last_parts(columns: int, line: str) -> None:
    assert fit_parts(PARTS, columns) == line


def test_width_is_measured_in_cells() -> None:
    for columns in range(1, 60):
        line = fit_parts(["1/2", "0:05", "waiting for 接続リンク東京と大阪と名古屋と福岡"], columns)
        assert cell_len(line) <= columns


@pytest.mark.parametrize("columns", [8, 40, 60, 80, 120])
def test_the_line_stays_below_the_results_after_every_write(columns: int) -> None:
    terminal, screen = open_terminal(columns)
    line = LiveLine(screen)
    line.show(PARTS)
    for number in range(30):
        line.print_above(screen, [Text(f"result {number} " + "word " * 20)] * (number % 3 + 1), PARTS)
        line.show([f"{number}/600", *PARTS[1:]])
    rows = [sample[-1] for sample in terminal.samples]
    assert all(row.split("/")[0].isdigit() for row in rows), "the last row is the line"
    assert all(sum("/600" in row for row in sample) <= 1 for sample in terminal.samples)
    line.remove()
    assert "/600" not in "".join(terminal.screen.rows)
    assert terminal.screen.has_cursor
    assert terminal.screen.folds_lines


def test_an_unchanged_line_is_not_written_again() -> None:
    terminal, screen = open_terminal(80)
    line = LiveLine(screen)
    line.show(PARTS)
    line.show(PARTS)
    assert len(terminal.samples) == 1


def test_a_narrowed_terminal_has_no_remnant_of_the_line() -> None:
    terminal, screen = open_terminal(80)
    line = LiveLine(screen)
    line.print_above(screen, [Text("above")], PARTS)
    line.show(PARTS)
    terminal.screen.resize(20)
    assert len(terminal.screen.rows) > 2, "the terminal has folded the line"
    screen.width = 20
    line.show(PARTS)
    assert terminal.screen.rows == ["above", "147/600 · 0:52"]


def test_a_line_wider_than_announced_still_takes_one_row() -> None:
    """A terminal may show a character wider than its standard says, or may have been narrowed a moment ago."""
    terminal, screen = open_terminal(80)
    line = LiveLine(screen)
    terminal.screen.columns = 30
    line.show(PARTS)
    assert len(terminal.screen.rows) == 1


def test_an_echoed_key_does_not_stay() -> None:
    terminal, screen = open_terminal(40)
    line = LiveLine(screen)
    line.show(PARTS)
    terminal.screen.feed("^C")
    line.show(["148/600", *PARTS[1:]])
    assert terminal.screen.rows == ["148/600 · 0:52 · about 2:10 left"]


def test_results_on_another_stream_do_not_move_the_line() -> None:
    terminal, screen = open_terminal(80)
    line = LiveLine(screen)
    line.show(PARTS)
    other = FakeTerminal()
    line.print_above(make_test_console(other), [Text("result")], PARTS)
    assert other.getvalue() == "result\n"
    assert len(terminal.samples) == 1
