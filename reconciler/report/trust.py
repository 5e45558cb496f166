"""Render approvals of certificates and SSH host keys: as rows of a change, as notes, and as JSON objects."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from reconciler.kinds.pins import differs_from_server
from reconciler.model.plan import Change, Plan
from reconciler.model.sanitize import escape
from reconciler.model.trust import ApprovedServer, Pin, ServerIdentity, ServerKind, TrustAction, TrustChange
from reconciler.report.style import format_count

_VERBS = {TrustAction.APPROVE: "approves", TrustAction.REVOKE: "revokes"}
_DONE_WORDS = {TrustAction.APPROVE: "approved", TrustAction.REVOKE: "revoked"}
_MAX_HASH_LENGTH = 64


def list_trust_rows(change: Change) -> list[tuple[str, str]]:
    """List the planned approvals and revocations of a change, each as a verb and a description."""
    return [(_VERBS[each.action], format_trust_change(each)) for each in change.trust]


def list_trust_lines(change: Change) -> list[tuple[str, str]]:
    """List the planned approvals and revocations of a change by lines: a verb with the hash of the server, then what is
    known of it, without a verb."""
    rows = []
    for each in change.trust:
        first, *more = _describe_change(each)
        rows += [(_VERBS[each.action], f"{each.identity.kind.noun} {first}"), ("", " · ".join(more))]
    return rows


def list_revoked(change: Change) -> list[str]:
    """List the approvals that were revoked outside the specs."""
    return [format_trust_change(each) for each in change.trust if each.undoes_drift]


def list_done_rows(changes: Iterable[TrustChange]) -> list[str]:
    """List approvals that were given and revoked, each on a line."""
    return [
        f"{each.identity.kind.noun}  {_DONE_WORDS[each.action]}  {' · '.join(_describe_change(each))}"
        for each in changes
    ]


def format_trust_change(change: TrustChange) -> str:
    """Format an approval or revocation: the server, and the reason."""
    return f"{change.identity.kind.noun} {' · '.join(_describe_change(change))}"


def _describe_change(change: TrustChange) -> list[str]:
    """Describe the server of a change, then the reason of the change."""
    return [*_describe_identity(change.identity), _format_reason(change)]


def _format_reason(change: TrustChange) -> str:
    if change.action is TrustAction.APPROVE:
        span = change.pin.span if change.pin is not None else None
        place = f"pinned at {escape(span.line_place)}" if span is not None else "pinned"
        return f"{place}, by another hash of this key" if _is_pinned_otherwise(change) else place
    approval = change.approval or ApprovedServer(change.identity)
    reason = "no longer pinned" if change.was_pinned else "not pinned"
    return ", ".join([reason, *_describe_approval(approval)])


def _is_pinned_otherwise(change: TrustChange) -> bool:
    """Whether the pin is a hash of the key that Fivetran does not show, or shows and nobody can compute: how Fivetran
    hashes a host key is not known."""
    return change.pin is not None and differs_from_server(change.pin.identity, change.identity)


def _describe_approval(approval: ApprovedServer) -> list[str]:
    parts = [f"approved by {escape(approval.approved_by)}"] if approval.approved_by else []
    return parts + ([f"on {escape(approval.approved_at[:10])}"] if approval.approved_at else [])


def format_identity(identity: ServerIdentity) -> str:
    """Format a server: its hash or key, its subject, and the date of its expiry."""
    return " · ".join(_describe_identity(identity))


def _describe_identity(identity: ServerIdentity) -> list[str]:
    parts = [_shorten(identity.hash or identity.public_key)]
    parts += [escape(identity.subject)] if identity.subject else []
    parts += [f"expires {escape(identity.expires)}"] if identity.expires else []
    return parts


def _shorten(text: str) -> str:
    shown = escape(text)
    return shown if len(shown) <= _MAX_HASH_LENGTH else f"{shown[:_MAX_HASH_LENGTH]}…"


def format_unmet(pin: Pin) -> str:
    """Format a pin of a server that no setup test has met."""
    return f"{pin.identity.kind.noun} {format_identity(pin.identity)} is pinned, not met yet"


def format_unpinned(server: ApprovedServer) -> str:
    """Format an approval that the specs do not pin."""
    facts = ", ".join([format_identity(server.identity), *_describe_approval(server)])
    return f"{server.identity.kind.noun} {facts}: not pinned, left alone"


def list_trust_remarks(plan: Plan) -> list[str]:
    """List the numbers of servers that an apply approves and revokes: `2 certificates to approve`."""
    return _count_changes([each for change in plan.effective for each in change.trust])


def list_change_remarks(change: Change) -> list[str]:
    """List the numbers of servers that one change approves and revokes."""
    return _count_changes(change.trust)


def _count_changes(changes: Collection[TrustChange]) -> list[str]:
    return [
        f"{format_count(number, kind.noun)} to {action}"
        for action in TrustAction
        for kind in ServerKind
        if (number := sum(each.action is action and each.identity.kind is kind for each in changes))
    ]
