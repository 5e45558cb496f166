"""What memory or an `id:` knows and the account does not show: deleted, or hidden from these credentials (S-13).

A key of the API may see only a part of an account. A missing object is therefore never made again unless `--recreate`
names it: the old one may live on, and names are not unique at Fivetran.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.api import wire
from reconciler.api.errors import Forbidden
from reconciler.engine.observe import Details, Listing
from reconciler.engine.scope import match_selector
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.nearest import did_you_mean
from reconciler.model.plan import Action
from reconciler.model.record import Record
from reconciler.model.resource import Desired


@dataclass(frozen=True, slots=True)
class Missing:
    """A declared object with the id under which it is known and not to be seen.

    `refused` is the answer 403 to a GET of it, None after a 404; `listed` says that a list shows it all the same.
    `namesakes` are ids of other groups that have its name and belong to no entry.
    """

    desired: Desired
    id: str
    refused: Forbidden | None = None
    listed: bool = False
    namesakes: tuple[str, ...] = ()

    @property
    def address(self) -> Address:
        """The address of the entry."""
        return self.desired.address


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run has seen of an account. `bound` has the ids of live groups by key."""

    listing: Listing
    details: Details
    bound: Mapping[str, str]


def is_missing(record: Record | None, existing: Collection[str]) -> bool:
    """Whether memory knows an object by an id that does not exist. What a run was about to delete is explained."""
    if record is None or record.id is None or record.id in existing:
        return False
    return record.intent is None or record.intent.action not in _DELETING


_DELETING = frozenset({Action.DELETE, Action.REPLACE})


def find_missing(
    entries: Iterable[Desired], records: Mapping[Address, Record], seen: Seen
) -> dict[Address, Missing]:
    """The entries that are known and not to be seen, by address. Of a pair that is missing as a whole, the group."""
    found = (
        (_missing_group if desired.address.kind == GROUP else _missing_destination)(
            desired, records.get(desired.address), seen
        )
        for desired in entries
    )
    return {each.address: each for each in found if each is not None}


def _missing_group(desired: Desired, record: Record | None, seen: Seen) -> Missing | None:
    listing = seen.listing
    id = desired.id or (record.id if record is not None else None)
    if id is None or desired.address.key in seen.bound:
        return None
    refused = listing.refused.get(id)
    if desired.id is None and refused is None and not is_missing(record, listing.groups):
        return None
    taken = {*seen.bound.values()}
    namesakes = {id for id, group in listing.groups.items() if group.name == desired.name} - taken
    return Missing(desired, id, refused, id in listing.destinations, tuple(sorted(namesakes)))


def _missing_destination(desired: Desired, record: Record | None, seen: Seen) -> Missing | None:
    """A destination has the id of its group. One that is remembered under another id was that of another group."""
    id = seen.bound.get(desired.address.key)
    if id is None:
        return None
    refused = seen.details.refused.get(id)
    known = record is not None and record.id == id and is_missing(record, seen.details.found)
    return Missing(desired, id, refused, id in seen.listing.destinations) if known or refused else None


@dataclass(frozen=True, slots=True)
class Absences:
    """What comes of everything that is missing: addresses that are `recreated` because `--recreate` names them,
    addresses that nothing can be planned for, and what to say about it."""

    recreated: frozenset[Address]
    unplanned: frozenset[Address]
    findings: tuple[Diagnostic, ...]


def absences(
    missing: Mapping[Address, Missing],
    selectors: Iterable[str],
    declared: Collection[Address],
    account: wire.Account,
) -> Absences:
    """Match what is missing with the selectors of `--recreate`, each an address or a key with `*` for any text.

    A destination is made again with its group, and cannot be planned without it.
    """
    meant = {address for selector in selectors for address in match_selector(selector, declared)}
    hindrances = {
        address: problem
        for address in sorted(meant & missing.keys())
        if (problem := _hindrance(missing[address])) is not None
    }
    recreated = meant & missing.keys() - hindrances.keys()
    unseen = missing.keys() - recreated
    return Absences(
        frozenset(recreated | _destinations(recreated) & {*declared}),
        frozenset(unseen | _destinations(unseen)),
        (*(_gone_or_hidden(missing[address], account) for address in sorted(unseen)), *hindrances.values()),
    )


def _destinations(addresses: Iterable[Address]) -> set[Address]:
    """The destinations of the groups among these addresses."""
    return {Address(DESTINATION, address.key) for address in addresses if address.kind == GROUP}


def idle_selectors(
    selectors: Iterable[str],
    entries: Iterable[Desired],
    missing: Collection[Address],
    records: Mapping[Address, Record],
    seen: Seen,
) -> Iterator[Diagnostic]:
    """Findings about selectors of `--recreate` that name nothing that is missing.

    What a run that stopped has half made again may be named too: the same command goes on where it stopped.
    """
    declared = {each.address: each for each in entries}
    for selector in selectors:
        meant = sorted(match_selector(selector, declared))
        if any(address in missing for address in meant):
            continue
        if any(
            _is_half_made(address, records.get(address), seen) for address in {*meant, *_destinations(meant)}
        ):
            continue
        first = declared[meant[0]] if meant else None
        yield _names_nothing(selector, declared) if first is None else _not_missing(first, missing, seen)


def _gone_or_hidden(missing: Missing, account: wire.Account) -> Diagnostic:
    desired = missing.desired
    is_group = missing.address.kind == GROUP
    return Diagnostic(
        "gone-or-hidden",
        f"{missing.address} (id `{missing.id}`) is gone from Fivetran, or hidden from these credentials",
        span=(desired.id_span if is_group else None) or desired.span,
        address=missing.address,
        notes=(_what_was_seen(missing), *_namesakes(missing), _key_of(account)),
        help=f"{_advice(missing)}; to give it up, use `removed:`",
    )


def _what_was_seen(missing: Missing) -> str:
    if missing.address.kind == DESTINATION:
        listed = (
            "the list of destinations shows it" if missing.listed else "its group is there, no list shows it"
        )
    else:
        listed = "the list of destinations shows its destination" if missing.listed else "no list shows it"
    return f"{listed}, and a GET by its id answered {'404' if missing.refused is None else '403'}"


def _namesakes(missing: Missing) -> Iterator[str]:
    for id in missing.namesakes:
        yield f"the group `{id}` has its name and belongs to no entry; `id: {id}` would take it"


def _key_of(account: wire.Account) -> str:
    if account.user_id:
        key = f"the API key of the user `{account.user_id}`"
    elif account.system_key_id:
        key = f"the system key `{account.system_key_id}`"
    else:
        key = "a key of which Fivetran does not say whose it is"
    return f"these credentials are {key}; its permissions may show a part of the account only"


def _advice(missing: Missing) -> str:
    address = missing.address
    if address.kind == DESTINATION:
        return f"if it was deleted, `--recreate {address}` makes it again; else use a key that sees it"
    if missing.desired.id is not None:
        return "use a key that sees it, or correct the `id:`; only if it was deleted for certain, remove that line"
    return (
        f"use a key that sees it; only if it was deleted for certain, `--recreate {address}` makes it again"
    )


def _hindrance(missing: Missing) -> Diagnostic | None:
    """Why an object that is missing is not made again, although it is named."""
    desired = missing.desired
    if missing.address.kind == GROUP and desired.id is not None:
        return _refused(
            f"{missing.address} cannot be made again as `{desired.id}`: Fivetran gives a new group another id",
            "remove the `id:` line, then plan again with `--recreate`",
            desired,
        )
    if missing.namesakes:
        ids = ", ".join(f"`{id}`" for id in missing.namesakes)
        return _refused(
            f"{missing.address} would become one more group of the name `{desired.name}`, which {ids} has already",
            "if that is the one, write its `id:` into the entry; else give one of them another name",
            desired,
        )
    return None


def _is_half_made(address: Address, record: Record | None, seen: Seen) -> bool:
    """Whether a run was about to make an object, or has made the group of a destination that is remembered."""
    if record is None:
        return False
    if record.intent is not None and record.intent.action is Action.CREATE:
        return True
    group = seen.bound.get(address.key)
    return address.kind == DESTINATION and None not in {record.id, group} and record.id != group


def _names_nothing(selector: str, declared: Collection[Address]) -> Diagnostic:
    near = did_you_mean(selector, {*map(str, declared), *(address.key for address in declared)})
    return _refused(
        f"no entry of this plan is named by `--recreate {selector}`",
        near or "name an address such as `group.finance_prod`, or a key",
    )


def _not_missing(desired: Desired, missing: Collection[Address], seen: Seen) -> Diagnostic:
    address = desired.address
    if Address(GROUP, address.key) in missing:
        advice = f"write `--recreate group.{address.key}`, which makes both"
        return _refused(f"{address} is missing together with its group", advice, desired)
    id = seen.bound.get(address.key)
    if id is not None and (address.kind == GROUP or id in seen.details.found):
        return _refused(
            f"{address} is not missing: it is there, with the id `{id}`", "leave `--recreate` out", desired
        )
    return _refused(
        f"{address} is not missing: it is made without being named",
        "leave `--recreate` out",
        desired,
    )


def _refused(message: str, advice: str, desired: Desired | None = None) -> Diagnostic:
    span, address = (desired.span, desired.address) if desired is not None else (None, None)
    return Diagnostic("cannot-recreate", message, span=span, address=address, help=advice)
