"""Remember the answers to GET requests, so that a second reader of the account sends nothing and sees the same."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TypeAlias

from reconciler.api.errors import ApiError
from reconciler.api.transport import Request, Response, Sender

_RequestKey: TypeAlias = tuple[str, tuple[tuple[str, str], ...], str]


@dataclass(frozen=True, slots=True)
class RememberingSender:
    """Sender that sends each GET request once and remembers its answer or error. Safe to share between threads.

    Other requests raise RuntimeError: a reader never writes.
    """

    sender: Sender
    _answers: dict[_RequestKey, Response | ApiError] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, request: Request) -> Response:
        """Return the remembered answer to a GET request, or send it. Raises `ApiError`s, remembered errors too."""
        if request.method != "GET":
            raise RuntimeError(f"a run that only reads does not send {request.method}")
        key = (request.path, tuple(sorted(request.query.items())), request.accept)
        with self._lock:
            remembered = self._answers.get(key)
        answer = self._fetch(request) if remembered is None else remembered
        with self._lock:
            self._answers[key] = answer
        if isinstance(answer, ApiError):
            raise answer
        return answer

    def _fetch(self, request: Request) -> Response | ApiError:
        try:
            return self.sender.send(request)
        except ApiError as error:
            return error
