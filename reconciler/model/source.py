"""Where a value was written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A range of one file. Lines and columns count from 1; the end is exclusive.

    `path` is what a person would type to open the file: relative to the working
    directory when the file is below it, absolute otherwise.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"
