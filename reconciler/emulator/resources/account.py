"""`/v1/account`: who the credentials belong to."""

from __future__ import annotations

from dataclasses import asdict

from reconciler.emulator.account import Account
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import Reply
from reconciler.emulator.routes import Route


def show(account: Account, call: Call) -> Reply:
    """The account and the user of the key."""
    return Reply(200, "Account information retrieved successfully", asdict(account.identity))


ROUTES = (Route("GET", "/v1/account/info", show),)
