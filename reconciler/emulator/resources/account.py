"""`/v1/account`: who the credentials belong to."""

from __future__ import annotations

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import Reply
from reconciler.emulator.ids import generate_id
from reconciler.emulator.routes import Route


def show(account: Account, request: ApiRequest) -> Reply:
    """The account, and the user of the key or the key itself."""
    identity = account.identity
    data = {"account_id": identity.account_id, "account_name": identity.account_name}
    if account.behaviour.key_kind == "system":
        data["system_key_id"] = generate_id(identity.account_id, "system-key")
    else:
        data["user_id"] = identity.user_id
    return Reply(200, "Account information retrieved successfully", data)


ROUTES = (Route("GET", "/v1/account/info", show),)
