"""Describe how much of an account a run with a budget of requests has read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.address import Address


@dataclass(frozen=True, slots=True)
class TimesPlace:
    """Place where the times of reads are kept for the next run.

    `name` is the place in messages; empty if the times could not be written anywhere. Times that are not `is_shared`
    are known to this machine only; `reason` says why.
    """

    name: str
    is_shared: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReadCoverage:
    """Part of the destinations that a run with a budget has read: `read` of `of` existing destinations in scope.

    `budget` is the number of requests that the run may send, and `runs_per_round` the number of such runs that read
    every destination once. `unread` are the other destinations; no run has ever read `never_read` of them, and the
    oldest read of the rest was `oldest_seconds` ago (None without any). `ended_early` says that retries or a limit of
    Fivetran left fewer reads than the budget. `statuses` are the statuses of unread destinations by address, as their
    list shows them. `times` is None for a run that has read no destination.
    """

    budget: int
    read: int
    of: int
    runs_per_round: int
    unread: tuple[Address, ...] = ()
    never_read: int = 0
    oldest_seconds: float | None = None
    ended_early: bool = False
    statuses: Mapping[str, str] = field(default_factory=dict)
    times: TimesPlace | None = None
