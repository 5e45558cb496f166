"""Find missing objects: a record or an `id:` knows the object, and the account does not show it.

Such an object was deleted, or it is hidden: an API key may see only a part of an account. So a missing object is never
created again unless `--recreate` names it. The old object may live on, and names are not unique at Fivetran.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.api import responses
from reconciler.api.errors import Forbidden
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Action
from reconciler.model.record import Record
from reconciler.model.resource import Desired
from reconciler.model.suggestions import did_you_mean
from reconciler.planning.refresh import AccountView
from reconciler.planning.targets import match_selector


@dataclass(frozen=True, slots=True)
class MissingObject:
    """A declared object that a GET by its known id does not show.

    `forbidden` is the answer 403 to that GET, None after a 404; `is_listed` if a list shows the object all the same.
    `namesakes` are ids of other groups that have its name and belong to no entry.
    """

    desired: Desired
    id: str
    forbidden: Forbidden | None = None
    is_listed: bool = False
    namesakes: tuple[str, ...] = ()

    @property
    def address(self) -> Address:
        """The address of the entry."""
        return self.desired.address


def is_missing(record: Record | None, existing: Collection[str]) -> bool:
    """Return whether a record has an id that does not exist, and no intent to delete that object."""
    if record is None or record.id is None or record.id in existing:
        return False
    return record.intent is None or record.intent.action not in _DELETING


_DELETING = frozenset({Action.DELETE, Action.REPLACE})


def find_missing(
    entries: Iterable[Desired], records: Mapping[Address, Record], view: AccountView
) -> dict[Address, MissingObject]:
    """Find the missing objects by address; only the group of a pair that is missing as a whole."""
    found = (
        (_find_missing_group if desired.address.kind == GROUP else _find_missing_destination)(
            desired, records.get(desired.address), view
        )
        for desired in entries
    )
    return {missing_object.address: missing_object for missing_object in found if missing_object is not None}


def _find_missing_group(desired: Desired, record: Record | None, view: AccountView) -> MissingObject | None:
    listing = view.listing
    id = desired.id or (record.id if record is not None else None)
    if id is None or desired.address.key in view.group_ids:
        return None
    forbidden = listing.forbidden.get(id)
    if desired.id is None and forbidden is None and not is_missing(record, listing.groups):
        return None
    taken = {*view.group_ids.values()}
    namesakes = {id for id, group in listing.groups.items() if group.name == desired.name} - taken
    return MissingObject(desired, id, forbidden, id in listing.destinations, tuple(sorted(namesakes)))


def _find_missing_destination(
    desired: Desired, record: Record | None, view: AccountView
) -> MissingObject | None:
    """Find a missing destination. A record with another id than the group is about an earlier group."""
    id = view.group_ids.get(desired.address.key)
    if id is None:
        return None
    forbidden = view.details.forbidden.get(id)
    is_known = record is not None and record.id == id and is_missing(record, view.details.found)
    return (
        MissingObject(desired, id, forbidden, id in view.listing.destinations)
        if is_known or forbidden
        else None
    )


@dataclass(frozen=True, slots=True)
class MissingResolution:
    """Decision about all missing objects.

    `recreated` are addresses that `--recreate` names, `unplanned` are addresses that cannot be planned.
    """

    recreated: frozenset[Address]
    unplanned: frozenset[Address]
    findings: tuple[Diagnostic, ...]


def resolve_missing(
    missing: Mapping[Address, MissingObject],
    selectors: Iterable[str],
    declared: Collection[Address],
    account: responses.Account,
) -> MissingResolution:
    """Match the missing objects with the selectors of `--recreate`, each an address or a key with `*` for any text.

    A destination is created again with its group, and cannot be planned without it.
    """
    matched = {address for selector in selectors for address in match_selector(selector, declared)}
    recreate_errors = {
        address: error
        for address in sorted(matched & missing.keys())
        if (error := _check_recreate(missing[address])) is not None
    }
    recreated = matched & missing.keys() - recreate_errors.keys()
    unseen = missing.keys() - recreated
    return MissingResolution(
        frozenset(recreated | _list_destinations(recreated) & {*declared}),
        frozenset(unseen | _list_destinations(unseen)),
        (
            *(_explain_gone_or_hidden(missing[address], account) for address in sorted(unseen)),
            *recreate_errors.values(),
        ),
    )


def _list_destinations(addresses: Iterable[Address]) -> set[Address]:
    """List the destinations of the groups among these addresses."""
    return {Address(DESTINATION, address.key) for address in addresses if address.kind == GROUP}


def explain_unused_selectors(
    selectors: Iterable[str],
    entries: Iterable[Desired],
    missing: Collection[Address],
    records: Mapping[Address, Record],
    view: AccountView,
) -> Iterator[Diagnostic]:
    """Report the selectors of `--recreate` that match no missing object.

    A selector may also match an object that a stopped run has half created: the same command then resumes that run.
    """
    declared = {entry.address: entry for entry in entries}
    for selector in selectors:
        matched = sorted(match_selector(selector, declared))
        if any(address in missing for address in matched):
            continue
        if any(
            _is_half_created(address, records.get(address), view)
            for address in {*matched, *_list_destinations(matched)}
        ):
            continue
        first_entry = declared[matched[0]] if matched else None
        yield (
            _explain_unknown_selector(selector, declared)
            if first_entry is None
            else _explain_not_missing(first_entry, missing, view)
        )


def _explain_gone_or_hidden(missing: MissingObject, account: responses.Account) -> Diagnostic:
    desired = missing.desired
    is_group = missing.address.kind == GROUP
    return Diagnostic(
        "gone-or-hidden",
        f"{missing.address} (id `{missing.id}`) is gone from Fivetran, or hidden from these credentials",
        span=(desired.id_span if is_group else None) or desired.span,
        address=missing.address,
        notes=(_describe_reads(missing), *_describe_namesakes(missing), _describe_credentials(account)),
        help=f"{_suggest_fix(missing)}; to give it up, use `removed:`",
    )


def _describe_reads(missing: MissingObject) -> str:
    if missing.address.kind == DESTINATION:
        listing_note = (
            "the list of destinations shows it"
            if missing.is_listed
            else "its group is there, no list shows it"
        )
    else:
        listing_note = (
            "the list of destinations shows its destination" if missing.is_listed else "no list shows it"
        )
    return f"{listing_note}, and a GET by its id answered {'404' if missing.forbidden is None else '403'}"


def _describe_namesakes(missing: MissingObject) -> Iterator[str]:
    for id in missing.namesakes:
        yield f"the group `{id}` has its name and belongs to no entry; `id: {id}` would take it"


def _describe_credentials(account: responses.Account) -> str:
    if account.user_id:
        key = f"the API key of the user `{account.user_id}`"
    elif account.system_key_id:
        key = f"the system key `{account.system_key_id}`"
    else:
        key = "a key whose owner Fivetran does not show"
    return f"these credentials are {key}; its permissions may show a part of the account only"


def _suggest_fix(missing: MissingObject) -> str:
    address = missing.address
    if address.kind == DESTINATION:
        return f"if it was deleted, `reconciler apply --recreate {address}` makes it again; else use a key that sees it"
    if missing.desired.id is not None:
        return "use a key that sees it, or correct the `id:`; only if it was deleted for certain, remove that line"
    return (
        f"use a key that sees it; only if it was deleted for certain,"
        f" `reconciler apply --recreate {address}` makes it again"
    )


def _check_recreate(missing: MissingObject) -> Diagnostic | None:
    """Explain why a missing object cannot be created again although a selector names it; None if it can."""
    desired = missing.desired
    if missing.address.kind == GROUP and desired.id is not None:
        return _explain_refused_recreate(
            f"{missing.address} cannot be created again as `{desired.id}`: Fivetran gives a new group another id",
            "remove the `id:` line, then plan again with `--recreate`",
            desired,
        )
    if missing.namesakes:
        ids = ", ".join(f"`{id}`" for id in missing.namesakes)
        return _explain_refused_recreate(
            f"{missing.address} would become another group of the name `{desired.name}`, which {ids} has already",
            "if that group is meant, write its `id:` into the entry; else give one of the groups another name",
            desired,
        )
    return None


def _is_half_created(address: Address, record: Record | None, view: AccountView) -> bool:
    """Return whether a run was about to create an object, or has created a new group for a recorded destination."""
    if record is None:
        return False
    if record.intent is not None and record.intent.action is Action.CREATE:
        return True
    group = view.group_ids.get(address.key)
    return address.kind == DESTINATION and None not in {record.id, group} and record.id != group


def _explain_unknown_selector(selector: str, declared: Collection[Address]) -> Diagnostic:
    suggestion = did_you_mean(selector, {*map(str, declared), *(address.key for address in declared)})
    return _explain_refused_recreate(
        f"no entry of this plan is named by `--recreate {selector}`",
        suggestion or "name an address such as `group.finance_prod`, or a key",
    )


def _explain_not_missing(desired: Desired, missing: Collection[Address], view: AccountView) -> Diagnostic:
    address = desired.address
    if Address(GROUP, address.key) in missing:
        advice = f"write `--recreate group.{address.key}`, which creates both"
        return _explain_refused_recreate(f"{address} is missing together with its group", advice, desired)
    id = view.group_ids.get(address.key)
    if id is not None and (address.kind == GROUP or id in view.details.found):
        return _explain_refused_recreate(
            f"{address} is not missing: it is there, with the id `{id}`", "leave `--recreate` out", desired
        )
    return _explain_refused_recreate(
        f"{address} is not missing: it is created without `--recreate`",
        "leave `--recreate` out",
        desired,
    )


def _explain_refused_recreate(message: str, advice: str, desired: Desired | None = None) -> Diagnostic:
    span, address = (desired.span, desired.address) if desired is not None else (None, None)
    return Diagnostic("cannot-recreate", message, span=span, address=address, help=advice)
