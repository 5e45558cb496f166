"""A plan for programs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Action, Change, FieldChange, Narrowing, Plan, Secrets
from reconciler.model.policy import Judgement
from reconciler.model.value import FieldPath
from reconciler.report.diagnostics import as_data, span_data
from reconciler.report.live_objects import live_data


def saved_data(created_at: datetime, expires_at: datetime, now: datetime, version: str) -> dict[str, Any]:
    """When a plan was saved, by which version, and whether it is still valid."""
    return {
        "created_at": created_at.isoformat(),
        "expires_at": expires_at.isoformat(),
        "is_expired": now >= expires_at,
        "tool": version,
    }


def plan_data(plan: Plan) -> dict[str, Any]:
    """The plan as JSON objects; `changes` has only what apply would do, in that order."""
    return {
        "account": {"id": plan.account_id, "name": plan.account_name},
        "digest": plan.digest,
        "narrowed_to": narrowing_data(plan.narrowing),
        "changes": [
            {**change_data(change), "blocked_by": _blocked_by(change, plan.blockers)}
            for change in plan.effective
        ],
        "adopted": [
            {"address": str(change.address), "id": change.id, "secrets": _secrets(change.secrets)}
            for change in plan.adopted
        ],
        "forgotten": [
            {"address": str(change.address), "id": change.id, "live": live_data(change.live)}
            for change in plan.forgotten
        ],
        "policies": policies_data(plan.judgements),
        "blockers": as_data(plan.blockers),
        "unchanged": [
            {
                "address": str(change.address),
                "id": change.id,
                "uncomparable": _paths(change.uncomparable),
                "secrets": _secrets(change.secrets),
            }
            for change in plan.changes
            if change.action is Action.NO_OP
        ],
        "unmanaged": [{"id": group.id, "name": group.name} for group in plan.unmanaged],
        "warnings": as_data(plan.warnings),
        "counts": {str(action): plan.count(action) for action in Action},
        "files": plan.files,
        "requests": plan.requests,
        "seconds": round(plan.seconds, 3),
    }


def policies_data(judgements: Iterable[Judgement]) -> list[dict[str, Any]]:
    """What each policy of the project says of a plan, in their order there."""
    return [
        {
            "policy": each.policy,
            "rule": each.rule,
            "level": str(each.level),
            "standing": str(each.standing),
            "because": each.because,
            "findings": as_data(each.findings),
            "older": as_data(each.older),
        }
        for each in judgements
    ]


def narrowing_data(narrowing: Narrowing | None) -> dict[str, Any] | None:
    """How many entries of the specs a plan is about, and why these; None for a plan of everything."""
    if narrowing is None:
        return None
    data: dict[str, Any] = {"entries": narrowing.entries, "of": narrowing.of}
    if narrowing.since:
        data |= {
            "since": narrowing.since,
            "changed": narrowing.changed,
            "unfinished": narrowing.unfinished,
            "merge_bases": list(narrowing.merge_bases),
            "is_behind": narrowing.is_behind,
            "left_alone": narrowing.left_alone,
        }
    return data


def _blocked_by(change: Change, blockers: Iterable[Diagnostic]) -> list[str]:
    """Codes of what refuses this very change; limits refuse the plan as a whole."""
    return sorted(
        {
            each.code
            for each in blockers
            if each.address is not None and each.address.key == change.address.key
        }
    )


def change_data(change: Change) -> dict[str, Any]:
    """One change with its fields."""
    return {
        "address": str(change.address),
        "action": str(change.action),
        "reasons": [str(reason) for reason in change.reasons],
        "id": change.id,
        "fields": [_field(field) for field in change.fields],
        "uncomparable": _paths(change.uncomparable),
        "secrets": _secrets(change.secrets),
        "depends_on": [str(address) for address in change.depends_on],
        "risk": str(change.risk),
        **unsettled_data(change),
        "live": live_data(change.live),
        "span": span_data(change.span),
    }


def unsettled_data(change: Change) -> dict[str, Any]:
    """When an earlier request for the same object was sent that may still take effect, and until when the change has to
    wait for that, null where another request is sent all the same. Nothing for all other changes."""
    if change.unsettled is None:
        return {}
    held_until = None if change.held_until is None else change.held_until.isoformat()
    return {"request_sent_at": change.unsettled.sent_at.isoformat(), "held_until": held_until}


def _field(field: FieldChange) -> dict[str, Any]:
    return {
        "path": list(field.path),
        "before": field.before,
        "after": field.after,
        "shown": str(field.shown),
        "origin": str(field.origin),
        "forces_replace": field.forces_replace,
        "span": span_data(field.span),
    }


def _paths(paths: Iterable[FieldPath]) -> list[list[str]]:
    return [list(path) for path in paths]


def _secrets(secrets: Secrets) -> dict[str, list[list[str]]]:
    """The three answers to whether a declared secret is what was sent last. Of something new there is none."""
    return {
        "changed": _paths(secrets.changed),
        "unchanged": _paths(secrets.unchanged),
        "uncomparable": _paths(secrets.uncomparable),
    }
