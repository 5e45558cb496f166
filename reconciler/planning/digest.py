"""The digest of a plan: one short name for what an apply of it would do.

Whoever approves a digest approves exactly these effects. It covers the account, the scope, and of each change all
that decides what is sent; not how the plan came about: no time, no tool, no counts, no places in files, nothing of
what stays as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from reconciler.model.address import GROUP, Address
from reconciler.model.plan import Change, FieldChange, Plan
from reconciler.model.resource import Observed
from reconciler.model.value import FieldPath, Reference, Structure
from reconciler.planning.deletions import PlannedDeletion
from reconciler.planning.planner import PlannedOperation


def compute_digest(
    plan: Plan,
    operations: Mapping[Address, PlannedOperation],
    deletions: Iterable[PlannedDeletion],
    live: Mapping[str, Observed],
    scope: Iterable[str] = (),
) -> str:
    """SHA-256 in hex. `live` has the groups of the account by id; `scope` is what the plan was restricted to.

    Secrets enter by their references, so that two values of one secret give one digest, and nobody learns
    anything about a value from it.
    """
    removals_by_address = {deletion.change.address: deletion for deletion in deletions}
    content = {
        "account": plan.account_id,
        "scope": sorted(set(scope)),
        "changes": sorted(
            (
                _encode_change(change, plan)
                | (
                    _encode_operation(operations[change.address], live)
                    if change.address in operations
                    else {}
                )
                | (
                    _encode_deletion(removals_by_address[change.address])
                    if change.address in removals_by_address
                    else {}
                )
                for change in plan.effective
            ),
            key=lambda each: str(each["address"]),
        ),
    }
    return hashlib.sha256(_encode_canonical(content).encode()).hexdigest()


def _encode_canonical(content: Any) -> str:
    """One text for equal values: keys sorted, no spaces, ASCII."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=repr)


def _encode_change(change: Change, plan: Plan) -> dict[str, Any]:
    ids = {each.address: each.id for each in plan.changes}
    return {
        "address": str(change.address),
        "action": str(change.action),
        "id": change.id,
        "parents": {str(parent): ids.get(parent) for parent in change.depends_on},
        "fields": sorted((_encode_field(field) for field in change.fields), key=lambda each: each[0]),
        **({"recognised_by": change.recognised_by} if change.recognised_by else {}),
    }


def _encode_field(field: FieldChange) -> tuple[FieldPath, str, Any, Any]:
    return field.path, str(field.shown), field.before, field.after


def _encode_operation(operation: PlannedOperation, live: Mapping[str, Observed]) -> dict[str, Any]:
    """What is sent, as far as it is no secret, and what else the spec decides about the call."""
    desired = operation.desired
    namesakes = (group.id for group in live.values() if group.name == desired.name)
    return {
        "sent": sorted(
            (path, _encode_value(desired.fields.get(path), operation.get_hashable_value(path)))
            for path in operation.values
        ),
        "namesakes": sorted(namesakes)
        if desired.address.kind == GROUP and operation.change.id is None
        else [],
        "setup_tests": asdict(desired.setup_tests),
        "trust": asdict(desired.trust),
    }


def _encode_value(declared: Any, value: Any) -> str:
    """A reference by its name; a literal, which stands in the specs for everybody to read, by its value."""
    if isinstance(declared, Reference):
        return f"{'secret' if declared.confidential else 'value'} {declared}"
    if isinstance(declared, Structure):
        return f"structure {_encode_canonical(declared.content)}"
    return f"literal {_encode_canonical(value)}"


def _encode_deletion(deletion: PlannedDeletion) -> dict[str, Any]:
    return {"connections": sorted(connection.id for connection in deletion.connections)}
