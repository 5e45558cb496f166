"""The order of an apply: what is depended on comes first, and pairs are finished one after the other."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter

from reconciler.engine.planner import Step
from reconciler.engine.removal import Removal
from reconciler.model.address import Address, by_entry
from reconciler.model.plan import SILENT, Change


@dataclass(frozen=True, slots=True)
class Task:
    """One change with what is needed to carry it out. `after` are the addresses that must have come to an end."""

    change: Change
    after: tuple[Address, ...]
    work: Step | Removal

    @property
    def address(self) -> Address:
        """Whose change it is."""
        return self.change.address


def makings(steps: Iterable[Step]) -> list[Task]:
    """Everything that is made, changed or tested, entry by entry, a group before its destination."""
    wanted = {step.change.address: step for step in steps if step.change.action not in SILENT}
    return [
        Task(step.change, tuple(parent for parent in step.change.depends_on if parent in wanted), step)
        for step in sorted(wanted.values(), key=lambda step: by_entry(step.change.address))
    ]


def burials(removals: Iterable[Removal]) -> list[Task]:
    """Everything that is deleted, a destination before its group."""
    tasks: list[Task] = []
    for removal in removals:
        if removal.change.action in SILENT:
            continue
        before = tuple(task.address for task in tasks if task.address.key == removal.change.address.key)
        tasks.append(Task(removal.change, before, removal))
    return tasks


class Board:
    """Which tasks can start now. The one that comes first in the plan starts first."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        listed = list(tasks)
        self._tasks = {task.address: task for task in listed}
        self._place = {task.address: place for place, task in enumerate(listed)}
        self._sorter = TopologicalSorter({task.address: task.after for task in listed})
        self._sorter.prepare()
        self._open: list[tuple[int, Address]] = []
        self._collect()

    def take(self) -> Task | None:
        """The first task that can start, taken from the board; None where none can."""
        return self._tasks[heapq.heappop(self._open)[1]] if self._open else None

    def put_back(self, address: Address) -> None:
        """Let a task that was taken be taken again."""
        heapq.heappush(self._open, (self._place[address], address))

    def done(self, address: Address) -> None:
        """A task came to its end, good or bad: what waits for it can be taken now."""
        self._sorter.done(address)
        self._collect()

    def _collect(self) -> None:
        for address in self._sorter.get_ready():
            self.put_back(address)
