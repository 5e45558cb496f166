"""Whether Fivetran believes the servers that a destination leads to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from reconciler.emulator import approvals
from reconciler.emulator.account import Account
from reconciler.emulator.destination import Destination
from reconciler.emulator.store import Kind
from reconciler.emulator.surroundings import Surroundings

TestStatus: TypeAlias = Literal["PASSED", "SKIPPED", "WARNING", "FAILED", "JOB_FAILED"]
Check: TypeAlias = tuple[str, TestStatus, str, Any]
"""Title, status, message and details of a setup test."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a request lets Fivetran approve by itself. Parameters of one run, never kept."""

    certificates: bool = False
    fingerprints: bool = False


def checks(
    account: Account, destination: Destination, met: Surroundings, accepted: Accepted
) -> Iterator[Check]:
    """The tests of identity that a run begins with, up to the first that fails. Approves what the
    request accepts."""
    if met.host_key is not None and destination.tunnelled:
        key = met.host_key
        if accepted.fingerprints and not _approved(account, Kind.FINGERPRINT, destination, key.hash):
            document = approvals.fingerprint_document(key)
            approvals.approve(account, Kind.FINGERPRINT, destination.id, document)
        if not _approved(account, Kind.FINGERPRINT, destination, key.hash):
            yield "SSH Tunnel Connection", "FAILED", "The ssh key might have changed", key.details()
            return
        yield "SSH Tunnel Connection", "PASSED", "", None
    if met.chain:
        if accepted.certificates:
            for certificate in met.chain:
                if not _approved(account, Kind.CERTIFICATE, destination, certificate.hash):
                    document = approvals.certificate_document(certificate)
                    approvals.approve(account, Kind.CERTIFICATE, destination.id, document)
        # Any certificate of the chain can be the anchor: that of the server as well as that of its issuer.
        if not any(_approved(account, Kind.CERTIFICATE, destination, each.hash) for each in met.chain):
            details = [certificate.details() for certificate in met.chain]
            yield "Validate Certificate", "FAILED", "No trust anchors for this connection", details
            return
        yield "Validate Certificate", "PASSED", "", None


def _approved(account: Account, kind: Kind, destination: Destination, presented: str) -> bool:
    return approvals.find(account, kind, destination.id, presented) is not None
