"""Serialize parts of a plan and of its outcome as JSON objects, for reports and for the audit log."""

from __future__ import annotations

from typing import Any

from reconciler.model.outcome import Outcome
from reconciler.model.plan import Change, LiveConnection, LiveObject


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
    }
    return {name: value for name, value in data.items() if value}
