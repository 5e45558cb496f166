"""Read, give and revoke the approvals of certificates and SSH host keys of a destination."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reconciler.api.client import ApprovalList
from reconciler.api.errors import ApiError, Conflict, NotFound, sanitize
from reconciler.kinds.pins import decode_base64, matches_key
from reconciler.model.trust import ApprovedServer, ServerIdentity, ServerKind

if TYPE_CHECKING:
    from reconciler.api import responses
    from reconciler.api.client import Client

_LISTS = {
    ServerKind.CERTIFICATE: ApprovalList.CERTIFICATES,
    ServerKind.FINGERPRINT: ApprovalList.FINGERPRINTS,
}
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_MAX_LENGTH = 1_000


def list_approved(client: Client, destination_id: str, kind: ServerKind) -> tuple[ApprovedServer, ...]:
    """List the approved servers of a kind. A destination that does not exist has none. Raises ApiError."""
    try:
        return read_approved(client, destination_id, kind)
    except NotFound:
        return ()


def read_approved(client: Client, destination_id: str, kind: ServerKind) -> tuple[ApprovedServer, ...]:
    """Read the approved servers of a kind. Raises NotFound if the destination does not exist, and ApiError."""
    items = client.list_approvals(destination_id, _LISTS[kind])
    return tuple(_build_approved(kind, item) for item in items)


def approve(client: Client, destination_id: str, identity: ServerIdentity) -> None:
    """Approve a server. After an error the list decides: the lost answer may have been about a given approval, and a
    second approval may be refused. Raises ApiError if the server is not approved."""
    try:
        client.approve_server(destination_id, _LISTS[identity.kind], build_approval_body(identity))
    except ApiError as error:
        if not (error.is_ambiguous or isinstance(error, Conflict)):
            raise
        approved: tuple[ApprovedServer, ...] = ()
        with suppress(ApiError):
            approved = list_approved(client, destination_id, identity.kind)
        if find_approved(identity, approved) is None:
            raise


def revoke(client: Client, destination_id: str, approved: ApprovedServer) -> None:
    """Revoke an approval. A missing approval counts as revoked. Raises ApiError."""
    with suppress(NotFound):
        client.revoke_server(destination_id, _LISTS[approved.identity.kind], approved.id)


def build_approval_body(identity: ServerIdentity) -> dict[str, str]:
    """Build the body of the request that approves a server."""
    if identity.kind is ServerKind.CERTIFICATE:
        return {"hash": identity.hash, "encoded_cert": identity.certificate}
    return {"hash": identity.hash, "public_key": identity.public_key}


def find_approved(pin: ServerIdentity, approved: Iterable[ApprovedServer]) -> ApprovedServer | None:
    """Find the approval of a pinned or met server; None if it is not approved."""
    return next((server for server in approved if matches_server(pin, server.identity)), None)


def matches_server(pin: ServerIdentity, server: ServerIdentity) -> bool:
    """Check whether a pin is about a server that a test has met, or that is approved."""
    if pin.kind is not server.kind:
        return False
    if pin.kind is ServerKind.FINGERPRINT:
        return matches_key(pin, server)
    return decode_hash(pin.hash) == decode_hash(server.hash)


def decode_hash(text: str) -> bytes:
    """Decode a hash in base64. A text that is no base64 stands for itself."""
    return decode_base64(text) or text.encode()


def finds_other_content(server: ApprovedServer) -> bool:
    """Check whether an approved certificate shows a SHA-256 other than its hash: somebody approved another certificate
    under the hash. Fivetran compares neither. A text that is no SHA-256 proves nothing."""
    is_certificate = server.identity.kind is ServerKind.CERTIFICATE
    return (
        is_certificate
        and _SHA256.fullmatch(server.sha256) is not None
        and bytes.fromhex(server.sha256) != decode_hash(server.identity.hash)
    )


def _build_approved(kind: ServerKind, item: responses.ApprovalItem) -> ApprovedServer:
    raw = item.raw
    key = _get_text(raw, "public_key")
    is_key = kind is ServerKind.FINGERPRINT
    return ApprovedServer(
        ServerIdentity(
            kind,
            hash=sanitize(item.id, _MAX_LENGTH),
            subject="" if is_key else _get_text(raw, "name"),
            public_key=key if is_key else "",
        ),
        id=_get_text(raw, "id") or urlsafe_b64encode(item.id.encode()).decode().rstrip("="),
        approved_by=_get_text(raw, "validated_by"),
        approved_at=_get_text(raw, "validated_date"),
        sha256=_get_text(raw, "sha256"),
    )


def _get_text(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    return sanitize(value, _MAX_LENGTH) if isinstance(value, str) else ""
