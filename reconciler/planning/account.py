"""Check the account of a plan, and read all its objects in scope."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.api import responses
from reconciler.api.errors import ApiError, Forbidden
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.record import Record
from reconciler.model.resource import Desired
from reconciler.model.trust import ServerKind
from reconciler.planning.match import is_create_outcome_unknown, list_pending_creates, match_groups
from reconciler.planning.partial_reads import PartialReading, compute_read_costs
from reconciler.planning.refresh import AccountListing, AccountView, Observer, ReadResult, build_read_result
from reconciler.runtime.polling import Poller
from reconciler.spec.project import Project
from reconciler.workspace.project_state import CREDENTIALS, AccountSource
from reconciler.workspace.workspace import Workspace


def check_account(workspace: Workspace) -> responses.Account:
    """Check the account of the credentials against the project file and the state. Returns it.

    Raises `ReconcilerError` for another account. The project file does not restrict the account of a sandbox.
    """
    account = workspace.client.get_account()
    expected = workspace.specs.project.content.account_id
    source = CREDENTIALS if workspace.snapshot is None else AccountSource("the snapshot is", "a snapshot")
    if expected not in {"", account.account_id} and not workspace.settings.sandbox:
        raise ReconcilerError([explain_other_account(workspace.specs.project, account.account_id, source)])
    workspace.state.check_account(account.account_id, source)
    return account


def explain_other_account(
    project: Project, account_id: str, source: AccountSource = CREDENTIALS
) -> Diagnostic:
    """Explain that the credentials are for an account that the project file does not name."""
    expected = project.content.account_id
    return Diagnostic(
        "other-account",
        f"{source.subject} for account `{account_id}`, the project is for `{expected}`",
        span=project.account_id_span,
        help=f"use {source.noun} of the right account, or correct `account_id:` in the project file",
    )


def view_account(
    workspace: Workspace,
    account: responses.Account,
    entries: Collection[Desired],
    records: Mapping[Address, Record],
    scope: frozenset[Address],
    *,
    reading: PartialReading | None = None,
) -> AccountView:
    """List the account, match the entries with its groups, and read the destinations in scope, or the part of them that
    `reading` chooses.

    `entries` are the entries in scope; `records` are all records. Raises `ApiError`, and ReconcilerError for a budget
    that reads no destination.
    """
    observer = Observer(
        workspace.client,
        Poller(workspace.settings.clock, workspace.cancelled),
        workspace.listener,
        workspace.settings.readers,
        has_budget=reading is not None,
    )
    scoped_records = {address: record for address, record in records.items() if address in scope}
    groups = [entry for entry in entries if entry.address.kind == GROUP]
    listing = _list_account(observer, groups, scoped_records)
    matching = match_groups(workspace.specs.groups, listing.groups, records, scope)
    recorded_ids = _list_recorded_ids(scoped_records, listing, matching.group_ids)
    declared_ids = _list_declared_ids(entries, matching.group_ids)
    ids = sorted(declared_ids | (recorded_ids - listing.destinations))
    if reading is not None:
        # A destination that neither a list nor a record knows was never applied, so it cannot have drifted.
        known_ids = [id for id in ids if id in listing.destinations or id in recorded_ids]
        costs = compute_read_costs(known_ids, entries, matching.group_ids)
        ids = reading.choose(costs, listing.destinations, workspace.sender.limiter.count_run_requests())
    details = observer.read_destinations(ids, recorded_ids)
    _raise_forbidden(details.forbidden, declared_ids)
    # A snapshot without these lists shows no approval, which would not mean that there is none.
    reads_approvals = workspace.snapshot is None or workspace.snapshot.has_approvals
    pinned = _list_pinned(entries, matching.group_ids, details) if reads_approvals else ()
    approvals, errors = observer.read_approvals(pinned)
    if reading is not None:
        details = _note_reads(reading, details, errors, frozenset(matching.group_ids.values()))
    return AccountView(account, listing, details, matching.group_ids, matching.problems, approvals)


def _list_account(
    observer: Observer, groups: Collection[Desired], scoped_records: Mapping[Address, Record]
) -> AccountListing:
    """List the account, with every group that an `id:` names or that an earlier run created or may have created."""
    declared_ids = {group.id or scoped_records.get(group.address, Record()).id for group in groups}
    known_ids = {*declared_ids, *(record.id for record in scoped_records.values())}
    listing = observer.list_account({id for id in known_ids if id is not None})
    _raise_forbidden(listing.forbidden, declared_ids)
    if observer.has_budget or not list_pending_creates(groups, listing.groups, scoped_records):
        return listing
    return observer.list_until(listing, lambda live: not list_pending_creates(groups, live, scoped_records))


def _note_reads(
    reading: PartialReading,
    details: ReadResult,
    approval_errors: Mapping[str, ApiError],
    managed: frozenset[str],
) -> ReadResult:
    """Note which destinations were read, with the approvals of their servers. Returns the reads with the destinations
    that were left out or failed."""
    errors = {**details.forbidden, **details.failed, **approval_errors}
    complete = build_read_result(details.found, errors)
    left = (reading.costs.keys() - reading.chosen) | details.unread | complete.unread
    reading.read = frozenset(reading.chosen) - left - complete.failed.keys()
    reading.failed = frozenset(reading.chosen) & complete.failed.keys()
    reading.managed = managed
    return replace(complete, unread=frozenset(left))


def _list_recorded_ids(
    scoped_records: Mapping[Address, Record], listing: AccountListing, group_ids: Mapping[str, str]
) -> set[str]:
    """List the ids of destinations that a record knows, and whose groups exist."""
    recorded_ids = {
        record.id or group_ids.get(address.key, "")
        for address, record in scoped_records.items()
        if address.kind == DESTINATION and (record.id or is_create_outcome_unknown(record))
    }
    return recorded_ids & listing.groups.keys()


def _list_declared_ids(entries: Iterable[Desired], group_ids: Mapping[str, str]) -> set[str]:
    """List the ids of the groups of all destinations that are declared and whose groups exist."""
    return {
        id
        for entry in entries
        if entry.address.kind == DESTINATION and (id := group_ids.get(entry.address.key))
    }


def _list_pinned(
    entries: Iterable[Desired], group_ids: Mapping[str, str], details: ReadResult
) -> Iterator[tuple[str, ServerKind]]:
    """List the existing destinations with pins, by id, each with the kinds that it pins."""
    for entry in entries:
        id = group_ids.get(entry.address.key, "")
        if entry.trust.pins and id in details.found:
            yield from ((id, kind) for kind in ServerKind if entry.trust.list_pins(kind))


def _raise_forbidden(forbidden: Mapping[str, Forbidden], declared_ids: Collection[str | None]) -> None:
    """Raise the first 403 about an object that no entry declares.

    A 403 about a declared object becomes a finding of its entry. No entry declares any other object, so its 403
    would go unreported if the plan went on.
    """
    for id, error in forbidden.items():
        if id not in declared_ids:
            raise error
