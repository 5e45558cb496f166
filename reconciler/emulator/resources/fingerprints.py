"""`/v1/destinations/…/fingerprints`: the SSH host keys that a destination trusts."""

from __future__ import annotations

from typing import Any

from reconciler.emulator import approvals
from reconciler.emulator.account import Account
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import Reply, not_found
from reconciler.emulator.intake import required_text
from reconciler.emulator.key_material import HostKey
from reconciler.emulator.paging import page
from reconciler.emulator.resources import destinations
from reconciler.emulator.resources.approvers import approved, trusting_object
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind


def list_of_destination(account: Account, call: Call) -> Reply:
    """Everything that is approved."""
    destinations.existing(account, call.id)
    items, onward = page(account, call, Kind.FINGERPRINT, parent=call.id)
    return Reply(200, "Destination fingerprints retrieved successfully", {"items": items, **onward})


def approve(account: Account, call: Call) -> Reply:
    """Trust a host key. Neither its form nor its hash is checked."""
    destinations.existing(account, call.id)
    approval = approvals.approve(account, Kind.FINGERPRINT, call.id, _document(call))
    return approved(account, "The fingerprint has been approved.", approval)


def approve_anywhere(account: Account, call: Call) -> Reply:
    """The old form of approval, for a destination or a connection. Its answer has no data."""
    document = _document(call)
    destination_id = trusting_object(account, call)
    if destination_id is not None:
        approvals.approve(account, Kind.FINGERPRINT, destination_id, document)
    return Reply(200, "The fingerprint has been approved")


def show(account: Account, call: Call) -> Reply:
    """One approved fingerprint."""
    return Reply(200, "Destination fingerprint details retrieved successfully", _approved(account, call))


def revoke(account: Account, call: Call) -> Reply:
    """Trust a host key no longer."""
    approved_hash = _approved(account, call)["hash"]
    approvals.revoke(account, Kind.FINGERPRINT, call.id, approved_hash)
    message = f"Fingerprint with hash = '{approved_hash}' has been revoked for destination id = '{call.id}'"
    return Reply(200, message)


def _document(call: Call) -> dict[str, Any]:
    given_hash = required_text(call.body, "hash")
    key = HostKey(required_text(call.body, "public_key"))
    return approvals.fingerprint_document(key, given_hash)


def _approved(account: Account, call: Call) -> dict[str, Any]:
    destinations.existing(account, call.id)
    approval = approvals.find(account, Kind.FINGERPRINT, call.id, call.arguments["hash"])
    if approval is None:
        raise not_found("Fingerprint", call.arguments["hash"])
    return approval


ROUTES = (
    Route("GET", "/v1/destinations/<id>/fingerprints", list_of_destination),
    Route("POST", "/v1/destinations/<id>/fingerprints", approve),
    Route("GET", "/v1/destinations/<id>/fingerprints/<anything:hash>", show),
    Route("DELETE", "/v1/destinations/<id>/fingerprints/<anything:hash>", revoke),
    Route("POST", "/v1/fingerprints", approve_anywhere),
)
