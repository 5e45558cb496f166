"""Run the real `reconciler` at a terminal, and sample what its screen shows."""

from __future__ import annotations

import re
import select
from pathlib import Path

from command_line import TerminalProcess
from terminal_screen import TerminalScreen

_INCOMPLETE_SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*)?\Z")
_QUIET_SECONDS = 0.005
"""Seconds without output after which a write has been shown as a whole: the system passes a long text in parts."""


class WatchedTerminal(TerminalProcess):
    """Process at a terminal. `samples` are the rows of the screen after each write, oldest first."""

    def __init__(self, *arguments: str, directory: Path, columns: int, **environ: str) -> None:
        self.screen = TerminalScreen(columns)
        self.samples: list[list[str]] = []
        self._shown = 0
        super().__init__(*arguments, directory=directory, columns=columns, **environ)

    def resize(self, columns: int) -> None:
        """Change the width of the terminal, which folds the row of the cursor."""
        super().resize(columns)
        self.screen.resize(columns)

    def _read(self) -> bool:
        is_open = super()._read()
        if not select.select([self._master_fd], [], [], _QUIET_SECONDS)[0] or not is_open:
            text = self.output[self._shown :]
            incomplete = _INCOMPLETE_SEQUENCE.search(text)
            text = text[: incomplete.start()] if incomplete else text
            self.screen.feed(text)
            self._shown += len(text)
            self.samples.append(self.screen.rows)
        return is_open
