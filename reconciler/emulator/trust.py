"""Check whether Fivetran trusts the servers behind a destination."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from reconciler.emulator import approvals
from reconciler.emulator.account import Account
from reconciler.emulator.destination import Destination
from reconciler.emulator.key_material import Certificate, HostKey
from reconciler.emulator.network import NetworkFacts
from reconciler.emulator.store import Kind

TestStatus: TypeAlias = Literal["PASSED", "SKIPPED", "WARNING", "FAILED", "JOB_FAILED"]
CheckResult: TypeAlias = tuple[str, TestStatus, str, Any]
"""Title, status, message and details of a setup test."""


@dataclass(frozen=True, slots=True)
class TrustFlags:
    """Permissions of a request to approve unknown servers. Parameters of one run, never stored."""

    certificates: bool = False
    fingerprints: bool = False


def run_checks(
    account: Account, destination: Destination, facts: NetworkFacts, trust_flags: TrustFlags
) -> Iterator[CheckResult]:
    """Run the identity tests at the start of a run, up to the first failure.

    Approves unknown certificates and keys if the request permits it.
    """
    if facts.host_key is not None and destination.is_tunnelled:
        key = facts.host_key
        if trust_flags.fingerprints and not _is_approved(account, Kind.FINGERPRINT, destination, key.hash):
            document = approvals.build_fingerprint(key)
            approvals.approve(account, Kind.FINGERPRINT, destination.id, document)
        if find_untrusted_key(account, destination, facts):
            yield "SSH Tunnel Connection", "FAILED", "The ssh key might have changed", key.to_details()
            return
        yield "SSH Tunnel Connection", "PASSED", "", None
    if facts.chain:
        if trust_flags.certificates:
            for certificate in facts.chain:
                if not _is_approved(account, Kind.CERTIFICATE, destination, certificate.hash):
                    document = approvals.build_certificate(certificate)
                    approvals.approve(account, Kind.CERTIFICATE, destination.id, document)
        if find_untrusted_chain(account, destination, facts):
            details = [certificate.to_details() for certificate in facts.chain]
            yield "Validate Certificate", "FAILED", "No trust anchors for this connection", details
            return
        yield "Validate Certificate", "PASSED", "", None


def find_untrusted_key(account: Account, destination: Destination, facts: NetworkFacts) -> HostKey | None:
    """Find the key of the SSH host that waits for an approval. None if the destination sees no such key."""
    key = facts.host_key if destination.is_tunnelled else None
    return None if key is None or _is_approved(account, Kind.FINGERPRINT, destination, key.hash) else key


def find_untrusted_chain(
    account: Account, destination: Destination, facts: NetworkFacts
) -> tuple[Certificate, ...]:
    """Find the certificates that wait for an approval of any of them. Empty if the chain is trusted."""
    # Any certificate of the chain can be the trust anchor: of the server or of its issuer.
    is_trusted = any(
        _is_approved(account, Kind.CERTIFICATE, destination, certificate.hash) for certificate in facts.chain
    )
    return () if is_trusted else facts.chain


def _is_approved(account: Account, kind: Kind, destination: Destination, presented_hash: str) -> bool:
    return approvals.find(account, kind, destination.id, presented_hash) is not None
