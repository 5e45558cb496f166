"""Serialise the events of a run as JSON objects for a log, without values of fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler.model.diagnostic import Diagnostic, sort_diagnostics
from reconciler.model.event import (
    AwaitingAnswer,
    AwaitingObjects,
    ChangeFinished,
    ChangeStarted,
    ChangeWritten,
    ConvergenceCheck,
    Event,
    RecoveringCreate,
    RequestRetried,
    SetupTestsStarted,
    Throttled,
)
from reconciler.model.json_parts import (
    serialize_connection,
    serialize_coverage,
    serialize_held_until,
    serialize_live_object,
    serialize_trust_changes,
    serialize_unsettled,
)
from reconciler.model.outcome import ApplyResult, Outcome
from reconciler.model.plan import Action, AssertedValue, Change, Plan
from reconciler.model.policy import PolicyResult
from reconciler.model.sanitize import to_one_line
from reconciler.model.trust import TrustChange
from reconciler.model.value import format_path


def serialize_event(event: Event) -> dict[str, Any] | None:
    """Serialise an event, with its name under `event`. None for events that the log leaves out."""
    data: dict[str, Any] | None = None
    match event:
        case ChangeStarted(address=address, action=action):
            data = {"event": "change-started", "address": str(address), "action": str(action)}
        case ChangeWritten(address=address, action=action, id=id):
            data = {"event": "change-written", "address": str(address), "action": str(action), "id": id}
        case RecoveringCreate(address=address):
            data = {"event": "looking", "address": str(address)}
        case RequestRetried(method=method, path=path, reason=reason, attempt=attempt, seconds=seconds):
            request = {"method": method, "path": path, "reason": reason, "attempt": attempt}
            data = {"event": "call-repeated", **request, "seconds": round(seconds, 3)}
        case Throttled(quota=what, seconds=seconds):
            data = {"event": "paused", "what": what, "seconds": round(seconds, 3)}
        case AwaitingAnswer(method=method, path=path, since=since, seconds=seconds):
            request = {"method": method, "path": path, "since": since.isoformat(timespec="seconds")}
            data = {"event": "waiting", **request, "seconds": round(seconds, 3)}
        case AwaitingObjects(names=names, seconds=seconds):
            data = {"event": "waiting-for-objects", "names": list(names), "seconds": round(seconds, 3)}
        case SetupTestsStarted(address=address):
            data = {"event": "setup-tests-started", "address": str(address)}
        case ChangeFinished(outcome=outcome):
            data = {"event": "change-finished", **_serialize_outcome(outcome)}
        case ConvergenceCheck(total=total):
            data = {"event": "checking", "total": total}
    return data


def serialize_plan_event(
    plan: Plan, allowed: Mapping[str, float], reason: str | None, asserted: Iterable[AssertedValue] = ()
) -> dict[str, Any]:
    """Serialise a plan: its account and changes, with the raised limits, the asserted values, and their reason."""
    return {
        "account_id": plan.account_id,
        "digest": plan.digest,
        "counts": {str(action): plan.count(action) for action in Action},
        "changes": [
            {
                "address": str(change.address),
                "action": str(change.action),
                **serialize_unsettled(change),
                **_serialize_destroyed(change),
                **_serialize_approvals(change.trust),
            }
            for change in plan.effective
        ],
        "resent": [str(change.address) for change in plan.resent],
        "blockers": serialize_findings(plan.blockers),
        "recreated": [str(address) for address in plan.recreated],
        "allowed": dict(allowed),
        "asserted": [_serialize_asserted(value) for value in asserted],
        "policies": [_serialize_policy_result(policy_result) for policy_result in plan.judgements],
        "reason": to_one_line(reason) if reason else None,
        **({} if plan.coverage is None else {"coverage": serialize_coverage(plan.coverage)}),
    }


def _serialize_asserted(value: AssertedValue) -> dict[str, str | None]:
    return {"address": str(value.address), "field": format_path(value.path), "reference": value.source}


def _serialize_policy_result(policy_result: PolicyResult) -> dict[str, str]:
    return {
        "policy": policy_result.policy,
        "level": str(policy_result.level),
        "standing": str(policy_result.standing),
    }


def _serialize_approvals(changes: Sequence[TrustChange]) -> dict[str, Any]:
    """Serialise approvals that are given and revoked; empty without any."""
    return {"approvals": serialize_trust_changes(changes)} if changes else {}


def _serialize_destroyed(item: Change | Outcome) -> dict[str, Any]:
    """Serialise the live facts of a deleted or replaced object, and its deleted connections.

    Empty for other changes.
    """
    if item.live is None:
        return {}
    live = {"id": item.id, "live": serialize_live_object(item.live)}
    if isinstance(item, Change):
        return {**live, **_serialize_replaced(item)}
    return {**live, "deleted_first": [serialize_connection(connection) for connection in item.deleted_first]}


def _serialize_replaced(change: Change) -> dict[str, Any]:
    """Serialise the fields that a replacement sends, and the fields that it loses; empty for other changes."""
    if change.action is not Action.REPLACE:
        return {}
    return {
        "sent": [format_path(field.path) for field in change.fields if field.after is not None],
        "lost": [format_path(value.path) for value in change.lost],
    }


def serialize_apply_end(applied: ApplyResult | None) -> dict[str, Any]:
    """Serialise the end of an apply, empty if there was none."""
    if applied is None:
        return {}
    return {
        "remaining": None if applied.remaining is None else [str(address) for address in applied.remaining],
        "interrupted": applied.interrupted,
        "requests": applied.requests,
        "seconds": round(applied.seconds, 3),
    }


def serialize_findings(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """Serialise diagnostics without positions, notes and advice."""
    return [
        {
            "severity": str(diagnostic.severity),
            "code": diagnostic.code,
            "message": to_one_line(diagnostic.message),
        }
        for diagnostic in sort_diagnostics(diagnostics)
    ]


def _serialize_outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "address": str(outcome.address),
        "action": str(outcome.action),
        "status": str(outcome.status),
        "id": outcome.id,
        **serialize_held_until(outcome),
        "seconds": round(outcome.seconds, 3),
        **_serialize_destroyed(outcome),
        **_serialize_approvals(outcome.approvals),
        "diagnostics": serialize_findings(outcome.diagnostics),
        "setup_tests": None
        if outcome.checks is None
        else dict(sorted(Counter(to_one_line(check.status) for check in outcome.checks).items())),
    }
