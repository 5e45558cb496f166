"""Describe the snapshot that a plan was made against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SnapshotOrigin:
    """Snapshot of an account in a file, at a time (ISO 8601), which a seed that was written by hand lacks."""

    path: str
    taken_at: str | None = None
    has_connections: bool = False

    def __str__(self) -> str:
        return f"snapshot `{self.path}` of {self.taken_at or 'an unknown time'}"
