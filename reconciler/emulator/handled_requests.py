"""Describe handled requests for an observer, such as the log of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from urllib.parse import quote

from reconciler.emulator.masking import MASK, is_secret_parameter


@dataclass(frozen=True, slots=True)
class HandledRequest:
    """A request, or a connection that broke before its request.

    `target` is the path with the query. Secrets in it are masked, and it may hold any character. `status` is None if
    no response arrives. `note` is the fault that struck, or the reason of an effect without a request.
    """

    at: datetime
    method: str
    target: str
    status: int | None
    seconds: float
    note: str = ""


RequestObserver: TypeAlias = Callable[[HandledRequest], None]


def build_target(path: str, query: Iterable[tuple[str, str]]) -> str:
    """Build the path with its query. Values of parameters that may be secret are masked."""
    parameters = [
        f"{quote(name)}={MASK if is_secret_parameter(name) and value else quote(value, safe='/:,*')}"
        for name, value in query
    ]
    return f"{path}?{'&'.join(parameters)}" if parameters else path
