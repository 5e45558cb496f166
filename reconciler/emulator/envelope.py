"""Build the envelope of every response, of success and of error: `{code, message?, data?}`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SUCCESS = "Success"
INVALID_INPUT = "InvalidInput"
CONFLICT = "Conflict"


@dataclass(frozen=True, slots=True)
class Reply:
    """Content of a response. The key `data` is left out if None, and `message` if empty.

    `seconds` is the duration of the work before the response.
    """

    status: int
    message: str = ""
    data: Any = None
    code: str = SUCCESS
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def encode(self) -> bytes:
        """Encode the envelope as JSON."""
        envelope: dict[str, Any] = {"code": self.code}
        if self.message:
            envelope["message"] = self.message
        if self.data is not None:
            envelope["data"] = self.data
        return json.dumps(envelope, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


class ErrorReply(Exception):  # noqa: N818 - a response, not an error of the program
    """Error response of a request. All effects of the request are undone."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status} {reply.code}: {reply.message}")
        self.reply = reply


def error_reply(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> ErrorReply:
    """Build an error response."""
    return ErrorReply(Reply(status, message, code=code, headers=headers or {}))


def invalid_input(message: str) -> ErrorReply:
    """Build a 400: the request is invalid."""
    return error_reply(400, INVALID_INPUT, message)


def missing_field(name: str) -> ErrorReply:
    """Build a 400: a required field is missing."""
    return invalid_input(f"Field '{name}' is required")


def invalid_field(name: str) -> ErrorReply:
    """Build a 400: a field has an invalid value."""
    return invalid_input(f"Invalid value of field '{name}'")


def conflict(message: str) -> ErrorReply:
    """Build a 409: the state of the account forbids the request."""
    return error_reply(409, CONFLICT, message)


def not_found(entity: str, identifier: str) -> ErrorReply:
    """Build a 404 with a code for the kind of object, as in `NotFound_Group`."""
    return error_reply(404, f"NotFound_{entity}", f"Cannot find entity '{entity}' with id '{identifier}'")
