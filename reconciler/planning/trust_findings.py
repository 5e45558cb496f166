"""Explain servers that wait for an approval, pins that are not met, and certificates that are not what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

from reconciler.kinds.certificates import is_expired
from reconciler.kinds.pins import describe_facts, find_wrong_hash, format_main_hash
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.resource import Desired
from reconciler.model.source import Span
from reconciler.model.trust import Pin, ServerIdentity, ServerKind
from reconciler.planning.planner import PlannedOperation


def describe_server(identity: ServerIdentity) -> str:
    """Describe a server for a person who has to recognise it: its hash, and whatever else is known of it."""
    described = describe_facts(identity)
    named = f"{identity.kind.noun} {format_main_hash(identity)}"
    return f"{named}: {described}" if described else named


def advise_pin(address: Address) -> str:
    """Advise how to go on from a server that waits."""
    return (
        f"if you trust it, pin it: `reconciler trust pin {address}` writes it into the spec; then apply again"
    )


def warn_waiting(operations: Iterable[PlannedOperation]) -> Iterator[Diagnostic]:
    """Warn of the servers that wait for a pin, as the last setup tests have met them."""
    for operation in operations:
        change = operation.change
        yield from explain_waiting(change.address, change.span, change.facts.trust.waiting)


def explain_waiting(
    address: Address, span: Span | None, servers: Iterable[ServerIdentity], *, is_left_out: bool = False
) -> Iterator[Diagnostic]:
    """Explain the servers that wait for a pin, in a warning for each kind. `is_left_out` is for a destination that the
    plan is not about."""
    suffix = "; this plan leaves it out" if is_left_out else ""
    met = list(servers)
    for kind in ServerKind:
        waiting = [server for server in met if server.kind is kind]
        enough = (f"any one of these {len(waiting)} is enough",) if len(waiting) > 1 else ()
        if waiting:
            yield Diagnostic(
                "approval-needed",
                f"{address} waits for the approval of {kind.phrase}{suffix}",
                span=span,
                severity=Severity.WARNING,
                address=address,
                notes=(*map(describe_server, waiting), *enough),
                help=advise_pin(address),
            )


def check_expiry(operations: Iterable[PlannedOperation], today: date) -> Iterator[Diagnostic]:
    """Check for expired certificates: an error if the plan would approve one, else a warning."""
    for operation in operations:
        approved_now = {approval.pin for approval in operation.change.approvals}
        for pin in _list_expired(operation.desired, today):
            finding = _explain_expired(operation.desired, pin)
            is_error = pin in approved_now
            yield replace(finding, severity=Severity.ERROR, notes=()) if is_error else finding


def warn_expired(destinations: Iterable[Desired], today: date) -> Iterator[Diagnostic]:
    """Warn of expired certificates, for checks that do not see whether an apply would approve them."""
    for desired in destinations:
        yield from (_explain_expired(desired, pin) for pin in _list_expired(desired, today))


def _list_expired(desired: Desired, today: date) -> list[Pin]:
    return [pin for pin in desired.trust.pins if is_expired(pin.identity, today)]


def _explain_expired(desired: Desired, pin: Pin) -> Diagnostic:
    return Diagnostic(
        "certificate-expired",
        f"the certificate of `{pin.source}` expired on {pin.identity.expires}",
        span=pin.span,
        severity=Severity.WARNING,
        address=desired.address,
        notes=("an error once a plan has to approve it",),
        help="pin the certificate that took its place, and remove this pin",
    )


def explain_forged_certificate(server: ServerIdentity, operation: PlannedOperation) -> Diagnostic:
    """Explain a certificate that a setup test shows under a hash that is not its own. It is never approved."""
    address = operation.change.address
    return Diagnostic(
        "certificate-mismatch",
        f"{address}: a setup test shows a certificate whose hash is not its own",
        span=operation.desired.span,
        address=address,
        notes=(
            f"it is shown as {server.hash}, and its SHA-256 is {find_wrong_hash(server)}",
            "nothing was approved",
        ),
        help="look at the setup tests of the destination in Fivetran, and ask Fivetran's support if they show the same",
    )
