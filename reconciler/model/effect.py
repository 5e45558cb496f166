"""Hash the effect of a plan on one address: a later plan can be compared with it, and no value can be read from it.

Hidden literals are hashed too, without a key, since an edit of a literal must be noticed: all readers of the specs know
the literals anyway.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.plan import Action, Change, FieldChange
from reconciler.model.trust import TrustAction, TrustChange
from reconciler.model.value import format_path

_HASH_LENGTH = 16  # hex digits: enough to distinguish values; forging a plan gains nothing by a collision


@dataclass(frozen=True, slots=True)
class ReviewedEffect:
    """Planned effect on one address. Mappings are from dotted field paths to hashes.

    `fields` are the planned changes with the values before and after; `sent` are the sent values; `declared` are all
    facts of the entry in the specs, changed or not, its name, tests, trust and lifecycle too; `found` are values behind
    visible references, which every reader of a plan may see. `secrets` are fingerprints of the secrets that will be in
    effect. `parents` have the known ids; `namesakes` and `connections` are ids. `recognised_by` are live name and
    service of an object that is deleted or replaced. Of a replacement, `resent` are the fields that are sent without a
    known difference, and `lost` the live values that are lost. `requests` are hashes of the announced requests,
    `approvals` of the approvals that are given and revoked. Earlier versions of this program left out these five.
    """

    address: str
    action: Action
    id: str | None
    parents: Mapping[str, str | None]
    fields: Mapping[str, str]
    sent: Mapping[str, str]
    declared: Mapping[str, str]
    found: Mapping[str, str]
    namesakes: tuple[str, ...]
    connections: tuple[str, ...]
    secrets: Mapping[str, str]
    recognised_by: tuple[str, ...] = ()
    resent: Mapping[str, str] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)
    requests: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()


def is_effect_of(effect: ReviewedEffect, change: Change) -> bool:
    """Check whether an effect belongs to a change, by the facts that the change shows. A saved plan has both the shown
    changes and the effects that bind an apply, and they must not contradict each other."""
    same = (effect.address, effect.action, effect.id) == (str(change.address), change.action, change.id)
    is_of_earlier_version = change.live is None  # an earlier version stored no live objects
    return (
        same
        and effect.fields == hash_planned_fields(change)
        and effect.recognised_by == tuple(map(hash_value, change.recognised_by))
        and (is_of_earlier_version or effect.connections == list_deleted_connections(change))
        and effect.resent == hash_resent_fields(change)
        and effect.lost == hash_lost_values(change)
        and effect.requests == hash_requests(change)
        and effect.approvals == hash_trust_changes(change)
    )


def hash_planned_fields(change: Change) -> dict[str, str]:
    """Hash the fields with a known difference, as reviewed effects have them: hashes by dotted path."""
    return {
        format_path(planned.path): hash_value(_to_list(planned))
        for planned in change.fields
        if not planned.sent_by_replacement
    }


def hash_resent_fields(change: Change) -> dict[str, str]:
    """Hash the fields that a replacement sends without a known difference: hashes by dotted path."""
    return {
        format_path(planned.path): hash_value(_to_list(planned))
        for planned in change.fields
        if planned.sent_by_replacement
    }


def hash_lost_values(change: Change) -> dict[str, str]:
    """Hash the live values that a replacement loses: hashes by dotted path."""
    return {format_path(value.path): hash_value([str(value.shown), value.value]) for value in change.lost}


def hash_requests(change: Change) -> tuple[str, ...]:
    """Hash each announced request, in the order of the apply. The order of its fields does not count: it follows the
    order of the keys in the specs."""
    return tuple(
        hash_value(
            [request.method, request.object, sorted(request.fields), sorted(request.carried), request.may]
        )
        for request in change.requests
    )


def hash_trust_changes(change: Change) -> tuple[str, ...]:
    """Hash each approval that is given or revoked, and each pin that the apply approves once a setup test has met its
    server."""
    unmet = (TrustChange(TrustAction.APPROVE, pin.identity, pin) for pin in change.facts.trust.unmet)
    return tuple(hash_value(encode_trust_change(trust_change)) for trust_change in (*change.trust, *unmet))


def encode_trust_change(change: TrustChange) -> list[str]:
    """Encode an approval by its pin, or a revocation by its server."""
    identity = change.pin.identity if change.pin is not None else change.identity
    return [str(change.action), str(identity.kind), identity.hash, identity.public_key]


def _to_list(planned: FieldChange) -> list[Any]:
    return [str(planned.shown), planned.before, planned.after]


def list_deleted_connections(change: Change) -> tuple[str, ...]:
    """List the ids of the connections that are deleted before the object."""
    return (
        tuple(sorted(connection.id for connection in change.live.connections_deleted_first))
        if change.live is not None
        else ()
    )


def hash_value(value: Any) -> str:
    """Hash a JSON-like value. Returns the first hex digits of its SHA-256."""
    return hashlib.sha256(encode_canonical(value).encode()).hexdigest()[:_HASH_LENGTH]


def encode_canonical(value: Any) -> str:
    """Encode a JSON-like value so that equal values have equal texts: keys sorted, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=repr)
