"""Render how much of an account a run with a budget of requests has read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from reconciler.model.json_parts import serialize_coverage
from reconciler.model.plan import Plan
from reconciler.model.read_coverage import ReadCoverage, TimesPlace
from reconciler.model.sanitize import escape
from reconciler.report.style import QUIET, WARN, format_count

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def render_coverage(coverage: ReadCoverage) -> Iterator[Text]:
    """Render the lines about the read destinations, about the others, and about times that no other machine knows."""
    yield Text(format_reads(coverage))
    if coverage.ended_early:
        yield Text("Retries or a limit of Fivetran ended the reads early.", WARN)
    if coverage.unread:
        yield Text(_format_unread(coverage), QUIET)
    if coverage.times is not None and not coverage.times.is_shared:
        yield Text(_format_place(coverage.times), WARN)


def format_reads(coverage: ReadCoverage) -> str:
    """Format the numbers: `Read 480 of 2,000 destinations; a full round takes 5 runs of this budget.`"""
    reads = f"Read {coverage.read:,} of {format_count(coverage.of, 'destination')}"
    return f"{reads}; a full round takes {format_count(coverage.runs_per_round, 'run')} of this budget."


def _format_unread(coverage: ReadCoverage) -> str:
    """Format the number of destinations that were never read, and the age of the oldest read of the rest."""
    parts = [f"Never read so far: {coverage.never_read:,}."] if coverage.never_read else []
    if coverage.oldest_seconds is not None:
        parts.append(f"Oldest read of the rest: {format_age(coverage.oldest_seconds)} ago.")
    return " ".join(parts)


def format_age(seconds: float) -> str:
    """Format an age in its largest unit: `12 min`, `7 h`, `3 days`."""
    for unit, name in ((_DAY, "days"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            number = int(seconds // unit)
            return "1 day" if (number, unit) == (1, _DAY) else f"{number:,} {name}"
    return f"{int(seconds)} s"


def _format_place(times: TimesPlace) -> str:
    """Format the place of times that could not be written beside the state, on one line."""
    reason = escape(times.reason)
    if not times.name:
        return f"The times of these reads are not kept, so the next run repeats them: {reason}"
    return f"The times of these reads are kept on this machine only, in `{escape(times.name)}`: {reason}"


def serialize_plan_coverage(plan: Plan) -> dict[str, Any]:
    """Serialize the coverage with the addresses that were not read; empty for a run without a budget."""
    if plan.coverage is None:
        return {}
    unread = [str(address) for address in plan.unread]
    return {"coverage": {**serialize_coverage(plan.coverage), "unread": unread}}
