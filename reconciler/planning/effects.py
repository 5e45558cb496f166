"""What somebody who reviewed a plan agreed to, address by address, and whether a new plan still says the same.

An expectation holds no values: each is a short hash, so that a difference can be named and nothing be read from it. So
it is for hidden literals, since an edit of one has to be noticed without any key; whoever reads the specs knows them.
It is never carried out. What is carried out is a new plan, if it is the expected one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from reconciler.model.address import GROUP, Address
from reconciler.model.effect import ReviewedEffect, hash_planned_fields, hash_value, list_deleted_connections
from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS, Action, Change
from reconciler.model.record import is_fingerprint
from reconciler.model.resource import Desired
from reconciler.model.value import Reference, Structure, format_path, is_secret
from reconciler.planning.planner import PlannedOperation


class StaleReason(StrEnum):
    """Why a reviewed plan is not carried out. The words are part of diagnostic codes."""

    SPEC = "spec-changed"
    OBJECT = "stale"
    SECRET = "secret-changed"  # noqa: S105 - a reason, not a password


@dataclass(frozen=True, slots=True)
class Staleness:
    """What is no longer as it was reviewed. `paths` are fields, as far as it is about fields."""

    address: str
    reason: StaleReason
    message: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EffectComparison:
    """A new plan held against a reviewed one: what is in effect already, what is to be done, what differs."""

    done: frozenset[str]
    pending: frozenset[str]
    stale: tuple[Staleness, ...]


@dataclass(frozen=True, slots=True)
class CurrentFacts:
    """How things are when a reviewed plan is to be applied, by address. `declared` is what the specs say, `going` has
    the ids that they want deleted. `expected` is what a new plan says, also where it would do nothing; `ours` are the
    ids of what earlier runs made or knew; `interrupted` is what one of them may have done, or half of it."""

    declared: Mapping[str, Mapping[str, str]]
    removals_by_address: Mapping[str, str]
    effects: Mapping[str, ReviewedEffect]
    known_ids: Mapping[str, str | None]
    interrupted: Collection[str]


def build_effect(
    change: Change,
    operation: PlannedOperation | None,
    ids: Mapping[Address, str],
    namesakes: Iterable[str],
) -> ReviewedEffect:
    """What a plan says about one address. `ids` are those of groups that exist, `namesakes` of groups that have its
    name."""
    desired = operation.desired if operation is not None else None
    creates_group = change.action is Action.CREATE and change.address.kind == GROUP
    return ReviewedEffect(
        address=str(change.address),
        action=change.action,
        id=change.id,
        parents={str(parent): ids.get(parent) for parent in change.depends_on},
        fields=hash_planned_fields(change),
        sent={
            format_path(path): hash_value(
                _encode_value(operation.desired.fields.get(path), operation.get_hashable_value(path))
            )
            for path in operation.values
        }
        if operation is not None
        else {},
        declared=hash_declared(desired) if desired is not None else {},
        found=_hash_public_references(operation) if operation is not None else {},
        namesakes=tuple(sorted(namesakes)) if creates_group else (),
        connections=list_deleted_connections(change),
        secrets=_collect_fingerprints(operation) if operation is not None else {},
        recognised_by=tuple(map(hash_value, change.recognised_by)),
    )


def hash_declared(desired: Desired) -> dict[str, str]:
    """What the specs say of an entry. References stand for themselves."""
    lifecycle = [desired.protected, desired.allow_replace, sorted(desired.ignore_changes)]
    return {
        "id": hash_value(desired.id),
        "name": hash_value(desired.name),
        "setup_tests": hash_value(asdict(desired.setup_tests)),
        "trust": hash_value(asdict(desired.trust)),
        "lifecycle": hash_value(lifecycle),
        **{
            format_path(path): hash_value(_encode_value(value, value))
            for path, value in desired.fields.items()
        },
    }


def compare(reviewed: Iterable[ReviewedEffect], facts: CurrentFacts) -> EffectComparison:
    """Hold a new plan against what was reviewed."""
    done: set[str] = set()
    pending: set[str] = set()
    stale: list[Staleness] = []
    for effect in reviewed:
        if effect.action in ACTIONS_WITHOUT_REQUESTS:
            continue
        current = facts.effects.get(effect.address)
        is_done = current is None or current.action in ACTIONS_WITHOUT_REQUESTS
        staleness = spec_changes(effect, facts) or _check(is_done, effect, current, facts, done)
        if staleness is not None:
            stale.append(staleness)
        else:
            (done if is_done else pending).add(effect.address)
    return EffectComparison(frozenset(done), frozenset(pending), tuple(stale))


def spec_changes(reviewed: ReviewedEffect, facts: CurrentFacts) -> Staleness | None:
    """What the specs say otherwise of an address than when it was reviewed."""
    declared, removal_id = (
        facts.declared.get(reviewed.address),
        facts.removals_by_address.get(reviewed.address),
    )
    message = ""
    paths: tuple[str, ...] = ()
    if reviewed.action is Action.DELETE:
        if declared is not None or removal_id != reviewed.id:
            message = "the specs do not delete it any more"
    elif declared is None:
        message = "the specs do not declare it any more" if removal_id is None else "the specs delete it now"
    else:
        paths = _find_differing(reviewed.declared, declared)
        message = "its spec was edited" if paths else ""
    return Staleness(reviewed.address, StaleReason.SPEC, message, paths) if message else None


def _check(
    is_done: bool,
    reviewed: ReviewedEffect,
    current: ReviewedEffect | None,
    facts: CurrentFacts,
    done: Collection[str],
) -> Staleness | None:
    if current is None:
        is_deletion = reviewed.action is Action.DELETE
        return (
            None if is_deletion else _mark_stale(reviewed, "this plan is not about it, although it says so")
        )
    is_interrupted = reviewed.address in facts.interrupted
    is_known = is_interrupted or facts.known_ids.get(reviewed.address) == current.id
    if reviewed.action is Action.CREATE and current.action is not Action.CREATE and not is_known:
        return _mark_stale(reviewed, "somebody else has made one since", tuple(current.fields))
    if is_done:
        return _check_in_effect(reviewed, current)
    return _check_same(reviewed, current, is_interrupted, done)


def _check_in_effect(reviewed: ReviewedEffect, current: ReviewedEffect) -> Staleness | None:
    """Nothing is left to do for it: because that has been done, or because it is something else now."""
    if reviewed.action is Action.DELETE:
        return None
    if reviewed.id is not None and reviewed.id != current.id:
        return _mark_other_object(reviewed, current)
    return _check_values(reviewed, current)


def _check_same(
    reviewed: ReviewedEffect, current: ReviewedEffect, is_interrupted: bool, done: Collection[str]
) -> Staleness | None:
    return (
        _check_identity(reviewed, current, done)
        or _check_recognised(reviewed, current)
        or _check_values(reviewed, current)
        or _check_effects(reviewed, current, is_interrupted)
    )


def _check_identity(
    reviewed: ReviewedEffect, current: ReviewedEffect, done: Collection[str]
) -> Staleness | None:
    """Whether it is about the same object. A parent that this very plan has made meanwhile is no other one."""
    if current.action is Action.CREATE and reviewed.action in {Action.UPDATE, Action.VERIFY}:
        return _mark_stale(reviewed, "it is gone from Fivetran")
    if reviewed.action is Action.CREATE and current.action not in {Action.CREATE, Action.VERIFY}:
        return _mark_stale(reviewed, "it was made as planned, and has changed since", tuple(current.fields))
    if current.id != reviewed.id and None not in (current.id, reviewed.id):
        return _mark_other_object(reviewed, current)
    if reviewed.namesakes != current.namesakes:
        return _mark_stale(reviewed, "other groups of Fivetran have its name now")
    for parent, id in reviewed.parents.items():
        current_id = current.parents.get(parent)
        if current_id != id and parent not in done:
            return _mark_stale(reviewed, _describe_parent(parent, id, current_id))
    return None


def _check_recognised(reviewed: ReviewedEffect, current: ReviewedEffect) -> Staleness | None:
    """What is destroyed was recognised by its name. Whoever gave it another one since may mean to keep it."""
    before, after = reviewed.recognised_by, current.recognised_by
    if not before or not after or before == after:
        return None
    renamed = reviewed.action is Action.DELETE and before[0] != after[0]
    message = "its group was renamed at Fivetran" if renamed else "it is of another service now"
    return _mark_stale(reviewed, message)


def _describe_parent(parent: str, before: str | None, now: str | None) -> str:
    if before is None:
        return f"somebody has made {parent} since"
    return f"{parent} is gone from Fivetran" if now is None else f"{parent} is another object now, `{now}`"


def _check_values(reviewed: ReviewedEffect, current: ReviewedEffect) -> Staleness | None:
    """Whether what the specs refer to is still the same. Fingerprints of two keys cannot be compared, and say
    nothing then."""
    changed = _find_differing(reviewed.found, current.found)
    if changed:
        return Staleness(
            reviewed.address, StaleReason.SPEC, "its spec refers to a value that is another one", changed
        )
    rotated = tuple(
        path
        for path, known in reviewed.secrets.items()
        if path in current.secrets
        and current.secrets[path] != known
        and _get_key_name(current.secrets[path]) == _get_key_name(known)
    )
    if rotated:
        message = "its secret is another one" if len(rotated) == 1 else "its secrets are others"
        return Staleness(reviewed.address, StaleReason.SECRET, message, rotated)
    return None


def _check_effects(
    reviewed: ReviewedEffect, current: ReviewedEffect, is_interrupted: bool
) -> Staleness | None:
    """Whether the same would be done to it. What was stopped half-way may have less to do, and nothing else."""
    if current.action is Action.VERIFY and reviewed.action in _WITH_TESTS:
        return None
    if (
        current.action is Action.CREATE and reviewed.action is Action.REPLACE
    ):  # stopped between its two halves
        return _mark_changed(reviewed, _find_differing(reviewed.sent, current.sent))
    if current.action is not reviewed.action:
        return _mark_stale(
            reviewed, f"what is left to do is to {current.action} it, and not to {reviewed.action} it"
        )
    if not set(current.connections) <= set(reviewed.connections):
        return _mark_stale(reviewed, "other connections would be deleted with it")
    fields, sent = (
        _find_differing(reviewed.fields, current.fields),
        _find_differing(reviewed.sent, current.sent),
    )
    if is_interrupted:
        fields = tuple(path for path in fields if path in current.fields)
        sent = tuple(path for path in sent if path in current.sent)
    return _mark_changed(reviewed, fields or sent)


def _mark_changed(reviewed: ReviewedEffect, paths: tuple[str, ...]) -> Staleness | None:
    return _mark_stale(reviewed, "it was changed at Fivetran", paths) if paths else None


def _mark_other_object(reviewed: ReviewedEffect, current: ReviewedEffect) -> Staleness:
    return _mark_stale(reviewed, f"it is another object now, `{current.id}` in place of `{reviewed.id}`")


def _mark_stale(reviewed: ReviewedEffect, message: str, paths: tuple[str, ...] = ()) -> Staleness:
    return Staleness(reviewed.address, StaleReason.OBJECT, message, paths)


_WITH_TESTS = frozenset({Action.CREATE, Action.UPDATE, Action.REPLACE, Action.VERIFY})


def _get_key_name(fingerprint: str) -> str:
    return fingerprint.partition(":")[0]


def _find_differing(left: Mapping[str, str], right: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(path for path in dict.fromkeys([*left, *right]) if left.get(path) != right.get(path))


def _collect_fingerprints(operation: PlannedOperation) -> dict[str, str]:
    """Those of the secrets that will be in effect, as far as they are known."""
    return {
        format_path(path): fingerprint
        for path, fingerprint in operation.record_update.fingerprints.items()
        if is_fingerprint(fingerprint) and is_secret(operation.desired.fields.get(path))
    }


def _hash_public_references(operation: PlannedOperation) -> dict[str, str]:
    return {
        format_path(path): hash_value(operation.declared.get(path))
        for path, value in operation.desired.fields.items()
        if isinstance(value, Reference | Structure) and not value.confidential
    }


def _encode_value(declared: Any, value: Any) -> Any:
    """A reference by its name; anything else, which stands in the specs, by itself."""
    if isinstance(declared, Structure):
        return ["structure", declared.content]
    return ["reference", str(declared)] if isinstance(declared, Reference) else ["literal", value]
