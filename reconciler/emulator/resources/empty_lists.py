"""Handle lists of objects that the emulator does not keep. They are empty, and objects cannot be created."""

from __future__ import annotations

from functools import partial

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import Reply
from reconciler.emulator.paging import slice_page
from reconciler.emulator.routes import Route

_MESSAGES = {
    "/v1/external-logging": "External logging services retrieved successfully",
    "/v1/system-keys": "System keys retrieved successfully",
    "/v1/transformation-projects": "Transformation projects retrieved successfully",
    "/v1/transformations": "Transformations list retrieved successfully",
}


def list_nothing(message: str, account: Account, request: ApiRequest) -> Reply:
    """List no objects. Raises a 400 for an invalid limit or cursor."""
    items, next_cursor = slice_page(account, request, [])
    return Reply(200, message, {"items": items, **next_cursor})


ROUTES = tuple(Route("GET", path, partial(list_nothing, message)) for path, message in _MESSAGES.items())
