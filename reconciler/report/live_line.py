"""Keep a line below the output of a terminal. It never takes two rows, and never vanishes while output is printed.

Each change of the screen is one write. The cursor rests at the start of the line: when a narrowed terminal folds the
line, everything from the cursor on is the line, so the next write erases all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from rich.cells import cell_len

from reconciler.report.stream import SafeStream
from reconciler.report.style import Screen, StyledText

_SEPARATOR = " · "
_MIN_CUT_CELLS = 16
"""Cells below which the start of a part says nothing."""
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_CUT_LONG_LINES, _FOLD_LONG_LINES = "\x1b[?7l", "\x1b[?7h"
_ERASE_TO_END = "\x1b[J"
_ERASE_LINE = f"\r{_ERASE_TO_END}"


class LiveLine:
    """Line at the end of the output of a terminal. It can be shown and removed any number of times."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._stream = cast("SafeStream", screen.file)
        self._frame = ""

    @property
    def columns(self) -> int:
        """Return the cells that the line may take: one less than the terminal has at this moment."""
        return max(1, (self._stream.columns or self._screen.width) - 1)

    def show(self, parts: Sequence[str]) -> None:
        """Show the parts that fit, in place of the parts before."""
        frame = self._build_frame(parts)
        if frame != self._frame:
            self._write(self._screen, ("" if self._frame else _HIDE_CURSOR) + frame)
            self._frame = frame

    def print_above(self, screen: Screen, texts: Iterable[StyledText], parts: Sequence[str]) -> None:
        """Print texts on a screen. If it is the screen of the line, the line moves below them, with these parts."""
        with screen.capture() as capture:
            for text in texts:
                screen.print(text)
        stream = cast("SafeStream", screen.file)
        if self._frame and stream.has_terminal_of(self._stream) and stream.failure is None:
            self._frame = self._build_frame(parts)
            self._write(screen, f"{_ERASE_LINE}{capture.get()}{self._frame}")
        else:
            self._write(screen, capture.get())

    def remove(self) -> None:
        """Remove the line, if it is shown."""
        if self._frame:
            self._frame = ""
            self._write(self._screen, _ERASE_LINE + _SHOW_CURSOR)

    def print_at_once(self, text: str) -> None:
        """Print a text above the line past all buffers and locks, for a signal handler."""
        frame = self._frame
        self._stream.write_at_once(f"{_ERASE_LINE}{text}\n{frame}" if frame else f"\n{text}\n")

    def remove_at_once(self) -> None:
        """Remove the line past all buffers and locks, for a signal handler that ends the process."""
        if self._frame:
            self._stream.write_at_once(_ERASE_LINE + _SHOW_CURSOR)

    def _build_frame(self, parts: Sequence[str]) -> str:
        line = fit_parts(parts, self.columns)
        return self._stream.prepare(f"\r{_CUT_LONG_LINES}{line}{_ERASE_TO_END}{_FOLD_LONG_LINES}\r")

    def _write(self, screen: Screen, text: str) -> None:
        screen.file.write(text)
        screen.file.flush()


def fit_parts(parts: Sequence[str], columns: float) -> str:
    """Join as many parts as fit into a line of this number of cells, the first parts first.

    The last part is cut instead if most of it fits.
    """
    for count in range(len(parts), 0, -1):
        line = _SEPARATOR.join(parts[:count])
        if cell_len(line) <= columns:
            room = columns - cell_len(line + _SEPARATOR)
            is_cut = count == len(parts) - 1 and room >= _MIN_CUT_CELLS
            return f"{line}{_SEPARATOR}{_cut(parts[count], room)}" if is_cut else line
    return _cut(parts[0], columns) if parts else ""


def _cut(text: str, columns: float) -> str:
    """Cut a text to at most this number of cells, with an ellipsis at its end."""
    if cell_len(text) <= columns:
        return text
    end = len(text)
    while end > 0 and cell_len(text[:end]) > columns - 1:
        end -= 1
    return f"{text[:end].rstrip()}…"
