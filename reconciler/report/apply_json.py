"""What an apply did, for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.model.outcome import Applied, Check, Outcome, Status
from reconciler.report.diagnostics import as_data
from reconciler.report.live_objects import connection_data, live_data


def applied_data(applied: Applied) -> dict[str, Any]:
    """The run as JSON objects: one outcome for each change of the plan, in the plan's order.

    `remaining` is null where the account was not read again afterwards.
    """
    return {
        "outcomes": [_outcome(outcome) for outcome in applied.outcomes],
        "counts": {
            str(status): sum(outcome.status is status for outcome in applied.outcomes) for status in Status
        },
        "remaining": None if applied.remaining is None else [str(address) for address in applied.remaining],
        "problems": as_data(applied.problems),
        "interrupted": applied.interrupted,
        "requests": applied.requests,
        "repeated": applied.repeated,
        "seconds": round(applied.seconds, 3),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "address": str(outcome.address),
        "action": str(outcome.action),
        "status": str(outcome.status),
        "id": outcome.id,
        "seconds": round(outcome.seconds, 3),
        "found": outcome.found,
        **held_data(outcome),
        "live": live_data(outcome.live),
        "deleted_first": [connection_data(each) for each in outcome.deleted_first],
        "setup_tests": None if outcome.checks is None else _checks(outcome.checks),
        "earlier_setup_tests": [_checks(checks) for checks in outcome.earlier_checks],
        "diagnostics": as_data(outcome.diagnostics),
    }


def _checks(checks: Iterable[Check]) -> list[dict[str, str]]:
    return [{"title": each.title, "status": each.status, "message": each.message} for each in checks]


def held_data(outcome: Outcome) -> dict[str, str]:
    """When a create can be made that has to wait; nothing for all other outcomes."""
    return {} if outcome.held_until is None else {"held_until": outcome.held_until.isoformat()}
