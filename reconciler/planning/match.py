"""Match spec entries with live groups: by `id:`, else by the record, else by exact name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Action
from reconciler.model.record import Record
from reconciler.model.resource import Desired, Observed
from reconciler.model.suggestions import find_nearest
from reconciler.planning.missing import is_missing


@dataclass(frozen=True, slots=True)
class Matching:
    """Matches of entries with live groups: ids by key, and a finding about each entry that cannot be matched."""

    group_ids: Mapping[str, str]
    problems: tuple[Diagnostic, ...] = ()


def match_groups(
    desired: Iterable[Desired],
    live: Mapping[str, Observed],
    records: Mapping[Address, Record],
    scope: Collection[Address],
) -> Matching:
    """Match entries with live groups.

    An entry without a live group is absent from the result: it is to be created, or missing. The state is no
    authority: if an `id:` gives a recorded group to another entry, the record does not count.
    Problems are an `id:` in scope that looks like a misspelled id, and a name in scope that two live groups have.
    Entries out of scope are no problems: a plan that does not touch them goes on.
    """
    entries = list(desired)
    group_ids = _match_ids(entries, live, records)
    claimed = set(group_ids.values())
    problems = [problem for entry in entries if (problem := _check_mistyped_id(entry, live, records))]
    by_name: dict[str, list[Observed]] = defaultdict(list)
    for group in live.values():
        if group.id not in claimed:
            by_name[group.name].append(group)
    for entry in entries:
        if entry.id is not None or entry.address.key in group_ids:
            continue
        # The recorded group may only be hidden from these credentials. Adopting a namesake would then manage, and
        # change, a group of another owner.
        if is_missing(records.get(entry.address), live):
            continue
        match _find_candidates(entry, by_name.get(entry.name, []), records.get(entry.address)):
            case []:
                pass
            case [candidate]:
                group_ids[entry.address.key] = candidate.id
            case candidates:
                problems.append(_explain_ambiguous_name(entry, candidates))
    return Matching(group_ids, tuple(problem for problem in problems if problem.address in scope))


def _match_ids(
    entries: Iterable[Desired], live: Mapping[str, Observed], records: Mapping[Address, Record]
) -> dict[str, str]:
    """Match entries by their `id:`, and then entries without an `id:` by the id of their record."""
    group_ids = {
        entry.address.key: entry.id for entry in entries if entry.id in live and entry.id is not None
    }
    claimed = set(group_ids.values())
    for entry in entries:
        id = records[entry.address].id if entry.address in records else None
        if entry.id is None and id is not None and id in live and id not in claimed:
            group_ids[entry.address.key] = id
            claimed.add(id)
    return group_ids


def list_pending_creates(
    desired: Iterable[Desired], live: Mapping[str, Observed], records: Mapping[Address, Record]
) -> list[Desired]:
    """List the groups that an interrupted run may have created and that no list shows (yet)."""
    return [
        entry
        for entry in desired
        if entry.id is None
        and is_create_outcome_unknown(records.get(entry.address))
        and not _find_candidates(
            entry,
            [group for group in live.values() if group.name == entry.name],
            records.get(entry.address),
        )
    ]


def is_create_outcome_unknown(record: Record | None) -> bool:
    """Return whether the outcome of the last create request for an object is unknown."""
    return record is not None and record.id is None and record.open_request is not None


def _find_candidates(entry: Desired, namesakes: list[Observed], record: Record | None) -> list[Observed]:
    """Filter the namesakes that may be the group of an entry.

    After a create whose answer was lost, the new group is the group that did not exist before: the intent lists the
    groups that had the name when the request was sent.
    """
    intent = record.intent if record is not None else None
    if intent is None or intent.action is not Action.CREATE or intent.name != entry.name:
        return namesakes
    return [group for group in namesakes if group.id not in intent.namesakes]


def _check_mistyped_id(
    entry: Desired, live: Mapping[str, Observed], records: Mapping[Address, Record]
) -> Diagnostic | None:
    """Report an `id:` that no group and no record has, and that is close to an existing id.

    Without a close id the object counts as missing, since it may be hidden from these credentials.
    """
    if entry.id is None or entry.id in live or any(entry.id == record.id for record in records.values()):
        return None
    suggestion = find_nearest(entry.id, live)
    if suggestion is None:
        return None
    return Diagnostic(
        "unknown-id",
        f"no group of this account has the id `{entry.id}`",
        span=entry.id_span or entry.span,
        address=entry.address,
        notes=("a group that was deleted at Fivetran never comes back under its old id",),
        help=f"did you mean `{suggestion}`?",
    )


def _explain_ambiguous_name(entry: Desired, candidates: list[Observed]) -> Diagnostic:
    ids = ", ".join(f"`{group.id}`" for group in sorted(candidates, key=lambda group: group.id))
    return Diagnostic(
        "ambiguous-name",
        f"{len(candidates)} groups of this account have the name `{entry.name}`",
        span=entry.span,
        address=entry.address,
        notes=(f"their ids are {ids}",),
        help="name the right group with `id:`",
    )
