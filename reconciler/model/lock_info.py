"""Describe the holder of a lock to other runs that wait for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LockInfo:
    """Process that works with a state: its host, its start (ISO 8601, UTC), its command."""

    pid: int
    host: str
    user: str
    since: str
    doing: str

    def __str__(self) -> str:
        return f"`{self.doing}` by {self.user} on {self.host} (process {self.pid}), since {self.since}"
