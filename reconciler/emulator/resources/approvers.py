"""What approving a certificate and approving a fingerprint have in common."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import Reply, required
from reconciler.emulator.intake import text
from reconciler.emulator.resources import connections, destinations


def approved(account: Account, message: str, approval: dict[str, Any]) -> Reply:
    """201 as clients of Fivetran insist on, or 200 as its documentation has it."""
    if account.behaviour.approval_status == "created":
        return Reply(201, message, approval, account.behaviour.created_code)
    return Reply(200, message, approval)


def trusting_object(account: Account, call: Call) -> str | None:
    """The destination that a body of the old form names. None where it names a connection: nothing
    here ever tests one, so its approvals are not kept. 404 where neither exists."""
    destination_id = text(call.body, "destination_id")
    if destination_id:
        destinations.existing(account, destination_id)
        return destination_id
    connection_id = text(call.body, "connection_id")
    if not connection_id:
        raise required("destination_id")
    connections.existing(account, connection_id)
    return None
