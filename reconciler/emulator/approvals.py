"""Approve and revoke certificates and fingerprints of SSH host keys, of a destination or a connection.

The owner of an approval is the id of a destination, or the key of a connection.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.envelope import conflict
from reconciler.emulator.key_material import Certificate, HostKey
from reconciler.emulator.store import Kind


def build_certificate(certificate: Certificate, given_hash: str | None = None) -> dict[str, Any]:
    """Build an approved certificate. The hash of the client wins: Fivetran does not compare it."""
    return {
        "name": certificate.name,
        "hash": given_hash or certificate.hash,
        "type": "TLS",
        "sha1": certificate.sha1,
        "sha256": certificate.sha256,
        "public_key": certificate.public_key,
    }


def build_fingerprint(key: HostKey) -> dict[str, Any]:
    """Build an approved fingerprint."""
    return {"hash": key.hash, "public_key": key.public_key}


def build_connection_key(connection_id: str) -> str:
    """Build the key of a connection as an owner. Its id may be the id of a destination, too."""
    return f"connection/{connection_id}"


def approve(
    account: Account,
    kind: Kind,
    owner: str,
    document: Mapping[str, Any],
    *,
    approved_at: str | None = None,
) -> dict[str, Any]:
    """Approve a certificate or fingerprint and return the approval, now or at another time.

    A hash that is already approved keeps its earlier approval; the switch `repeated_approval` may ask for a
    409.
    """
    identifier = _encode_hash(document["hash"])
    existing = find(account, kind, owner, identifier)
    if existing is not None:
        if account.behaviour.repeated_approval == "conflict":
            raise conflict(f"Hash '{document['hash']}' has already been approved")
        return existing
    approval = {
        "id": identifier,
        **document,
        "validated_date": approved_at or account.now(),
        "validated_by": _format_approver(account),
    }
    key = _build_key(owner, document["hash"])
    account.store.add(kind, key, approval, parent=owner, label=identifier)
    account.record_effect("approved", kind, key)
    return approval


def find(account: Account, kind: Kind, owner: str, name: str) -> dict[str, Any] | None:
    """Find an approval by its hash, or by its id, the base64url form of the hash. None if the hash is not approved."""
    by_hash = account.store.find(kind, _build_key(owner, name))
    if by_hash is not None:
        return by_hash
    approvals = account.store.list_documents(kind, limit=1, parent=owner, label=name.rstrip("="))
    return approvals[0] if approvals else None


def revoke(account: Account, kind: Kind, owner: str, approved_hash: str) -> None:
    """Revoke the approval of a hash."""
    key = _build_key(owner, approved_hash)
    account.store.remove(kind, key)
    account.record_effect("revoked", kind, key)


def remove_all(account: Account, owner: str) -> None:
    """Remove the approvals of a destination or connection that is deleted."""
    for kind in (Kind.CERTIFICATE, Kind.FINGERPRINT):
        account.store.remove_documents(kind, parent=owner)


def _build_key(owner: str, approved_hash: str) -> str:
    return f"{owner}/{approved_hash}"


def _encode_hash(approved_hash: str) -> str:
    return urlsafe_b64encode(approved_hash.encode()).decode().rstrip("=")


def _format_approver(account: Account) -> str:
    if account.behaviour.approver == "user-id":
        return account.identity.user_id
    owner = account.owner
    return f"{owner['given_name']} {owner['family_name']}"
