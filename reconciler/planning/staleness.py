"""Compare a reviewed plan with a new plan: its effects are done, pending, or no longer as reviewed.

A saved plan is never carried out itself. The apply makes a new plan, and carries out the new plan if each of its
effects is as expected. So a forged or outdated file can only stop an apply, never direct it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.effect import ReviewedEffect
from reconciler.model.plan import ACTIONS_WITHOUT_REQUESTS, Action


class StaleReason(StrEnum):
    """Reason why a reviewed plan is not carried out. The words are part of diagnostic codes."""

    SPEC = "spec-changed"
    OBJECT = "stale"
    SECRET = "secret-changed"  # noqa: S105 - a reason, not a password


@dataclass(frozen=True, slots=True)
class Staleness:
    """An address whose effect is no longer the reviewed effect. `paths` are dotted paths of differing fields."""

    address: str
    reason: StaleReason
    message: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EffectComparison:
    """The reviewed addresses by outcome: effects that are done already, effects that are pending, stale effects."""

    done: frozenset[str]
    pending: frozenset[str]
    stale: tuple[Staleness, ...]


@dataclass(frozen=True, slots=True)
class CurrentFacts:
    """The specs, the account and the state at the time of the apply, by address.

    `declared` are the hashed declarations of the specs, `removals_by_address` the ids that the specs delete. `effects`
    are the effects of the new plan, also of changes that need no request. `known_ids` are the ids that the state has;
    `interrupted` are addresses with a request of unknown outcome.
    """

    declared: Mapping[str, Mapping[str, str]]
    removals_by_address: Mapping[str, str]
    effects: Mapping[str, ReviewedEffect]
    known_ids: Mapping[str, str | None]
    interrupted: Collection[str]


def compare(reviewed: Iterable[ReviewedEffect], facts: CurrentFacts) -> EffectComparison:
    """Compare the reviewed effects with the current effects, in the order of the review: parents come first."""
    done: set[str] = set()
    pending: set[str] = set()
    stale: list[Staleness] = []
    for effect in reviewed:
        if effect.action in ACTIONS_WITHOUT_REQUESTS:
            continue
        current = facts.effects.get(effect.address)
        is_done = current is None or current.action in ACTIONS_WITHOUT_REQUESTS
        staleness = find_spec_change(effect, facts) or _check(is_done, effect, current, facts, done)
        if staleness is not None:
            stale.append(staleness)
        else:
            (done if is_done else pending).add(effect.address)
    return EffectComparison(frozenset(done), frozenset(pending), tuple(stale))


def find_spec_change(reviewed: ReviewedEffect, facts: CurrentFacts) -> Staleness | None:
    """Find a change in the specs of an address since its review; None if there is none."""
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
        return None if is_deletion else _mark_stale(reviewed, "the new plan does not cover it")
    # A create whose answer was lost looks like the create of another user. Only the state can distinguish the two.
    is_interrupted = reviewed.address in facts.interrupted
    is_known = is_interrupted or facts.known_ids.get(reviewed.address) == current.id
    if reviewed.action is Action.CREATE and current.action is not Action.CREATE and not is_known:
        return _mark_stale(reviewed, "another user has created it since", tuple(current.fields))
    if is_done:
        return _check_in_effect(reviewed, current)
    return _check_same(reviewed, current, is_interrupted, done)


def _check_in_effect(reviewed: ReviewedEffect, current: ReviewedEffect) -> Staleness | None:
    """Check an address without a pending request: its effect is done, or another object has taken its place."""
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
        or _check_approvals(reviewed, current)
        or _check_effects(reviewed, current, is_interrupted)
    )


def _check_identity(
    reviewed: ReviewedEffect, current: ReviewedEffect, done: Collection[str]
) -> Staleness | None:
    """Check that the object is the same. A parent created by an earlier apply of this plan is the same parent."""
    if current.action is Action.CREATE and reviewed.action in _CHANGES_IN_PLACE:
        return _mark_stale(reviewed, "it is gone from Fivetran")
    rest_of_create = {Action.CREATE, Action.VERIFY, *(_TRUST_ACTIONS if reviewed.approvals else ())}
    if reviewed.action is Action.CREATE and current.action not in rest_of_create:
        return _mark_stale(
            reviewed, "it was created as planned, and has changed since", tuple(current.fields)
        )
    if current.id != reviewed.id and None not in (current.id, reviewed.id):
        return _mark_other_object(reviewed, current)
    # A group that gave its name up is no reason: an earlier apply of this plan may have renamed it.
    if not set(current.namesakes) <= set(reviewed.namesakes):
        return _mark_stale(reviewed, "other groups of Fivetran have its name now")
    for parent, id in reviewed.parents.items():
        current_id = current.parents.get(parent)
        if current_id != id and parent not in done:
            return _mark_stale(reviewed, _describe_parent(parent, id, current_id))
    return None


def _check_recognised(reviewed: ReviewedEffect, current: ReviewedEffect) -> Staleness | None:
    """Check the name and service by which the reviewer knew an object to be destroyed.

    A user who renamed it since may mean to keep it. Plans of earlier releases have neither of the two.
    """
    before, after = reviewed.recognised_by, current.recognised_by
    if not before or not after or before == after:
        return None
    renamed = reviewed.action is Action.DELETE and before[0] != after[0]
    message = "its group was renamed at Fivetran" if renamed else "it is of another service now"
    return _mark_stale(reviewed, message)


def _describe_parent(parent: str, before: str | None, now: str | None) -> str:
    if before is None:
        return f"another user has created {parent} since"
    return f"{parent} is gone from Fivetran" if now is None else f"{parent} is another object now, `{now}`"


def _check_values(reviewed: ReviewedEffect, current: ReviewedEffect) -> Staleness | None:
    """Check that the values behind references are the same. Fingerprints of two different keys prove no difference."""
    changed = _find_differing(reviewed.found, current.found)
    if changed:
        return Staleness(
            reviewed.address, StaleReason.SPEC, "its spec refers to a value that has changed", changed
        )
    rotated = tuple(
        path
        for path, known in reviewed.secrets.items()
        if path in current.secrets
        and current.secrets[path] != known
        and _get_key_name(current.secrets[path]) == _get_key_name(known)
    )
    if rotated:
        message = "its secret has changed" if len(rotated) == 1 else "its secrets have changed"
        return Staleness(reviewed.address, StaleReason.SECRET, message, rotated)
    return None


def _check_approvals(reviewed: ReviewedEffect, current: ReviewedEffect) -> Staleness | None:
    """Check that no other server is approved or revoked. Approvals of an earlier apply may be missing."""
    if set(current.approvals) <= set(reviewed.approvals):
        return None
    return _mark_stale(reviewed, "other servers would be approved or revoked now")


def _check_effects(
    reviewed: ReviewedEffect, current: ReviewedEffect, is_interrupted: bool
) -> Staleness | None:
    """Check that the requests are the same. After an apply that stopped half-way, some of them may be missing."""
    if _is_rest(reviewed, current):
        return None
    # An apply that stopped between the two halves of a replacement has only the create left.
    if current.action is Action.CREATE and reviewed.action is Action.REPLACE:
        return _mark_changed(reviewed, _find_differing(reviewed.sent, current.sent))
    if current.action is not reviewed.action:
        return _mark_stale(
            reviewed, f"the remaining action is to {current.action} it, and not to {reviewed.action} it"
        )
    if not set(current.connections) <= set(reviewed.connections):
        return _mark_stale(reviewed, "other connections would be deleted with it")
    if reviewed.requests:  # plans of earlier releases have no announcement
        staleness = _check_announced(reviewed, current, is_interrupted)
        if staleness is not None:
            return staleness
    fields, sent = (
        _find_differing(reviewed.fields, current.fields),
        _find_differing(reviewed.sent, current.sent),
    )
    if is_interrupted:
        fields = tuple(path for path in fields if path in current.fields)
        sent = tuple(path for path in sent if path in current.sent)
    return _mark_changed(reviewed, fields or sent)


def _is_rest(reviewed: ReviewedEffect, current: ReviewedEffect) -> bool:
    """Check whether an apply that stopped has left only the end of a reviewed effect: the write took effect, and its
    setup tests, approvals or revocations did not."""
    if current.action is Action.VERIFY:
        return reviewed.action in _WITH_TESTS
    return current.action in _TRUST_ACTIONS and bool(reviewed.approvals)


def _check_announced(
    reviewed: ReviewedEffect, current: ReviewedEffect, is_interrupted: bool
) -> Staleness | None:
    """Check that a replacement sends and loses the same, and that no request is sent that was not announced."""
    changed = (
        *_find_differing(reviewed.lost, current.lost),
        *_find_differing(reviewed.resent, current.resent),
    )
    if changed:
        return _mark_changed(reviewed, changed)
    fields_differ = reviewed.fields != current.fields or reviewed.sent != current.sent
    if is_interrupted or fields_differ or set(current.requests) <= set(reviewed.requests):
        return None  # differing fields are a difference by themselves, and its message is clearer
    return _mark_stale(reviewed, "it needs other requests now than were announced")


def _mark_changed(reviewed: ReviewedEffect, paths: tuple[str, ...]) -> Staleness | None:
    return _mark_stale(reviewed, "it was changed at Fivetran", paths) if paths else None


def _mark_other_object(reviewed: ReviewedEffect, current: ReviewedEffect) -> Staleness:
    return _mark_stale(reviewed, f"it is another object now, `{current.id}` in place of `{reviewed.id}`")


def _mark_stale(reviewed: ReviewedEffect, message: str, paths: tuple[str, ...] = ()) -> Staleness:
    return Staleness(reviewed.address, StaleReason.OBJECT, message, paths)


_TRUST_ACTIONS = frozenset({Action.APPROVE, Action.REVOKE})
_CHANGES_IN_PLACE = _TRUST_ACTIONS | {Action.UPDATE, Action.VERIFY}
_WITH_TESTS = _TRUST_ACTIONS | {Action.CREATE, Action.UPDATE, Action.REPLACE, Action.VERIFY}


def _get_key_name(fingerprint: str) -> str:
    return fingerprint.partition(":")[0]


def _find_differing(left: Mapping[str, str], right: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(path for path in dict.fromkeys([*left, *right]) if left.get(path) != right.get(path))
