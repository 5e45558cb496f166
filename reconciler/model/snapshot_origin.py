"""Describe the snapshot that a plan was made against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.model.instant import format_utc


@dataclass(frozen=True, slots=True)
class SnapshotOrigin:
    """Snapshot of an account in a file, at a time (ISO 8601), which a seed that was written by hand lacks."""

    path: str
    taken_at: str | None = None
    has_connections: bool = False
    has_approvals: bool = False

    def __str__(self) -> str:
        return f"snapshot `{self.path}` of {self._format_time()}"

    def _format_time(self) -> str:
        if self.taken_at is None:
            return "an unknown time"
        try:
            return format_utc(datetime.fromisoformat(self.taken_at))
        except ValueError:  # a text that an editor of the file has written
            return self.taken_at
