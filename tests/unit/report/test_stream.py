from __future__ import annotations

import errno
import io
import os
import pty
import termios
from pathlib import Path

import pytest
from report_values import FakeTerminal
from rich.text import Text

from reconciler.report.colour import Colour
from reconciler.report.stream import SafeStream
from reconciler.report.style import get_stream_failure, make_console, write_plain


class FullDisk(io.StringIO):
    """Fail each write as a full disk does."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def make_stream(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)


def test_characters_outside_ascii_are_replaced_one_for_one() -> None:
    stream = make_stream("ascii")
    make_console(stream).print(Text("a · ••• “q” 漢 …"))
    assert stream.buffer.getvalue() == b'a - *** "q" ? ~\n'  # type: ignore[attr-defined]


def test_a_lone_surrogate_never_raises() -> None:
    stream = make_stream("utf-8")
    make_console(stream).print(Text("x\ud800y"))
    assert stream.buffer.getvalue() == b"x?y\n"  # type: ignore[attr-defined]


def test_colours_appear_only_on_a_terminal() -> None:
    text = Text("x", "red")
    for stream, colour, expected in (
        (FakeTerminal(), Colour.AUTO, "\x1b[31mx\x1b[0m\n"),
        (FakeTerminal(), Colour.NEVER, "x\n"),
        (io.StringIO(), Colour.AUTO, "x\n"),
    ):
        make_console(stream, colour).print(text)
        assert stream.getvalue() == expected


def test_text_is_not_read_as_markup_and_not_wrapped() -> None:
    stream = io.StringIO()
    long = "[red]x[/red] :smile: " + "word " * 100 + "end"
    make_console(stream).print(long)
    assert stream.getvalue() == long + "\n"


def test_a_full_disk_is_recorded_and_not_raised() -> None:
    console = make_console(FullDisk())
    write_plain(console, "one")
    console.print("two")
    failure = get_stream_failure(console)
    assert failure is not None
    assert failure.errno == errno.ENOSPC


def test_a_closed_pipe_is_ignored() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor, not a path
        console = make_console(stream)
        console.print("an unread line")
        failure = get_stream_failure(console)
        assert isinstance(failure, BrokenPipeError)
        stream.write("what the interpreter would still flush at its end")


@pytest.mark.parametrize("colour", Colour)
def test_a_closed_stream_is_no_terminal(colour: Colour, tmp_path: Path) -> None:
    stream = (tmp_path / "out").open("w", encoding="utf-8")
    stream.close()
    console = make_console(stream, colour)
    console.print("lost")
    assert get_stream_failure(console) is not None


def test_the_width_is_that_of_the_terminal_at_this_moment() -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        stream = SafeStream(terminal)
        for columns in (80, 33):
            termios.tcsetwinsize(master, (50, columns))
            assert stream.columns == columns
        termios.tcsetwinsize(master, (0, 0))
        assert stream.columns is None, "a terminal that does not know it"
    os.close(master)
    assert SafeStream(io.StringIO()).columns is None


def test_streams_are_compared_by_their_terminals() -> None:
    pairs = [pty.openpty() for _ in range(2)]
    with (
        os.fdopen(pairs[0][1], "w") as first,
        os.fdopen(os.dup(pairs[0][1]), "w") as same,
        os.fdopen(pairs[1][1], "w") as other,
    ):
        stream = SafeStream(first)
        assert stream.has_terminal_of(stream)
        assert stream.has_terminal_of(SafeStream(same))
        assert not stream.has_terminal_of(SafeStream(other))
        assert not stream.has_terminal_of(SafeStream(io.StringIO()))
    for master, _ in pairs:
        os.close(master)


def test_text_at_once_passes_the_buffer(tmp_path: Path) -> None:
    file = tmp_path / "out"
    with file.open("w", encoding="ascii") as opened:
        stream = SafeStream(opened, lambda text: text.replace("secret", "hidden"))
        stream.write("later")
        stream.write_at_once(stream.prepare("secret · "))
        assert file.read_text() == "hidden - "
    SafeStream(io.StringIO()).write_at_once("no descriptor, no error")
