"""Find unfinished runs: runs whose log has a start and no end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.outcome import Status


@dataclass(slots=True)
class UnfinishedRun:
    """A run without an end. `start_entry` is its first entry; `is_planned` once it had read the account.

    `written` and `unknown` are in the order in which the changes started.
    """

    start_entry: Mapping[str, Any]
    is_planned: bool = False
    _changes: dict[str, Status | None] = field(default_factory=dict)

    @property
    def written(self) -> list[str]:
        """Addresses of changes that are in effect."""
        return [
            address for address, status in self._changes.items() if status is not None and status.is_in_effect
        ]

    @property
    def unknown(self) -> list[str]:
        """Addresses of changes that may be in effect."""
        return [address for address, status in self._changes.items() if status in {None, Status.UNKNOWN}]

    def add_entry(self, entry: Mapping[str, Any]) -> None:
        """Add the next entry of this run."""
        address = str(entry.get("address"))
        match entry.get("event"):
            case "planned":
                self.is_planned = True
            case "change-started":
                self._changes[address] = None
            case "change-written":
                self._changes[address] = Status.DONE
            case "change-finished" if address in self._changes and self._changes[address] is None:
                self._changes[address] = _parse_status(entry.get("status"))


def find_unfinished_runs(entries: Iterable[Mapping[str, Any]]) -> dict[str, UnfinishedRun]:
    """Find the unfinished runs of a log by id, oldest first."""
    runs: dict[str, UnfinishedRun] = {}
    for entry in entries:
        run_id = str(entry.get("run"))
        match entry.get("event"):
            case "run-started":
                runs[run_id] = UnfinishedRun(entry)
            case "run-finished" | "run-abandoned":
                runs.pop(run_id, None)
            case _ if run_id in runs:
                runs[run_id].add_entry(entry)
    return runs


def _parse_status(word: Any) -> Status:
    """Parse a status. A word of another version counts as unknown."""
    return Status(word) if word in set(Status) else Status.UNKNOWN
