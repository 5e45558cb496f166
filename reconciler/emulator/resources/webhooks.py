"""`/v1/webhooks`: to be read only. Webhooks are made in the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import Reply, not_found
from reconciler.emulator.paging import page
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind


def list_all(account: Account, call: Call) -> Reply:
    """All webhooks, those of the account and those of groups."""
    items, onward = page(account, call, Kind.WEBHOOK)
    return Reply(200, "Webhooks retrieved successfully", {"items": items, **onward})


def show(account: Account, call: Call) -> Reply:
    """One webhook."""
    webhook = account.store.find(Kind.WEBHOOK, call.id)
    if webhook is None:
        raise not_found("Webhook", call.id)
    return Reply(200, "Webhook details retrieved successfully", webhook)


def add(account: Account, url: str, events: Sequence[str], group_id: str | None) -> str:
    """Put a webhook into the account, for one group or for all; the id."""
    identifier = account.new_id(Kind.WEBHOOK)
    webhook: dict[str, Any] = {
        "id": identifier,
        "type": "account" if group_id is None else "group",
        "url": url,
        "events": list(events),
        "active": True,
        "secret": "******",
        "created_at": account.now(),
        "created_by": account.identity.user_id,
    }
    if group_id is not None:
        webhook["group_id"] = group_id
    account.store.add(Kind.WEBHOOK, identifier, webhook)
    return identifier


ROUTES = (
    Route("GET", "/v1/webhooks", list_all),
    Route("GET", "/v1/webhooks/<id>", show),
)
