"""List the servers that destinations trust or wait for, for `trust list`: the pins of the specs, the approvals at
Fivetran, and what the last setup tests met.

 1. The account is checked and listed, and the entries are matched with its groups, as for a plan.
 2. Two lists of approvals are read for each destination. A destination that may not be read, or is gone, is named. The
    public key or service account that a destination needs comes from the state, else it is read too.
 3. Pins, approvals and servers of the state are put together. The lists of Fivetran have a name of each certificate and
    nothing else, so the other facts come from PEM files and from the state.

Sends only GET requests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from reconciler.api.errors import ApiError, Forbidden, NotFound
from reconciler.kinds.approvals import find_approved, matches_server, read_approved
from reconciler.kinds.group_identity import list_needed_parts, read_part
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.event import ReadingAccount
from reconciler.model.group_identity import GroupIdentity, IdentityPart
from reconciler.model.record import Record
from reconciler.model.record_transitions import apply_moves
from reconciler.model.resource import Desired
from reconciler.model.trust import ApprovedServer, Pin, ServerIdentity, ServerKind
from reconciler.model.trust_listing import DestinationTrust, ListedServer, TrustListing, UnreadTrust
from reconciler.planning.account import check_account
from reconciler.planning.errors import explain_read
from reconciler.planning.match import match_groups
from reconciler.planning.refresh import AccountListing, Observer
from reconciler.planning.targets import select_addresses
from reconciler.planning.trust import find_waiting, is_approvable
from reconciler.runtime.polling import Poller
from reconciler.runtime.workers import map_parallel
from reconciler.workspace.workspace import Workspace


def list_trust(workspace: Workspace, selectors: Sequence[str]) -> TrustListing:
    """List the servers of the destinations that selectors name, or of all.

    Raises ReconcilerError for a selector that names nothing, another account, ambiguous entries, and failed reads.
    """
    declared = _select_destinations(workspace, selectors)
    try:
        return _read(workspace, declared)
    except ApiError as error:
        raise ReconcilerError([explain_read(error)]) from None


def _select_destinations(workspace: Workspace, selectors: Sequence[str]) -> list[Desired]:
    specs = workspace.specs
    known = {entry.address for entry in (*specs.groups, *specs.destinations)}
    selected = {address.key for address in select_addresses(known, selectors, ())}
    return [entry for entry in specs.destinations if entry.address.key in selected]


@dataclass(frozen=True, slots=True)
class _LiveDestination:
    """Declared destination with its record, its id at Fivetran, and the status of the list."""

    desired: Desired
    record: Record | None
    id: str
    status: str


def _read(workspace: Workspace, declared: Collection[Desired]) -> TrustListing:
    """Read the account, and the approvals of the declared destinations that exist. Raises ApiError."""
    specs = workspace.specs
    account = check_account(workspace)
    records = apply_moves(workspace.state.records, (*specs.groups, *specs.destinations))
    listing, group_ids = _list_account(workspace, declared, records)
    live, missing = [], []
    for desired in declared:
        record = records.get(desired.address)
        id = group_ids.get(desired.address.key, "")
        if id in listing.destinations or (record is not None and record.id is not None):
            summary = listing.summaries.get(id)
            status = summary.setup_status if summary is not None else ""
            live.append(_LiveDestination(desired, record, id, status))
        else:
            missing.append(desired.address)
    answers = _read_approvals(workspace, live)
    return TrustListing(
        account.account_id,
        account.account_name,
        tuple(each for each in answers if isinstance(each, DestinationTrust)),
        tuple(each for each in answers if isinstance(each, UnreadTrust)),
        tuple(missing),
    )


def _list_account(
    workspace: Workspace, declared: Iterable[Desired], records: Mapping[Address, Record]
) -> tuple[AccountListing, Mapping[str, str]]:
    """List the account, with the groups that an `id:` or a record names. Returns the ids of groups by key too."""
    observer = Observer(
        workspace.client,
        Poller(workspace.settings.clock, workspace.cancelled),
        workspace.listener,
        workspace.settings.readers,
    )
    scope = frozenset(Address(kind, each.address.key) for each in declared for kind in (GROUP, DESTINATION))
    groups = [group for group in workspace.specs.groups if group.address in scope]
    known = {group.id or records.get(group.address, Record()).id for group in groups}
    listing = observer.list_account({id for id in known if id is not None})
    matching = match_groups(workspace.specs.groups, listing.groups, records, scope)
    if matching.problems:
        raise ReconcilerError(matching.problems)
    # The group of a destination may be hidden while the destination can be read.
    recorded = {group.address.key: group.id or records.get(group.address, Record()).id for group in groups}
    return listing, {**{key: id for key, id in recorded.items() if id}, **matching.group_ids}


def _read_approvals(
    workspace: Workspace, live: Sequence[_LiveDestination]
) -> list[DestinationTrust | UnreadTrust]:
    """Read the approvals of destinations, concurrently. Returns the answers in the given order."""

    def read(place: int) -> DestinationTrust | UnreadTrust:
        destination = live[place]
        try:
            approved = {kind: read_approved(workspace.client, destination.id, kind) for kind in ServerKind}
        except Forbidden:
            return UnreadTrust(
                destination.desired.address, destination.id, "these credentials may not read its approvals"
            )
        except NotFound:
            return UnreadTrust(
                destination.desired.address, destination.id, "it is gone, or hidden from these credentials"
            )
        described = _describe_destination(
            destination, [each for kind in ServerKind for each in approved[kind]]
        )
        return replace(described, identity=_read_identity(workspace, destination))

    answers: dict[int, DestinationTrust | UnreadTrust] = {}
    workspace.listener(ReadingAccount(0, len(live)))
    for done, (place, answer) in enumerate(
        map_parallel(read, range(len(live)), workspace.settings.readers), start=1
    ):
        answers[place] = answer
        workspace.listener(ReadingAccount(done, len(live)))
    return [answers[place] for place in range(len(live))]


def _read_identity(workspace: Workspace, destination: _LiveDestination) -> GroupIdentity:
    """Read the parts of the identity of the group that the destination needs, as far as the state does not have them. A
    part that cannot be read is left out."""
    known = destination.record.identity if destination.record is not None else {}
    identity: dict[IdentityPart, str] = {}
    for part in list_needed_parts(destination.desired, {}):
        with suppress(ApiError):
            identity[part] = known.get(part) or read_part(workspace.client, destination.id, part)
    return identity


def _describe_destination(
    destination: _LiveDestination, approved: Sequence[ApprovedServer]
) -> DestinationTrust:
    desired, record = destination.desired, destination.record
    known = (*record.awaiting, *record.grants.pins) if record is not None else ()
    waiting = find_waiting(desired.trust, record, destination.status)
    met = record.awaiting if record is not None else ()
    pinned = [_list_pinned(pin, approved, met, known) for pin in desired.trust.pins]
    servers = [
        *pinned,
        *(_list_approved(each, known) for each in approved if not _is_pinned(each.identity, desired)),
        *(
            ListedServer(_strip(server), is_met=True)
            for server in waiting
            if find_approved(server, approved) is None
        ),
    ]
    kinds = list(ServerKind)
    return DestinationTrust(
        desired.address,
        destination.id,
        destination.status,
        tuple(kind for kind in ServerKind if desired.trust.trusts_any(kind)),
        tuple(sorted(servers, key=lambda server: kinds.index(server.identity.kind))),
    )


def _list_pinned(
    pin: Pin,
    approved: Iterable[ApprovedServer],
    met: Iterable[ServerIdentity],
    known: Sequence[ServerIdentity],
) -> ListedServer:
    approval = find_approved(pin.identity, approved)
    shown = next((server for server in met if matches_server(pin.identity, server)), None)
    sources = [pin.identity, *([approval.identity] if approval else [])]
    sources += [server for server in known if matches_server(pin.identity, server)]
    can_be_approved = pin.can_be_approved or (shown is not None and is_approvable(shown))
    return ListedServer(
        _merge_facts(pin.identity.kind, sources, preferred=approval.identity if approval else shown),
        pin,
        approval,
        is_met=shown is not None,
        is_approvable=approval is None and can_be_approved,
    )


def _list_approved(approval: ApprovedServer, known: Iterable[ServerIdentity]) -> ListedServer:
    sources = [server for server in known if matches_server(server, approval.identity)]
    identity = _merge_facts(
        approval.identity.kind, [*sources, approval.identity], preferred=approval.identity
    )
    return ListedServer(identity, approval=approval)


def _is_pinned(server: ServerIdentity, desired: Desired) -> bool:
    return any(matches_server(pin.identity, server) for pin in desired.trust.pins)


def _merge_facts(
    kind: ServerKind, sources: Sequence[ServerIdentity], preferred: ServerIdentity | None
) -> ServerIdentity:
    """Merge what several sources know of one server. `preferred` is the server as Fivetran shows it: its hash counts.
    A subject from the certificate itself counts more than the name of a list."""

    def pick(name: str, servers: Iterable[ServerIdentity | None]) -> str:
        return next((value for server in servers if server and (value := getattr(server, name))), "")

    by_issuer = sorted(sources, key=lambda server: server.issuer == "")
    return ServerIdentity(
        kind,
        hash=pick("hash", (preferred, *sources)),
        subject=pick("subject", by_issuer),
        issuer=pick("issuer", sources),
        expires=pick("expires", sources),
        public_key=pick("public_key", (preferred, *sources)),
    )


def _strip(server: ServerIdentity) -> ServerIdentity:
    return replace(server, certificate="")


def explain_unread(unread: Sequence[UnreadTrust]) -> Iterator[Diagnostic]:
    """Explain that the approvals of some destinations could not be read."""
    if unread:
        noun = "1 destination" if len(unread) == 1 else f"{len(unread):,} destinations"
        yield Diagnostic(
            "approvals-unread",
            f"the approvals of {noun} could not be read",
            notes=tuple(f"{each.address}: {each.reason}" for each in unread),
            help="use a key that may manage these destinations; `reconciler plan` shows what is gone",
        )
