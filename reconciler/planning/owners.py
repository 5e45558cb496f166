"""Leave out of a plan what the states of other projects at the same place have.

A state has an object if one of its records has the id. It may also have a group that it has no id of yet: the group of
a create that has not ended, by its name, unless the group existed before that create.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, FindingGroup, Severity, select_errors
from reconciler.model.plan import Action, Change
from reconciler.model.record import Intent, Record
from reconciler.model.resource import Observed
from reconciler.planning.deletions import DeletionPlan
from reconciler.planning.planner import PlannedOperation
from reconciler.state.neighbours import NeighbourStates, UnreadableState

_NAME = ("name",)
_VERBS = {
    Action.CREATE: "create",
    Action.UPDATE: "change",
    Action.REPLACE: "replace",
    Action.ADOPT: "adopt",
    Action.VERIFY: "test",
    Action.DELETE: "delete",
    Action.APPROVE: "approve servers of",
    Action.REVOKE: "revoke approvals of",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """Record of another state that is about an object. `place` names the state in words."""

    place: str
    address: Address
    record: Record

    @property
    def pending_create(self) -> Intent | None:
        """The create that has not ended; None if the object exists or is not to be created."""
        intent = self.record.intent
        is_pending = self.record.id is None and intent is not None and intent.action is Action.CREATE
        return intent if is_pending else None

    def may_have_created(self, name: str, id: str) -> bool:
        """Return whether an unanswered create may have made the group `id` of this name."""
        intents = (self.record.intent, *self.record.earlier)
        creates = (each for each in intents if each is not None and each.action is Action.CREATE)
        return any(each.name == name and id not in each.namesakes for each in creates)

    def is_creating(self, name: str, live_ids: Collection[str]) -> bool:
        """Return whether a group of this name is being made, or was made after the groups `live_ids` were listed."""
        if self.record.id is not None:
            return self.record.id not in live_ids and self.record.applied.get(_NAME) == name
        return self.pending_create is not None and self.pending_create.name == name


@dataclass(frozen=True, slots=True)
class Owners:
    """What other states have, by id and, for groups, by name. `unreadable` states may have anything."""

    by_id: Mapping[str, Claim] = field(default_factory=dict)
    by_name: Mapping[str, tuple[Claim, ...]] = field(default_factory=dict)
    unreadable: tuple[UnreadableState, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimedChange:
    """Change of an object that another state has. `is_recorded` says that the own state has a record of it too."""

    change: Change
    claim: Claim
    id: str | None
    is_recorded: bool


@dataclass(frozen=True, slots=True)
class OwnedParts:
    """Operations and deletions of a plan. The `refusals` and `warnings` are about objects of other states."""

    operations: dict[Address, PlannedOperation]
    deletions: DeletionPlan
    refusals: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnFacts:
    """Facts about the own project: the live groups of the account by id, the own records, the project file in
    messages, and whether a state that cannot be read is an error."""

    live_groups: Mapping[str, Observed]
    records: Mapping[Address, Record]
    project: str
    is_strict: bool = False

    def has(self, address: Address, id: str | None) -> bool:
        """Return whether the own state has the object `id` at an address."""
        record = self.records.get(address)
        return record is not None and record.id is not None and record.id == id


def build_owners(neighbours: NeighbourStates) -> Owners:
    """Build the claims of the states of other projects."""
    claims = [
        Claim(place, address, record)
        for place, state in neighbours.states.items()
        for address, record in state.records.items()
    ]
    by_name: dict[str, list[Claim]] = defaultdict(list)
    # The record of a group comes last, so that it names the owner of the pair.
    by_id = {
        claim.record.id: claim
        for claim in sorted(claims, key=lambda claim: claim.address.kind == GROUP)
        if claim.record.id is not None
    }
    for claim in claims:
        for name in _list_names(claim):
            by_name[name].append(claim)
    frozen = {name: tuple(found) for name, found in by_name.items()}
    return Owners(by_id, frozen, neighbours.unreadable)


def _list_names(claim: Claim) -> Iterable[str]:
    """List the names of a group in its record: the applied name, and those of creates."""
    if claim.address.kind != GROUP:
        return ()
    record = claim.record
    intents = [each for each in (record.intent, *record.earlier) if each is not None]
    names = (*(each.name for each in intents), record.applied.get(_NAME))
    return {name for name in names if isinstance(name, str)}


def find_claimed(owners: Owners, parts: OwnedParts, own: OwnFacts) -> Iterator[ClaimedChange]:
    """Find the changes of objects that other states have. An object that is only forgotten stays with its owner."""
    for address, operation in parts.operations.items():
        group = parts.operations.get(Address(GROUP, address.key))
        id = operation.change.id or (group.change.id if group is not None else None)
        is_recorded = own.has(address, id)
        claim = owners.by_id.get(id or "")
        if claim is None and address.kind == GROUP and not is_recorded:
            claim = _find_by_name(owners, operation.desired.name, id, own.live_groups)
        if claim is not None:
            yield ClaimedChange(operation.change, claim, id, is_recorded)
    for deletion in parts.deletions.deletions:
        change = deletion.change
        claim = owners.by_id.get(change.id or "")
        if claim is not None and change.action is not Action.FORGET:
            yield ClaimedChange(change, claim, change.id, own.has(change.address, change.id))


def find_group_owner(owners: Owners, group: Observed) -> Claim | None:
    """Find the state that has a live group, or may have created it."""
    named = (
        claim for claim in owners.by_name.get(group.name, ()) if claim.may_have_created(group.name, group.id)
    )
    return owners.by_id.get(group.id) or next(named, None)


def _find_by_name(
    owners: Owners, declared_name: str, id: str | None, live_groups: Mapping[str, Observed]
) -> Claim | None:
    """Find the state that may be creating a group which this plan creates (without an `id`) or takes over."""
    live = live_groups.get(id or "")
    name = declared_name if live is None else live.name
    for claim in owners.by_name.get(name, ()):
        is_claimed = (
            claim.is_creating(name, live_groups.keys()) if id is None else claim.may_have_created(name, id)
        )
        if is_claimed:
            return claim
    return None


def leave_to_owners(owners: Owners, parts: OwnedParts, own: OwnFacts) -> OwnedParts:
    """Leave the entries with changes of objects of other states out of a plan.

    An entry that needs no change stays, with a warning: two states have it.
    """
    claimed = list(find_claimed(owners, parts, own))
    refused = [each for each in claimed if each.change.action is not Action.NO_OP]
    keys = {each.change.address.key for each in refused}
    unreadable = [explain_unreadable(each, is_strict=own.is_strict) for each in owners.unreadable]
    shared = [each for each in claimed if each.change.address.key not in keys]
    return OwnedParts(
        {address: operation for address, operation in parts.operations.items() if address.key not in keys},
        _leave_removals(parts.deletions, keys),
        (*explain_claimed(refused, own.project), *select_errors(unreadable)),
        (
            *(each for each in unreadable if each.severity is Severity.WARNING),
            *(_warn_shared(each) for each in shared if each.change.address.kind == GROUP),
        ),
    )


def _leave_removals(deletions: DeletionPlan, keys: Collection[str]) -> DeletionPlan:
    """Leave the removals of these keys out."""
    left_out = [each.change.address for each in deletions.deletions if each.change.address.key in keys]
    return replace(
        deletions,
        deletions=tuple(each for each in deletions.deletions if each.change.address.key not in keys),
        blockers=tuple(
            each for each in deletions.blockers if each.address is None or each.address.key not in keys
        ),
        refused=(*deletions.refused, *left_out),
    )


def explain_claimed(claimed: Collection[ClaimedChange], project: str) -> Iterator[Diagnostic]:
    """Explain for each entry why its changes are refused."""
    by_key: dict[str, list[ClaimedChange]] = defaultdict(list)
    for each in claimed:
        by_key[each.change.address.key].append(each)
    for changes in by_key.values():
        changes.sort(key=lambda each: each.change.address.kind == DESTINATION)
        others = tuple(each.change.address for each in changes[1:])
        yield replace(_explain_first(changes[0], project), others=others)


def _explain_first(claimed: ClaimedChange, project: str) -> Diagnostic:
    change, claim = claimed.change, claimed.claim
    advice = _advise(claimed, project)
    is_pending = claim.record.id is None
    has = "has an unfinished creation of it" if is_pending else "has it"
    return Diagnostic(
        "owned-elsewhere",
        f"{change.address} belongs to another state: {claim.place} {has}, as {claim.address}",
        span=change.span,
        address=change.address,
        notes=(
            *((f"its id is `{claimed.id}`",) if claimed.id is not None else ()),
            f"an apply would {_VERBS[change.action]} it",
            *(("this state has a record of it too",) if claimed.is_recorded else ()),
        ),
        help=advice,
        group=FindingGroup("object", f"belong to {claim.place}", str(change.address), advice),
    )


def _advise(claimed: ClaimedChange, project: str) -> str:
    if claimed.is_recorded:
        return _FORGET_ONE.format(claimed.change.address.key)
    if claimed.claim.record.id is None:
        return "let an apply of the other project finish it, and declare it in one project only"
    command = f"reconciler state move --to {shlex.quote(project)} {claimed.claim.address.key}"
    return f"declare it in one project only; `{command}` in the other project hands it over"


_FORGET_ONE = "forget it in one of the two projects: `reconciler state forget {}`"


def _warn_shared(claimed: ClaimedChange) -> Diagnostic:
    change, claim = claimed.change, claimed.claim
    advice = _FORGET_ONE.format(change.address.key)
    return Diagnostic(
        "owned-elsewhere",
        f"{change.address} is in two states: {claim.place} has it too, as {claim.address}",
        span=change.span,
        severity=Severity.WARNING,
        address=change.address,
        notes=(f"its id is `{claimed.id}`", "neither project can change it"),
        help=advice,
        group=FindingGroup("object", f"are also in {claim.place}", str(change.address), advice),
    )


def explain_unreadable(unreadable: UnreadableState, *, is_strict: bool) -> Diagnostic:
    """Explain a state beside the own state that cannot be read: an error if the project demands to read all."""
    what = "the states beside this one" if unreadable.is_place else "another state"
    verb = "cannot be listed" if unreadable.is_place else "cannot be read"
    return Diagnostic(
        "neighbour-unreadable",
        f"{what}, {'in ' if unreadable.is_place else ''}{unreadable.place}, {verb}: {unreadable.reason}",
        severity=Severity.ERROR if is_strict else Severity.WARNING,
        notes=("it is unknown what other projects have, so this plan may change objects of theirs",),
        help="see that this run may read all states at the place, with a release that knows them",
    )
