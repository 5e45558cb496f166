"""What a destination trusts: approved certificates and fingerprints of SSH host keys."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.envelope import conflict
from reconciler.emulator.key_material import Certificate, HostKey
from reconciler.emulator.store import Kind


def certificate_document(certificate: Certificate, given_hash: str | None = None) -> dict[str, Any]:
    """An approved certificate. Its hash is whatever the client calls it: Fivetran does not compare."""
    return {
        "name": certificate.name,
        "hash": given_hash or certificate.hash,
        "type": "TLS",
        "sha1": certificate.sha1,
        "sha256": certificate.sha256,
        "public_key": certificate.public_key,
    }


def fingerprint_document(key: HostKey, given_hash: str | None = None) -> dict[str, Any]:
    """An approved fingerprint; of its hash holds the same."""
    return {"hash": given_hash or key.hash, "public_key": key.public_key}


def approve(account: Account, kind: Kind, destination_id: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Trust from now on what the document tells. The approval, an earlier one of the same hash
    where there is one."""
    identifier = _identifier(document["hash"])
    known = find(account, kind, destination_id, identifier)
    if known is not None:
        if account.behaviour.repeated_approval == "conflict":
            raise conflict(f"Hash '{document['hash']}' has already been approved")
        return known
    approval = {
        "id": identifier,
        **document,
        "validated_date": account.now(),
        "validated_by": _approver(account),
    }
    key = _key(destination_id, document["hash"])
    account.store.add(kind, key, approval, parent=destination_id, label=identifier)
    account.note("approved", kind, key)
    return approval


def find(account: Account, kind: Kind, destination_id: str, name: str) -> dict[str, Any] | None:
    """The approval of a hash, which may also be named by its id, the base64url form of the hash."""
    by_hash = account.store.find(kind, _key(destination_id, name))
    if by_hash is not None:
        return by_hash
    found = account.store.listed(kind, limit=1, parent=destination_id, label=name.rstrip("="))
    return found[0] if found else None


def revoke(account: Account, kind: Kind, destination_id: str, approved_hash: str) -> None:
    """Trust something no longer."""
    key = _key(destination_id, approved_hash)
    account.store.remove(kind, key)
    account.note("revoked", kind, key)


def forget_all(account: Account, destination_id: str) -> None:
    """Drop the approvals of a destination that goes away."""
    for kind in (Kind.CERTIFICATE, Kind.FINGERPRINT):
        account.store.remove_children(kind, destination_id)


def _key(destination_id: str, approved_hash: str) -> str:
    return f"{destination_id}/{approved_hash}"


def _identifier(approved_hash: str) -> str:
    return urlsafe_b64encode(approved_hash.encode()).decode().rstrip("=")


def _approver(account: Account) -> str:
    if account.behaviour.approver == "user-id":
        return account.identity.user_id
    owner = account.owner
    return f"{owner['given_name']} {owner['family_name']}"
