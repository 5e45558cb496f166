"""Look for drift with a budget of requests: read the destinations that were read least recently, and remember them."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model.plan import Plan
from reconciler.model.read_coverage import ReadCoverage, TimesPlace
from reconciler.planning.partial_reads import PartialReading
from reconciler.planning.pipeline import make_plan
from reconciler.state.read_times import ReadTimes, merge_times
from reconciler.workspace.read_times import ReadTimesMemory, open_read_times
from reconciler.workspace.workspace import Workspace


def plan_within_budget(workspace: Workspace, budget: int) -> Plan:
    """Plan the destinations that `budget` requests can read, least recently read first. The sender of the workspace has
    the same budget.

    Remembers the reads once the plan is made: a failed run reports no drift, so its reads do not count. Raises
    ReconcilerError as `make_plan` does, and for times of reads that a newer version wrote.
    """
    memory = open_read_times(workspace)
    last, warnings = memory.load()
    reading = PartialReading(budget, last, memory.now)
    plan = make_plan(workspace, reading=reading).plan
    if plan.coverage is not None:
        place = _remember_reads(memory, reading, plan.coverage)
        plan = replace(plan, coverage=replace(plan.coverage, times=place))
    return replace(plan, warnings=(*warnings, *plan.warnings))


def _remember_reads(
    memory: ReadTimesMemory, reading: PartialReading, coverage: ReadCoverage
) -> TimesPlace | None:
    """Write the times of all reads, and of those that failed. A run that has asked for nothing writes nothing."""
    if not reading.read and not reading.failed:
        return None
    new = ReadTimes(*(dict.fromkeys(ids, reading.now) for ids in (reading.read, reading.failed)))
    return memory.save(
        merge_times(reading.last, new), reading.managed, f"{coverage.read} of {coverage.of} destinations read"
    )
