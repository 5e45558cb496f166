from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_values import FakeTerminal
from rich.cells import cell_len
from rich.text import Text

from reconciler.report.style import COPIED, fold_words, make_console, wrap_text


def test_a_long_line_breaks_between_words_with_a_hanging_indent() -> None:
    text = Text("Plan\n  = help: put the whole value in quotes if it is one\n\nend")
    assert wrap_text(text, 30).plain.splitlines() == [
        "Plan",
        "  = help: put the whole value",
        "      in quotes if it is one",
        "",
        "end",
    ]


def test_colours_stay_on_their_words() -> None:
    text = Text.assemble("one two ", ("three four", "red"))
    assert [part.plain for part in wrap_text(text, 14).split("\n")] == ["one two three", "    four"]
    red = [span for span in wrap_text(text, 14).spans if span.style == "red"]
    assert "".join(wrap_text(text, 14).plain[span.start : span.end] for span in red) == "threefour"


def test_a_text_to_copy_stays_on_one_line() -> None:
    text = Text("\n").join(
        [Text.assemble("key of it  ", ("ssh-rsa AAAA BBBB", COPIED)), Text("one two three four")]
    )
    assert wrap_text(text, 14).plain.splitlines() == [
        "key of it  ssh-rsa AAAA BBBB",
        "one two three",
        "    four",
    ]
    stream = FakeTerminal()
    make_console(stream).print(Text("ssh-rsa " + "A" * 300, COPIED))
    assert stream.getvalue() == "ssh-rsa " + "A" * 300 + "\n"


def test_a_command_stays_on_one_line_if_it_fits() -> None:
    text = Text("  = help: `reconciler apply --recreate group.orders` makes it again")
    assert wrap_text(text, 51).plain.splitlines() == [
        "  = help:",
        "      `reconciler apply --recreate group.orders`",
        "      makes it again",
    ]


def test_a_command_that_fits_on_no_line_breaks_between_its_words() -> None:
    assert fold_words("run (`reconciler apply --target orders`) now", 20) == [
        "run (`reconciler",
        "apply --target",
        "orders`) now",
    ]


def test_a_single_backtick_begins_no_command() -> None:
    assert fold_words("one ` two three four", 9) == ["one ` two", "three", "four"]


@given(st.text(alphabet="ab 漢\n`", max_size=80), st.integers(1, 40))
def test_no_text_is_lost_and_only_single_words_exceed_the_width(text: str, width: int) -> None:
    shown = wrap_text(Text(text), width).plain
    assert shown.split() == text.split()
    assert all(cell_len(line) <= width or len(line.split()) <= 1 for line in shown.split("\n"))


@pytest.mark.parametrize("stream", [FakeTerminal(), io.StringIO()])
def test_lines_are_wrapped_only_on_a_terminal(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    make_console(stream).print("word " * 8 + "end")
    assert len(stream.getvalue().splitlines()) == (3 if isinstance(stream, FakeTerminal) else 1)
