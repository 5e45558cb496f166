from __future__ import annotations

import pytest
from terminal_screen import TerminalScreen


def show(text: str, columns: int = 10) -> TerminalScreen:
    screen = TerminalScreen(columns)
    screen.feed(text)
    return screen


def test_a_long_line_folds_and_a_full_line_does_not() -> None:
    assert show("0123456789").rows == ["0123456789"]
    assert show("0123456789\rx").rows == ["x123456789"]
    assert show("0123456789a").rows == ["0123456789", "a"]


def test_a_wide_character_takes_two_cells() -> None:
    assert show("12345678日日").rows == ["12345678日", "日"]


def test_folding_can_be_switched_off() -> None:
    assert show("\x1b[?7l0123456789abc\x1b[?7h").rows == ["012345678c"]


def test_erasing_removes_the_rest_of_the_screen() -> None:
    assert show("one\r\ntwo\r\x1b[J").rows == ["one"]
    assert show("one\rt\x1b[K").rows == ["t"]


def test_a_narrowed_terminal_folds_the_row_of_the_cursor() -> None:
    screen = show("above\r\n01234567\r")
    screen.resize(4)
    assert screen.rows == ["above", "0123", "4567"]
    screen.feed("\r\x1b[J")
    assert screen.rows == ["above"]


def test_unknown_sequences_fail() -> None:
    for text in ("\x1b[2K", "\x1b[1A", "\x07"):
        with pytest.raises(AssertionError):
            show(text)
