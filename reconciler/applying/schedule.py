"""The order of an apply: what is depended on comes first, and pairs are finished one after the other."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter

from reconciler.model.address import Address, get_entry_sort_key
from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS, Change
from reconciler.planning.deletions import PlannedDeletion
from reconciler.planning.planner import PlannedOperation


@dataclass(frozen=True, slots=True)
class Task:
    """One change with what is needed to carry it out. `after` are the addresses that must have come to an end."""

    change: Change
    depends_on: tuple[Address, ...]
    operation: PlannedOperation | PlannedDeletion

    @property
    def address(self) -> Address:
        """Whose change it is."""
        return self.change.address


def write_tasks(operations: Iterable[PlannedOperation]) -> list[Task]:
    """Everything that is made, changed or tested, entry by entry, a group before its destination."""
    effective = {
        step.change.address: step for step in operations if step.change.action not in ACTIONS_WITHOUT_REQUESTS
    }
    return [
        Task(step.change, tuple(parent for parent in step.change.depends_on if parent in effective), step)
        for step in sorted(effective.values(), key=lambda step: get_entry_sort_key(step.change.address))
    ]


def delete_tasks(deletions: Iterable[PlannedDeletion]) -> list[Task]:
    """Everything that is deleted, a destination before its group."""
    tasks: list[Task] = []
    for deletion in deletions:
        if deletion.change.action in ACTIONS_WITHOUT_REQUESTS:
            continue
        predecessors = tuple(
            task.address for task in tasks if task.address.key == deletion.change.address.key
        )
        tasks.append(Task(deletion.change, predecessors, deletion))
    return tasks


class ReadyQueue:
    """Which tasks can start now. The one that comes first in the plan starts first."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        task_list = list(tasks)
        self._tasks = {task.address: task for task in task_list}
        self._positions = {task.address: position for position, task in enumerate(task_list)}
        self._sorter = TopologicalSorter({task.address: task.depends_on for task in task_list})
        self._sorter.prepare()
        self._ready: list[tuple[int, Address]] = []
        self._collect_ready()

    def pop(self) -> Task | None:
        """The first task that can start, taken from the board; None where none can."""
        return self._tasks[heapq.heappop(self._ready)[1]] if self._ready else None

    def requeue(self, address: Address) -> None:
        """Let a task that was taken be taken again."""
        heapq.heappush(self._ready, (self._positions[address], address))

    def mark_done(self, address: Address) -> None:
        """A task came to its end, good or bad: what waits for it can be taken now."""
        self._sorter.done(address)
        self._collect_ready()

    def _collect_ready(self) -> None:
        for address in self._sorter.get_ready():
            self.requeue(address)
