"""Lines of spec files, for the excerpts of diagnostics."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_LINE_END = re.compile(r"\r\n|\r|\n")
_MAX_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class SourceLines:
    """Reads a file once, when one of its lines is asked for."""

    directory: Path
    _files: dict[str, list[str]] = field(default_factory=dict)

    def __call__(self, path: str, line: int) -> str | None:
        """Line `line` (from 1) of a file, by a path relative to `directory`; None where there is none."""
        if path not in self._files:
            self._files[path] = self._read(self.directory / path)
        lines = self._files[path]
        return lines[line - 1] if 1 <= line <= len(lines) else None

    def _read(self, file: Path) -> list[str]:
        try:
            if not file.is_file() or file.stat().st_size > _MAX_BYTES:
                return []
            return _LINE_END.split(file.read_text("utf-8-sig", errors="replace"))
        except (OSError, ValueError):
            return []
