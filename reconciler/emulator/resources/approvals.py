"""Handle `…/certificates` and `…/fingerprints`: approved servers of a destination or a connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from reconciler.emulator import approvals
from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import Reply, missing_field, not_found
from reconciler.emulator.key_material import HostKey, read_certificate
from reconciler.emulator.paging import list_page
from reconciler.emulator.request_parsing import parse_text, require_text
from reconciler.emulator.resources import connections, destinations
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind


@dataclass(frozen=True, slots=True)
class ApprovalResource:
    """Endpoints of one kind of approvals, for destinations by default.

    `field` is the key of the certificate or host key in a request. `build_document` builds an approval from its
    value and the hash beside it. `revoked` is the message of a revocation, with `{hash}` and `{id}`. `owner` is the
    kind of object that the approvals belong to. `require_owner` raises the 404 of such an object.
    """

    kind: Kind
    field: str
    build_document: Callable[[str, str], dict[str, Any]]
    revoked: str
    owner: Kind = Kind.DESTINATION
    require_owner: Callable[[Account, str], Any] = destinations.require

    def build_routes(self) -> tuple[Route, ...]:
        """Build the routes: list, approve, show and revoke."""
        approvals_path = f"/v1/{self.owner}s/<id>/{self.kind}s"
        return (
            Route("GET", approvals_path, self.list_of_owner),
            Route("POST", approvals_path, self.approve),
            Route("GET", f"{approvals_path}/<anything:hash>", self.show),
            Route("DELETE", f"{approvals_path}/<anything:hash>", self.revoke),
        )

    def list_of_owner(self, account: Account, call: ApiRequest) -> Reply:
        """List all approvals of a destination or connection."""
        self.require_owner(account, call.id)
        items, onward = list_page(account, call, self.kind, parent=self._get_owner_key(call))
        message = f"{self.owner.title()} {self.kind}s retrieved successfully"
        return Reply(200, message, {"items": items, **onward})

    def approve(self, account: Account, call: ApiRequest) -> Reply:
        """Approve a certificate or a host key. Neither its form nor its hash is checked."""
        self.require_owner(account, call.id)
        approval = approvals.approve(account, self.kind, self._get_owner_key(call), self._read(call))
        message = f"The {self.kind} has been approved."
        # Clients of Fivetran require 201, its documentation has 200.
        if account.behaviour.approval_status == "created":
            return Reply(201, message, approval, account.behaviour.created_code)
        return Reply(200, message, approval)

    def approve_anywhere(self, account: Account, call: ApiRequest) -> Reply:
        """Approve in the old form, for a destination or a connection. The response has no data."""
        document = self._read(call)
        approvals.approve(account, self.kind, _require_named_owner(account, call), document)
        return Reply(200, f"The {self.kind} has been approved")

    def show(self, account: Account, call: ApiRequest) -> Reply:
        """Show an approval."""
        approval = self._require(account, call)
        return Reply(200, f"{self.owner.title()} {self.kind} details retrieved successfully", approval)

    def revoke(self, account: Account, call: ApiRequest) -> Reply:
        """Revoke an approval."""
        approved_hash = self._require(account, call)["hash"]
        approvals.revoke(account, self.kind, self._get_owner_key(call), approved_hash)
        return Reply(200, self.revoked.format(hash=approved_hash, id=call.id))

    def _get_owner_key(self, call: ApiRequest) -> str:
        return approvals.build_connection_key(call.id) if self.owner is Kind.CONNECTION else call.id

    def _read(self, call: ApiRequest) -> dict[str, Any]:
        given_hash = require_text(call.body, "hash")
        return self.build_document(require_text(call.body, self.field), given_hash)

    def _require(self, account: Account, call: ApiRequest) -> dict[str, Any]:
        self.require_owner(account, call.id)
        approval = approvals.find(account, self.kind, self._get_owner_key(call), call.arguments["hash"])
        if approval is None:
            raise not_found(self.kind.title(), call.arguments["hash"])
        return approval


def _require_named_owner(account: Account, call: ApiRequest) -> str:
    """Get the owner in a request of the old form, a destination or a connection. Raises a 404 if it does not exist."""
    destination_id = parse_text(call.body, "destination_id")
    if destination_id:
        destinations.require(account, destination_id)
        return destination_id
    connection_id = parse_text(call.body, "connection_id")
    if not connection_id:
        raise missing_field("destination_id")
    connections.require(account, connection_id)
    return approvals.build_connection_key(connection_id)


CERTIFICATES = ApprovalResource(
    kind=Kind.CERTIFICATE,
    field="encoded_cert",
    build_document=lambda encoded, given_hash: approvals.build_certificate(
        read_certificate(encoded), given_hash
    ),
    revoked="Certificate '{hash}' has been revoked for destination '{id}'",
)
FINGERPRINTS = ApprovalResource(
    kind=Kind.FINGERPRINT,
    field="public_key",
    # The hash of the client wins here as well.
    build_document=lambda line, given_hash: approvals.build_fingerprint(HostKey(given_hash, line)),
    revoked="Fingerprint with hash = '{hash}' has been revoked for destination id = '{id}'",
)
CONNECTION_CERTIFICATES = replace(
    CERTIFICATES,
    revoked="Certificate '{hash}' has been revoked for connection '{id}'",
    owner=Kind.CONNECTION,
    require_owner=connections.require,
)
CONNECTION_FINGERPRINTS = replace(
    FINGERPRINTS,
    revoked="Fingerprint with hash '{hash}' has been revoked for connection with id '{id}'",
    owner=Kind.CONNECTION,
    require_owner=connections.require,
)

ROUTES = (
    *CERTIFICATES.build_routes(),
    *FINGERPRINTS.build_routes(),
    *CONNECTION_CERTIFICATES.build_routes(),
    *CONNECTION_FINGERPRINTS.build_routes(),
    Route("POST", "/v1/certificates", CERTIFICATES.approve_anywhere),
    Route("POST", "/v1/fingerprints", FINGERPRINTS.approve_anywhere),
)
