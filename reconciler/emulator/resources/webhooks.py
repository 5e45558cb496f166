"""Handle `/v1/webhooks`: webhooks of the account or of a group. The emulator sends no events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import ErrorReply, Reply, error_reply, invalid_field, missing_field
from reconciler.emulator.masking import MASK
from reconciler.emulator.request_parsing import parse_flag, parse_text, require_text
from reconciler.emulator.resources import groups
from reconciler.emulator.resources.collection import Collection
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind


def _build_missing_error(account: Account, identifier: str) -> ErrorReply:
    return error_reply(404, "NotFound", f"Webhook with id '{identifier}' not found")


_WEBHOOKS = Collection(Kind.WEBHOOK, "Webhooks retrieved successfully", _build_missing_error)
require = _WEBHOOKS.require


def create_for_account(account: Account, request: ApiRequest) -> Reply:
    """Create a webhook of the whole account."""
    return Reply(200, "Account webhook has been created", _create(account, request, None))


def create_for_group(account: Account, request: ApiRequest) -> Reply:
    """Create a webhook of a group."""
    groups.require(account, request.id)
    return Reply(200, "Group webhook has been created", _create(account, request, request.id))


def update(account: Account, request: ApiRequest) -> Reply:
    """Change the fields of a webhook that the request has."""
    webhook = require(account, request.id)
    webhook["url"] = parse_text(request.body, "url") or webhook["url"]
    webhook["events"] = _parse_events(request) or webhook["events"]
    webhook["active"] = parse_flag(request.body, "active", webhook["active"])
    if parse_text(request.body, "secret") is not None:
        webhook["secret"] = MASK
    account.store.replace(Kind.WEBHOOK, request.id, webhook)
    account.record_effect("updated", Kind.WEBHOOK, request.id)
    return Reply(200, "Webhook has been updated", webhook)


def delete(account: Account, request: ApiRequest) -> Reply:
    """Delete a webhook."""
    require(account, request.id)
    account.delete(Kind.WEBHOOK, request.id)
    return Reply(200, f"Webhook with id '{request.id}' has been deleted")


def test(account: Account, request: ApiRequest) -> Reply:
    """Test a webhook. The test fails, since the emulator calls no other server."""
    require(account, request.id)
    require_text(request.body, "event")
    data = {"succeed": False, "status": 0, "message": "The emulator sends no events"}
    return Reply(200, "Webhook test completed successfully", data)


def add_webhook(
    account: Account, url: str, events: Sequence[str], group_id: str | None, *, active: bool = True
) -> dict[str, Any]:
    """Add a webhook to the account, of one group or of all. Its secret is not kept."""
    identifier = account.new_id(Kind.WEBHOOK)
    webhook: dict[str, Any] = {
        "id": identifier,
        "type": "account" if group_id is None else "group",
        "url": url,
        "events": list(events),
        "active": active,
        "secret": MASK,
        "created_at": account.now(),
        "created_by": account.identity.user_id,
    }
    if group_id is not None:
        webhook["group_id"] = group_id
    account.store.add(Kind.WEBHOOK, identifier, webhook, parent=group_id or "")
    return webhook


def _create(account: Account, request: ApiRequest, group_id: str | None) -> dict[str, Any]:
    url, events = require_text(request.body, "url"), _parse_events(request)
    if not events:
        raise missing_field("events")
    active = parse_flag(request.body, "active", True)
    webhook = add_webhook(account, url, events, group_id, active=active)
    account.record_effect("created", Kind.WEBHOOK, webhook["id"])
    return webhook


def _parse_events(request: ApiRequest) -> list[str]:
    """Parse the events, empty if absent. Raises a 400."""
    events = request.body.get("events") or []
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        raise invalid_field("events")
    return events


ROUTES = (
    *_WEBHOOKS.build_routes(),
    Route("POST", "/v1/webhooks/account", create_for_account),
    Route("POST", "/v1/webhooks/group/<id>", create_for_group),
    Route("PATCH", "/v1/webhooks/<id>", update),
    Route("DELETE", "/v1/webhooks/<id>", delete),
    Route("POST", "/v1/webhooks/<id>/test", test),
)
