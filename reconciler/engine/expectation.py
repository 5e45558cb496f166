"""What somebody who reviewed a plan agreed to, address by address, and whether a new plan still says the same.

An expectation holds no values: each is a short hash, so that a difference can be named and nothing be read from it. So
it is for hidden literals, since an edit of one has to be noticed without any key; whoever reads the specs knows them.
It is never carried out. What is carried out is a new plan, if it is the expected one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from reconciler.engine.confidential import confidential
from reconciler.engine.planner import Step
from reconciler.model.address import GROUP, Address
from reconciler.model.plan import SILENT, Action, Change, FieldChange
from reconciler.model.record import is_fingerprint
from reconciler.model.resource import Desired
from reconciler.model.value import Reference, Structure, dotted

_SHORT = 16  # hex digits: enough to tell values apart; whoever wants to forge a plan gains nothing by it


@dataclass(frozen=True, slots=True)
class Expectation:
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


class Mismatch(StrEnum):
    """Why a reviewed plan is not carried out. The words are part of diagnostic codes."""

    SPEC = "spec-changed"
    OBJECT = "stale"
    SECRET = "secret-changed"  # noqa: S105 - a reason, not a password


@dataclass(frozen=True, slots=True)
class Difference:
    """What is no longer as it was reviewed. `paths` are fields, as far as it is about fields."""

    address: str
    mismatch: Mismatch
    what: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Review:
    """A new plan held against a reviewed one: what is in effect already, what is to be done, what differs."""

    done: frozenset[str]
    pending: frozenset[str]
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Now:
    """How things are when a reviewed plan is to be applied, by address. `declared` is what the specs say, `going` has
    the ids that they want deleted. `expected` is what a new plan says, also where it would do nothing; `ours` are the
    ids of what earlier runs made or knew; `interrupted` is what one of them may have done, or half of it."""

    declared: Mapping[str, Mapping[str, str]]
    going: Mapping[str, str]
    expected: Mapping[str, Expectation]
    ours: Mapping[str, str | None]
    interrupted: Collection[str]


def expectation_of(
    change: Change,
    step: Step | None,
    ids: Mapping[Address, str],
    namesakes: Iterable[str],
) -> Expectation:
    """What a plan says about one address. `ids` are those of groups that exist, `namesakes` of groups that have its
    name."""
    desired = step.desired if step is not None else None
    creates_group = change.action is Action.CREATE and change.address.kind == GROUP
    return Expectation(
        address=str(change.address),
        action=change.action,
        id=change.id,
        parents={str(parent): ids.get(parent) for parent in change.depends_on},
        fields=planned_fields(change),
        sent={
            dotted(path): _hash(_told(step.desired.fields.get(path), step.unguarded(path)))
            for path in step.values
        }
        if step is not None
        else {},
        declared=declared_by(desired) if desired is not None else {},
        found=_found(step) if step is not None else {},
        namesakes=tuple(sorted(namesakes)) if creates_group else (),
        connections=_going(change),
        secrets=_fingerprints(step) if step is not None else {},
        recognised_by=tuple(map(_hash, change.recognised_by)),
    )


def declared_by(desired: Desired) -> dict[str, str]:
    """What the specs say of an entry. References stand for themselves."""
    lifecycle = [desired.protected, desired.allow_replace, sorted(desired.ignored)]
    return {
        "id": _hash(desired.id),
        "name": _hash(desired.name),
        "setup_tests": _hash(asdict(desired.setup_tests)),
        "trust": _hash(asdict(desired.trust)),
        "lifecycle": _hash(lifecycle),
        **{dotted(path): _hash(_told(value, value)) for path, value in desired.fields.items()},
    }


def is_of(expected: Expectation, change: Change) -> bool:
    """Whether an expectation is that of this change, as far as a change can tell. What people are shown of a plan
    and what it is held to are two parts of one file, and must not say different things."""
    same = (expected.address, expected.action, expected.id) == (str(change.address), change.action, change.id)
    is_of_earlier_version = change.live is None  # which showed nothing of this
    return (
        same
        and expected.fields == planned_fields(change)
        and expected.recognised_by == tuple(map(_hash, change.recognised_by))
        and (is_of_earlier_version or expected.connections == _going(change))
    )


def review(expected: Iterable[Expectation], now: Now) -> Review:
    """Hold a new plan against what was reviewed."""
    done: set[str] = set()
    pending: set[str] = set()
    differences: list[Difference] = []
    for each in expected:
        if each.action in SILENT:
            continue
        fresh = now.expected.get(each.address)
        is_done = fresh is None or fresh.action in SILENT
        found = edited(each, now) or _unless(is_done, each, fresh, now, done)
        if found is not None:
            differences.append(found)
        else:
            (done if is_done else pending).add(each.address)
    return Review(frozenset(done), frozenset(pending), tuple(differences))


def edited(expected: Expectation, now: Now) -> Difference | None:
    """What the specs say otherwise of an address than when it was reviewed."""
    declared, going = now.declared.get(expected.address), now.going.get(expected.address)
    what = ""
    paths: tuple[str, ...] = ()
    if expected.action is Action.DELETE:
        if declared is not None or going != expected.id:
            what = "the specs do not delete it any more"
    elif declared is None:
        what = "the specs do not declare it any more" if going is None else "the specs delete it now"
    else:
        paths = _differing(expected.declared, declared)
        what = "its spec was edited" if paths else ""
    return Difference(expected.address, Mismatch.SPEC, what, paths) if what else None


def _unless(
    is_done: bool, expected: Expectation, fresh: Expectation | None, now: Now, done: Collection[str]
) -> Difference | None:
    if fresh is None:
        gone = expected.action is Action.DELETE
        return None if gone else _object(expected, "this plan is not about it, although it says so")
    is_interrupted = expected.address in now.interrupted
    is_ours = is_interrupted or now.ours.get(expected.address) == fresh.id
    if expected.action is Action.CREATE and fresh.action is not Action.CREATE and not is_ours:
        return _object(expected, "somebody else has made one since", tuple(fresh.fields))
    if is_done:
        return _unless_in_effect(expected, fresh)
    return _unless_same(expected, fresh, is_interrupted, done)


def _unless_in_effect(expected: Expectation, now: Expectation) -> Difference | None:
    """Nothing is left to do for it: because that has been done, or because it is something else now."""
    if expected.action is Action.DELETE:
        return None
    if expected.id is not None and expected.id != now.id:
        return _another_object(expected, now)
    return _values(expected, now)


def _unless_same(
    expected: Expectation, now: Expectation, is_interrupted: bool, done: Collection[str]
) -> Difference | None:
    return (
        _identity(expected, now, done)
        or _recognised(expected, now)
        or _values(expected, now)
        or _effects(expected, now, is_interrupted)
    )


def _identity(expected: Expectation, now: Expectation, done: Collection[str]) -> Difference | None:
    """Whether it is about the same object. A parent that this very plan has made meanwhile is no other one."""
    if now.action is Action.CREATE and expected.action in {Action.UPDATE, Action.VERIFY}:
        return _object(expected, "it is gone from Fivetran")
    if expected.action is Action.CREATE and now.action not in {Action.CREATE, Action.VERIFY}:
        return _object(expected, "it was made as planned, and has changed since", tuple(now.fields))
    if now.id != expected.id and None not in (now.id, expected.id):
        return _another_object(expected, now)
    if expected.namesakes != now.namesakes:
        return _object(expected, "other groups of Fivetran have its name now")
    for parent, id in expected.parents.items():
        found = now.parents.get(parent)
        if found != id and parent not in done:
            return _object(expected, _of_parent(parent, id, found))
    return None


def _recognised(expected: Expectation, now: Expectation) -> Difference | None:
    """What is destroyed was recognised by its name. Whoever gave it another one since may mean to keep it."""
    before, after = expected.recognised_by, now.recognised_by
    if not before or not after or before == after:
        return None
    renamed = expected.action is Action.DELETE and before[0] != after[0]
    what = "its group was renamed at Fivetran" if renamed else "it is of another service now"
    return _object(expected, what)


def _of_parent(parent: str, before: str | None, now: str | None) -> str:
    if before is None:
        return f"somebody has made {parent} since"
    return f"{parent} is gone from Fivetran" if now is None else f"{parent} is another object now, `{now}`"


def _values(expected: Expectation, now: Expectation) -> Difference | None:
    """Whether what the specs refer to is still the same. Fingerprints of two keys cannot be compared, and say
    nothing then."""
    others = _differing(expected.found, now.found)
    if others:
        return Difference(
            expected.address, Mismatch.SPEC, "its spec refers to a value that is another one", others
        )
    rotated = tuple(
        path
        for path, known in expected.secrets.items()
        if path in now.secrets and now.secrets[path] != known and _key(now.secrets[path]) == _key(known)
    )
    if rotated:
        what = "its secret is another one" if len(rotated) == 1 else "its secrets are others"
        return Difference(expected.address, Mismatch.SECRET, what, rotated)
    return None


def _effects(expected: Expectation, now: Expectation, is_interrupted: bool) -> Difference | None:
    """Whether the same would be done to it. What was stopped half-way may have less to do, and nothing else."""
    if now.action is Action.VERIFY and expected.action in _WITH_TESTS:
        return None
    if now.action is Action.CREATE and expected.action is Action.REPLACE:  # stopped between its two halves
        return _changed(expected, _differing(expected.sent, now.sent))
    if now.action is not expected.action:
        return _object(expected, f"what is left to do is to {now.action} it, and not to {expected.action} it")
    if not set(now.connections) <= set(expected.connections):
        return _object(expected, "other connections would be deleted with it")
    fields, sent = _differing(expected.fields, now.fields), _differing(expected.sent, now.sent)
    if is_interrupted:
        fields = tuple(path for path in fields if path in now.fields)
        sent = tuple(path for path in sent if path in now.sent)
    return _changed(expected, fields or sent)


def _changed(expected: Expectation, paths: tuple[str, ...]) -> Difference | None:
    return _object(expected, "it was changed at Fivetran", paths) if paths else None


def _another_object(expected: Expectation, now: Expectation) -> Difference:
    return _object(expected, f"it is another object now, `{now.id}` in place of `{expected.id}`")


def _object(expected: Expectation, what: str, paths: tuple[str, ...] = ()) -> Difference:
    return Difference(expected.address, Mismatch.OBJECT, what, paths)


_WITH_TESTS = frozenset({Action.CREATE, Action.UPDATE, Action.REPLACE, Action.VERIFY})


def _key(fingerprint: str) -> str:
    return fingerprint.partition(":")[0]


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(path for path in dict.fromkeys([*one, *other]) if one.get(path) != other.get(path))


def _going(change: Change) -> tuple[str, ...]:
    """Ids of the connections that are deleted before it."""
    return tuple(sorted(each.id for each in change.live.deleted_first)) if change.live is not None else ()


def _fingerprints(step: Step) -> dict[str, str]:
    """Those of the secrets that will be in effect, as far as they are known."""
    return {
        dotted(path): fingerprint
        for path, fingerprint in step.fingerprints.items()
        if is_fingerprint(fingerprint) and confidential(step.desired.fields.get(path))
    }


def _found(step: Step) -> dict[str, str]:
    return {
        dotted(path): _hash(step.declared.get(path))
        for path, value in step.desired.fields.items()
        if isinstance(value, Reference | Structure) and not value.confidential
    }


def planned_fields(change: Change) -> dict[str, str]:
    """The planned fields as an expectation has them."""
    return {dotted(field.path): _hash(_shown(field)) for field in change.fields}


def _shown(field: FieldChange) -> list[Any]:
    return [str(field.shown), field.before, field.after]


def _told(declared: Any, value: Any) -> Any:
    """A reference by its name; anything else, which stands in the specs, by itself."""
    if isinstance(declared, Structure):
        return ["structure", declared.content]
    return ["reference", str(declared)] if isinstance(declared, Reference) else ["literal", value]


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:_SHORT]
