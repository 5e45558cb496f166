"""Handle `/v1/account`: the account of the credentials."""

from __future__ import annotations

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import Reply
from reconciler.emulator.ids import generate_id
from reconciler.emulator.routes import Route


def show(account: Account, request: ApiRequest) -> Reply:
    """Show the account, with the user of the key or the id of a system key."""
    identity = account.identity
    data = {"account_id": identity.account_id, "account_name": identity.account_name}
    if account.behaviour.key_kind == "system":
        data["system_key_id"] = generate_id(identity.account_id, "system-key")
    else:
        data["user_id"] = identity.user_id
    return Reply(200, "Account information retrieved successfully", data)


ROUTES = (Route("GET", "/v1/account/info", show),)
