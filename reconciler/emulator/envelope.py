"""The envelope of every answer, good or bad: `{code, message?, data?}`."""

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
    """One answer. Without `data` the key is left out, and so is an empty `message`.

    `seconds` is how long Fivetran works on it before it answers.
    """

    status: int
    message: str = ""
    data: Any = None
    code: str = SUCCESS
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def encode(self) -> bytes:
        """The JSON text of the envelope."""
        envelope: dict[str, Any] = {"code": self.code}
        if self.message:
            envelope["message"] = self.message
        if self.data is not None:
            envelope["data"] = self.data
        return json.dumps(envelope, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


class ErrorReply(Exception):  # noqa: N818 - an answer, not a fault of the program
    """A request is answered with an error, and whatever it did so far is undone."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status} {reply.code}: {reply.message}")
        self.reply = reply


def error_reply(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> ErrorReply:
    """Any error answer."""
    return ErrorReply(Reply(status, message, code=code, headers=headers or {}))


def invalid_input(message: str) -> ErrorReply:
    """400: something in the request does not hold."""
    return error_reply(400, INVALID_INPUT, message)


def missing_field(name: str) -> ErrorReply:
    """400: a field must be there."""
    return invalid_input(f"Field '{name}' is required")


def invalid_field(name: str) -> ErrorReply:
    """400: a field has a value that cannot be read."""
    return invalid_input(f"Invalid value of field '{name}'")


def conflict(message: str) -> ErrorReply:
    """409: the state of the account does not allow it."""
    return error_reply(409, CONFLICT, message)


def not_found(entity: str, identifier: str) -> ErrorReply:
    """404 with a code of its own for each kind of object, as in `NotFound_Group`."""
    return error_reply(404, f"NotFound_{entity}", f"Cannot find entity '{entity}' with id '{identifier}'")
