"""Interpret the output of a program as a terminal does, for tests of what a user sees at each moment."""

from __future__ import annotations

import re

from rich.cells import cell_len

_TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b|[^\x1b]")
_MARKS = {"?25": "has_cursor", "?7": "folds_lines"}


class TerminalScreen:
    """Screen with endless rows of `columns` cells. It knows the control sequences that the program uses, and fails for
    every other sequence.

    A wide character takes two cells. A character in the last column is followed by a fold only once another comes, as
    in xterm.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.row, self.column = 0, 0
        self.has_cursor = True
        self.folds_lines = True
        self._rows: list[list[str]] = [[]]

    @property
    def rows(self) -> list[str]:
        """Return the text of all rows up to the last that is not empty."""
        shown = ["".join(row).rstrip() for row in self._rows]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    def feed(self, text: str) -> None:
        """Show text. A control sequence must be complete."""
        for match in _TOKEN.finditer(text):
            if match[2] is not None:
                self._control(match[1], match[2])
            elif match[0] == "\r":
                self.column = 0
            elif match[0] == "\n":
                self._move_down()
            else:
                assert match[0].isprintable(), f"unexpected control character {match[0]!r}"
                self._put(match[0])

    def resize(self, columns: int) -> None:
        """Change the width. The row of the cursor folds, and the cursor stays on its character, as in VTE."""
        self.columns = columns
        line, at = self._rows[self.row], self.column
        parts = [line[start : start + columns] for start in range(0, max(1, len(line)), columns)]
        self._rows[self.row : self.row + 1] = parts
        self.row, self.column = self.row + at // columns, at % columns

    def _control(self, parameters: str, name: str) -> None:
        match name:
            case "m":
                pass
            case "J" if parameters in {"", "0"}:
                del self._rows[self.row + 1 :]
                del self._rows[self.row][self.column :]
            case "K" if parameters in {"", "0"}:
                del self._rows[self.row][self.column :]
            case "h" | "l" if parameters in _MARKS:
                setattr(self, _MARKS[parameters], name == "h")
            case _:
                raise AssertionError(f"unexpected control sequence {parameters!r} {name!r}")

    def _put(self, character: str) -> None:
        cells = cell_len(character)
        if self.column + cells > self.columns:
            if self.folds_lines:
                self.column = 0
                self._move_down()
            else:
                self.column = self.columns - cells
        row = self._rows[self.row]
        row += [" "] * (self.column - len(row))
        row[self.column : self.column + cells] = [character, ""][:cells]
        self.column += cells

    def _move_down(self) -> None:
        self.row += 1
        if self.row == len(self._rows):
            self._rows.append([])
