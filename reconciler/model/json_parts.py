"""Serialize parts of a plan and of its outcome as JSON objects, for reports and for the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.model.group_identity import GroupIdentity
from reconciler.model.outcome import Outcome
from reconciler.model.plan import Change, LiveConnection, LiveObject
from reconciler.model.read_coverage import ReadCoverage
from reconciler.model.trust import ApprovedServer, ServerIdentity, TrustChange


def serialize_live_object(live: LiveObject | None) -> dict[str, Any] | None:
    """Serialize a live object; None if nothing is known about it."""
    if live is None:
        return None
    return {
        "name": live.name,
        "last_name": live.last_name,
        "service": live.service,
        "region": live.region,
        "connections": [
            {**serialize_connection(connection), "deleted_first": connection.deleted_first}
            for connection in live.connections
        ],
    }


def serialize_coverage(coverage: ReadCoverage) -> dict[str, Any]:
    """Serialize the numbers of a run with a budget, and the place of the times of its reads."""
    times = coverage.times
    return {
        "budget": coverage.budget,
        "read": coverage.read,
        "of": coverage.of,
        "never_read": coverage.never_read,
        "oldest_read_seconds": None if coverage.oldest_seconds is None else round(coverage.oldest_seconds),
        "runs_per_round": coverage.runs_per_round,
        "ended_early": coverage.ended_early,
        "times": times
        and {"place": times.name or None, "shared": times.is_shared, "reason": times.reason or None},
    }


def serialize_connection(connection: LiveConnection) -> dict[str, str]:
    """Serialize a connection."""
    return {"id": connection.id, "service": connection.service}


def serialize_held_until(outcome: Outcome) -> dict[str, str]:
    """Serialize the time from which a waiting create can be made; empty for all other outcomes."""
    return {} if outcome.held_until is None else {"held_until": outcome.held_until.isoformat()}


def serialize_unsettled(change: Change) -> dict[str, Any]:
    """Serialize the earlier request for the same object that may still take effect: the time of sending, and the end of
    the wait, null if another request is sent all the same. Empty for all other changes."""
    if change.unsettled is None:
        return {}
    held_until = None if change.held_until is None else change.held_until.isoformat()
    return {"request_sent_at": change.unsettled.sent_at.isoformat(), "held_until": held_until}


def serialize_facts(change: Change) -> dict[str, Any]:
    """Serialize the facts of a change that need no request. A fact without content has no key."""
    facts = change.facts
    data = {
        "moved_from": str(facts.moved_from) if facts.moved_from is not None else None,
        "protection": str(facts.protection) if facts.protection is not None else None,
        "no_longer_declared": [list(path) for path in facts.undeclared],
        "rewritten": [list(path) for path in change.unreadable],
        "not_kept": [list(path) for path in facts.unkept],
        "setup_status": facts.setup_status,
        "pins_not_met": [
            {**serialize_identity(pin.identity), "pin": pin.source} for pin in facts.trust.unmet
        ],
        "not_pinned": [_serialize_approval(server) for server in facts.trust.unpinned],
        "awaiting_approval": [serialize_identity(server) for server in facts.trust.waiting],
    }
    return {name: value for name, value in data.items() if value}


def serialize_trust_changes(changes: Iterable[TrustChange]) -> list[dict[str, Any]]:
    """Serialize approvals that are given and revoked, in their order."""
    return [
        {
            "action": str(change.action),
            **serialize_identity(change.identity),
            **({"pin": change.pin.source} if change.pin is not None else {}),
            **({} if change.approval is None else {"was_pinned": change.was_pinned}),
        }
        for change in changes
    ]


def serialize_identity_parts(identity: GroupIdentity) -> dict[str, str]:
    """Serialize the known parts of the identity of a group. An unknown part has no key."""
    return {str(part): text for part, text in identity.items()}


def serialize_identity(identity: ServerIdentity) -> dict[str, str]:
    """Serialize what is public of a certificate or host key. An unknown fact has no key."""
    data = {"kind": str(identity.kind), **{name: getattr(identity, name) for name in _IDENTITY_FACTS}}
    return {name: value for name, value in data.items() if value}


_IDENTITY_FACTS = ("hash", "subject", "issuer", "expires", "certificate", "public_key")


def _serialize_approval(server: ApprovedServer) -> dict[str, str]:
    return {
        **serialize_identity(server.identity),
        "approved_by": server.approved_by,
        "approved_at": server.approved_at,
    }
