"""Plan the approvals of servers: compare the pins of a destination with the approvals at Fivetran.

1. A pin is approved if the list of approvals has its server.
2. A pin that is not approved is an approval of this plan if an apply can give it: the pin is a certificate from a PEM
   file, or the state remembers its server from a setup test. Every other pin is only reported: it waits for a test.
3. An approval without a pin is revoked if the entry is `exclusive`, or if an earlier apply had it pinned. The entry
   must have an approved pin of the same kind then, so that its destination is never without a trusted server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.kinds.approvals import find_approved, finds_other_content, matches_server
from reconciler.kinds.destination import is_unhealthy
from reconciler.model.address import DESTINATION
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.record import Record
from reconciler.model.resource import Desired, Trust
from reconciler.model.trust import (
    NO_GRANTS,
    NO_TRUST_FACTS,
    ApprovedServer,
    Grants,
    Pin,
    ServerIdentity,
    ServerKind,
    TrustAction,
    TrustChange,
    TrustFacts,
)

Approvals = Mapping[ServerKind, tuple[ApprovedServer, ...]]
"""Approvals of one destination at Fivetran, of the kinds that were read."""
_NOT_READ: Approvals = {}


@dataclass(frozen=True, slots=True)
class TrustPlan:
    """Planned changes of the approvals of one destination, approvals first. `problems` refuse the entry."""

    changes: tuple[TrustChange, ...] = ()
    facts: TrustFacts = NO_TRUST_FACTS
    problems: tuple[Diagnostic, ...] = ()

    @property
    def approves(self) -> bool:
        """Whether an apply approves a server."""
        return any(change.action is TrustAction.APPROVE for change in self.changes)

    @property
    def revokes(self) -> bool:
        """Whether an apply revokes an approval."""
        return any(change.action is TrustAction.REVOKE for change in self.changes)


def plan_new_trust(desired: Desired) -> TrustPlan:
    """Plan the approvals of a destination that does not exist yet: all that needs no setup test."""
    approved = tuple(_approve(pin, pin.identity) for pin in desired.trust.pins if pin.can_be_approved)
    unmet = tuple(pin for pin in desired.trust.pins if not pin.can_be_approved)
    return TrustPlan(approved, TrustFacts(unmet=unmet))


def plan_trust(
    desired: Desired, record: Record | None, status: str, approvals: Approvals = _NOT_READ
) -> TrustPlan:
    """Plan the approvals of an existing destination with the live `status`."""
    plans = [
        _plan_kind(desired, kind, record, approvals[kind])
        for kind in ServerKind
        if kind in approvals and desired.trust.list_pins(kind)
    ]
    changes = [change for plan in plans for change in plan.changes]
    return TrustPlan(
        tuple(sorted(changes, key=lambda change: change.action is TrustAction.REVOKE)),
        TrustFacts(
            unmet=tuple(pin for plan in plans for pin in plan.facts.unmet),
            unpinned=tuple(server for plan in plans for server in plan.facts.unpinned),
            waiting=find_waiting(desired.trust, record, status),
        ),
        tuple(problem for plan in plans for problem in plan.problems),
    )


def find_waiting(trust: Trust, record: Record | None, status: str) -> tuple[ServerIdentity, ...]:
    """Find the servers that wait for a pin. One trusted certificate of a chain is enough, so no other waits then. A
    destination that is healthy by now waits for nothing."""
    if record is None or not is_unhealthy(status):
        return ()
    return list_unsettled(trust, record.awaiting)


def list_unsettled(trust: Trust, awaiting: Collection[ServerIdentity]) -> tuple[ServerIdentity, ...]:
    """List the servers of the kinds of which the spec trusts none that the last setup test met."""
    settled = {
        kind
        for kind in ServerKind
        if trust.trusts_any(kind)
        or any(
            matches_server(pin.identity, met) for pin in trust.pins for met in awaiting if met.kind is kind
        )
    }
    return tuple(met for met in awaiting if met.kind not in settled)


def waits_for_pin(trust: Trust, record: Record | None) -> bool:
    """Check whether the last setup test met a server that the spec does not trust. No other test passes until then."""
    return record is not None and bool(list_unsettled(trust, record.awaiting))


def _plan_kind(
    desired: Desired, kind: ServerKind, record: Record | None, approved: Collection[ApprovedServer]
) -> TrustPlan:
    pins = desired.trust.list_pins(kind)
    met = record.awaiting if record is not None else ()
    unapproved = [pin for pin in pins if find_approved(pin.identity, approved) is None]
    servers = {pin: _find_approvable(pin, met) for pin in unapproved}
    approvals = [
        replace(_approve(pin, server), was_pinned=_was_pinned(server, record))
        for pin, server in servers.items()
        if server is not None
    ]
    unpinned = [
        server
        for server in approved
        if not any(matches_server(pin.identity, server.identity) for pin in pins)
    ]
    has_trusted = bool(approvals) or len(unapproved) < len(pins)
    revoked = list(_list_revocations(desired, record, unpinned)) if has_trusted else []
    revoked_ids = {change.approval.id for change in revoked if change.approval is not None}
    return TrustPlan(
        (*approvals, *revoked),
        TrustFacts(
            unmet=tuple(pin for pin, server in servers.items() if server is None),
            unpinned=tuple(server for server in unpinned if server.id not in revoked_ids),
        ),
        tuple(_explain_other_content(desired, pins, approved)),
    )


def _find_approvable(pin: Pin, met: Iterable[ServerIdentity]) -> ServerIdentity | None:
    """Find the server of a pin with all that an approval needs; None if no test has met it."""
    if pin.can_be_approved:
        return pin.identity
    return next(
        (server for server in met if is_approvable(server) and matches_server(pin.identity, server)), None
    )


def is_approvable(met: ServerIdentity) -> bool:
    """Check whether a test has shown all that the approval of a server needs."""
    return bool(met.hash and (met.certificate or met.public_key))


def _approve(pin: Pin, server: ServerIdentity) -> TrustChange:
    return TrustChange(TrustAction.APPROVE, server, pin)


def _list_revocations(
    desired: Desired, record: Record | None, unpinned: Iterable[ApprovedServer]
) -> Iterator[TrustChange]:
    """List the revocations. Without setup tests nothing shows that the destination can do without an approval."""
    if not desired.setup_tests.run:
        return
    for server in unpinned:
        was_pinned = _was_pinned(server.identity, record)
        if was_pinned or desired.trust.exclusive:
            yield TrustChange(TrustAction.REVOKE, server.identity, approval=server, was_pinned=was_pinned)


def _was_pinned(server: ServerIdentity, record: Record | None) -> bool:
    pins = record.grants.pins if record is not None else ()
    return any(matches_server(pin, server) for pin in pins)


def _explain_other_content(
    desired: Desired, pins: Iterable[Pin], approved: Collection[ApprovedServer]
) -> Iterator[Diagnostic]:
    """Explain approvals of a pinned hash whose certificate has another hash: approved is not what the spec pins."""
    for pin in pins:
        server = find_approved(pin.identity, approved)
        if server is not None and finds_other_content(server):
            yield Diagnostic(
                "certificate-mismatch",
                f"the approval of certificate {server.identity.hash} is about another certificate",
                span=pin.span or desired.span,
                address=desired.address,
                notes=(
                    f"Fivetran shows its SHA-256 as {server.sha256.lower()}",
                    f"it was approved by {server.approved_by or 'an unknown user'}",
                ),
                help="revoke this approval in Fivetran, and find out who gave it; then plan again",
            )


# Records


def collect_grants(desired: Desired, record: Record | None) -> Grants:
    """Collect the trust and the setup tests that a spec declares, for its record."""
    if desired.address.kind != DESTINATION:
        return NO_GRANTS
    grants = Grants(
        tuple(replace(pin.identity, certificate="") for pin in desired.trust.pins),
        tuple(str(kind) for kind in ServerKind if desired.trust.trusts_any(kind)),
        untested=not desired.setup_tests.run,
    )
    return describe_pins(grants, [*record.awaiting, *record.grants.pins] if record is not None else ())


def describe_pins(grants: Grants, known: Iterable[ServerIdentity]) -> Grants:
    """Add to recorded pins the facts about their servers, which the lists of Fivetran do not have. `known` are servers
    that a setup test has met, and earlier descriptions."""
    known = list(known)
    return replace(grants, pins=tuple(_describe_pin(pin, known) for pin in grants.pins))


def _describe_pin(pin: ServerIdentity, known: Iterable[ServerIdentity]) -> ServerIdentity:
    if pin.subject:
        return pin
    met = next((server for server in known if matches_server(pin, server)), pin)
    return replace(met, hash=pin.hash, public_key=pin.public_key, certificate="")


def list_former_pins(record: Record | None, revocations: Iterable[TrustChange]) -> tuple[ServerIdentity, ...]:
    """List the recorded pins whose approvals are to be revoked. Without them no later plan would know that these
    approvals were pinned, and revoke them after an interruption."""
    servers = [revocation.identity for revocation in revocations]
    pins = record.grants.pins if record is not None else ()
    return tuple(pin for pin in pins if any(matches_server(pin, server) for server in servers))


def _identify(pin: ServerIdentity) -> tuple[ServerKind, str, str]:
    return pin.kind, pin.hash, pin.public_key


def is_widened(trust: Trust, record: Record) -> bool:
    """Check whether the spec trusts more servers than at the last apply."""
    trusted, pinned = record.grants.trusted_kinds, {*map(_identify, record.grants.pins)}
    return any(trust.trusts_any(kind) and str(kind) not in trusted for kind in ServerKind) or any(
        _identify(pin.identity) not in pinned for pin in trust.pins
    )


def grants_awaited(trust: Trust, record: Record) -> bool:
    """Check whether the spec grants an approval that the last setup test waited for."""
    if any(trust.trusts_any(ServerKind(kind)) for kind in record.awaited_approvals if kind in {*ServerKind}):
        return True
    return any(matches_server(pin.identity, met) for pin in trust.pins for met in record.awaiting)
