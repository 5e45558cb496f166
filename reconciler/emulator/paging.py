"""Pages by `limit` and `cursor`. A cursor is unpadded base64 of `{"skip":N}`, opaque to clients."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.behaviour import Behaviour
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import invalid_input
from reconciler.emulator.store import Kind

DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1000
_FURTHEST = 2**31


def page(
    account: Account, call: Call, kind: Kind, *, parent: str | None = None, label: str | None = None
) -> tuple[list[dict[str, Any]], dict[str, str | None]]:
    """The documents of the page that a call asks for, and the key that leads on: to the next page,
    or to none. 400 for a limit or a cursor that cannot be."""
    limit = _limit(call, account.behaviour)
    skip = _skip(call.query.get("cursor"))
    found = account.store.listed(kind, skip=skip, limit=limit + 1, parent=parent, label=label)
    if len(found) > limit:
        return found[:limit], {"next_cursor": cursor(skip + limit)}
    return found, {"next_cursor": None} if account.behaviour.last_page == "null" else {}


def cursor(skip: int) -> str:
    """The cursor behind so many items."""
    return urlsafe_b64encode(b'{"skip":%d}' % skip).decode().rstrip("=")


def _limit(call: Call, behaviour: Behaviour) -> int:
    text = call.query.get("limit")
    if not text:
        return DEFAULT_LIMIT
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    if not (digits.isascii() and digits.isdigit()):
        raise invalid_input("Query parameter 'limit' must be a number")
    limit = sign * int(digits[:9])
    if 1 <= limit <= LARGEST_LIMIT:
        return limit
    if behaviour.limit_out_of_range == "clamped":
        return min(max(limit, 1), LARGEST_LIMIT)
    raise invalid_input(f"Query parameter 'limit' must be between 1 and {LARGEST_LIMIT}")


def _skip(text: str | None) -> int:
    if not text:
        return 0
    try:
        position = json.loads(urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)))
        skip = position["skip"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise invalid_input("Query parameter 'cursor' is invalid") from error
    if isinstance(skip, bool) or not isinstance(skip, int) or not 0 <= skip < _FURTHEST:
        raise invalid_input("Query parameter 'cursor' is invalid")
    return skip
