"""The effect of a plan on one address, as a user reviewed it: hashes only, so that no value can be read from it.

An expectation of a value is a short hash. Hidden literals are hashed too, since an edit of one has to be noticed
without any key; everybody who reads the specs knows them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.plan import Action, Change, FieldChange
from reconciler.model.value import format_path

_HASH_LENGTH = 16  # hex digits: enough to tell values apart; forging a plan gains nothing by a collision


@dataclass(frozen=True, slots=True)
class ReviewedEffect:
    """What is to happen to one address. Mappings are from dotted field paths to hashes.

    `fields` are the planned changes with the values before and after; `sent` is what goes out; `declared` is what
    the specs say of the entry, changed or not, its name, tests, trust and lifecycle too; `found` are values that the
    specs refer to and that everybody may see. `secrets` are fingerprints of those that will be in effect. `parents`
    have the ids that were known; `namesakes` and `connections` are ids. `recognised_by` are live name and service of
    what is deleted or replaced; an earlier version of this program left them out.
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


def is_effect_of(effect: ReviewedEffect, change: Change) -> bool:
    """Whether an expectation is that of this change, as far as a change can tell. What people are shown of a plan
    and what it is held to are two parts of one file, and must not say different things."""
    same = (effect.address, effect.action, effect.id) == (str(change.address), change.action, change.id)
    is_of_earlier_version = change.live is None  # which showed nothing of this
    return (
        same
        and effect.fields == hash_planned_fields(change)
        and effect.recognised_by == tuple(map(hash_value, change.recognised_by))
        and (is_of_earlier_version or effect.connections == list_deleted_connections(change))
    )


def hash_planned_fields(change: Change) -> dict[str, str]:
    """The planned fields as an expectation has them."""
    return {format_path(field.path): hash_value(_to_list(field)) for field in change.fields}


def _to_list(field: FieldChange) -> list[Any]:
    return [str(field.shown), field.before, field.after]


def list_deleted_connections(change: Change) -> tuple[str, ...]:
    """Ids of the connections that are deleted before it."""
    return (
        tuple(sorted(connection.id for connection in change.live.connections_deleted_first))
        if change.live is not None
        else ()
    )


def hash_value(value: Any) -> str:
    """Hash a JSON-like value. Returns the first hex digits of its SHA-256."""
    return hashlib.sha256(encode_canonical(value).encode()).hexdigest()[:_HASH_LENGTH]


def encode_canonical(value: Any) -> str:
    """Encode a JSON-like value; equal values give one text: keys sorted, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=repr)
