"""Compute the effects of a plan on each address once, and hash them in two ways.

The digest is one hash of all effects: a reviewer who approves a digest approves exactly these effects. An expectation
is the effect on one address with each part hashed by itself, so that a difference can be named without a value being
readable from it. Both cover the account's ids and everything that decides about the requests. Neither covers how the
plan came about: no time, no tool, no counts, no places in files, nothing of objects that stay as they are.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from reconciler.model.address import GROUP, Address
from reconciler.model.effect import (
    ReviewedEffect,
    encode_canonical,
    encode_trust_change,
    hash_lost_values,
    hash_planned_fields,
    hash_requests,
    hash_resent_fields,
    hash_trust_changes,
    hash_value,
    list_deleted_connections,
)
from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS, Action, Change
from reconciler.model.record import is_fingerprint, strip_assertion
from reconciler.model.resource import Desired, Observed, Trust
from reconciler.model.value import FieldPath, Reference, Structure, format_path, is_secret
from reconciler.planning.planner import PlannedOperation


class ValueForm(StrEnum):
    """The form in which the specs declare a value. The words are part of every digest."""

    SECRET = "secret"  # noqa: S105 - a form, not a password
    VALUE = "value"
    STRUCTURE = "structure"
    LITERAL = "literal"


@dataclass(frozen=True, slots=True)
class HashableValue:
    """A value as it enters hashes: a reference by its name, a literal by its value, which the specs show anyway."""

    form: ValueForm
    content: Any


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of one change, in clear. Holds hidden literals, so it never leaves the process; its hashes do.

    `operation` is None for a deletion. `parents` are the ids of the addresses that the change depends on, None for
    an address that the plan creates. `namesakes` are ids of the groups that have the name of a group to be created.
    """

    change: Change
    operation: PlannedOperation | None
    parents: Mapping[str, str | None]
    sent: Mapping[FieldPath, HashableValue]
    namesakes: tuple[str, ...]
    connections: tuple[str, ...]


def build_effects(
    changes: Collection[Change],
    operations: Mapping[Address, PlannedOperation],
    groups: Mapping[str, Observed],
) -> dict[Address, Effect]:
    """Build the effect of every change of a plan. `groups` are the live groups by id."""
    ids = {change.address: change.id for change in changes}
    ids_by_name = list_ids_by_name(groups)
    return {
        change.address: build_effect(change, operations.get(change.address), ids, ids_by_name)
        for change in changes
    }


def list_ids_by_name(groups: Mapping[str, Observed]) -> dict[str, tuple[str, ...]]:
    """List the ids of live groups by their name, sorted: several groups may have one name. `groups` are by id."""
    ids_by_name: defaultdict[str, list[str]] = defaultdict(list)
    for id, group in sorted(groups.items()):
        ids_by_name[group.name].append(id)
    return {name: tuple(ids) for name, ids in ids_by_name.items()}


def build_effect(
    change: Change,
    operation: PlannedOperation | None,
    ids: Mapping[Address, str | None],
    group_ids_by_name: Mapping[str, Iterable[str]],
) -> Effect:
    """Build the effect of one change. `ids` are the ids that the plan knows, by address."""
    sent: dict[FieldPath, HashableValue] = {}
    namesakes: Iterable[str] = ()
    if operation is not None:
        sent = {
            path: _describe_value(operation.desired.fields.get(path), operation.get_hashable_value(path))
            for path in operation.values
        }
        # A lost answer of a create is looked for among the groups of its name, so a new namesake changes the effect.
        if change.action is Action.CREATE and change.address.kind == GROUP:
            namesakes = group_ids_by_name.get(operation.desired.name, ())
    return Effect(
        change,
        operation,
        parents={str(parent): ids.get(parent) for parent in change.depends_on},
        sent=sent,
        namesakes=tuple(sorted(namesakes)),
        connections=list_deleted_connections(change),
    )


def _describe_value(declared: Any, value: Any) -> HashableValue:
    if isinstance(declared, Reference):
        # The name, and never the value: a digest must not confirm a guess of a secret, nor change when it rotates.
        return HashableValue(ValueForm.SECRET if declared.confidential else ValueForm.VALUE, str(declared))
    if isinstance(declared, Structure):
        return HashableValue(ValueForm.STRUCTURE, declared.content)
    return HashableValue(ValueForm.LITERAL, value)


def compute_digest(
    account_id: str,
    effects: Iterable[Effect],
    scope: Iterable[str] = (),
    unprotected: Iterable[Address] = (),
    given_variables: Mapping[str, Any] = MappingProxyType({}),
    *,
    is_against_snapshot: bool = False,
) -> str:
    """Hash all effects that need a request, as SHA-256 in hex. `scope` are the addresses of a narrowed plan,
    `given_variables` the values of `--var` by name.

    `unprotected` are addresses whose recorded protection ends. An apply ends it, and nothing else guards the object
    from then on, so an approved digest has to cover it although no request is sent. A plan against a snapshot never
    has the digest of a plan that can be applied.

    The encoding is fixed: a pipeline may approve a digest with one release and apply it with the next.
    """
    content: dict[str, Any] = {
        "account": account_id,
        "scope": sorted(set(scope)),
        "changes": sorted(
            (
                _encode_effect(effect)
                for effect in effects
                if effect.change.action not in ACTIONS_WITHOUT_REQUESTS
            ),
            key=lambda encoded: str(encoded["address"]),
        ),
    }
    # An empty key is left out: digests of earlier releases, which did not know the key, stay valid.
    if addresses := sorted(map(str, unprotected)):
        content["unprotected"] = addresses
    if is_against_snapshot:
        content["snapshot"] = True
    if given_variables:
        content["variables"] = {**given_variables}
    return hashlib.sha256(encode_canonical(content).encode()).hexdigest()


def _encode_effect(effect: Effect) -> dict[str, Any]:
    """Encode an effect for the digest, independent of the order of files, keys and answers."""
    change, operation = effect.change, effect.operation
    encoded: dict[str, Any] = {
        "address": str(change.address),
        "action": str(change.action),
        "id": change.id,
        "parents": effect.parents,
        "fields": sorted(
            (
                (field.path, str(field.shown), field.before, field.after)
                for field in change.fields
                if not field.sent_by_replacement  # `sent` has it, and its live value is the same or unknown
            ),
            key=lambda row: row[0],
        ),
    }
    # An empty key is left out: digests of earlier releases, which did not know the key, stay valid.
    if change.recognised_by:
        encoded["recognised_by"] = change.recognised_by
    if change.lost:
        encoded["lost"] = sorted(
            ((value.path, str(value.shown), value.value) for value in change.lost), key=lambda row: row[0]
        )
    if operation is None:
        return {**encoded, "connections": effect.connections}
    if effect.connections:
        encoded["connections"] = effect.connections
    return {
        **encoded,
        "sent": sorted((path, _encode_text(value)) for path, value in effect.sent.items()),
        "namesakes": effect.namesakes,
        "setup_tests": asdict(operation.desired.setup_tests),
        "trust": _encode_trust(operation.desired.trust),
        # An empty key is left out: digests of earlier releases, which did not know the key, stay valid.
        **({"approvals": [encode_trust_change(each) for each in change.trust]} if change.trust else {}),
    }


def _encode_text(value: HashableValue) -> str:
    is_reference = value.form in _REFERENCE_FORMS
    return f"{value.form} {value.content if is_reference else encode_canonical(value.content)}"


def hash_effect(effect: Effect) -> ReviewedEffect:
    """Hash each part of an effect by itself: the expectation that a saved plan holds."""
    change, operation = effect.change, effect.operation
    return ReviewedEffect(
        address=str(change.address),
        action=change.action,
        id=change.id,
        parents=effect.parents,
        fields=hash_planned_fields(change),
        sent={format_path(path): _hash_hashable(value) for path, value in effect.sent.items()},
        declared=hash_declared(operation.desired) if operation is not None else {},
        found=_hash_public_references(operation) if operation is not None else {},
        namesakes=effect.namesakes,
        connections=effect.connections,
        secrets=_collect_fingerprints(operation) if operation is not None else {},
        recognised_by=tuple(map(hash_value, change.recognised_by)),
        resent=hash_resent_fields(change),
        lost=hash_lost_values(change),
        requests=hash_requests(change),
        approvals=hash_trust_changes(change),
    )


def _encode_trust(trust: Trust) -> dict[str, Any]:
    """Encode the trust of a spec. Parts that earlier releases did not know are left out if they are not set."""
    encoded: dict[str, Any] = {"certificates": trust.certificates, "fingerprints": trust.fingerprints}
    if trust.pins:
        encoded["pins"] = sorted(
            [str(pin.identity.kind), pin.identity.hash, pin.identity.public_key, pin.can_be_approved]
            for pin in trust.pins
        )
    return {**encoded, "exclusive": True} if trust.exclusive else encoded


def hash_declared(desired: Desired) -> dict[str, str]:
    """Hash the declaration of an entry, part by part. A reference enters by its name."""
    lifecycle: list[Any] = [desired.protected, desired.allow_replace, sorted(desired.ignore_changes)]
    # A part that is not set is left out: plans of earlier releases, which did not know it, stay valid.
    lifecycle += ["with_platform_connection"] if desired.with_platform_connection else []
    return {
        "id": hash_value(desired.id),
        "name": hash_value(desired.name),
        "setup_tests": hash_value(asdict(desired.setup_tests)),
        "trust": hash_value(_encode_trust(desired.trust)),
        "lifecycle": hash_value(lifecycle),
        **{
            format_path(path): _hash_hashable(_describe_value(value, value))
            for path, value in desired.fields.items()
        },
    }


def _hash_hashable(value: HashableValue) -> str:
    """Hash one value. Secret and visible references have one form here; `fields` has the difference."""
    form = "reference" if value.form in _REFERENCE_FORMS else value.form
    return hash_value([form, value.content])


_REFERENCE_FORMS = frozenset({ValueForm.SECRET, ValueForm.VALUE})


def _collect_fingerprints(operation: PlannedOperation) -> dict[str, str]:
    """Collect the known fingerprints of the secrets that will be in effect."""
    return {
        format_path(path): strip_assertion(fingerprint)  # the same value may be sent since the review
        for path, fingerprint in operation.record_update.fingerprints.items()
        if is_fingerprint(fingerprint) and is_secret(operation.desired.fields.get(path))
    }


def _hash_public_references(operation: PlannedOperation) -> dict[str, str]:
    """Hash the values of references that are no secret: their values may change while the specs stay the same."""
    return {
        format_path(path): hash_value(operation.declared.get(path))
        for path, value in operation.desired.fields.items()
        if isinstance(value, Reference | Structure) and not value.confidential
    }
