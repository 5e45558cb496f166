"""Serialize a plan as JSON objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from reconciler.model.json_parts import (
    serialize_facts,
    serialize_live_object,
    serialize_trust_changes,
    serialize_unsettled,
)
from reconciler.model.plan import (
    ACTIONS_WITHOUT_REQUESTS,
    Action,
    Change,
    FieldChange,
    Plan,
    ScopeSummary,
    SecretComparison,
)
from reconciler.model.policy import PolicyResult
from reconciler.model.snapshot_origin import SnapshotOrigin
from reconciler.model.value import FieldPath
from reconciler.report.diagnostics import serialize_diagnostics, serialize_span
from reconciler.report.ignored_warnings import serialize_ignored
from reconciler.report.plan_summary import list_blocking_codes
from reconciler.report.unmanaged_objects import serialize_unmanaged
from reconciler.workspace.plan_project import PlanProject


def serialize_validity(
    created_at: datetime,
    expires_at: datetime,
    now: datetime,
    version: str,
    project: PlanProject | None = None,
    *,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Serialize the times of a saved plan (ISO 8601), the version that saved it, whether the plan is still valid, its
    project file (None for a plan of an earlier release), and its values of `--var`."""
    return {
        "created_at": created_at.isoformat(),
        "expires_at": expires_at.isoformat(),
        "is_expired": now >= expires_at,
        "tool": version,
        "project": project.path if project is not None else None,
        "variables": {**variables},
    }


def serialize_plan(plan: Plan) -> dict[str, Any]:
    """Serialize a plan as JSON objects; `changes` has only changes that an apply makes, in the order of the apply."""
    return {
        "account": {"id": plan.account_id, "name": plan.account_name},
        **serialize_snapshot_origin(plan.snapshot),
        "digest": plan.digest,
        "narrowed_to": serialize_scope(plan.narrowing),
        "changes": [
            {**serialize_change(change), "blocked_by": list_blocking_codes(change.address, plan.blockers)}
            for change in plan.effective
        ],
        "adopted": [
            {
                "address": str(change.address),
                "id": change.id,
                "secrets": _serialize_secrets(change.secrets),
                **serialize_facts(change),
            }
            for change in plan.adopted
        ],
        "forgotten": [
            {
                "address": str(change.address),
                "id": change.id,
                "live": serialize_live_object(change.live),
                **serialize_facts(change),
            }
            for change in plan.forgotten
        ],
        "unplanned": serialize_unplanned(plan),
        "policies": serialize_policy_results(plan.judgements),
        "blockers": serialize_diagnostics(plan.blockers),
        "unchanged": [
            {
                "address": str(change.address),
                "id": change.id,
                "uncomparable": _serialize_paths(change.uncomparable),
                "secrets": _serialize_secrets(change.secrets),
                **serialize_facts(change),
            }
            for change in plan.changes
            if change.action is Action.NO_OP
        ],
        **serialize_unmanaged(plan),
        "uncomparable_secrets": list(plan.uncomparable_secrets),
        "warnings": serialize_diagnostics(plan.warnings),
        **serialize_ignored(plan.ignored),
        "counts": {str(action): plan.count(action) for action in Action},
        "files": plan.files,
        "requests": plan.requests,
        "seconds": round(plan.seconds, 3),
    }


def serialize_snapshot_origin(snapshot: SnapshotOrigin | None) -> dict[str, Any]:
    """Serialize the snapshot that a plan was made against, and that no apply takes this plan; empty for a plan against
    the account."""
    if snapshot is None:
        return {}
    return {"snapshot": {"path": snapshot.path, "taken_at": snapshot.taken_at}, "applyable": False}


def serialize_policy_results(policy_results: Iterable[PolicyResult]) -> list[dict[str, Any]]:
    """Serialize the result of each policy of the project, in the order of the project file."""
    return [
        {
            "policy": policy_result.policy,
            "rule": policy_result.rule,
            "level": str(policy_result.level),
            "standing": str(policy_result.standing),
            "because": policy_result.because,
            "findings": serialize_diagnostics(policy_result.findings),
            "older": serialize_diagnostics(policy_result.older),
        }
        for policy_result in policy_results
    ]


def serialize_scope(scope: ScopeSummary | None) -> dict[str, Any] | None:
    """Serialize the number of entries that a plan covers, and the reason for the choice; None for a plan of all
    entries."""
    if scope is None:
        return None
    data: dict[str, Any] = {"entries": scope.entries, "of": scope.of}
    if scope.since:
        data |= {
            "since": scope.since,
            "changed": scope.changed,
            "unfinished": scope.unfinished,
            "merge_bases": list(scope.merge_bases),
            "is_behind": scope.is_behind,
            "left_alone": scope.left_alone,
        }
    return data


def serialize_unplanned(plan: Plan) -> list[dict[str, Any]]:
    """Serialize the addresses that a plan omits, with the codes of the blockers that omit them."""
    return [
        {"address": str(address), "blocked_by": list_blocking_codes(address, plan.omissions)}
        for address in plan.unplanned
    ]


def serialize_change(change: Change) -> dict[str, Any]:
    """Serialize a change with its fields."""
    return {
        "address": str(change.address),
        "action": str(change.action),
        "reasons": [str(reason) for reason in change.reasons],
        "id": change.id,
        "fields": [_serialize_field(field) for field in change.fields],
        "uncomparable": _serialize_paths(change.uncomparable),
        "secrets": _serialize_secrets(change.secrets),
        "depends_on": [str(address) for address in (*change.depends_on, *change.waits_for)],
        "risk": str(change.risk),
        **serialize_unsettled(change),
        **serialize_facts(change),
        "live": serialize_live_object(change.live),
        "lost": [
            {"path": list(value.path), "value": value.value, "shown": str(value.shown)}
            for value in change.lost
        ],
        "requests": _serialize_requests(change),
        **({"approvals": serialize_trust_changes(change.trust)} if change.trust else {}),
        "span": serialize_span(change.span),
    }


def _serialize_requests(change: Change) -> list[dict[str, Any]] | None:
    """Serialize the mutating requests of a change; None if a plan of an earlier release does not name them."""
    if not change.requests and change.action not in ACTIONS_WITHOUT_REQUESTS:
        return None
    return [
        {
            "method": request.method,
            "object": request.object,
            "fields": _serialize_paths(request.fields),
            "carried": _serialize_paths(request.carried),
            "may": request.may,
        }
        for request in change.requests
    ]


def _serialize_field(field: FieldChange) -> dict[str, Any]:
    return {
        "path": list(field.path),
        "before": field.before,
        "after": field.after,
        "shown": str(field.shown),
        "origin": str(field.origin),
        "forces_replace": field.forces_replace,
        **({"sent_by_replacement": True} if field.sent_by_replacement else {}),
        **({"risk": str(field.risk)} if field.risk is not None else {}),
        "span": serialize_span(field.span),
    }


def _serialize_paths(paths: Iterable[FieldPath]) -> list[list[str]]:
    return [list(path) for path in paths]


def _serialize_secrets(secrets: SecretComparison) -> dict[str, list[list[str]]]:
    """Serialize the paths of declared secrets by the result of the comparison with the last sent value. A created
    object has no such result."""
    return {
        "changed": _serialize_paths(secrets.changed),
        "unchanged": _serialize_paths(secrets.unchanged),
        "uncomparable": _serialize_paths(secrets.uncomparable),
    }
