"""What an apply did, for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.model.json_parts import serialize_connection, serialize_held_until, serialize_live_object
from reconciler.model.outcome import ApplyResult, Check, Outcome, Status
from reconciler.report.diagnostics import serialize_diagnostics


def serialize_apply_result(applied: ApplyResult) -> dict[str, Any]:
    """The run as JSON objects: one outcome for each change of the plan, in the plan's order.

    `remaining` is null where the account was not read again afterwards.
    """
    return {
        "outcomes": [_serialize_outcome(outcome) for outcome in applied.outcomes],
        "counts": {
            str(status): sum(outcome.status is status for outcome in applied.outcomes) for status in Status
        },
        "remaining": None if applied.remaining is None else [str(address) for address in applied.remaining],
        "problems": serialize_diagnostics(applied.problems),
        "interrupted": applied.interrupted,
        "requests": applied.requests,
        "repeated": applied.retry_count,
        "seconds": round(applied.seconds, 3),
    }


def _serialize_outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "address": str(outcome.address),
        "action": str(outcome.action),
        "status": str(outcome.status),
        "id": outcome.id,
        "seconds": round(outcome.seconds, 3),
        "found": outcome.recovered,
        **serialize_held_until(outcome),
        "live": serialize_live_object(outcome.live),
        "deleted_first": [serialize_connection(connection) for connection in outcome.deleted_first],
        "setup_tests": None if outcome.checks is None else _serialize_checks(outcome.checks),
        "earlier_setup_tests": [_serialize_checks(checks) for checks in outcome.earlier_checks],
        "diagnostics": serialize_diagnostics(outcome.diagnostics),
    }


def _serialize_checks(checks: Iterable[Check]) -> list[dict[str, str]]:
    return [{"title": check.title, "status": check.status, "message": check.message} for check in checks]
