"""Slice lists into pages by `limit` and `cursor`. A cursor is unpadded base64 of `{"skip":N}`, opaque to clients."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from reconciler.emulator import visibility
from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import invalid_input
from reconciler.emulator.store import Kind, Order
from reconciler.emulator.switches import Behaviour

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
_MAX_SKIP = 2**31


def list_page(
    account: Account, request: ApiRequest, kind: Kind, *, parent: str | None = None, label: str | None = None
) -> tuple[list[dict[str, Any]], dict[str, str | None]]:
    """List the documents of the requested page, with the `next_cursor` entry of the response.

    Raises a 400 for an invalid limit or cursor.
    """
    limit, skip = _parse_position(account, request)
    order = Order(account.behaviour.list_order)
    # Hidden documents must not leave gaps in a page, so the pages of a restricted key are cut after filtering.
    if visibility.is_restricted(account, kind):
        all_documents = account.store.list_documents(kind, parent=parent, label=label, order=order)
        return slice_page(account, request, visibility.filter_visible(account, kind, all_documents))
    # One document more than the page: it shows whether another page follows.
    documents = account.store.list_documents(
        kind, skip=skip, limit=limit + 1, parent=parent, label=label, order=order
    )
    return documents[:limit], _build_next_cursor(account, skip + limit, more=len(documents) > limit)


def slice_page(
    account: Account, request: ApiRequest, items: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, str | None]]:
    """Slice the requested page out of a list that is not stored as documents. Returns and raises as `list_page`."""
    limit, skip = _parse_position(account, request)
    return list(items[skip : skip + limit]), _build_next_cursor(
        account, skip + limit, more=len(items) > skip + limit
    )


def _parse_position(account: Account, request: ApiRequest) -> tuple[int, int]:
    return _parse_limit(request, account.behaviour), _parse_cursor(request.query.get("cursor"))


def _build_next_cursor(account: Account, skip: int, *, more: bool) -> dict[str, str | None]:
    if more:
        return {"next_cursor": encode_cursor(skip)}
    return {"next_cursor": None} if account.behaviour.last_page == "null" else {}


def encode_cursor(skip: int) -> str:
    """Encode the cursor that skips this many items."""
    return urlsafe_b64encode(b'{"skip":%d}' % skip).decode().rstrip("=")


def _parse_limit(request: ApiRequest, behaviour: Behaviour) -> int:
    text = request.query.get("limit")
    if not text:
        return DEFAULT_LIMIT
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    if not (digits.isascii() and digits.isdigit()):
        raise invalid_input("Query parameter 'limit' must be a number")
    limit = sign * int(digits[:9])
    if 1 <= limit <= MAX_LIMIT:
        return limit
    if behaviour.limit_out_of_range == "clamped":
        return min(max(limit, 1), MAX_LIMIT)
    raise invalid_input(f"Query parameter 'limit' must be between 1 and {MAX_LIMIT}")


def _parse_cursor(text: str | None) -> int:
    if not text:
        return 0
    try:
        position = json.loads(urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)))
        skip = position["skip"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise invalid_input("Query parameter 'cursor' is invalid") from error
    if isinstance(skip, bool) or not isinstance(skip, int) or not 0 <= skip < _MAX_SKIP:
        raise invalid_input("Query parameter 'cursor' is invalid")
    return skip
