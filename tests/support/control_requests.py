"""Send control requests to an emulated account."""

from __future__ import annotations

import json
from typing import Any

from emulated_account import EmulatedAccount

LOCAL_HOST = {"Host": "127.0.0.1:8228"}


def send_control(
    account: EmulatedAccount, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    """Send a control request, text as it is and other bodies as JSON. Returns the status and the parsed response."""
    sent = body if body is None or isinstance(body, str) else json.dumps(body)
    answer = account.send_raw(
        method,
        f"/_emulator{path}",
        headers={**LOCAL_HOST, **headers},
        data=sent,
        content_type="application/json",
    )
    return answer.status_code, answer.json


def control(account: EmulatedAccount, method: str, path: str, body: Any = None) -> Any:
    """Send a control request that must succeed. Returns the parsed response."""
    status, document = send_control(account, method, path, body)
    assert status == 200, document
    return document
