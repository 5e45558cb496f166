"""Order the tasks of an apply: parents before their children, and one pair of group and destination after the other."""

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
    """One change with its operation. `depends_on` are the addresses whose tasks must have ended before."""

    change: Change
    depends_on: tuple[Address, ...]
    operation: PlannedOperation | PlannedDeletion

    @property
    def address(self) -> Address:
        """Address of the change."""
        return self.change.address


def write_tasks(operations: Iterable[PlannedOperation]) -> list[Task]:
    """Build the tasks that create, change or test an object, entry by entry, a group before its destination."""
    effective = {
        operation.change.address: operation
        for operation in operations
        if operation.change.action not in ACTIONS_WITHOUT_REQUESTS
    }
    return [
        Task(
            operation.change,
            tuple(
                address
                for address in (*operation.change.depends_on, *operation.change.waits_for)
                if address in effective
            ),
            operation,
        )
        for operation in sorted(
            effective.values(), key=lambda operation: get_entry_sort_key(operation.change.address)
        )
    ]


def delete_tasks(deletions: Iterable[PlannedDeletion]) -> list[Task]:
    """Build the tasks that delete an object, a destination before its group."""
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
    """Tasks that can start now. The first task of the plan starts first."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        task_list = list(tasks)
        self._tasks = {task.address: task for task in task_list}
        self._positions = {task.address: position for position, task in enumerate(task_list)}
        self._sorter = TopologicalSorter({task.address: task.depends_on for task in task_list})
        self._sorter.prepare()
        self._ready: list[tuple[int, Address]] = []
        self._collect_ready()

    def pop(self) -> Task | None:
        """Take the first task that can start; None if no task can."""
        return self._tasks[heapq.heappop(self._ready)[1]] if self._ready else None

    def requeue(self, address: Address) -> None:
        """Requeue a task that was taken."""
        heapq.heappush(self._ready, (self._positions[address], address))

    def mark_done(self, address: Address) -> None:
        """Mark a task as ended, well or not: tasks that wait for it can start now."""
        self._sorter.done(address)
        self._collect_ready()

    def _collect_ready(self) -> None:
        for address in self._sorter.get_ready():
            self.requeue(address)
