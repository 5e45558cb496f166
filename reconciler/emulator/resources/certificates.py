"""`/v1/destinations/…/certificates`: the TLS certificates that a destination trusts."""

from __future__ import annotations

from typing import Any

from reconciler.emulator import approvals
from reconciler.emulator.account import Account
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import Reply, not_found
from reconciler.emulator.intake import required_text
from reconciler.emulator.key_material import read_certificate
from reconciler.emulator.paging import page
from reconciler.emulator.resources import destinations
from reconciler.emulator.resources.approvers import approved, trusting_object
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind


def list_of_destination(account: Account, call: Call) -> Reply:
    """Everything that is approved."""
    destinations.existing(account, call.id)
    items, onward = page(account, call, Kind.CERTIFICATE, parent=call.id)
    return Reply(200, "Destination certificates retrieved successfully", {"items": items, **onward})


def approve(account: Account, call: Call) -> Reply:
    """Trust a certificate. Neither its form nor its hash is checked."""
    destinations.existing(account, call.id)
    approval = approvals.approve(account, Kind.CERTIFICATE, call.id, _document(call))
    return approved(account, "The certificate has been approved.", approval)


def approve_anywhere(account: Account, call: Call) -> Reply:
    """The old form of approval, for a destination or a connection. Its answer has no data."""
    document = _document(call)
    destination_id = trusting_object(account, call)
    if destination_id is not None:
        approvals.approve(account, Kind.CERTIFICATE, destination_id, document)
    return Reply(200, "The certificate has been approved")


def show(account: Account, call: Call) -> Reply:
    """One approved certificate."""
    return Reply(200, "Destination certificate details retrieved successfully", _approved(account, call))


def revoke(account: Account, call: Call) -> Reply:
    """Trust a certificate no longer."""
    approved_hash = _approved(account, call)["hash"]
    approvals.revoke(account, Kind.CERTIFICATE, call.id, approved_hash)
    return Reply(200, f"Certificate '{approved_hash}' has been revoked for destination '{call.id}'")


def _document(call: Call) -> dict[str, Any]:
    given_hash = required_text(call.body, "hash")
    certificate = read_certificate(required_text(call.body, "encoded_cert"))
    return approvals.certificate_document(certificate, given_hash)


def _approved(account: Account, call: Call) -> dict[str, Any]:
    destinations.existing(account, call.id)
    approval = approvals.find(account, Kind.CERTIFICATE, call.id, call.arguments["hash"])
    if approval is None:
        raise not_found("Certificate", call.arguments["hash"])
    return approval


ROUTES = (
    Route("GET", "/v1/destinations/<id>/certificates", list_of_destination),
    Route("POST", "/v1/destinations/<id>/certificates", approve),
    Route("GET", "/v1/destinations/<id>/certificates/<anything:hash>", show),
    Route("DELETE", "/v1/destinations/<id>/certificates/<anything:hash>", revoke),
    Route("POST", "/v1/certificates", approve_anywhere),
)
