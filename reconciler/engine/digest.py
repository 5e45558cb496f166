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

from reconciler.engine.planner import Step
from reconciler.engine.removal import Removal
from reconciler.model.address import GROUP, Address
from reconciler.model.plan import Change, FieldChange, Plan
from reconciler.model.resource import Observed
from reconciler.model.value import FieldPath, Reference, Structure


def digest_of(
    plan: Plan,
    steps: Mapping[Address, Step],
    removals: Iterable[Removal],
    live: Mapping[str, Observed],
    scope: Iterable[str] = (),
) -> str:
    """SHA-256 in hex. `live` has the groups of the account by id; `scope` is what the plan was restricted to.

    Secrets enter by their references, so that two values of one secret give one digest, and nobody learns
    anything about a value from it.
    """
    going = {removal.change.address: removal for removal in removals}
    content = {
        "account": plan.account_id,
        "scope": sorted(set(scope)),
        "changes": sorted(
            (
                _change(change, plan)
                | (_made(steps[change.address], live) if change.address in steps else {})
                | (_removed(going[change.address]) if change.address in going else {})
                for change in plan.effective
            ),
            key=lambda each: str(each["address"]),
        ),
    }
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(content: Any) -> str:
    """One text for equal values: keys sorted, no spaces, ASCII."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=repr)


def _change(change: Change, plan: Plan) -> dict[str, Any]:
    ids = {each.address: each.id for each in plan.changes}
    return {
        "address": str(change.address),
        "action": str(change.action),
        "id": change.id,
        "parents": {str(parent): ids.get(parent) for parent in change.depends_on},
        "fields": sorted((_field(field) for field in change.fields), key=lambda each: each[0]),
        **({"recognised_by": change.recognised_by} if change.recognised_by else {}),
    }


def _field(field: FieldChange) -> tuple[FieldPath, str, Any, Any]:
    return field.path, str(field.shown), field.before, field.after


def _made(step: Step, live: Mapping[str, Observed]) -> dict[str, Any]:
    """What is sent, as far as it is no secret, and what else the spec decides about the call."""
    desired = step.desired
    namesakes = (group.id for group in live.values() if group.name == desired.name)
    return {
        "sent": sorted((path, _told(desired.fields.get(path), step.unguarded(path))) for path in step.values),
        "namesakes": sorted(namesakes) if desired.address.kind == GROUP and step.change.id is None else [],
        "setup_tests": asdict(desired.setup_tests),
        "trust": asdict(desired.trust),
    }


def _told(declared: Any, value: Any) -> str:
    """A reference by its name; a literal, which stands in the specs for everybody to read, by its value."""
    if isinstance(declared, Reference):
        return f"{'secret' if declared.confidential else 'value'} {declared}"
    if isinstance(declared, Structure):
        return f"structure {_canonical(declared.content)}"
    return f"literal {_canonical(value)}"


def _removed(removal: Removal) -> dict[str, Any]:
    return {"connections": sorted(each.id for each in removal.connections)}
