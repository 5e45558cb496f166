"""Render the servers of destinations: what is pinned, approved or waits, with all that is known of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from rich.text import Text

from reconciler.kinds.approvals import finds_other_content
from reconciler.model.address import Address
from reconciler.model.group_identity import GroupIdentity
from reconciler.model.json_parts import serialize_identity_parts
from reconciler.model.sanitize import escape
from reconciler.model.trust import ApprovedServer
from reconciler.model.trust_listing import DestinationTrust, ExpiryFilter, ListedServer, TrustListing
from reconciler.report.diagnostics import serialize_span
from reconciler.report.server_facts import format_fact, list_server_facts, serialize_server
from reconciler.report.style import BAD, COPIED, QUIET, STRONG, WARN, format_count, join_lines
from reconciler.report.values import format_identity_part

_MAX_NAMED = 10


def render_listing(listing: TrustListing, expiry: ExpiryFilter | None) -> Text:
    """Render the account, each destination with its servers, and the remarks. With an `expiry` only the servers that it
    keeps are shown, and the destinations that have one."""
    shown = _filter(listing, expiry)
    servers = sum(len(each.servers) for each in shown)
    name, id = escape(listing.account_name), escape(listing.account_id)
    heading = Text.assemble(
        "account ",
        (f"{name} ({id})" if name else id, STRONG),
        f" · {format_count(len(listing.destinations), 'destination')}, {format_count(servers, 'server')}",
        f" that {'expires' if servers == 1 else 'expire'} until {expiry.until}" if expiry else "",
    )
    blocks = [heading, *(_render_destination(each, expiry) for each in shown)]
    remarks = [Text(remark, QUIET) for remark in _list_remarks(listing, expiry)]
    return Text("\n\n").join([*blocks, *([join_lines(remarks)] if remarks else [])])


def _filter(listing: TrustListing, expiry: ExpiryFilter | None) -> tuple[DestinationTrust, ...]:
    if expiry is None:
        return listing.destinations
    kept = (replace(each, servers=tuple(filter(expiry.keeps, each.servers))) for each in listing.destinations)
    return tuple(each for each in kept if each.servers)


def _render_destination(destination: DestinationTrust, expiry: ExpiryFilter | None) -> Text:
    remarks = [escape(destination.status)] if destination.status else []
    remarks += [f"trusts any {kind.noun}" for kind in destination.trusted_kinds]
    heading = Text.assemble(
        (str(destination.address), STRONG), (f" · {', '.join(remarks)}" if remarks else "", QUIET)
    )
    lines = [line for each in destination.servers for line in _render_server(each, expiry)]
    lines = lines or [Text("  no server is pinned, approved or waiting", QUIET)]
    if expiry is None:
        lines += _render_identity(destination.identity)
    return join_lines([heading, *lines])


def _render_identity(identity: GroupIdentity) -> Iterator[Text]:
    """Render what a person has to enter at the servers, each part on a line that can be copied."""
    for part, text in identity.items():
        yield Text.assemble(f"  {format_identity_part(part)} of Fivetran  ", (escape(text), COPIED))


def _render_server(server: ListedServer, expiry: ExpiryFilter | None) -> Iterator[Text]:
    yield Text(
        f"  {server.identity.kind.noun}: {server.standing}", "" if server.pin and server.approval else WARN
    )
    for fact in list_server_facts(server.identity):
        is_over = expiry is not None and fact.startswith("expires") and server.identity.expires < expiry.today
        yield Text(f"    {fact}{', which is over' if is_over else ''}", BAD if is_over else "")
    if server.pin is not None and server.pin.span is not None:
        yield Text(f"    {format_fact('pin', escape(server.pin.span.line_place))}")
    if server.approval is not None:
        yield Text(f"    {format_fact('approved', _describe_approval(server.approval))}")
        if finds_other_content(server.approval):
            yield Text("    the approved certificate is another one: Fivetran shows the SHA-256", BAD)
            yield Text(f"    {format_fact('', escape(server.approval.sha256.lower()))}", BAD)


def _describe_approval(approval: ApprovedServer) -> str:
    by = f"by {escape(approval.approved_by)}" if approval.approved_by else "by an unknown user"
    return f"{by} on {escape(approval.approved_at[:10])}" if approval.approved_at else by


def _list_remarks(listing: TrustListing, expiry: ExpiryFilter | None) -> Iterator[str]:
    if expiry is not None:
        undecided = list(_list_undecided(listing, expiry))
        if undecided:
            number = sum(count for _, count in undecided)
            certificates = f"The expiry of {format_count(number, 'certificate')} is unknown"
            yield f"{certificates}: {_name_some([address for address, _ in undecided])}."
    if listing.missing:
        yield f"Not created yet: {_name_some(listing.missing)}."


def _list_undecided(listing: TrustListing, expiry: ExpiryFilter) -> Iterator[tuple[Address, int]]:
    """List the destinations with certificates whose expiry is unknown, each with their number."""
    for each in listing.destinations:
        number = sum(map(expiry.is_undecided, each.servers))
        if number:
            yield each.address, number


def _name_some(addresses: Iterable[Address]) -> str:
    names = list(map(str, addresses))
    more = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more


def serialize_listing(listing: TrustListing, expiry: ExpiryFilter | None) -> dict[str, Any]:
    """Serialize all servers that are shown, the destinations that were not read, and those that do not exist yet."""
    return {
        "account": {"id": listing.account_id, "name": listing.account_name},
        "destinations": list(map(_serialize_destination, _filter(listing, expiry))),
        "expiring": None if expiry is None else _serialize_expiry(listing, expiry),
        "unread": [
            {"address": str(each.address), "id": each.id or None, "reason": each.reason}
            for each in listing.unread
        ],
        "not_created": list(map(str, listing.missing)),
    }


def _serialize_expiry(listing: TrustListing, expiry: ExpiryFilter) -> dict[str, Any]:
    undecided = list(_list_undecided(listing, expiry))
    return {
        "until": expiry.until,
        "unknown": sum(number for _, number in undecided),
        "unknown_in": [str(address) for address, _ in undecided],
    }


def _serialize_destination(destination: DestinationTrust) -> dict[str, Any]:
    return {
        "address": str(destination.address),
        "id": destination.id,
        "setup_status": destination.status or None,
        "trusts_any": [kind.plural for kind in destination.trusted_kinds],
        "servers": list(map(_serialize_listed, destination.servers)),
        **serialize_identity_parts(destination.identity),
    }


def _serialize_listed(server: ListedServer) -> dict[str, Any]:
    approval = server.approval
    return {
        **serialize_server(server.identity),
        "standing": server.standing,
        "pin": None
        if server.pin is None
        else {"source": server.pin.source, "span": serialize_span(server.pin.span)},
        "approval": None
        if approval is None
        else {
            "id": approval.id or None,
            "approved_by": approval.approved_by or None,
            "approved_at": approval.approved_at or None,
            "sha256": approval.sha256 or None,
            "is_of_another_certificate": finds_other_content(approval),
        },
        "met_by_the_last_test": server.is_met,
    }
