"""What happens in a run, as JSON objects for a log. No values of fields are in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.model.diagnostic import Diagnostic, in_reading_order
from reconciler.model.event import (
    CallRepeated,
    ChangeFinished,
    ChangeStarted,
    ChangeWritten,
    Checking,
    Event,
    LookingForLostAnswer,
    Paused,
    SetupTestsStarted,
)
from reconciler.model.outcome import Applied, Outcome
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.policy import Judgement
from reconciler.report.apply_json import held_data
from reconciler.report.live_objects import connection_data, live_data
from reconciler.report.neutral import one_line
from reconciler.report.plan_json import unsettled_data


def event_data(event: Event) -> dict[str, Any] | None:
    """What an event says, with its name under `event`; None for those that nobody asks about afterwards."""
    told: dict[str, Any] | None = None
    match event:
        case ChangeStarted(address=address, action=action):
            told = {"event": "change-started", "address": str(address), "action": str(action)}
        case ChangeWritten(address=address, action=action, id=id):
            told = {"event": "change-written", "address": str(address), "action": str(action), "id": id}
        case LookingForLostAnswer(address=address):
            told = {"event": "looking", "address": str(address)}
        case CallRepeated(method=method, path=path, reason=reason, attempt=attempt, seconds=seconds):
            call = {"method": method, "path": path, "reason": reason, "attempt": attempt}
            told = {"event": "call-repeated", **call, "seconds": round(seconds, 3)}
        case Paused(what=what, seconds=seconds):
            told = {"event": "paused", "what": what, "seconds": round(seconds, 3)}
        case SetupTestsStarted(address=address):
            told = {"event": "setup-tests-started", "address": str(address)}
        case ChangeFinished(outcome=outcome):
            told = {"event": "change-finished", **_outcome(outcome)}
        case Checking(total=total):
            told = {"event": "checking", "total": total}
    return told


def planned_data(plan: Plan, allowed: Mapping[str, float], reason: str | None) -> dict[str, Any]:
    """What a run is going to do, for which account, and which limits somebody raised for it, and why."""
    return {
        "account_id": plan.account_id,
        "digest": plan.digest,
        "counts": {str(action): plan.count(action) for action in Action},
        "changes": [
            {
                "address": str(change.address),
                "action": str(change.action),
                **unsettled_data(change),
                **_destroyed(change),
            }
            for change in plan.effective
        ],
        "resent": [str(change.address) for change in plan.resent],
        "blockers": findings_data(plan.blockers),
        "recreated": [str(address) for address in plan.recreated],
        "allowed": dict(allowed),
        "policies": [_judgement(each) for each in plan.judgements],
        "reason": one_line(reason) if reason else None,
    }


def _judgement(judgement: Judgement) -> dict[str, str]:
    return {
        "policy": judgement.policy,
        "level": str(judgement.level),
        "standing": str(judgement.standing),
    }


def _destroyed(what: Change | Outcome) -> dict[str, Any]:
    """What Fivetran showed of what is deleted or replaced, and which of its connections are gone; nothing of others."""
    if what.live is None:
        return {}
    live = {"id": what.id, "live": live_data(what.live)}
    if isinstance(what, Change):
        return live
    return {**live, "deleted_first": [connection_data(each) for each in what.deleted_first]}


def applied_data(applied: Applied | None) -> dict[str, Any]:
    """How an apply ended as a whole; nothing where there was none."""
    if applied is None:
        return {}
    return {
        "remaining": None if applied.remaining is None else [str(address) for address in applied.remaining],
        "interrupted": applied.interrupted,
        "requests": applied.requests,
        "seconds": round(applied.seconds, 3),
    }


def findings_data(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """Diagnostics without places, notes and advice."""
    return [
        {"severity": str(each.severity), "code": each.code, "message": one_line(each.message)}
        for each in in_reading_order(diagnostics)
    ]


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "address": str(outcome.address),
        "action": str(outcome.action),
        "status": str(outcome.status),
        "id": outcome.id,
        **held_data(outcome),
        "seconds": round(outcome.seconds, 3),
        **_destroyed(outcome),
        "diagnostics": findings_data(outcome.diagnostics),
        "setup_tests": None
        if outcome.checks is None
        else dict(sorted(Counter(one_line(check.status) for check in outcome.checks).items())),
    }
