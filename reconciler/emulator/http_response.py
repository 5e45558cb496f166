"""Build HTTP responses: status, headers and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from reconciler.emulator.envelope import Reply

JSON_TYPE = "application/json;charset=UTF-8"
HTML_TYPE = "text/html;charset=UTF-8"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response of the server. The Content-Length is the size of `body` unless `headers` override it."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE

    @property
    def status_line(self) -> str:
        """Return status and phrase, as in `404 NOT FOUND`.

        Statuses that only proxies use have the phrase `Unknown`.
        """
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return f"{self.status} Unknown"

    def build_headers(self) -> list[tuple[str, str]]:
        """Build all headers in the form of WSGI."""
        fixed = {
            "Content-Type": self.content_type,
            "Content-Length": str(len(self.body)),
            "Server": "nginx",
            "Cache-Control": "no-store",
        }
        return list({**fixed, **self.headers}.items())


def encode_reply(reply: Reply) -> HttpResponse:
    """Encode a reply as a response without faults."""
    return HttpResponse(reply.status, reply.encode(), reply.headers)
