"""Contents of project and spec files that are not written yet: what a run would write is loaded and planned first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

_ANY_FOLDERS = "**"


@dataclass(frozen=True, slots=True)
class UnsavedFiles:
    """Texts of files by resolved path, without byte order mark. Each text stands for the file on disk, which may not
    exist."""

    texts: Mapping[Path, str] = field(default_factory=dict)

    def get(self, file: Path) -> str | None:
        """Return the unsaved text of a file; None if the file counts as it is on disk."""
        return self.texts.get(file.resolve()) if self.texts else None

    def find_new(self, start: Path, pattern: str) -> Iterator[Path]:
        """Find the files that a relative path or glob will match once they are written."""
        folder = start.resolve() if self.texts else start
        for file in self.texts:
            if not file.exists() and file.is_relative_to(folder):
                below = file.relative_to(folder)
                if _matches(below.parts, Path(pattern).parts):
                    yield start / below


NO_UNSAVED_FILES = UnsavedFiles()


def _matches(names: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    """Return whether the parts of a path match the parts of a glob, where `**` stands for any number of folders."""
    if not patterns:
        return not names
    if patterns[0] == _ANY_FOLDERS:
        return any(_matches(names[skipped:], patterns[1:]) for skipped in range(len(names)))
    return bool(names) and fnmatchcase(names[0], patterns[0]) and _matches(names[1:], patterns[1:])
