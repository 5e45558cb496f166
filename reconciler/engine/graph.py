"""The order of an apply: what is depended on comes first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter

from reconciler.engine.planner import Step
from reconciler.model.address import Address


def in_order(steps: Mapping[Address, Step]) -> Iterator[Step]:
    """All steps without dependencies, then those that depend on them, and so on; each rank sorted by address."""
    sorter = TopologicalSorter(
        {
            address: [parent for parent in step.change.depends_on if parent in steps]
            for address, step in steps.items()
        }
    )
    sorter.prepare()
    while sorter.is_active():
        rank = sorted(sorter.get_ready())
        yield from (steps[address] for address in rank)
        sorter.done(*rank)
