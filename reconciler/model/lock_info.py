"""Who is at work, so that others know whom they wait for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LockInfo:
    """Who works with a state: a process on a host, since when (ISO 8601, UTC), doing what."""

    pid: int
    host: str
    user: str
    since: str
    doing: str

    def __str__(self) -> str:
        return f"`{self.doing}` by {self.user} on {self.host} (process {self.pid}), since {self.since}"
