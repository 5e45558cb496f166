"""Locate values in files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Range of one file. Lines and columns count from 1; the end is exclusive.

    `path` is the path with which a user opens the file: relative to the working directory if the file is below it, else
    absolute.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.line_place}:{self.column}"

    @property
    def line_place(self) -> str:
        """Path and line, for places of whole entries: `specs/groups/lake.yaml:5`."""
        return f"{self.path}:{self.line}"
